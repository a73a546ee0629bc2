#!/bin/sh
# SPDX-License-Identifier: MIT
# --verbose: where each value of a composed profile came from, once.
. "$LICHEN_SOURCE/tests/cli/lib.sh"
need jq

cat >"$scratch/web.yaml" <<'YAML'
lichen: 1
include: [pc, ./part.yaml]
cpus: 2
memory: { size: 64M }
boot: { plugin: flat, image: x.bin }
devices:
  - { id: rtc-cmos, irq: 10 }
  - { plugin: serial16550, id: com1, backend: { plugin: stdio } }
cpu: { mask: ["-avx2"] }
YAML
cat >"$scratch/part.yaml" <<'YAML'
lichen: 1
cpus: 4
on_crash: restart
YAML

# Without times and levels.
origins() {
	status 0 "$lichen" check "$scratch/web.yaml" --verbose --set devices.com1.port=0x2f8 \
		--set on_panic=pause --name site >/dev/null || return 1
	sed -n 's/^ *[0-9.]* debug //p' "$scratch/err" >"$scratch/origins"
}
line() { # LINE: is there, once
	[ "$(grep -cFx -- "$1" "$scratch/origins")" = 1 ] || { cat "$scratch/origins"; return 1; }
}
check "the origins are told" origins
check "a value of the profile, over an include's" line "cpus: 2 ($scratch/web.yaml:3:7)"
check "a value of an include" line "on_crash: restart ($scratch/./part.yaml:3:11)"
check "an override, by its number" line "devices.com1.port: 0x2f8 (--set 1)"
check "another" line "on_panic: pause (--set 2)"
check "--name, which comes after the overrides" line "name: site (--set 3)"
check "a default of a plugin" line "devices.com1.irq: 4 (default of serial16550)"
check "a default of Lichen's" line "paging: any (default)"
check "what an entry of the profile changes in an include's" \
	line "devices.rtc-cmos.irq: 10 ($scratch/web.yaml:7:26)"
check "a size, as it is written" line "memory.size: 64M ($scratch/web.yaml:4:17)"
check "a file, in full" line "boot.image: $scratch/x.bin ($scratch/web.yaml:5:30)"
check "what is nested" \
	line "devices.com1.backend.plugin: stdio ($scratch/web.yaml:8:57)"
check "a list of changes to CPUID" line "cpu.mask.0.leaf: 0x7 ($scratch/web.yaml:9:15)"

each_once() {
	"$lichen" check "$scratch/web.yaml" --json --set devices.com1.port=0x2f8 --set on_panic=pause \
		--name site | jq -r '[leaf_paths] | length' >"$scratch/want"
	grep -vc '^plugin ' "$scratch/origins" | diff "$scratch/want" - &&
		[ -z "$(sed 's/: .*//' "$scratch/origins" | grep -v '^plugin' | sort | uniq -d)" ]
}
check "each value once, and all of them" each_once
hash=$("$lichen" plugin list --json | jq -r '.[] | select(.name == "serial16550") | .sha256')
plugin_told() {
	grep -q "^plugin serial16550 .*/serial16550\.so sha256:$hash\$" "$scratch/origins" &&
		[ "$(grep -c '^plugin serial16550' "$scratch/origins")" = 1 ]
}
check "a plugin with its file and hash, once" plugin_told
quiet() {
	status 0 "$lichen" check "$scratch/web.yaml" && [ ! -s "$scratch/err" ]
}
check "nothing of it without --verbose" quiet
paths_work() {
	sed -n 's/^\(devices\.[a-z0-9.-]*\): \([^ ]*\) (default of .*/\1=\2/p' "$scratch/origins" \
		>"$scratch/sets"
	[ -s "$scratch/sets" ] || return 1
	while read -r set; do
		status 0 "$lichen" check "$scratch/web.yaml" --set "$set" || { echo "$set"; return 1; }
	done <"$scratch/sets"
}
check "a value is named as --set takes it" paths_work
if [ -c /dev/kvm ] && [ -w /dev/kvm ]; then
	run_tells() {
		status 1 "$lichen" run "$LICHEN_SOURCE/tests/e2e/pebble.yaml" --verbose \
			--set boot.image="$guests/hello.bin" && said 'debug boot.image: .*(--set 1)'
	}
	check "run tells it as well" run_tells
fi
finish
