#!/bin/sh
# SPDX-License-Identifier: MIT
# Ten plugin files that are wrong, one way each: `lichen run` refuses each in one sentence, with
# status 2, and none of their code has run.  The constructor of each leaves a file.
. "$LICHEN_SOURCE/tests/e2e/lib.sh"

samples=$LICHEN_BUILD/tests/loader/plugins
folder=$scratch/plugins
mark=$scratch/ran
mkdir "$folder"
cat >"$scratch/p.yaml" <<P
lichen: 1
name: refused
memory: { size: 16M }
boot: { plugin: flat, image: "$scratch/p.yaml" }
devices:
  - { plugin: good }
P

# begin [SAMPLE]: a copy of it, as good.so, that says in `mark` that it ran.
begin() {
	rm -f "$folder"/* "$mark"
	cp "$samples/${1-good}.so" "$folder/good.so"
}

# put OFFSET BYTES: over what the file has there; BYTES as printf knows them.
put() {
	printf "$2" | dd of="$folder/good.so" bs=1 seek="$1" conv=notrunc status=none
}

# note OFFSET BYTES: the same in the descriptor of the note (lichen/note.h).
note() {
	at=$(readelf -SW "$folder/good.so" | sed -n 's/.*\.note\.lichen *NOTE *[0-9a-f]* *\([0-9a-f]*\) .*/\1/p')
	[ -n "$at" ] && put $((0x$at + 20 + $1)) "$2"
}

# refuses PATTERN [OPTION...]: one sentence that has it, and nothing ran.
refuses() {
	pattern=$1
	shift
	status 2 env LOADER_TEST_MARK="$mark" "$lichen" run "$scratch/p.yaml" \
		--plugin-path "$folder:$LICHEN_BUILD/plugins" "$@" && said "$pattern" || return 1
	lines=$(wc -l <"$scratch/err")
	[ "$lines" = 1 ] || { echo "$lines lines"; return 1; }
	[ ! -e "$mark" ] || { echo "its code ran"; return 1; }
}

# The mark is there where a plugin does run.
good_one_runs() {
	begin
	status 0 env LOADER_TEST_MARK="$mark" "$lichen" check "$scratch/p.yaml" \
		--plugin-path "$folder:$LICHEN_BUILD/plugins" && [ -e "$mark" ]
}

wrong_major() {
	begin && note 4 '\002' && refuses 'ABI'
}
newer_minor() {
	begin && note 8 '\377' && refuses 'ABI'
}
wrong_constructor() { # in a file that exports too much: dlopen() would have run it
	begin extra && note 24 'good\000' && refuses 'sample_extra'
}
world_writable() {
	begin && chmod 666 "$folder/good.so" && refuses 'writ'
}
hash_differs() {
	begin && refuses 'the profile pins' --set "devices.good.sha256=$(printf '%064d' 0)"
}
not_elf() {
	begin && echo "a text" >"$folder/good.so" && refuses 'ELF'
}
another_machine() {
	begin && put 18 '\267' && refuses 'machine'
}
no_entry() {
	begin no-entry && note 24 'good\000\000\000\000' && refuses 'lichen_plugin_v1'
}
size_zero() {
	begin no-size && note 24 'good\000\000\000' && refuses 'struct_size 0'
}
no_size_in_note() {
	begin && note 16 '\000\000' && refuses 'class size of 0'
}

check "a good plugin runs, and leaves its mark" good_one_runs
check "of another major version" wrong_major
check "of a newer minor version" newer_minor
check "with a constructor and a symbol too many" wrong_constructor
check "that anybody may write to" world_writable
check "with another hash than the profile says" hash_differs
check "that is no ELF file" not_elf
check "for another machine" another_machine
check "without the entry symbol" no_entry
check "with struct_size 0 in its class" size_zero
check "with size 0 in its note" no_size_in_note
finish
