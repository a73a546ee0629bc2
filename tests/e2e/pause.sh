#!/bin/bash
# SPDX-License-Identifier: MIT
# pause.sh [SECONDS]: stock Linux on emulated AMD hardware stands still for a minute, and then
# has the right time and no complaint of a CPU that hung.
. "$LICHEN_SOURCE/tests/e2e/lib.sh"

pause=${1:-60}
work=$LICHEN_BUILD/linux-pause
rm -rf "$work"
mkdir -p "$work"
kernel=$("$LICHEN_SOURCE/tools/fetch-kernels" cloud)/vmlinuz || exit 1
"$LICHEN_SOURCE/tools/guest-initrd" "$work/initrd.gz" || exit 1

# What runs inside the bench.  Marks are put together by the guest, so that the echo of what was
# typed has none.
cat >"$work/pause" <<'B'
#!/bin/bash
# pause LICHEN PROFILE KERNEL INITRD SECONDS
lichen=$1 profile=$2 kernel=$3 initrd=$4 seconds=$5
export LICHEN_RUNTIME_DIR=/run/lichen
typed() { # TEXT PATTERN: types a line, waits until the console has the pattern
	printf '%s\n' "$1" >&3
	for _ in $(seq 300); do
		tr -d '\r' </tmp/console | grep -q -- "$2" && return
		sleep 0.2
	done
	echo "the console never had $2"
	tail -n 20 /tmp/console
	return 1
}
guest_time() { # NAME: prints how far the guest's time of day is from ours, ms
	typed "echo time-$1 \$(date +%s) \$(cut -d' ' -f1 /proc/uptime)." "^time-$1 [0-9]* .*\.\$"
	local now guest
	now=$(date +%s)
	guest=$(tr -d '\r' </tmp/console | sed -n "s/^time-$1 \([0-9]*\) .*/\1/p" | tail -n 1)
	echo "off-$1 $((guest - now))"
}
mkfifo /tmp/typed
"$lichen" run "$profile" --name long --detach --log /tmp/log --set boot.kernel="$kernel" \
	--set boot.initrd="$initrd" --set cpus=2 --set boot.cmdline="console=ttyS0" || exit 1
"$lichen" console long </tmp/typed >/tmp/console 2>&1 &
exec 3>/tmp/typed
typed '' 'Leave with' || exit 1
typed 'echo watchdog-$(cat /proc/sys/kernel/watchdog_thresh).' '^watchdog-10\.$'
typed 'echo clock-$(cat /sys/devices/system/clocksource/clocksource0/current_clocksource).' '^clock-.*\.$'
tr -d '\r' </tmp/console | grep '^clock-'
guest_time before
"$lichen" pause long
from=$(date +%s)
"$lichen" ps
sleep "$seconds"
"$lichen" resume long
echo "paused for $(($(date +%s) - from)) s"
guest_time after
# What a watchdog has to say it says within two of its periods.
sleep 25
typed 'dmesg | grep -ci "soft lockup\|rcu.*stall\|hung_task\|blocked for more" | sed "s/^/complaints-/;s/\$/./"' '^complaints-[0-9]*\.$'
tr -d '\r' </tmp/console | grep '^complaints-'
guest_time later
typed 'dmesg | tail -n 8; echo end-$((1 + 1)).' '^end-2\.$'
tr -d '\r' </tmp/console | tail -n 12
"$lichen" stop long --stop-timeout 60s
printf '\nstop %s\n' $?
B
chmod +x "$work/pause"
"$LICHEN_SOURCE/tools/svm-bench" --timeout $((pause + 600)) -- "$work/pause" "$lichen" \
	"$here/linux.yaml" "$kernel" "$work/initrd.gz" "$pause" >"$work/log" 2>&1
bench=$?

has() { grep -q -- "$1" "$work/log" || { tail -n 60 "$work/log"; echo "not there: $1"; return 1; }; }
# The host's clock and the guest's start second may differ by a second or two in a machine as slow.
right() {
	before=$(sed -n 's/^off-before //p' "$work/log")
	off=$(sed -n "s/^off-$1 //p" "$work/log")
	[ -n "$before" ] && [ -n "$off" ] && [ $((off - before)) -ge -2 ] && [ $((off - before)) -le 2 ] ||
		{ echo "off by $before s before, by $off s $1"; return 1; }
}
check "the bench ran" [ $bench = 0 ]
check "it stood still" has '^long  *paused'
check "the guest's time of day is right after it" right after
check "and stays so" right later
check "no CPU hung, nor did RCU" has '^complaints-0\.'
check "the guest powers itself off" has '^stop 0'
sed -n 's/^\(clock-\|off-\|paused for\|complaints\)/# &/p' "$work/log"
finish
