#!/bin/sh
# SPDX-License-Identifier: MIT
# A symbiotic interface from outside the tree, of which the framework knows nothing: it comes to a
# running guest, is used, goes, and comes again.
. "$LICHEN_SOURCE/tests/e2e/lib.sh"
need_kvm
. "$LICHEN_SOURCE/tests/e2e/installed.sh"
. "$LICHEN_SOURCE/tests/e2e/live.sh"
sources 4-symbiotic

cat >"$scratch/mark.yaml" <<Y
lichen: 1
include: [pc]
name: mark
boot: { plugin: flat, image: $guests/mark.bin }
memory: { size: 32M }
devices:
  - { plugin: serial16550, backend: { plugin: stdio } }
  - { plugin: debug-exit }
symbiotic: []
Y

load() {
	status 0 "$lichen" plugin load mark "$out/mark.so"
}
unload() {
	status 0 "$lichen" plugin unload mark mark
}

time='"ns":"0x[0-9a-f]+"'
check "the tree installs" install_it
check "4-symbiotic builds with clang and CMake" with_cmake 4-symbiotic mark CMAKE_C_COMPILER clang
[ -f "$out/mark.so" ] || finish
live mark "$lichen" run "$scratch/mark.yaml"
check "a guest that would make marks starts without" \
	eventually grep -q 'pebble: makes marks' "$scratch/log"
check "there is no such method" bad 'mark.list' mark.list
check "the interface comes while the guest runs" load
check "the guest makes a mark" eventually good "\"mark\":\"start\",$time" mark.list
check "it makes one when it is asked" good "\"mark\":\"here\",$time" mark.ask
check "in the order of time" good '\[[{]"mark":"start",[^}]*},[{]"mark":"here",[^}]*}\]' mark.list
check "its state is declared" status 0 "$lichen" device dump mark mark
check "and has the count" printed 'count'
check "it goes" unload
check "and its methods" bad 'mark.list' mark.list
check "it comes again" load
check "and knows nothing of before" eventually good '\[[{]"mark":"start",[^}]*}\]' mark.list
check "it is loaded once, not twice" status 2 "$lichen" plugin load mark "$out/mark.so"
check "which is said" said 'claimed by another instance'
check "the first is as before" good "\"mark\":\"here\",$time" mark.ask
check "a pause" status 0 "$lichen" pause mark
check "in which the guest is asked does no harm" status 0 "$lichen" resume mark
check "it is asked once more" good "\"mark\":\"here\",$time" mark.ask
check "and makes its last mark" good "\"mark\":\"end\",$time" mark.ask
over
check "the guest has found nothing wrong" [ $got = 1 ]

sed -i '/^symbiotic/d' "$scratch/mark.yaml"
# Without the key the guest finds no block, and ends.
check "on a machine that is not symbiotic the guest ends as it should" \
	status 1 "$lichen" run "$scratch/mark.yaml"
check "and says so" printed 'pebble: no symbiotic VMM'
finish
