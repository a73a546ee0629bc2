#!/bin/bash
# SPDX-License-Identifier: MIT
# emulated.sh nested|shadow: the tests of hv_kvm, and of calls on borrowed vCPUs, on an AMD
# machine's KVM: what they find on this machine's is in their tests of that name.
. "$LICHEN_SOURCE/tests/tap.sh"
tests="hv-vm hv-slot hv-kick hv-irq hv-save hv-state hv-borrow vm-borrow-300"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat >"$work/inside" <<'I'
folder=$1
shift
for name; do
	status=0
	echo "=== $name"
	"$folder/test-$name" 2>&1 || status=$?
	echo "=== $name status $status"
done
I

runs() {
	status=0
	LICHEN_EMULATED=1 "$LICHEN_SOURCE/tools/svm-bench" --paging "$1" --timeout 600 -- \
		bash "$work/inside" "$LICHEN_BUILD/tests" $tests >"$work/log" 2>&1 || status=$?
	[ $status = 0 ] || { tail -n 30 "$work/log"; return 1; }
}
passes() {
	sed -n "/^=== $1\$/,/^=== $1 status/p" "$work/log" >"$work/one"
	tail -n 1 "$work/one" | grep -q 'status 0$' && grep -q '^ok ' "$work/one" &&
		! grep -q '# SKIP' "$work/one" || { cat "$work/one"; return 1; }
}

check "the emulated machine ran ($1 paging)" runs "$1"
for name in $tests; do
	check "$name" passes "$name"
done
finish
