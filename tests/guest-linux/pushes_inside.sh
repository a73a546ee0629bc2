#!/bin/bash
# SPDX-License-Identifier: MIT
# pushes_inside.sh WORK KERNEL: of pushes.sh, inside the bench: runs the guest, and gives it modules.
# Each answer is a line "lichen-push: NAME STATUS ANSWER".
work=$1 kernel=$2
lichen=$LICHEN_BUILD/lichen
export LICHEN_RUNTIME_DIR=/tmp/run
mkdir -p $LICHEN_RUNTIME_DIR
touch /tmp/log
"$lichen" run "$work/linux.yaml" --set boot.kernel="$kernel" --set boot.initrd="$work/initrd.gz" \
	--set cpus=2 --set "boot.cmdline=console=ttyS0 quiet lichen.run=after" \
	</dev/null > >(exec tee /tmp/log) 2>&1 &
pid=$!

# until_said PATTERN [COUNT]: in so many lines, once (1) or more.
until_said() {
	while (($(grep -ac -- "$1" /tmp/log) < ${2:-1})); do
		kill -0 $pid 2>/dev/null || return 1
		sleep 0.5
	done
}

ask() { # NAME METHOD [PARAMETERS [FILE]]
	local name=$1 status=0 answer
	shift
	answer=$("$LICHEN_BUILD/tests/guest-ask" $LICHEN_RUNTIME_DIR linux "$@") || status=$?
	printf '\nlichen-push: %s %s %s\n' "$name" "$status" "$answer" # in a line of its own
}
push() { # NAME MODULE [PARAMETERS]
	ask "$1" symmod.push "{\"parameters\":\"${3-}\"}" "$work/modules/$2.ko"
}
run() { # NAME WORD...: of after.sh
	local name=$1
	shift
	ask "$name" symcall.call \
		"{\"function\":\"linux.run\",\"arguments\":{\"command\":\"/lichen/after $*\"}}"
}
call() { # NAME FUNCTION ARGUMENTS: where it may sleep, which has two minutes
	ask "$1" symcall.call "{\"function\":\"$2\",\"mode\":\"deferred\",\"arguments\":$3}"
}
plugin() { # NAME WORD...
	local name=$1 status=0 answer
	shift
	answer=$("$lichen" plugin "$@" 2>&1) || status=$?
	printf '\nlichen-push: %s %s %s\n' "$name" "$status" "$answer" # in a line of its own
}

# --- one guest ---
until_said 'lichen-guest: policy off'
push off lichen_example
run off-go go
until_said 'lichen-guest: policy signed'
push signed lichen_example
run signed-go go
until_said 'lichen-guest: policy any'
push good lichen_example
ask good-list symmod.list
ask good-record symspy.read '{"record":"example.count/1"}'
call good-call example.add '[3,4]'
push good-twice lichen_example
ask good-drop symmod.drop '{"name":"lichen_example"}'
ask good-gone symspy.read '{"record":"example.count/1"}'
push hash forbidden
truncate -s 64M /tmp/zeros
ask zeros symmod.push '{}' /tmp/zeros
truncate -s 65M /tmp/zeros
ask large symmod.push '{}' /tmp/zeros
push word lichen_example fail=maybe
push fails lichen_example fail=1
run fails-once said fails.as.it.was.told 1
push misses misses
push crc crc

plugin pair load linux "$work/ticket.so"
until_said 'driver ticket: the guest has loaded it'
run pair-one take 1
run pair-two take 2
run pair-hold hold
plugin pair-busy unload linux ticket
run pair-three take 3
run pair-free free
plugin pair-gone unload linux ticket
run pair-absent absent
plugin pair-again load linux "$work/ticket.so"
until_said 'driver ticket: the guest has loaded it' 2
run pair-removed remove ticket
plugin pair-late unload linux ticket
plugin pair-last load linux "$work/ticket.so"
until_said 'driver ticket: the guest has loaded it' 3

push crashes crashes
run crashes-lives take 1
push sleeps sleeps &
pushing=$!
until_said 'sleeps: begins'
ask sleeps-reset reset
wait $pushing

# --- the next, which finds the device there ---
until_said 'lichen-guest: policy off' 2
run next-off go
until_said 'lichen-guest: policy signed' 2
run next-signed go
until_said 'driver ticket: the guest has loaded it' 4
run next-takes take 1
run lock lock
push lockdown lichen_example
run enforce enforce
push enforced lichen_example
run next-takes-still take 2
plugin next-gone unload linux ticket
run end go
status=0
wait $pid || status=$?
exit $status
