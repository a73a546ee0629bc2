#!/bin/sh
# SPDX-License-Identifier: MIT
# stream.sh BACKEND: a mebibyte each way through serial16550 and a backend, with a peer that is
# slow, absent or killed: every byte comes in order, or is dropped and counted.
. "$LICHEN_SOURCE/tests/e2e/lib.sh"
need_kvm
peer=$LICHEN_BUILD/tests/e2e-peer
size=1048576
part=300000   # bytes after which a peer is killed
lost=600000   # a killed peer's: more than any pipe, socket or terminal holds

# run_on GUEST BACKEND: the VM, its stdin and stdout ours.
run_on() {
	cat >"$scratch/m.yaml" <<P
lichen: 1
include: [pc]
name: stream
memory: { size: 16M }
boot: { plugin: flat, image: "$guests/$1.bin" }
devices:
  - { plugin: debug-exit, port: 0xf4 }
  - { plugin: serial16550, port: 0x3f8, irq: 4, backend: { $2 } }
P
	timeout -k 5 500 "$lichen" run "$scratch/m.yaml" 2>"$scratch/vm.err"
}

# begin GUEST BACKEND: the same in the background.
begin() {
	rm -f "$scratch/s" "$scratch/vm.err"
	run_on "$1" "$2" </dev/null >/dev/null &
	vm=$!
}

# Where the peer finds it: the socket, or the terminal, once the log has its name.
place() {
	case $backend in
	unix) echo "$scratch/s" ;;
	pty)
		for try in $(seq 200); do
			sed -n 's/.*the terminal is //p' "$scratch/vm.err" 2>/dev/null | grep . && return
			sleep 0.1
		done
		;;
	esac
}

passed() {
	got=0
	wait $vm || got=$?
	cat "$scratch/vm.err"
	[ $got = 1 ] || { echo "exit status: want 1, got $got"; return 1; }
}

dropped() {
	sed -n 's/.* \([0-9]*\) bytes of output were dropped in all.*/\1/p' "$scratch/vm.err" | grep . || echo 0
}

# accounted RECEIVED: that, what was dropped, and at most what went with the peer, are all.
accounted() {
	sum=$(($1 + $(dropped)))
	[ $sum -le $size ] && [ $sum -ge $((size - lost)) ] && [ "$(dropped)" -gt 0 ] ||
		{ echo "received $1, dropped $(dropped) of $size"; return 1; }
}

# --- stdio: the peer is a process at a pipe's other end ---

stdio_slow() {
	mkfifo "$scratch/in" "$scratch/out"
	"$peer" mirror - $size slow >"$scratch/in" <"$scratch/out" &
	mirror=$!
	run_on mirror "plugin: stdio" <"$scratch/in" >"$scratch/out"
	[ $? = 1 ] && wait $mirror
}

stdio_absent() {
	{
		sleep 0.5 # until nobody reads
		run_on flood "plugin: stdio" </dev/null
		echo $? >"$scratch/status"
	} | :
	cat "$scratch/vm.err"
	[ "$(cat "$scratch/status")" = 1 ] && [ "$(dropped)" = $size ] ||
		{ echo "dropped $(dropped) of $size"; return 1; }
}

stdio_killed() {
	{
		run_on flood "plugin: stdio" </dev/null
		echo $? >"$scratch/status"
	} | "$peer" receive - $part die
	[ $? = 137 ] || { echo "the peer was not killed"; return 1; }
	cat "$scratch/vm.err"
	[ "$(cat "$scratch/status")" = 1 ] && accounted $part
}

stdio_sender_killed() {
	"$peer" send - 0 $size die | run_on sink "plugin: stdio" >/dev/null
	[ $? = 1 ]
}

# --- file: nothing is slow, and nobody can go ---

file_all() {
	head -c $size /dev/urandom >"$scratch/from"
	run_on mirror "plugin: file, path: to, input: from" </dev/null
	[ $? = 1 ] && cmp "$scratch/from" "$scratch/to"
}

# --- unix, pty: peers come and go ---

peer_slow() {
	begin mirror "$options"
	"$peer" mirror "$(place)" $size slow && passed
}

peer_absent() {
	begin flood "$options, when_absent: drop"
	passed && [ "$(dropped)" = $size ] || { echo "dropped $(dropped) of $size"; return 1; }
}

peer_late() {
	begin flood "$options, when_absent: wait"
	at=$(place)
	sleep 2
	"$peer" receive "$at" $size && passed && [ "$(dropped)" = 0 ]
}

peer_killed_wait() {
	begin flood "$options, when_absent: wait"
	at=$(place)
	"$peer" receive "$at" $part die
	[ $? = 137 ] || { echo "the peer was not killed"; return 1; }
	rest=$("$peer" rest "$at" $size) && passed && [ "$(dropped)" = 0 ] || return 1
	[ $((part + rest)) -le $size ] && [ $((part + rest)) -ge $((size - lost)) ] ||
		{ echo "received $part, then $rest of $size"; return 1; }
}

peer_killed_drop() {
	begin flood_told "$options, when_absent: drop"
	"$peer" receive "$(place)" $part die
	[ $? = 137 ] || { echo "the peer was not killed"; return 1; }
	passed && accounted $part
}

sender_killed() {
	begin sink "$options"
	at=$(place)
	"$peer" send "$at" 0 $part die
	[ $? = 137 ] || { echo "the peer was not killed"; return 1; }
	"$peer" send "$at" $part $size && passed
}

backend=$1
case $backend in
unix) options="plugin: unix, listen: s" ;;
pty) options="plugin: pty" ;;
esac
case $backend in
stdio)
	check "stdio: through a slow peer, in order both ways" stdio_slow
	check "stdio: without a reader all is dropped and counted" stdio_absent
	check "stdio: with a reader that is killed the rest is counted" stdio_killed
	check "stdio: what a sender sent before it was killed arrives in order" stdio_sender_killed
	;;
file)
	check "file: in order both ways" file_all
	;;
*)
	check "$backend: through a slow peer, in order both ways" peer_slow
	check "$backend: without a peer all is dropped and counted" peer_absent
	check "$backend: a peer that comes late is waited for, and gets all in order" peer_late
	check "$backend: after a peer that is killed the next gets the rest in order" peer_killed_wait
	check "$backend: after a peer that is killed the rest is dropped and counted" peer_killed_drop
	check "$backend: what a sender sent before it was killed arrives, then the next one's" sender_killed
	;;
esac
finish
