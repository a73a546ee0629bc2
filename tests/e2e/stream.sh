#!/bin/sh
# SPDX-License-Identifier: MIT
# stream.sh BACKEND: 1 MiB each way through serial16550 and a backend, with a peer that is
# slow: every byte comes back in order.
. "$LICHEN_SOURCE/tests/e2e/lib.sh"
need_kvm
peer=$LICHEN_BUILD/tests/e2e-peer
size=1048576

# run_on BACKEND: writes the profile and starts the VM, its stdin and stdout ours.
run_on() {
	cat >"$scratch/m.yaml" <<P
lichen: 1
include: [pc]
name: stream
memory: { size: 16M }
boot: { plugin: flat, image: "$guests/mirror.bin" }
devices:
  - { plugin: debug-exit, port: 0xf4 }
  - { plugin: serial16550, port: 0x3f8, irq: 4, backend: { $1 } }
P
	timeout -k 5 550 "$lichen" run "$scratch/m.yaml" 2>"$scratch/vm.err"
}

through_stdio() {
	mkfifo "$scratch/in" "$scratch/out"
	"$peer" mirror - $size slow >"$scratch/in" <"$scratch/out" &
	mirror=$!
	run_on "plugin: stdio" <"$scratch/in" >"$scratch/out"
	[ $? = 1 ] && wait $mirror
}

# The peer is the file itself: nothing is slow, and nobody can go.
through_file() {
	head -c $size /dev/urandom >"$scratch/from"
	run_on "plugin: file, path: to, input: from" </dev/null
	[ $? = 1 ] && cmp "$scratch/from" "$scratch/to"
}

through_unix() {
	run_on "plugin: unix, listen: s" </dev/null &
	vm=$!
	"$peer" mirror "$scratch/s" $size slow || return 1
	wait $vm
	[ $? = 1 ]
}

through_pty() {
	run_on "plugin: pty" </dev/null &
	vm=$!
	for try in $(seq 100); do
		name=$(sed -n 's/.*the terminal is //p' "$scratch/vm.err" 2>/dev/null)
		[ -n "$name" ] && break
		sleep 0.1
	done
	"$peer" mirror "$name" $size slow || return 1
	wait $vm
	[ $? = 1 ]
}

check "$1: 1 MiB each way, in order" "through_$1"
cat "$scratch/vm.err"
finish
