# SPDX-License-Identifier: MIT
# lib.sh: for tests of lichen_guest, to be sourced after tap.sh; $work is their folder.

# no_warnings <LOG: what scripts/warnings printed in the guest is whole, and nothing is in it besides
# what linux-warnings.txt allows, and that the module is not the kernel's own.
no_warnings() {
	sed -n '/^lichen-guest: warnings begin/,/^lichen-guest: warnings end/p' >"$work/said"
	grep -v '^lichen-guest' "$work/said" | grep -v -f "$LICHEN_SOURCE/tests/e2e/linux-warnings.txt" |
		grep -v 'taint' >"$work/warnings"
	cat "$work/warnings"
	[ ! -s "$work/warnings" ] && grep -q '^lichen-guest: warnings end' "$work/said"
}
