#!/bin/sh
# SPDX-License-Identifier: MIT
# gdb, with tools/gdb-plugins.py, and sanitizers name the plugin whose code crashed.
. "$LICHEN_SOURCE/tests/e2e/lib.sh"
need_kvm
plugins=$LICHEN_BUILD/tests/tools-plugins
script=$LICHEN_SOURCE/tools/gdb-plugins.py
cat >"$scratch/m.yaml" <<P
lichen: 1
memory: { size: 1M }
boot: { plugin: flat, image: "$guests/hello.bin" }
devices: [ { plugin: crash } ]
P
run() { # COMMAND...: what it does to a VM that crashes
	timeout -k 5 120 "$@" "$lichen" run --plugin-path "$plugins:$LICHEN_BUILD/plugins" \
		"$scratch/m.yaml" >"$scratch/out" 2>&1 </dev/null
}
shown() {
	grep -q -- "$1" "$scratch/out" || { cat "$scratch/out"; echo "not there: $1"; return 1; }
}

if nm -D "$lichen" | grep -q __asan_; then
	run env
	check "AddressSanitizer names the function" shown '#0 .* in crash_here'
	check "and its plugin's source" shown 'tests/tools/crash.c'
	finish
	exit
fi
if nm -D "$lichen" | grep -q __tsan_ || ! command -v gdb >/dev/null ||
	! gdb -batch -ex run --args true >"$scratch/out" 2>&1 || ! grep -q 'exited normally' "$scratch/out"; then
	echo "1..0 # SKIP no gdb that may run programs"
	exit 77
fi
run gdb -batch -x "$script" -ex run -ex bt -ex lichen-plugins -ex "gcore $scratch/core" --args
check "a live process: the frame has the function and the plugin" shown '^#0 .*crash_here \[plugin crash\]'
check "and the one that called it" shown '^#1 .*crash_create \[plugin crash\]'
check "frames of the command have none" shown 'fw_instance_create (\|fw_shim_create ('
check "plugins are listed" shown '^0x[0-9a-f]* 0x[0-9a-f]* flat$'
core() {
	timeout -k 5 120 gdb -batch -x "$script" "$lichen" "$scratch/core" -ex lichen-plugins \
		-ex "lichen-symbols $*" -ex bt >"$scratch/out" 2>&1 </dev/null
}
core "$plugins" "$LICHEN_BUILD/plugins"
check "a core file: the plugins are listed" shown '^0x[0-9a-f]* 0x[0-9a-f]* crash$'
check "their symbols are read from the same files" shown "^crash: $plugins/crash.so"
check "the frame has the function and the plugin" shown '^#0 .*crash_here \[plugin crash\]'
mkdir "$scratch/others"
cp "$LICHEN_BUILD/plugins/flat.so" "$scratch/others/crash.so"
core "$scratch/others"
check "another file of its name is not taken" shown '^crash: none of the files is the one that was loaded'
finish
