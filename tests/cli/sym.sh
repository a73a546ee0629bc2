#!/bin/bash
# SPDX-License-Identifier: MIT
# The symbiotic commands, on VMs whose guests are symbiotic, or are not.
. "$LICHEN_SOURCE/tests/cli/lib.sh"
need jq
need_kvm
export LICHEN_RUNTIME_DIR=$scratch/run
e2e=$LICHEN_SOURCE/tests/e2e
trap 'for vm in bare empty deaf poses; do "$lichen" stop $vm --stop-timeout 0 2>/dev/null; done; rm -rf "$scratch"' EXIT

start() { # NAME PROFILE GUEST WORD...
	start_name=$1 start_profile=$2 start_guest=$3
	shift 3
	status 0 "$lichen" run "$e2e/$start_profile.yaml" --name "$start_name" --detach \
		--set boot.image="$guests/$start_guest.bin" "$@"
}
# good PATTERN WORD...: the command succeeds, says nothing on stderr, and prints that.
good() {
	good_pattern=$1
	shift
	status 0 "$lichen" "$@" && printed "$good_pattern" && [ ! -s "$scratch/err" ]
}
# json FILTER WORD...: so does it with --json.
json() {
	json_filter=$1
	shift
	status 0 "$lichen" "$@" --json && jq -e "$json_filter" "$scratch/out"
}
no_controls() { ! LC_ALL=C grep -q '[^ -~]' "$scratch/out" "$scratch/err"; }

# A VM that is not symbiotic; one that might become so; a guest that knows nothing of it.
check "a VM without a block starts" start bare pebble echo
printf 'lichen: 1\ninclude: [%s/pebble.yaml]\nsymbiotic: []\n' "$e2e" >"$scratch/empty.yaml"
check "one with a block and no plugins" status 0 "$lichen" run "$scratch/empty.yaml" --name empty \
	--detach --set boot.image="$guests/echo.bin"
check "one whose guest is not symbiotic" start deaf symbiotic echo
check "no block: info" refused 2 'bare: not symbiotic: its profile has no .symbiotic:' sym info bare
check "no block: info as JSON" json '.symbiotic == {block: false} and (has("symspy") | not)' sym info bare
while read -r plugin words; do
	for vm in bare empty; do
		# shellcheck disable=SC2086
		check "no plugin in $vm: $words" refused 2 "$vm: plugin $plugin is not in this VM" ${words/VM/$vm}
	done
done <<W
symspy sym spy VM
symspy sym spy VM linux.mem/1 --follow
symcall sym call VM lichen.null
symcall ps --guest VM
symmod sym list VM
symmod sym push VM $guests/tally.o
symmod sym drop VM tally
W
check "no plugins: nothing is on offer" good '^offered: nothing' sym info empty
check "no guest side: info" good '^agreed:  nothing' sym info deaf
check "no guest side: a record" refused 1 'linux.mem/1: the guest has no symbiotic side' sym spy deaf linux.mem/1
check "no guest side: all records" refused 1 'the guest shares no records' sym spy deaf
check "no guest side: a call" refused 1 'the guest has no symbiotic side' sym call deaf lichen.null
check "no guest side: processes" refused 1 'the guest has no symbiotic side' ps --guest deaf
check "no guest side: a push" refused 1 'the guest has no symbiotic side' sym push deaf "$guests/tally.o"
check "no guest side: what was pushed is nothing" json '. == []' sym list deaf
check "no guest side: top goes without" good 'VCPU.*DISPATCH$' top deaf --once
for words in 'sym info' 'sym spy' 'sym list' 'ps --guest'; do
	# shellcheck disable=SC2086
	check "no such VM: $words" refused 2 'dea: no VM of this name runs, did you mean "deaf"' $words dea
done
check "no such VM: sym call" refused 2 'no VM of this name' sym call nobody f
check "no such VM: sym push" refused 2 'no VM of this name' sym push nobody "$guests/tally.o"
check "no such VM: sym drop" refused 2 'no VM of this name' sym drop nobody x

# A guest that shares and answers what a Linux guest does.
# Calls have the time that a busy host takes; those that are to be given up say their own.
check "a symbiotic guest starts" start poses symbiotic sym_poses --set cpus=3 \
	--set symbiotic.symcall.timeout=50s --set symbiotic.symcall.deferred_timeout=50s
