#!/bin/sh
# SPDX-License-Identifier: MIT
# Guests and kernels that mean harm, or are broken: a report and a status, never a crash,
# a hang or a flood.
. "$LICHEN_SOURCE/tests/e2e/lib.sh"
need_kvm

triple_faults() {
	pebble 6 triple && said 'triple fault'
}

halts_for_ever() {
	status 6 "$lichen" run "$here/bare.yaml" --set boot.image="$guests/halt.bin" &&
		said 'halted'
}

# At most 64 lines, however often the guest misbehaves.
is_no_flood() {
	pebble 1 "$1" || return 1
	lines=$(wc -l <"$scratch/err")
	[ "$lines" -le 64 ] || { echo "$lines lines of log"; return 1; }
}

# has_printed TEXT: waits until the guest has, 40 s at most.
has_printed() {
	for _ in $(seq 200); do
		grep -q "$1" "$scratch/out" && return
		sleep 0.2
	done
}

# deaf SIGNALS WANT TIMEOUT: a guest that does not listen to the power button.
deaf() {
	: >"$scratch/out"
	"$lichen" run "$here/pebble.yaml" --set boot.image="$guests/halt.bin" \
		--stop-timeout "$3" >"$scratch/out" 2>"$scratch/err" </dev/null &
	pid=$!
	has_printed 'pebble: halted'
	for signal in $1; do
		kill -"$signal" $pid
		sleep 0.2
	done
	got=0
	wait $pid || got=$?
	cat "$scratch/err"
	[ $got = "$2" ] || { echo "exit status: want $2, got $got"; return 1; }
}

powers_off_on_sigterm() {
	: >"$scratch/out"
	"$lichen" run "$here/pebble.yaml" --set boot.image="$guests/button.bin" \
		>"$scratch/out" 2>"$scratch/err" </dev/null &
	pid=$!
	has_printed waiting
	kill -TERM $pid
	got=0
	wait $pid || got=$?
	cat "$scratch/out" "$scratch/err"
	[ $got = 0 ] || { echo "exit status: want 0, got $got"; return 1; }
}

# at FILE OFFSET BYTES: overwrites, BYTES as printf takes them.
at() {
	printf "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# bzimage FILE: the header of a kernel that says: protocol 2.15, 16 KiB of code, 1 GiB to run in.
bzimage() {
	head -c $((1024 + 16384)) /dev/zero >"$1"
	at "$1" $((0x1f1)) '\001'
	at "$1" $((0x1f4)) '\000\004\000\000'
	at "$1" $((0x1fe)) '\125\252\353\152HdrS\017\002'
	at "$1" $((0x211)) '\001'
	at "$1" $((0x230)) '\000\000\040\000\001\025\001\000\377\007\000\000'
	at "$1" $((0x258)) '\000\000\000\001\000\000\000\000\000\000\000\100'
}

# kernel PATTERN FILE [OPTION...]: refused with status 2 and one sentence.
kernel() {
	kernel_pattern=$1 kernel_file=$2
	shift 2
	status 2 "$lichen" run "$here/kernel.yaml" --set boot.kernel="$kernel_file" "$@" &&
		said "$kernel_pattern" || return 1
	lines=$(wc -l <"$scratch/err")
	[ "$lines" = 1 ] || { echo "$lines sentences"; return 1; }
}

# The sentence points at the file's name, here on the command line.
points() {
	said '(--set:1:13)$'
}

: >"$scratch/empty"
head -c 100 /dev/urandom >"$scratch/short"
cp "$lichen" "$scratch/elf"
bzimage "$scratch/bzimage"
head -c 10000 "$scratch/bzimage" >"$scratch/truncated"
cp "$scratch/bzimage" "$scratch/i386"
at "$scratch/i386" $((0x236)) '\000'
head -c 4096 /dev/zero >"$scratch/arm64"
at "$scratch/arm64" $((0x38)) 'ARM\144'

check "a triple fault is status 6" triple_faults
check "a halt that nothing can end is status 6" halts_for_ever
check "every port, every size" is_no_flood ports
check "unmapped MMIO, every size" is_no_flood mmio
check "SIGTERM presses the button: status 0" powers_off_on_sigterm
check "a guest that is deaf to the button is ended after the time-out" deaf TERM 8 300ms
check "a second signal ends it at once" deaf "TERM INT" 8 60s
check "no time-out at all: ended at once" deaf TERM 8 0
check "a kernel that is missing" kernel 'not found' "$scratch/none"
check "a kernel that is empty" kernel 'kernel' "$scratch/empty"
check "a kernel that is a folder" kernel 'kernel' "$scratch"
check "a kernel that is too short" kernel 'kernel' "$scratch/short"
check "a kernel that is a program" kernel 'kernel' "$scratch/elf"
check "a kernel that is truncated" kernel 'truncated, 10000 bytes of 17408' "$scratch/truncated"
check "the sentence points at the value" points
check "a kernel of a 32-bit machine" kernel 'built for 32-bit x86' "$scratch/i386"
check "a kernel of another machine" kernel 'an arm64 kernel' "$scratch/arm64"
check "a kernel that needs more memory than there is" \
	kernel 'needs 1073741824 bytes from 0x1000000, guest memory ends at' "$scratch/bzimage"
finish
