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

check "hello comes out of the serial port" says_hello
check "serial16550: self-test, loopback, interrupts" pebble 1 serial
check "serial16550: what comes in goes back out in order" echoes
check "rtc-cmos: time and periodic interrupt" pebble 1 rtc
check "rtc-cmos: update interrupt" pebble 1 rtc_update
check "kvm-pit: channel 0 interrupts" pebble 1 pit
check "i8042: self-test" pebble 1 kbd
check "acpi: tables, PM timer, power-off gives status 0" pebble 0 pm
check "i8042: a reset pulse ends the VM" pebble 0 reset8042
check "an unknown MSR faults in the guest" pebble 1 msr
for cpus in 1 2 4 32; do
	check "$cpus vCPUs answer with the right APIC ids" every_cpu_answers "$cpus"
done
finish
