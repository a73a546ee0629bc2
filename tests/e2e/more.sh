#!/bin/sh
# SPDX-License-Identifier: MIT
# Backends with peers, panic and debug ports, memory strategies, through real KVM.
. "$LICHEN_SOURCE/tests/e2e/lib.sh"
need_kvm
peer=$LICHEN_BUILD/tests/e2e-peer

# machine GUEST BACKEND [DEVICE...]: writes the profile of it, the serial port on BACKEND.
machine() {
	{
		printf 'lichen: 1\ninclude: [pc]\nname: more\nmemory: { %s }\n' "${memory:-size: 16M}"
		printf 'boot: { plugin: flat, image: "%s/%s.bin" }\ndevices:\n' "$guests" "$1"
		printf '  - { plugin: debug-exit, port: 0xf4 }\n'
		printf '  - { plugin: serial16550, port: 0x3f8, irq: 4, backend: { %s } }\n' "$2"
		shift 2
		for device; do printf '  - { %s }\n' "$device"; done
	} >"$scratch/m.yaml"
}

# start: runs it in the background, its messages in vm.err.
start() {
	cp "$scratch/m.yaml" "$scratch/started.yaml"
	"$lichen" run "$scratch/started.yaml" >/dev/null 2>"$scratch/vm.err" </dev/null &
	vm=$!
}

# appears FILE: waits for it.
appears() {
	for try in $(seq 200); do
		[ -e "$1" ] && return
		sleep 0.1
	done
	echo "$1 does not appear"
	return 1
}

# ended STATUS: waits for it and compares.
ended() {
	ended_got=0
	wait "$vm" || ended_got=$?
	cat "$scratch/vm.err"
	[ "$ended_got" = "$1" ] || { echo "exit status: want $1, got $ended_got"; return 1; }
}

# The terminal's name, once the log has it.
terminal() {
	for try in $(seq 100); do
		sed -n 's/.*the terminal is //p' "$scratch/vm.err" | grep . && return
		sleep 0.1
	done
	echo "no terminal is named"
	return 1
}

# talk PATH: what a program at PATH types to `echo`, and gets back.
talk() {
	printf 'abcdefghij0123456789q' | timeout 60 "$peer" cat "$1" >"$scratch/out" &&
		printed 'pebble: echo' && printed abcdefghij0123456789q
}

unix_listens() {
	machine echo "plugin: unix, listen: s, when_absent: wait"
	start
	talk "$scratch/s" && ended 1 && ! [ -e "$scratch/s" ]
}

unix_connects() {
	machine echo "plugin: unix, listen: a, when_absent: wait"
	start
	machine hello "plugin: unix, connect: a"
	appears "$scratch/a" && status 1 "$lichen" run "$scratch/m.yaml" --name second || return 1
	# The first has heard the second's greeting and echoes; a client ends it.
	printf q | timeout 60 "$peer" cat "$scratch/a" >"$scratch/out" && ended 1
}

unix_needs_a_listener() {
	machine hello "plugin: unix, connect: nobody"
	status 2 "$lichen" run "$scratch/m.yaml" && said 'connect nobody: not found (.*m.yaml:8:'
}

unix_in_use() {
	machine echo "plugin: unix, listen: s"
	start
	appears "$scratch/s" || return 1
	status 2 "$lichen" run "$scratch/m.yaml" --name second && said 'listen s: in use' || return 1
	printf q | timeout 60 "$peer" cat "$scratch/s" >"$scratch/out"
	ended 1
}

# What a VM that was killed leaves behind is no obstacle to the next.
unix_after_a_kill() {
	machine echo "plugin: unix, listen: s, when_absent: wait"
	"$lichen" run "$scratch/m.yaml" >/dev/null 2>&1 </dev/null &
	killed=$!
	appears "$scratch/s" || return 1
	kill -9 "$killed"
	wait "$killed" 2>/dev/null
	[ -S "$scratch/s" ] || { echo "there was no socket"; return 1; }
	unix_listens
}

unix_absent() {
	machine hello "plugin: unix, listen: s"
	status 1 "$lichen" run "$scratch/m.yaml" && said '14 bytes of output were dropped in all'
}

unix_killed_peer() {
	machine echo "plugin: unix, listen: s, when_absent: wait"
	start
	yes | head -c 10000 >"$scratch/typed"
	"$peer" cat "$scratch/s" <"$scratch/typed" >"$scratch/echoed" 2>&1 &
	killed=$!
	until grep -q y "$scratch/echoed"; do kill -0 "$killed" && sleep 0.1 || return 1; done
	kill -9 "$killed"
	wait "$killed" 2>/dev/null
	# What it sent is received first; then the next one's 'q' ends the guest.
	printf q | timeout 60 "$peer" cat "$scratch/s" >"$scratch/out" && ended 1
}

