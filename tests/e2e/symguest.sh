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
check "user code rings no doorbell" symbiotic 1 sym_user 'pebble: user code rings nothing'
for guest in sym sym_bad sym_msrs sym_user; do
	check "$guest on a VMM that is not symbiotic passes" plain $guest
done
finish
