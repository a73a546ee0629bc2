#!/bin/bash
# SPDX-License-Identifier: MIT
# Instances of a running VM: listed, added, removed, dumped; and what it counts.
. "$LICHEN_SOURCE/tests/cli/lib.sh"
need jq
need_kvm
export LICHEN_RUNTIME_DIR=$scratch/run
machine=$LICHEN_SOURCE/tests/e2e/pebble.yaml
trap '"$lichen" stop vm --stop-timeout 0 2>/dev/null; rm -rf "$scratch"' EXIT

check "a VM starts" status 0 "$lichen" run "$machine" --name vm --detach \
	--set boot.image="$guests/echo.bin" --set cpus=2
listed() {
	status 0 "$lichen" device list vm --json && jq -e '.devices | map(.id) | index("com1") != null and
		(index("anon") < index("com1"))' "$scratch/out" &&
		jq -e '.devices[] | select(.id == "com1") | .plugin == "serial16550" and .state == "running" and
			.windows == [{name: "uart", size: "0x8", bus: "port", address: "0x3f8"}]' "$scratch/out" &&
		status 0 "$lichen" device list vm && printed '^com1 .*port 0x3f8-0x3ff$'
}
check "device list" listed
# What is told meanwhile.
exec 3> >(exec "$LICHEN_BUILD/tests/control-wire" "$LICHEN_RUNTIME_DIR" vm >"$scratch/events")
echo '{"jsonrpc":"2.0","id":1,"method":"subscribe"}' >&3
for _ in $(seq 600); do # the answer is there: nothing after it is missed
	[ -s "$scratch/events" ] && break
	sleep 0.1
done
added() {
	status 0 "$lichen" device add vm '{plugin: debug-exit, id: bell, port: 0x500}' --json &&
		jq -e '.id == "bell"' "$scratch/out" && status 0 "$lichen" device list vm &&
		printed '^bell .*port 0x500-0x503$'
}
check "device add" added
nested() {
	(cd "$scratch" && status 0 "$lichen" device add vm \
		'{plugin: serial16550, id: com2, port: 0x2f8, irq: 3, backend: {plugin: file, path: said}}') &&
		printed '^com2$' && [ -f "$scratch/said" ]
}
check "with what is nested in it, and files of the caller's folder" nested
check "an entry that clashes" refused 2 'vm: devices serial16550: port 0x3f8: ports 0x3f8 to 0x3ff overlap .* of com1' \
	device add vm '{plugin: serial16550}'
check "a plugin that there is not" refused 2 'no such plugin\|not found\|no nope.so' device add vm '{plugin: nope}'
check "a parameter that there is not" refused 2 'did you mean "port"' device add vm '{plugin: debug-exit, prt: 1}'
check "an entry that is no YAML" refused 2 'not YAML.*device add:' device add vm '{plugin: ['
check "a file that is not there" refused 2 'none/said: No such' device add vm \
	'{plugin: file, path: none/said}' --backend
unchanged() { "$lichen" device list vm | wc -l >"$scratch/n"; [ "$(cat "$scratch/n")" = 14 ] || { cat "$scratch/n"; return 1; }; }
check "and nothing of that was left" unchanged
check "device remove: who is needed stays" refused 1 'com2 has lichen.char/1 of file' device remove vm file
check "nor does what cannot go" refused 1 "the guest's memory is its own" device remove vm anon
check "one that there is not" refused 2 'device nope: there is none' device remove vm nope
removed() {
	status 0 "$lichen" device remove vm com2 --json && jq -e '.id == "com2"' "$scratch/out" &&
		status 0 "$lichen" device remove vm bell --force && status 0 "$lichen" device list vm &&
		! grep -q 'com2\|file\|bell' "$scratch/out"
}
check "device remove, and by force" removed
told() {
	for _ in $(seq 600); do
		jq -r 'select(.method) | .params | [.event, .id, .detail // ""] | join(" ")' "$scratch/events" |
			sort >"$scratch/told"
		printf '%s\n' 'device-added bell debug-exit' 'device-added com2 serial16550' \
			'removal-requested com2 ' 'removal-requested file ' 'removal-requested anon ' 'removed com2 ' \
			'removed bell ' | sort | diff - "$scratch/told" >"$scratch/differ" && return
		sleep 0.1
	done
	cat "$scratch/differ"
	return 1
}
check "each is told as an event" told
exec 3>&-

