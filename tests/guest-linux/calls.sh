#!/bin/bash
# SPDX-License-Identifier: MIT
# calls.sh COUNT: COUNT direct calls of stock Linux's functions, at random moments on random vCPUs,
# while it is busy in user and in kernel mode: with nested and with shadow paging, 1 and 4 vCPUs,
# page-table isolation on and off, an eighth of the calls each.
. "$LICHEN_SOURCE/tests/tap.sh"
. "$LICHEN_SOURCE/tests/guest-linux/lib.sh"
count=$(($1 / 8))
work=$LICHEN_BUILD/guest-calls
rm -rf "$work"
mkdir -p "$work"
cloud=$("$LICHEN_SOURCE/tools/fetch-kernels" cloud) || exit 1
"$LICHEN_SOURCE/tools/guest-modules" cloud "$work/cloud" >"$work/log" 2>&1 &&
	"$LICHEN_SOURCE/tools/guest-initrd" "$work/initrd.gz" "$work/cloud/lichen_guest.ko" ||
	{ cat "$work/log"; exit 1; }
cat >"$work/linux.yaml" <<Y
lichen: 1
include: ["$LICHEN_SOURCE/tests/e2e/linux.yaml"]
symbiotic:
  - { plugin: symspy }
  - { plugin: symcall, timeout: 20s }
Y

# What runs inside the bench.
cat >"$work/inside" <<'B'
#!/bin/bash
# inside BUILD PROFILE KERNEL INITRD PAGING COUNT
build=$1 profile=$2 kernel=$3 initrd=$4 paging=$5 count=$6
export LICHEN_RUNTIME_DIR=/tmp/run
calls() { # CPUS PTI
	local name="$paging $1 $2" status=0 pid
	echo "=== $name"
	"$build/lichen" run "$profile" --name busy --set boot.kernel="$kernel" --set boot.initrd="$initrd" \
		--set paging="$paging" --set cpus="$1" --set \
		"boot.cmdline=console=ttyS0 quiet pti=$2 lichen.run=symbiotic lichen.busy=3" \
		</dev/null >/tmp/guest 2>&1 &
	pid=$!
	for _ in $(seq 300); do
		grep -q 'lichen-guest: waiting' /tmp/guest && break
		kill -0 $pid || break
		sleep 0.5
	done
	"$build/tests/guest-calls" /tmp/run busy "$count" "$1" || status=$?
	echo "=== $name calls $status"
	"$build/lichen" stop busy --stop-timeout 2min
	status=0
	wait $pid || status=$?
	cat /tmp/guest
	echo "=== $name clock $(date +%s)"
	echo "=== $name status $status"
}
for cpus in 1 4; do
	for pti in on off; do
		calls $cpus $pti
	done
done
B
chmod +x "$work/inside"

# Both at once, each on a processor of its own.
boots() { # PAGING
	"$LICHEN_SOURCE/tools/svm-bench" --paging "$1" --timeout $((1200 + count / 10)) -- "$work/inside" \
		"$LICHEN_BUILD" "$work/linux.yaml" "$cloud/vmlinuz" "$work/initrd.gz" "$1" "$count" \
		>"$work/run-$1" 2>&1
	echo $? >"$work/status-$1"
}
booted() { # PAGING
	tr -d '\r' <"$work/run-$1" >>"$work/clean"
	[ "$(cat "$work/status-$1")" = 0 ] || { tail -n 40 "$work/run-$1"; return 1; }
}
part() {
	sed -n "/^=== $1\$/,/^=== $1 status/p" "$work/clean"
}
says() { # NAME PATTERN
	part "$1" | grep -q -- "$2" || { part "$1" | tail -n 40; echo "not there: $2"; return 1; }
}
quiet() {
	part "$1" | no_warnings
}
# A process that sleeps for a second at a time, among those that never do, wakes in each four at
# least; and the time is that of the machine around it.
times() {
	part "$1" | awk '/^lichen-guest: beats/ { beats = $3; of = $5 }
		/^lichen-guest: clock/ { guest = $3 } /^=== .* clock/ { host = $NF }
		END { print "beats " beats " of " of ", clock " guest " of " host
			exit !(of > 0 && beats * 4 >= of && host - guest >= 0 && host - guest <= 30) }'
}

boots nested &
boots shadow &
wait
for paging in nested shadow; do
	check "the bench ran ($paging paging)" booted $paging
	for cpus in 1 4; do
		for pti in on off; do
			name="$paging $cpus $pti"
			part "$name" | sed -n 's/^hits:/# '"$name"':/p'
			check "$paging paging, $cpus vCPUs, isolation $pti: each call came back, and right" \
				says "$name" "^=== $name calls 0"
			check "$name: none failed" says "$name" "^hits: .*failed=0 timeouts=0 crashed=0 "
			check "$name: the guest's timers and clock" times "$name"
			check "$name: its log has no warning" quiet "$name"
			check "$name: it powers off" says "$name" "^=== $name status 0"
		done
	done
done
finish