ready() { "$lichen" sym info poses --json | jq -e '.symcall.vcpus == ["ready", "ready", "ready"] and
	([.records[] | select(.name == "linux.task/1")] | length == 3) and .symbiotic.listens'; }
check "and registers" until_true ready

check "info: features" good '^agreed:  spy spy-host call call-deferred module$' sym info poses
info_all() { printed '^MSRs 0x4c696300 to 0x4c6963ff, notifications on line [0-9]*, to which the guest listens' &&
	printed '^  linux.task/1 *vCPUs' && printed '^  linux.ps *deferred *from:u32' && printed '^symmod: the guest takes modules' && no_controls; }
check "info: records, functions, policy" info_all
check "info as JSON" json '.symbiotic.agreed == "0x1f" and (.symspy | has("retries")) and
	(.symcall.direct_log2_ns | length == 32) and (.functions | map(.name) | index("linux.repair")) and .modules == []' sym info poses

check "spy: a record of the VM" good '^  total: 512.0M$' sym spy poses linux.mem/1
unknown() { printed '^  psi_some_total_us: -$' && printed '^  sampled: 0.000000s$'; }
check "spy: what is unknown, a time" unknown
check "spy: of each vCPU, a row" good '^     0    1     1  posing     0x1234000' sym spy poses linux.task/1
check "spy: a name that no terminal should see" no_controls
check "spy: of one vCPU" json 'length == 1 and .[0].vcpu == 1 and .[0].values.pid == 14' sym spy poses linux.task/1 --vcpu 1
check "spy: all" good '^linux.load/1$' sym spy poses
check "spy: and no control character" no_controls
check "spy: all as JSON" json 'has("linux.mem/1") and (.["linux.task/1"] | length == 3)' sym spy poses
check "spy: all of one vCPU" json 'keys == ["linux.task/1"]' sym spy poses --vcpu 2
check "spy: a record nearly named" refused 2 'linux.mm/1: the guest shares no such record, did you mean "linux.mem/1"' sym spy poses linux.mm/1
check "spy: a vCPU that there is not" refused 2 "not one of the VM's 3" sym spy poses linux.task/1 --vcpu 3
check "spy: a vCPU that is none" refused 2 '--vcpu -1: not the number' sym spy poses --vcpu -1
follows() {
	"$lichen" sym spy poses linux.load/1 --follow --json >"$scratch/followed" 2>"$scratch/err" &
	follow_pid=$!
	twice() { [ "$(grep -c 'load15' "$scratch/followed")" -ge 2 ]; }
	until_true twice
	kill -TERM $follow_pid
	wait $follow_pid && jq -e '.[0].values.load1 == 125' "$scratch/followed"
}
check "spy --follow: a line a round, until it is ended" follows

check "call: results by their schema" good '^  text: three words here$' sym call poses lichen.echo 1 0x10 'three words here'
echoed() { printed '^lichen.echo: direct on vCPU [0-2], [0-9.]* us$' && printed '^  a: 1$' && printed '^  b: 16$'; }
check "call: how it was made, and numbers" echoed
check "call: arguments by name, and a short name" json '.results == {a: "0x0", b: "0x7", text: "x=y"} and .vcpu == 2' \
	sym call poses echo b=7 text=x=y --vcpu 2 --deadline 50s
check "call: a function nearly named" refused 2 'lichen.nul: the guest has no such function, did you mean "lichen.null"' sym call poses lichen.nul
check "call: a short name of two" refused 2 'several of this name' sym call poses refuse
check "call: a function that fails" refused 1 'pebble.refuse: the guest says: .* (-95)' sym call poses pebble.refuse
failed_json() { status 1 "$lichen" sym call poses pebble.refuse --json && jq -e '.status == -95' "$scratch/out"; }
check "call: its answer as JSON all the same" failed_json
check "call: an argument that is no number" refused 2 'which: x: not a number' sym call poses pebble.refuse x
check "call: one that is too large" refused 2 'more than 16 bits' sym call poses pebble.refuse 65536
check "call: one too many" refused 2 '2: one argument too many' sym call poses pebble.refuse 1 2
check "call: one twice" refused 2 'which=2: this argument is there twice' sym call poses pebble.refuse which=1 which=2
check "call: one that is no UTF-8" refused 2 'text: not UTF-8' sym call poses echo 1 2 "$(printf 'a\377')"
check "call: a seed that is no hexadecimal" refused 2 'seed: ' sym call poses repair seed=xy
check "call: a vCPU that there is not" refused 2 "not one of the VM's 3" sym call poses lichen.null --vcpu 3
check "call: a vCPU for what is only deferred" refused 2 'only deferred' sym call poses circle 0 --vcpu 1
check "call: a deadline that is none" refused 2 '--deadline soon: not a time' sym call poses lichen.null --deadline soon
check "call: of no time" refused 2 '--deadline 0: not a time' sym call poses lichen.null --deadline 0
check "call: too long for a direct call" refused 2 'more than the 1min of a direct call' sym call poses lichen.null --deadline 2min
check "call: too long for any" refused 2 'more than an hour' sym call poses circle --deadline 61min
check "call: a guest that does not answer in time" refused 1 'pebble.never: the guest did not answer in time' \
	sym call poses pebble.never --vcpu 2 --deadline 100ms
# One that was never begun, because the host was busy, costs nothing.
dead() {
	"$lichen" sym call poses pebble.never --vcpu 2 --deadline 500ms
	"$lichen" sym info poses --json | jq -e '.symcall.vcpus[2] == "dead" and .symcall.timeouts != "0x0"'
}
check "call: costs that vCPU's channel, and is counted" until_true dead
check "call: the others answer" good 'direct on vCPU 1' sym call poses lichen.null --vcpu 1
histogram() { good '^  direct calls$' sym info poses && printed ' us and more  *[0-9]* ##*$'; }
check "info: a histogram" histogram

check "repair: the host's time and random bytes" good '^  clock: repaired$' sym call poses repair
repaired() { printed '^  random generator: repaired$' && printed '^  network: left as it was$'; }
check "repair: what was done" repaired
half() { status 1 "$lichen" sym call poses repair now=0 && said 'not all is repaired: .* (-95)' && printed '^  clock: left as it was'; }
check "repair: not all of it" half

check "ps --guest: all pages of the list" json 'length == 100 and map(.pid) == [range(1; 101)] and .[0].vcpu == 0 and .[6].vcpu == 2 and .[1].vcpu == null' ps --guest poses
check "ps --guest: for people" good '^  7 .*  7.0M  *7.000000s  *2  esc?\[31m??*$' ps --guest poses
check "ps --guest: and no control character" no_controls
circle() { status 0 "$lichen" sym call poses circle 1 && refused 1 'does not come to an end' ps --guest poses; }
check "ps --guest: a list that goes in circles" circle
check "top: memory, load" good '^guest: 300 of 512 MiB available   load 1.25 0.00 0.00   2 of 100 run$' top poses --once
tasks() { printed '^VCPU .* TASK$' && printed '^   0 .* us posing$' && printed '^   2 .* us esc' && no_controls; }
check "top: who runs on each vCPU" tasks

live() { # in 80x24: no line is longer
	: >"$scratch/live"
	timeout 90 script -qec "stty cols 80 rows 24; '$lichen' top poses" /dev/null \
		< <(until_true grep -aq 'guest: 300' "$scratch/live" >/dev/null; printf q) >"$scratch/live"
	sed "s/$(printf '\033')\[[?0-9]*[A-Za-z]//g; s/\r//" "$scratch/live" >"$scratch/out"
	printed '^guest: 300 of 512 MiB' && [ "$(awk '{ if (length > m) m = length } END { print m }' "$scratch/out")" -le 80 ]
}
if command -v script >/dev/null; then check "top, live: no line is longer than 80" live; else skip "top, live" "no script(1)"; fi

check "push: an object" good '^tally$' sym push poses "$guests/tally.o"
check "push: its function answers" good '^  sum: 5$' sym call poses tally.add 5
check "list" good '^tally  object' sym list poses
check "list as JSON" json '.[0].name == "tally" and (.[0].sha256 | length == 64)' sym list poses
check "push: one that is loaded" refused 1 'tally: the guest refuses: one of this name is loaded (-17)' sym push poses "$guests/tally.o"
check "push: one whose init fails" refused 2 'init function failed (-19)' sym push poses "$guests/fails.o"
check "push: one that wants what nobody has" refused 2 'a symbol is missing' sym push poses "$guests/misses.o"
check "push: no module" refused 2 'not a module for this guest' sym push poses "$LICHEN_SOURCE/README.md"
check "push: a file that is not there" refused 2 'module nope.ko: No such file' sym push poses nope.ko
check "push: a folder" refused 2 'not a plain file' sym push poses "$guests"
: >"$scratch/empty.o"
check "push: an empty file" refused 2 'empty.o: an empty file' sym push poses "$scratch/empty.o"
check "push: a parameter that cannot be" refused 2 'a parameter with spaces and quotes' sym push poses "$guests/tally.o" 'a="b c'
check "push: parameters that are too long" refused 2 'parameters: not a text of at most 1023 bytes' \
	sym push poses "$guests/tally.o" "$(printf 'x%.0s' $(seq 1024))"
check "drop: one that was not pushed" refused 2 'nothing: no module of this name was pushed' sym drop poses nothing
check "drop" json '.name == "tally"' sym drop poses tally
check "drop: it is gone" json '. == []' sym list poses
check "drop: with its function" refused 2 'tally.add: the guest has no such function' sym call poses tally.add 5

leaves() { status 0 "$lichen" sym call poses leave && until_true gone; }
gone() { "$lichen" sym info poses --json | jq -e '.symbiotic.agreed == "0x0"'; }
check "a guest side that takes leave" leaves
check "is one that is not there" refused 1 'the guest has no symbiotic side' sym call poses lichen.null
ended() {
	"$lichen" sym spy deaf nothing --follow >"$scratch/out" 2>"$scratch/err"
	[ $? = 1 ] && one_sentence
}
check "spy --follow of what is not there ends" ended
finish
