#!/bin/sh
# SPDX-License-Identifier: MIT
# Plugins from outside the tree: built from an installation alone, with gcc, clang and as
# C++20, and run by naming them in a profile.
. "$LICHEN_SOURCE/tests/e2e/lib.sh"
need_kvm

. "$LICHEN_SOURCE/tests/e2e/installed.sh"
sources 1-wire 2-vector 3-layers

with_make() {
	PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name lichen-plugin.pc)") \
		make -C "$scratch/sources/2-vector" CC=clang && cp "$scratch/sources/2-vector/vector.so" "$out"
}

run() { # INPUT GUEST PROFILE
	printf '%s' "$1" | timeout 60 "$prefix/bin/lichen" run "$scratch/$3" \
		--plugin-path "$out:$(find "$prefix" -path '*/lichen/plugins' -type d)" \
		>"$scratch/out" 2>"$scratch/err"
	got=$?
	cat "$scratch/out" "$scratch/err"
	[ $got = 1 ] || { echo "exit status: want 1, got $got"; return 1; }
}

cat >"$scratch/wire.yaml" <<Y
lichen: 1
include: [pc]
boot: { plugin: flat, image: $guests/wire.bin }
memory: { size: 32M, plugin: layers, count: 3 }
devices:
  - { plugin: wire, port: 0x2e0, irq: 5, backend: { plugin: stdio } }
  - { plugin: debug-exit }
Y
cat >"$scratch/vector.yaml" <<Y
lichen: 1
include: [pc]
boot: { plugin: vector, image: hello.vec }
memory: { size: 32M }
devices:
  - { plugin: serial16550, backend: { plugin: stdio } }
  - { plugin: debug-exit }
Y
# 12 bytes of header, so that the program itself lies where it was linked for.
{ printf 'VECT\364\377\017\000\014\000\000\000'; cat "$guests/hello.bin"; } >"$scratch/hello.vec"

wire_echoes() {
	run 'through three layers of memoryq' wire wire.yaml && printed 'through three layers of memoryq'
}

vector_boots() {
	run '' hello vector.yaml && printed 'pebble: hello'
}

check "the tree installs" install_it
check "1-wire builds with gcc and CMake" with_cmake 1-wire wire CMAKE_C_COMPILER gcc
check "2-vector builds with clang and pkg-config" with_make
check "3-layers builds as C++20" with_cmake 3-layers layers CMAKE_CXX_COMPILER g++
check "wire and layers: interrupts, a backend, memory of three pieces" wire_echoes
check "vector: a boot protocol of one's own" vector_boots
finish
