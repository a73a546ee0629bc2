#!/bin/bash
# SPDX-License-Identifier: MIT
# kill.sh ROUNDS: kill -9 of a VM, of its clients, of a process behind a backend, of who has
# the terminal, each at a random moment.  Nothing is left that the next start does not clear.
. "$LICHEN_SOURCE/tests/cli/lib.sh"
need jq
need_kvm
rounds=$1
RANDOM=${KILL_SEED:-$$}
echo "# KILL_SEED=${KILL_SEED:-$$}"
export LICHEN_RUNTIME_DIR=$scratch/run
machine=$LICHEN_SOURCE/tests/e2e/pebble.yaml
trap '"$lichen" stop held --stop-timeout 0 2>/dev/null; rm -rf "$scratch"' EXIT

nap() { sleep "0.0$((RANDOM % 90 + 10))"; }
start() { # NAME
	"$lichen" run "$machine" --name "$1" --detach --log "$scratch/log" --set boot.image="$guests/echo.bin"
}
answers() { "$lichen" ps --json | jq -e --arg name "$1" 'any(.[]; .name == $name and .state == "running")' >/dev/null; }

# A VM on its way up, or up: the caller and the VM's process both.
kill_vm() {
	start gone 2>/dev/null &
	nap
	# At the moment some of them may not be there yet: until none is left.
	for pid in $(pgrep -f -- "--name gone .*$scratch"); do kill -9 "$pid" 2>/dev/null; done
	wait
	while pids=$(pgrep -f -- "--name gone .*$scratch"); do
		# shellcheck disable=SC2086 # a word each
		kill -9 $pids 2>/dev/null
	done
	start gone && answers gone && "$lichen" stop gone --stop-timeout 0 &&
		[ ! -e "$LICHEN_RUNTIME_DIR/gone.sock" ] && [ ! -e "$LICHEN_RUNTIME_DIR/gone.lock" ]
}
kill_client() {
	case $((RANDOM % 4)) in
	0) timeout 9 "$lichen" console held --force </dev/zero >/dev/null 2>&1 & ;;
	1) for _ in 1 2 3 4 5 6; do "$lichen" device dump held; done >/dev/null 2>&1 & ;;
	2) "$lichen" plugin reload held serial16550 >/dev/null 2>&1 & ;;
	3) yes '{"jsonrpc":"2.0","id":1,"method":"schema"}' |
		"$LICHEN_BUILD/tests/control-wire" "$LICHEN_RUNTIME_DIR" held >/dev/null 2>&1 & ;;
	esac
	nap
	# shellcheck disable=SC2046
	kill -9 $! $(pgrep -P $!) 2>/dev/null
	wait
	answers held
}
kill_peer() {
	yes typed | "$LICHEN_BUILD/tests/control-wire" "$scratch" peer >/dev/null 2>&1 &
	nap
	# shellcheck disable=SC2046
	kill -9 $! $(pgrep -f "control-wire $scratch peer") 2>/dev/null
	wait
	answers held
}
kill_terminal() {
	script -qec "stty -g >'$scratch/before'
		sh -c 'echo \$\$ >\"\$0\"; exec \"\$1\" console held --force' '$scratch/pid' '$lichen' >/dev/null 2>&1 &
		sleep 0.$((RANDOM % 4 + 1)); kill -9 \$(cat '$scratch/pid'); wait
		for i in 1 2 3 4 5 6 7 8 9 10; do
			stty -g >'$scratch/after'; cmp -s '$scratch/before' '$scratch/after' && break; sleep 0.1
		done" /dev/null </dev/null >/dev/null 2>&1
	cmp "$scratch/before" "$scratch/after"
}

check "a VM starts" start held
check "a backend with a peer" "$lichen" device add held \
	"{plugin: serial16550, id: com2, port: 0x2f8, irq: 3, backend: {plugin: unix, listen: $scratch/peer.sock}}"
done_vm=0 done_client=0 done_peer=0 done_terminal=0
for ((round = 0; round < rounds; round++)); do
	case $((round % 4)) in
	0) one=vm ;; 1) one=client ;; 2) one=peer ;; 3) one=terminal ;;
	esac
	[ $one != terminal ] || command -v script >/dev/null || one=client
	if kill_$one >"$scratch/why" 2>&1; then
		((done_$one++))
	else
		refuse "round $round: kill -9 of a $one" true
		sed 's/^/# /' "$scratch/why"
	fi
done
check "$rounds rounds: $done_vm VMs, $done_client clients, $done_peer peers, $done_terminal terminals" \
	[ $((done_vm + done_client + done_peer + done_terminal)) = "$rounds" ]
calm() { status 0 "$lichen" ps --json && jq -e 'length == 1 and .[0].clients <= 2' "$scratch/out"; }
sleep 0.5
check "one VM is left, and no client" calm
stopped() { status 0 "$lichen" stop held --stop-timeout 0 && [ -z "$(ls -A "$LICHEN_RUNTIME_DIR")" ]; }
check "which stops and leaves nothing" stopped
finish
