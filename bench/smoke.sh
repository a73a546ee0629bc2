#!/bin/sh
# SPDX-License-Identifier: MIT
# The benches run, whatever they measure: one pair, no bounds.
. "$LICHEN_SOURCE/tests/e2e/lib.sh"
need_kvm

bench() { # NAME FIGURE
	"$LICHEN_SOURCE/tools/bench" --build "$LICHEN_BUILD" --json "$scratch" --pairs 1 \
		--no-bounds "$1" >"$scratch/out" || { cat "$scratch/out"; return 1; }
	cat "$scratch/out"
	printed "$2" && grep -q '"median":' "$scratch/$1.json"
}

check "exit gives its table and its JSON" bench exit "KVM_RUN's return"
check "start gives its table and its JSON" bench start 'first guest exit'
refuse "a bench that is not there" bench nothing .
finish
