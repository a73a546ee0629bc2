#!/bin/sh
# SPDX-License-Identifier: MIT
# A device from outside the tree that brings its driver: one command brings both into a running
# guest, one takes both away; and what becomes of it where the guest does not play along.
. "$LICHEN_SOURCE/tests/e2e/lib.sh"
need_kvm
. "$LICHEN_SOURCE/tests/e2e/installed.sh"
. "$LICHEN_SOURCE/tests/e2e/live.sh"
sources 5-pair
cp -r "$LICHEN_SOURCE/guest/pebble/include" "$scratch/pebble"

profile() { # GUEST: on standard output
	cat <<Y
lichen: 1
include: [pc]
name: pair
boot: { plugin: flat, image: $guests/$1.bin }
memory: { size: 32M }
devices:
  - { plugin: serial16550, backend: { plugin: stdio } }
  - { plugin: debug-exit }
Y
}
symbiotic='symbiotic:
  - { plugin: symspy }
  - { plugin: symcall, timeout: 20s, deferred_timeout: 50s }
  - { plugin: symmod }'
{ profile sym; echo "$symbiotic"; } >"$scratch/pair.yaml"
{ profile beat; echo "$symbiotic"; } >"$scratch/alone.yaml"
profile beat >"$scratch/plain.yaml"

load() {
	status 0 "$lichen" plugin load pair "$out/ticket.so" && printed '^ticket$'
}
unload() { # [OPTION...]
	status 0 "$lichen" plugin unload pair ticket "$@"
}
takes() { # NUMBER
	good "\"number\":\"?$1\"?[,}]" symcall.call '{"function":"ticket.take"}'
}
hold() { # 0|1
	good '"status":0' symcall.call "{\"function\":\"ticket.hold\",\"arguments\":[$1]}"
}
no_driver() {
	bad 'no such function' symcall.call '{"function":"ticket.take"}'
}
there() {
	status 0 "$lichen" device list pair && printed '^ticket '
}
gone() {
	status 0 "$lichen" device list pair && ! printed '^ticket ' >/dev/null
}
push() { # FILE
	good '"ticket"' symmod.push '{"name":"ticket"}' "$1"
}
drop() {
	good '"ticket"' symmod.drop '{"name":"ticket"}'
}

check "the tree installs" install_it
check "5-pair builds with gcc and CMake, a driver for pebble in it" \
	with_cmake 5-pair ticket CMAKE_C_COMPILER gcc -DTICKET_PEBBLE="$scratch/pebble"
[ -f "$out/ticket.so" ] || finish
live pair "$lichen" run "$scratch/pair.yaml" --set cpus=2
check "the guest runs" eventually grep -q 'pebble: symbiotic' "$scratch/log"
check "without the device there is no driver" no_driver

check "one command brings the device" load
check "and its driver" eventually logged 1 'driver ticket: the guest has loaded it'
check "which takes a number" takes 1
check "and another" takes 2
check "a second time it is refused" status 2 "$lichen" plugin load pair "$out/ticket.so"
check "with the reason" said '0x540'
check "which changes nothing" takes 3
check "a pause and its end" status 0 "$lichen" pause pair
check "change nothing" status 0 "$lichen" resume pair
check "at all" takes 4
check "the driver is in use" hold 1
check "then the device stays" status 1 "$lichen" plugin unload pair ticket
check "and it is said why" said 'the guest does not let go of it: .*exit function failed (-16)'
check "both work on" takes 5
check "in use no more" hold 0
check "one command takes both away" unload
check "the driver is gone" no_driver
check "and the device" gone
check "and the guest's memory of it" good '"result":\[\]' symmod.list
check "the driver went first" logged 0 'has gone before its driver'

check "both come again" load
check "the guest has the driver again" eventually logged 2 'the guest has loaded it'
check "and begins anew" takes 1
check "the VM is reset" status 0 "$lichen" reset pair
check "the guest starts again" eventually logged 2 'pebble: symbiotic'
check "and gets its driver" eventually logged 3 'the guest has loaded it'
check "with which it begins anew" takes 1
check "a removal by force asks nobody" unload --force
check "the device is gone" gone
check "the driver is not, and finds none" takes 4294967295
check "it is taken away by hand" drop
check "and has missed its device" logged 1 'has gone before its driver'

check "another module has the driver's name" push "$guests/tally.o"
check "the device comes all the same" load
check "and is there" there
check "the guest's words about the driver are in the log" eventually logged 1 \
	'driver ticket: the guest refuses: one of this name is loaded (-17): the device is there without it'
check "no other module is taken for it" no_driver
check "the device goes" unload
check "the other module does not" good '"sum":"0x5"' symcall.call \
	'{"function":"tally.add","arguments":[5]}'
check "until it is told to" drop
ask symcall.call '{"function":"pebble.exit","arguments":[0]}'
over
check "the guest has found nothing wrong" [ $got = 1 ]

alone() { # SENTENCE
	load && there && eventually logged 1 "driver ticket: $1: the device is there without it" &&
		unload && gone && logged 1 'driver ticket'
}
for machine in alone plain; do
	case $machine in
	alone) why='the guest takes no modules now' ;;
	*) why='the VM has no symmod' ;;
	esac
	live pair "$lichen" run "$scratch/$machine.yaml" --stop-timeout 0
	check "$machine: the guest runs" eventually status 0 "$lichen" device list pair
	check "$machine: the device comes and goes, and one sentence is about its driver" \
		alone "$why"
	kill -TERM $pid
	over
	check "$machine: the guest is stopped" [ $got = 8 ]
done
finish
