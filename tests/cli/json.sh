#!/bin/sh
# SPDX-License-Identifier: MIT
# --json: each command's output, and that it says what the text says.
. "$LICHEN_SOURCE/tests/cli/lib.sh"
need jq

cat >"$scratch/full.yaml" <<'YAML'
lichen: 1
include: [pc]
name: "7"
cpus: 3
memory: { size: 64M }
paging: shadow
on_reboot: pause
on_crash: restart
on_panic: pause
cpu: { mask: ["-avx2", { leaf: 7, index: 0, reg: ebx, and: 0xfffffffe, or: 2 }] }
boot: { plugin: flat, image: "näme with \"quotes\"", address: 0x200000, mode: protected }
backends:
  - { plugin: file, id: log, path: out.log, append: yes }
devices:
  - { plugin: serial16550, id: com1, backend: { plugin: stdio, escape: none } }
  - { plugin: serial16550, id: com2, port: 0x2f8, irq: 3, backend: log }
  - { plugin: debug-exit, port: 0xf4 }
symbiotic: []
YAML

composed() {
	status 0 "$lichen" check "$scratch/full.yaml" && cp "$scratch/out" "$scratch/yaml" &&
		status 0 "$lichen" check "$scratch/full.yaml" --json && cp "$scratch/out" "$scratch/json"
}
check "a profile is composed, both ways" composed
check "the JSON is one object" jq -e 'type == "object"' "$scratch/json"
is_profile() {
	cp "$scratch/json" "$scratch/again.yaml"
	status 0 "$lichen" check "$scratch/again.yaml" && diff -u "$scratch/yaml" "$scratch/out"
}
check "the JSON is a profile of the same machine" is_profile
check "numbers are numbers" jq -e '.cpus == 3 and .memory.size == 67108864 and
	.devices[-2].port == 760 and .boot.address == 2097152 and .cpu.mask[1].or == 2' "$scratch/json"
check "text is text" jq -e '.name == "7" and .paging == "shadow" and .boot.mode == "protected"' \
	"$scratch/json"
check "yes is true" jq -e '.backends[0].append == true' "$scratch/json"
check "what is nested is nested" jq -e '.devices[] | select(.id == "com1") |
	.backend.plugin == "stdio" and .backend.escape == "none"' "$scratch/json"
ascii() {
	! LC_ALL=C grep -q '[^ -~]' "$scratch/json"
}
check "the JSON is ASCII" ascii

faults() {
	cat >"$scratch/bad.yaml" <<'YAML'
lichen: 1
cpsu: 2
cpus: 99
boot: { plugin: flat }
YAML
	status 2 "$lichen" check "$scratch/bad.yaml" --json && [ ! -s "$scratch/err" ] &&
		jq -e --arg file "$scratch/bad.yaml" 'length == 3 and all(.[]; .file == $file) and
			map([.line, .column]) == [[2, 1], [3, 7], [4, 7]] and
			(.[0].text | test("unknown key \"cpsu\""))' "$scratch/out"
}
check "faults are an array with places" faults
check "of a profile that is not there too" sh -c \
	'"$0" check "$1"/absent.yaml --json | jq -e "length == 1 and (.[0].text | length > 0)"' \
	"$lichen" "$scratch"

listed() {
	mkdir -p "$scratch/p" && cp "$plugins/shapes.so" "$scratch/p" && echo text >"$scratch/p/text.so"
	status 0 "$lichen" plugin list --json --plugin-path "$scratch/p" &&
		jq -e 'length == 2 and .[0].name == "shapes" and .[0].kind == "device" and
			.[0].version == "2.1" and (.[0].sha256 | length == 64) and (.[0].file | test("shapes.so$"))
			and .[1].name == "text" and (.[1].refused | test("text.so")) and
			(.[1] | has("kind") | not)' "$scratch/out"
}
check "plugin list tells good and bad" listed
none_listed() {
	status 0 "$lichen" plugin list --json --plugin-path /nonexistent && jq -e '. == []' "$scratch/out"
}
check "no plugins are an empty array" none_listed

# Every line on standard error of run is an object, the last the status.
ran() { # STATUS REASON WORD...
	ran_status=$1 ran_reason=$2
	shift 2
	status "$ran_status" "$lichen" run "$@" --json && [ -s "$scratch/err" ] &&
		jq -e . "$scratch/err" >/dev/null &&
		tail -n 1 "$scratch/err" | jq -e --argjson status "$ran_status" --arg reason "$ran_reason" \
			'.status == $status and .reason == $reason'
}
check "run ends with its status: bad input" ran 2 bad-input "$scratch/bad.yaml"
logged() {
	head -n 1 "$scratch/err" | jq -e '.log | test("cpsu")'
}
check "what it says is in objects too" logged
if [ -c /dev/kvm ] && [ -w /dev/kvm ]; then
	hello="$LICHEN_SOURCE/tests/e2e/pebble.yaml"
	check "run ends with its status: the guest's" ran 1 guest "$hello" \
		--set boot.image="$guests/hello.bin"
	check "the guest's console stays as it is" printed hello
	check "run ends with its status: a crash" ran 6 crashed "$hello" \
		--set boot.image="$guests/triple.bin"
	stopped() {
		timeout --foreground --preserve-status -k 10 2 "$lichen" run "$hello" --json --stop-timeout 0 \
			--set boot.image="$guests/halt.bin" >"$scratch/out" 2>"$scratch/err" </dev/null
		[ $? = 8 ] && tail -n 1 "$scratch/err" | jq -e '.status == 8 and .reason == "stopped"'
	}
	check "run ends with its status: stopped" stopped
fi
finish