dumped() {
	printf 'abc' | timeout --foreground 1 "$lichen" console vm >/dev/null 2>&1
	status 0 "$lichen" device dump vm com1 && printed '^com1: serial16550 .*state version' && printed '^  ier: ' &&
		printed '# transmitter.s FIFO' && status 0 "$lichen" device dump vm com1 --json &&
		jq -e '.devices | length == 1 and (.[0].state | map(.name) | index("lcr") != null)' "$scratch/out"
}
check "device dump: a field has name, value and help" dumped
check "of all" sh -c '"$0" device dump vm --json | jq -e ".devices | length == 10 and all(has(\"state\"))"' "$lichen"
fetched() {
	status 0 "$lichen" device dump vm kvm-irqchip --json && jq -e '.devices[0] | has("stale") | not' "$scratch/out" &&
		"$lichen" ps --json | jq -e '.[0].state == "running"'
}
check "what the hypervisor has is fetched, and the VM goes on" fetched
check "of one that there is not" refused 2 'device nope: there is none' device dump vm nope
standing() { status 0 "$lichen" pause vm && status 0 "$lichen" device dump vm && status 0 "$lichen" resume vm; }
check "of a VM that is paused" standing

loads() {
	mkdir -p "$scratch/p" && cp "$LICHEN_BUILD/plugins/debug-exit.so" "$scratch/p" &&
		status 0 "$lichen" plugin load vm "$scratch/p/debug-exit.so" port=0x700 id=late && printed '^late$' &&
		status 0 "$lichen" device list vm && printed '^late .*port 0x700-0x703'
}
check "plugin load makes an instance" loads
check "one that clashes is not loaded" refused 2 'port 0x700: ports .* overlap' plugin load vm debug-exit port=0x700
check "a plugin that there is not" refused 2 'plugin nope: No such file' plugin load vm nope
check "a file that is none" refused 2 'named NAME.so' plugin load vm /bin/true
text_so() { echo text >"$scratch/p/text.so" && refused 2 'text' plugin load vm "$scratch/p/text.so"; }
check "a file that is no plugin" text_so
check "a parameter that is none" refused 2 'KEY=VALUE' plugin load vm debug-exit port
unloads() {
	status 0 "$lichen" plugin unload vm debug-exit --json && jq -e '.closed and (has("pinned") | not)' "$scratch/out" &&
		status 0 "$lichen" device list vm && ! grep -q debug-exit "$scratch/out"
}
check "plugin unload takes all instances and closes the file" unloads
check "once" refused 2 'debug-exit: not loaded' plugin unload vm debug-exit
check "not where others need them" refused 1 'is needed: com1 has' plugin unload vm stdio
again() {
	status 0 "$lichen" plugin load vm debug-exit --no-instance --json && jq -e '.kind == "device"' "$scratch/out" &&
		status 0 "$lichen" plugin unload vm debug-exit
}
check "without an instance" again
reloads() {
	status 0 "$lichen" plugin reload vm serial16550 --json && jq -e '.instances == 1' "$scratch/out" || return 1
	printf 'after' | timeout --foreground 1 "$lichen" console vm >"$scratch/out" 2>/dev/null
	printed 'after'
}
check "plugin reload: the guest goes on with the new code" reloads
check "of what has no instance" refused 2 'debug-exit' plugin reload vm debug-exit
check "of what cannot be" refused 1 'anon: .* not reloaded' plugin reload vm anon

counts() {
	status 0 "$lichen" metrics vm --json && jq -e '(.vcpus | length) == 2 and .memory.guest == "0x4000000" and
		(.windows[] | select(.id == "com1").accesses | length) > 3 and
		(.vcpus[0].exits.io | length) > 3' "$scratch/out"
}
check "metrics as JSON" counts
prometheus() {
	status 0 "$lichen" metrics vm && printed '^lichen_exits_total{vm="vm",vcpu="0",reason="io"} [1-9]' &&
		printed '^lichen_window_accesses_total{vm="vm",device="com1",plugin="serial16550",window="uart"} [1-9]' &&
		printed '^lichen_dispatch_seconds_bucket{vm="vm",vcpu="1",le="+Inf"} ' &&
		! grep -Ev '^(# (HELP|TYPE) [a-z_]+ .*|[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [0-9.]+)$' "$scratch/out"
}
check "metrics as Prometheus reads it" prometheus
framed() { status 0 "$lichen" top vm --once && printed '^vm  running  up ' && printed '^com1 *serial16550 *uart'; }
check "top --once" framed
check "top without a terminal" refused 2 'see --once' top vm
live() { # in 80x24: no line is longer, the screen is given back
	timeout 60 script -qec "stty cols 80 rows 24; '$lichen' top vm" /dev/null \
		< <(for _ in 1 2 3 4 5 6 7 8 9; do sleep 2; printf q; done) >"$scratch/live"
	grep -q "$(printf '\033')\[?1049l" "$scratch/live" && grep -q 'VCPU' "$scratch/live" &&
		[ "$(sed "s/$(printf '\033')\[[?0-9]*[A-Za-z]//g; s/\r//" "$scratch/live" | awk '{ if (length > m) m = length } END { print m }')" -le 80 ]
}
if command -v script >/dev/null; then check "top, live" live; else skip "top, live" "no script(1)"; fi
finish
