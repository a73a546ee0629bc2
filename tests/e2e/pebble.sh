#!/bin/sh
# SPDX-License-Identifier: MIT
# Every device, through real KVM, as the pebble guests see it.  A guest exits with 1 where
# all its checks pass, and with 2n+1 where check n failed.
. "$LICHEN_SOURCE/tests/e2e/lib.sh"
need_kvm

says_hello() {
	pebble 1 hello && printed 'pebble: hello'
}

every_cpu_answers() {
	pebble 1 smp --set cpus="$1"
}

echoes() {
	printf 'abcdefghij0123456789q' | timeout 60 "$lichen" run "$here/pebble.yaml" \
		--set boot.image="$guests/echo.bin" >"$scratch/out" 2>"$scratch/err"
	[ $? = 1 ] && printed abcdefghij0123456789
}

# until_said PATTERN OPTION...: runs the crashing guest until it is said, 20 s at most.
until_said() {
	pattern=$1
	shift
	"$lichen" run "$here/pebble.yaml" --set boot.image="$guests/triple.bin" --stop-timeout 0 "$@" \
		>"$scratch/out" 2>"$scratch/err" </dev/null &
	pid=$!
	for _ in $(seq 200); do
		grep -q "$pattern" "$scratch/err" && break
		sleep 0.1
	done
	sleep 0.3 # for a flood, if there is one
	kill -TERM $pid
	got=0
	wait $pid || got=$?
	cat "$scratch/err"
	[ $got = 8 ] || { echo "exit status: want 8, got $got"; return 1; }
	said "$pattern"
}

# A triple fault that restarts, again and again: few lines are said.
restarts_after_a_crash() {
	until_said 'triple fault.*restarts' --set on_crash=restart || return 1
	lines=$(wc -l <"$scratch/err")
	[ "$lines" -le 40 ] || { echo "$lines lines"; return 1; }
}

pauses_on_a_crash() {
	until_said 'triple fault.*paused' --set on_crash=pause
}

# What a VM holds: descriptors, threads, mappings.
holdings() {
	echo "$(ls "/proc/$1/fd" | wc -l) $(ls "/proc/$1/task" | wc -l) $(wc -l <"/proc/$1/maps")"
}

wait_for() { # PATTERN, in the output; at most 20 s
	for _ in $(seq 200); do
		grep -q -- "$1" "$scratch/out" && return
		sleep 0.1
	done
	return 1
}

restarts_fifty_times() {
	mkfifo "$scratch/in"
	: >"$scratch/out"
	"$lichen" run "$here/pebble.yaml" --set boot.image="$guests/reboots.bin" \
		>"$scratch/out" 2>"$scratch/err" <"$scratch/in" &
	pid=$!
	exec 8>"$scratch/in"
	wait_for '5 times' && before=$(holdings $pid) && rss5=$(resident $pid)
	printf x >&8
	wait_for '50 times' && after=$(holdings $pid) && rss50=$(resident $pid)
	printf x >&8
	got=0
	wait $pid || got=$?
	exec 8>&-
	cat "$scratch/out" "$scratch/err"
	[ $got = 1 ] || { echo "exit status: want 1, got $got"; return 1; }
	[ -n "$before" ] && [ "$before" = "$after" ] ||
		{ echo "descriptors, threads, mappings: $before, then $after"; return 1; }
	[ $((rss50 - rss5)) -le 256 ] || { echo "resident: $rss5 KiB, then $rss50"; return 1; }
}

resident() { # KiB
	sed -n 's/^VmRSS: *\([0-9]*\) kB/\1/p' "/proc/$1/status"
}

check "hello comes out of the serial port" says_hello
check "serial16550: self-test, loopback, interrupts" pebble 1 serial
check "serial16550: what comes in goes back out in order" echoes
check "rtc-cmos: time and periodic interrupt" pebble 1 rtc
check "rtc-cmos: update interrupt" pebble 1 rtc_update
check "kvm-pit: channel 0 interrupts" pebble 1 pit
check "i8042: self-test" pebble 1 kbd
check "acpi: tables, PM timer, power-off gives status 0" pebble 0 pm
check "i8042: a reset pulse restarts the guest" pebble 1 reset8042
check "on_reboot: stop ends the VM instead" pebble 0 reset8042 --set on_reboot=stop
check "on_crash: restart starts it again" restarts_after_a_crash
check "on_crash: pause keeps it until it is ended" pauses_on_a_crash
check "50 restarts leave nothing behind" restarts_fifty_times
not_symbiotic() {
	pebble 1 sym --set cpus=2 && printed 'pebble: no symbiotic VMM'
}

check "a symbiotic guest finds that this VMM is not, and passes" not_symbiotic
check "an unknown MSR faults in the guest" pebble 1 msr
for cpus in 1 2 4 32; do
	check "$cpus vCPUs answer with the right APIC ids" every_cpu_answers "$cpus"
done
finish