pty_echoes() {
	machine echo "plugin: pty, when_absent: wait"
	start
	name=$(terminal) && talk "$name" && ended 1 && ! [ -e "$name" ]
}

pty_absent() {
	machine hello "plugin: pty"
	status 1 "$lichen" run "$scratch/m.yaml" && said '14 bytes of output were dropped in all'
}

pty_killed_peer() {
	machine echo "plugin: pty, when_absent: wait"
	start
	name=$(terminal) || return 1
	yes | head -c 3000 >"$scratch/typed"
	"$peer" cat "$name" <"$scratch/typed" >"$scratch/echoed" 2>&1 &
	killed=$!
	until grep -q y "$scratch/echoed"; do kill -0 "$killed" && sleep 0.1 || return 1; done
	kill -9 "$killed"
	wait "$killed" 2>/dev/null
	printf q | timeout 60 "$peer" cat "$name" >"$scratch/out" && ended 1
}

panics() {
	machine pvpanic "plugin: stdio" "plugin: pvpanic"
	status 6 "$lichen" run "$scratch/m.yaml" && printed 'pebble: panics' &&
		said 'the guest says that it crashed'
}

# The guest panics each time that it starts.
panics_and_restarts() {
	machine pvpanic "plugin: file, path: log" "plugin: pvpanic"
	"$lichen" run "$scratch/m.yaml" --set on_panic=restart --stop-timeout 0 >/dev/null \
		2>"$scratch/vm.err" </dev/null &
	vm=$!
	for try in $(seq 200); do
		[ "$(grep -c 'pebble: panics' "$scratch/log" 2>/dev/null)" -ge 3 ] 2>/dev/null && break
		sleep 0.1
	done
	kill -TERM "$vm"
	ended 8 && [ "$(grep -c 'pebble: panics' "$scratch/log")" -ge 3 ]
}

panics_and_pauses() {
	machine pvpanic "plugin: file, path: log" "plugin: pvpanic"
	"$lichen" run "$scratch/m.yaml" --set on_panic=pause --stop-timeout 0 >/dev/null \
		2>"$scratch/vm.err" </dev/null &
	vm=$!
	for try in $(seq 200); do
		grep -q paused "$scratch/vm.err" && break
		sleep 0.1
	done
	sleep 0.5 # in which it would end or start again
	kill -TERM "$vm"
	ended 8 && [ "$(grep -c 'pebble: panics' "$scratch/log")" = 1 ]
}

writes_to_debug_port() {
	machine debugport "plugin: null" \
		"plugin: debug-port, port: 0x402, backend: { plugin: file, path: log }"
	status 1 "$lichen" run "$scratch/m.yaml" &&
		[ "$(cat "$scratch/log")" = 'pebble: through the debug port' ]
}

boots_from() {
	memory=$1
	machine hello "plugin: stdio"
	memory=
	status "$2" "$lichen" run "$scratch/m.yaml"
}

# With pages in the pool it boots; without, it says how many it needs.
huge_pages() {
	free=$(cat /sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages 2>/dev/null) || free=none
	case $free in
	none) boots_from "size: 16M, plugin: hugetlb" 2 ;;
	[0-7]) boots_from "size: 16M, plugin: hugetlb" 4 &&
		said 'page 2M: 8 pages are needed, and [0-7] are free' ;;
	*) boots_from "size: 16M, plugin: hugetlb" 1 && printed 'pebble: hello' ;;
	esac
}

huge_pages_are_whole() {
	boots_from "size: 17M, plugin: hugetlb" 2 &&
		said 'not a multiple of 2M, which page is (.*m.yaml:4:'
}

shared_memory() {
	boots_from "size: 16M, plugin: shared" 1 && printed 'pebble: hello'
}

check "unix: a client talks to the guest, and the socket goes with the VM" unix_listens
check "unix: one VM connects to another's socket" unix_connects
check "unix: connecting to nobody is refused at its place" unix_needs_a_listener
check "unix: a socket in use is refused" unix_in_use
check "unix: what a killed VM left is replaced" unix_after_a_kill
check "unix: output without a client is counted" unix_absent
check "unix: a client killed in mid-stream is followed by the next" unix_killed_peer
check "pty: a program talks to the guest, and the terminal goes with the VM" pty_echoes
check "pty: output without a program is counted" pty_absent
check "pty: a program that was killed is followed by the next" pty_killed_peer
check "pvpanic: a panic gives status 6" panics
check "on_panic: restart starts it again" panics_and_restarts
check "on_panic: pause keeps it until it is ended" panics_and_pauses
check "debug-port: bytes reach the backend" writes_to_debug_port
check "shared: the guest runs in memory that can be shared" shared_memory
check "hugetlb: boots, or says how many pages it needs" huge_pages
check "hugetlb: a size that is not whole pages is refused at its place" huge_pages_are_whole
finish
