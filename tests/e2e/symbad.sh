#!/bin/bash
# SPDX-License-Identifier: MIT
# A symbiotic guest that does wrong when it is called: each costs the caller an error, or the
# guest its own channel, and never the VM.
. "$LICHEN_SOURCE/tests/e2e/lib.sh"
command -v jq >/dev/null || { echo "not ok 1 - jq is installed"; exit 1; }
need_kvm
trap '"$lichen" stop bad --stop-timeout 0 2>/dev/null; rm -rf "$scratch"' EXIT

# in_time COMMAND...: until_true, or what the VM knows of the guest.
in_time() { until_true "$@" || { "$lichen" sym info bad; return 1; }; }
info() { # FILTER
	"$lichen" sym info bad --json | jq -e "$1"
}
ready() { info '.symcall.vcpus == ["ready", "ready"] and .symbiotic.agreed == "0x1f"'; }
# good PATTERN FUNCTION [WORD...]: the call succeeds and prints that.
good() {
	good_pattern=$1
	shift
	status 0 "$lichen" sym call bad "$@" && printed "$good_pattern"
}
# refused PATTERN FUNCTION [WORD...]: it fails, with that.
refused() {
	refused_pattern=$1
	shift
	status 1 "$lichen" sym call bad "$@" && said "$refused_pattern"
}
alive() { # all is well, on both
	in_time ready && good direct lichen.null --vcpu 0 && good direct lichen.null --vcpu 1
}

# Calls have the time that a busy host takes; those that never end say their own.
check "the guest comes up" status 0 "$lichen" run "$here/symbiotic.yaml" --name bad --detach --set cpus=2 \
	--log "$scratch/log" --set boot.image="$guests/sym_bad.bin" --set symbiotic.symcall.timeout=50s \
	--set symbiotic.symcall.deferred_timeout=50s
check "and can be called" in_time ready

# A call that the host was too busy to begin in its time costs nothing, and is made again.
abandoned() { # FUNCTION VCPU
	"$lichen" sym call bad "$1" --vcpu "$2" --deadline 500ms 2>"$scratch/why"
	[ $? = 1 ] || return 1
	grep -q 'the guest crashed, or halted, inside\|the guest did not answer in time\|its channel is dead' "$scratch/why" || return 1
	info ".symcall.vcpus[$2] == \"dead\""
}
dies() { # FUNCTION VCPU
	in_time abandoned "$1" "$2" && good direct lichen.null --vcpu $((1 - $2)) &&
		refused 'its channel is dead' bad.mmio --vcpu "$2" && good deferred lichen.register && alive
}
for function in loop halt triple stack fault; do
	check "bad.$function costs the channel, which a registration brings back" dies bad.$function 0
done
check "on a vCPU that is busy too: bad.loop" dies bad.loop 1
check "on a vCPU that is busy too: bad.fault" dies bad.fault 1

# Doorbells that were not #GP would be `taken`.
counts() { # AT-LEAST: refused ones
	for count in refused taken; do
		"$lichen" sym spy bad bad.count/1 | sed -n "s/^  $count: //p" >"$scratch/$count"
	done
	[ "$(cat "$scratch/taken")" = 0 ] && [ "$(cat "$scratch/refused")" -ge "$1" ]
}
# rings REFUSED FUNCTION [WORD...]: so many doorbells in all are refused once it has ended.  Where
# the host was too busy for the other vCPU to answer in time, it is called again.
rings() {
	rings_least=$1
	shift
	in_time good . "$@" && in_time counts "$rings_least" && alive
}
check "bad.serial: the end of another call is refused" rings 2 bad.serial --vcpu 0
check "bad.wrong_vcpu: the end on another vCPU is" rings 3 bad.wrong_vcpu --vcpu 0
check "bad.answer: answers to calls never made are" rings 7 bad.answer
twice() { good . bad.twice --vcpu 0 && good . lichen.register && in_time counts 8 && alive; }
check "bad.twice: a second end is" twice

for mode in status size; do
	check "bad.$mode: an answer that cannot be is an error" refused 'the guest.s answer is malformed' bad.$mode
done
check "bad.iret: NMIs that a call unmasks" good direct bad.iret --vcpu 0
check "bad.mmio: accesses inside of a call" good '^  mmio: 0xffffffff$' bad.mmio --vcpu 0
check "bad.register: registering inside of a call" good direct bad.register --vcpu 0
unregisters() {
	good direct bad.unregister --vcpu 0 && info '.symcall.vcpus == ["none", "ready"]' &&
		refused 'no vCPU is registered' bad.mmio --vcpu 0 && good deferred lichen.register && alive
}
check "bad.unregister: taking it back inside of one" unregisters

for how in 1 2 3 4 5 6 7; do
	malformed() {
		good deferred bad.directory $how && status 1 "$lichen" sym spy bad && said 'directory is malformed' &&
			{ "$lichen" sym spy bad bad.count/1 2>"$scratch/why"; [ $? = 1 ]; } && alive
	}
	check "bad.directory $how: one that is malformed is refused" malformed
done
mended() { good deferred bad.directory 0 && status 0 "$lichen" sym spy bad bad.count/1; }
check "bad.directory 0: and read again once it is mended" mended
some() { # the others are shown
	status 1 "$lichen" sym spy bad && said 'bad.odd/1: its writer does not settle' && said 'bad.huge/1: .*malformed' &&
		printed '^bad.count/1$' && alive
}
check "records that are wrong cost themselves" some

disagrees() {
	good direct bad.disagree --vcpu 0 && info '.symbiotic.agreed == "0x0" and .symcall.vcpus == ["none", "none"] and .symspy.vcpus == 0' &&
		refused 'the guest has no symbiotic side' lichen.null && status 0 "$lichen" reset bad && alive
}
check "bad.disagree: taking leave inside of a call; a reset begins anew" disagrees
resets() { refused 'cancelled by a pause, a reset' bad.reset --vcpu 0 && alive; }
check "bad.reset: a reset inside of a call" resets
ends() {
	refused 'cancelled by a pause, a reset\|ended meanwhile' bad.off 3 --vcpu 1 &&
		in_time gone
}
gone() { ! "$lichen" ps --json | jq -e 'map(.name) | index("bad")'; }
check "bad.off: the end of the VM inside of a call" ends
check "all that the VM said was which channels died" sh -c \
	'! grep -v "was abandoned: direct calls are refused there\|asked for a reset\|suppressed\|MSR" "$0"' "$scratch/log"
finish
