#!/bin/sh
# SPDX-License-Identifier: MIT
# Symbiotic pebble guests that judge by themselves what the VMM lets them do.
. "$LICHEN_SOURCE/tests/e2e/lib.sh"
need_kvm

symbiotic() { # WANT GUEST LINE [OPTION...]
	want=$1 guest=$2 line=$3
	shift 3
	status "$want" "$lichen" run "$here/symbiotic.yaml" --set boot.image="$guests/$guest.bin" "$@" &&
		printed "$line"
}

plain() { # GUEST: the same on a VMM that is not symbiotic
	pebble 1 "$1" && printed 'pebble: no symbiotic VMM'
}

check "hostile values in every MSR are #GP, and the guest can register afterwards" \
	symbiotic 1 sym_msrs 'pebble: every MSR stands it'
# Asked nothing, it only has records that nobody should believe.
bad_waits() {
	timeout -k 5 20 "$lichen" run "$here/symbiotic.yaml" --set boot.image="$guests/sym_bad.bin" \
		--set cpus=2 --stop-timeout 0 >"$scratch/out" 2>"$scratch/err" </dev/null &
	pid=$!
	for _ in $(seq 100); do
		grep -q 'pebble: bad' "$scratch/out" && break
		sleep 0.1
	done
	kill -TERM $pid
	wait $pid
	printed 'pebble: bad'
}

check "a guest that does wrong on request comes up" bad_waits
check "user code rings no doorbell" symbiotic 1 sym_user 'pebble: user code rings nothing'
for guest in sym sym_bad sym_msrs sym_poses sym_user; do
	check "$guest on a VMM that is not symbiotic passes" plain $guest
done
finish
