#!/bin/bash
# SPDX-License-Identifier: MIT
# reload.sh TIMES: stock Linux on Lichen with symbiotic plugins loads and unloads lichen_guest,
# while it works and its second CPU comes and goes: neither side is left with anything.
. "$LICHEN_SOURCE/tests/tap.sh"
times=$1
work=$LICHEN_BUILD/guest-reload
rm -rf "$work"
mkdir -p "$work"
cloud=$("$LICHEN_SOURCE/tools/fetch-kernels" cloud) || exit 1
"$LICHEN_SOURCE/tools/guest-modules" cloud "$work/cloud" >"$work/log" 2>&1 &&
	"$LICHEN_SOURCE/tools/guest-initrd" "$work/initrd.gz" "$work/cloud/lichen_guest.ko" ||
	{ cat "$work/log"; exit 1; }
cat >"$work/linux.yaml" <<Y
lichen: 1
include: ["$LICHEN_SOURCE/tests/e2e/linux.yaml"]
symbiotic:
  - { plugin: symspy }
  - { plugin: symcall }
  - { plugin: symmod }
Y

boots() {
	"$LICHEN_SOURCE/tools/svm-bench" --timeout $((400 + 5 * times)) -- timeout $((350 + 5 * times)) \
		"$LICHEN_BUILD/lichen" run "$work/linux.yaml" --set boot.kernel="$cloud/vmlinuz" \
		--set boot.initrd="$work/initrd.gz" --set cpus=2 --set \
		"boot.cmdline=console=ttyS0 quiet lichen.run=reload lichen.times=$times" </dev/null \
		>"$work/run" 2>&1
	status=$?
	tr -d '\r' <"$work/run" >"$work/clean"
	[ $status = 0 ] || { tail -n 40 "$work/clean"; return 1; }
}

says() {
	grep -qx -- "$1" "$work/clean" || { tail -n 40 "$work/clean"; return 1; }
}

no_warning() { # besides what linux-warnings.txt allows, and that the module is not the kernel's own
	sed -n '/^lichen-guest: warnings begin/,/^lichen-guest: warnings end/p' "$work/clean" |
		grep -v '^lichen-guest' | grep -v -f "$LICHEN_SOURCE/tests/e2e/linux-warnings.txt" |
		grep -v 'taint' >"$work/warnings"
	cat "$work/warnings"
	[ ! -s "$work/warnings" ] && grep -q '^lichen-guest: warnings end' "$work/clean"
}

check "the guest powers off" boots
check "it was loaded and unloaded each time" says "lichen-guest: reloaded $times times, 0 failed"
check "all CPUs are there" says 'lichen-guest: cpus 2'
check "the guest's log has no warning" no_warning
vmm_is_silent() { # its lines begin with a time, the kernel's with a bracket
	! grep -E '^ *[0-9]+\.[0-9]+ ' "$work/clean"
}
check "the VMM has nothing to say" vmm_is_silent
finish
