#!/bin/bash
# SPDX-License-Identifier: MIT
# reload.sh TIMES: stock Linux on Lichen with symbiotic plugins loads and unloads lichen_guest,
# while it works and its second CPU comes and goes; then, busy, it answers every command for
# symbiotic guests.  Neither side is left with anything.
. "$LICHEN_SOURCE/tests/tap.sh"
. "$LICHEN_SOURCE/tests/guest-linux/lib.sh" reload
command -v jq >/dev/null || { echo "not ok 1 - jq is installed"; exit 1; }
times=$1
# What linux.repair runs: the guest's clock, for the test to see.
printf '#!/bin/busybox sh\necho "lichen-guest: repaired at $(date +%%s)" >/dev/console\n' >"$work/repair"
chmod 755 "$work/repair"
built "$work/repair"

# What runs inside the bench: the guest, and the commands, each one's output between marks.
cat >"$work/inside" <<'B'
#!/bin/bash
# inside LICHEN PROFILE KERNEL INITRD TIMES EXAMPLE INSIDE
. "$7" "$@"
times=$5 example=$6
starts $((1200 + 20 * times)) "lichen.run=reload lichen.times=$times lichen.busy=3 lichen.parameters=mod=any,run=1,repair=/lichen/repair" \
	--set cpus=2
try info sym info busy
try info-json sym info busy --json
try spy sym spy busy
try task sym spy busy linux.task/1 --json
try mem sym spy busy linux.mem/1
try no-record sym spy busy linux.mem/2
echo "=== follow"
"$lichen" sym spy busy linux.load/1 --follow --json 2>/dev/null | head -n 3
echo "=== follow status 0"
try null sym call busy lichen.null --vcpu 1
try echo sym call busy echo 3 4 'some text'
for n in $(seq 20); do
	try "task-at-$n" sym call busy linux.task_at 0 --vcpu $((n % 2)) --json
done
try drop-caches sym call busy drop_caches 3
try no-function sym call busy linux.none
try no-argument sym call busy linux.sync 1
echo "bench-time: $(date +%s)"
try repair sym call busy repair
try ps ps --guest busy --json
try ps-table ps --guest busy
try top top busy --once
try push sym push busy "$example"
try push-again sym push busy "$example"
try push-none sym push busy "$2"
try list sym list busy
try example sym call busy example.add 3 4
try note sym call busy example.note 'from outside'
try example-count sym spy busy example.count/1
try drop sym drop busy lichen_example
try drop-again sym drop busy lichen_example
try gone sym call busy example.add 3 4
try fails sym push busy "$example" fail=1
try counted sym info busy --json
ends run
B
chmod +x "$work/inside"

boots() {
	in_machine svm-bench --timeout $((1200 + 10 * times)) -- "$work/inside" "$LICHEN_BUILD/lichen" \
		"$work/linux.yaml" "$cloud/vmlinuz" "$work/initrd.gz" "$times" "$work/cloud/lichen_example.ko" \
		"$LICHEN_SOURCE/tests/guest-linux/inside.sh"
}
# told NAME FILTER: its JSON is such.
told() {
	did 0 "$1" && { part "$1" | jq -e "$2" >/dev/null || { part "$1"; return 1; }; }
}

check "the guest runs" boots
check "it was loaded and unloaded each time" says "lichen-guest: reloaded $times times, 0 failed"
check "all CPUs are there" says 'lichen-guest: cpus 2'

check "info: features" did 0 info '^agreed:  spy spy-host call call-deferred module$'
check "info: both vCPUs can be called" told info-json '.symcall.vcpus == ["ready", "ready"] and (.functions | length > 12)'
check "spy: all records" did 0 spy '^linux.build/1$'
check "spy: who runs on each vCPU" told task 'map(.vcpu) == [0, 1] and all(.values.switches | length > 3)'
check "spy: memory with its unit" did 0 mem '^  total: 4[0-9][0-9]\.[0-9]M$'
check "spy: no such record" did 2 no-record 'did you mean "linux.mem/1"'
follows() { part follow | jq -s -e 'length == 3 and .[2][0].values.sampled != .[0][0].values.sampled' >/dev/null || { part follow; return 1; }; }
check "spy --follow: it goes on" follows
check "call: direct, on a vCPU" did 0 null '^lichen.null: direct on vCPU 1, '
check "call: text" did 0 echo '^  text: some text$'
tasks() {
	for n in $(seq 20); do
		told "task-at-$n" '.status == 0 and (.results.comm | type == "string")' || return 1
	done
}
check "call: who is interrupted, twenty times" tasks
check "call: deferred" did 0 drop-caches '^linux.drop_caches: deferred, '
check "call: no such function" did 2 no-function 'no such function'
check "call: an argument too many" did 2 no-argument 'one argument too many'
check "repair: all of it" did 0 repair '^  network: repaired$'
clock_is_set() {
	then=$(sed -n 's/^bench-time: //p' "$work/clean")
	now=$(sed -n 's/^lichen-guest: repaired at //p' "$work/clean")
	[ -n "$now" ] && [ $((now - then)) -ge 0 ] && [ $((now - then)) -le 300 ] || { echo "host $then, guest $now"; return 1; }
}
check "repair: the clock is the host's, and the program ran" clock_is_set
check "ps --guest: processes of the guest" told ps 'length > 30 and .[0].pid == 1 and
	(map(select(.comm == "sh" or .comm == "busybox")) | length >= 3) and all(has("vcpu"))'
check "ps --guest: for people" did 0 ps-table '^ *2  *0  *0  *1  S  .* kthreadd$'
check "top: memory and load" did 0 top '^guest: [0-9]* of 4[0-9][0-9] MiB available   load '
check "top: tasks" did 0 top '^VCPU .* TASK$'
check "push" did 0 push '^lichen_example$'
check "push: once" did 2 push-again 'the guest .* (-17)'
check "push: no module" did 2 push-none 'not a module for this guest'
check "list" did 0 list '^lichen_example  linux'
check "a function of what was pushed" did 0 example '^  sum: 7$'
check "and another" did 0 note '^example.note: deferred'
check "and its record" did 0 example-count '^  notes: 1$'
check "drop" did 0 drop '^lichen_example$'
check "drop: once" did 2 drop-again 'no module of this name was pushed'
check "its functions go with it" did 2 gone 'no such function'
check "push: parameters, and the guest's own words" did 2 fails 'lichen_example: the guest fails: .*(-19)'
check "what was done is counted" told counted '.symmod.pushed == "0x1" and .symmod.dropped == "0x1" and
	.symcall.timeouts == "0x0" and .symcall.crashed == "0x0" and .symspy.malformed == "0x0"'

check "the power button ends it" did 0 stop
check "and the guest powers off" says '=== run status 0'
check "the module takes its leave" says 'lichen-guest: rmmod 0'
check "the guest's log has no warning" quiet
vmm_is_silent() { # its lines begin with a time, the kernel's with a bracket
	! grep -E '^ *[0-9]+\.[0-9]+ ' "$work/clean"
}
check "the VMM has nothing to say" vmm_is_silent
finish
