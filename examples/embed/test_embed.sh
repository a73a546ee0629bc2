#!/bin/sh
# SPDX-License-Identifier: MIT
# The example shows what its guest prints, and ends with the guest's status.
. "$LICHEN_SOURCE/tests/e2e/lib.sh"
need_kvm

run_embed() { # WANT PROFILE SETTING...
	embed_want=$1 embed_profile=$2
	shift 2
	status "$embed_want" "$LICHEN_BUILD/examples/embed/embed" \
		"$LICHEN_SOURCE/examples/embed/$embed_profile" "$LICHEN_BUILD/plugins" "$@"
}

greets() {
	run_embed 1 embed.yaml boot.image="$guests/hello.bin" && printed '^guest: pebble: hello'
}

refuses_a_bad_profile() {
	run_embed 2 none.yaml && said 'none.yaml: not found'
}

stops_when_asked() {
	"$LICHEN_BUILD/examples/embed/embed" "$LICHEN_SOURCE/examples/embed/embed.yaml" \
		"$LICHEN_BUILD/plugins" boot.image="$guests/echo.bin" >"$scratch/out" 2>&1 &
	embed_pid=$!
	sleep 1
	kill -TERM "$embed_pid"
	embed_status=0
	wait "$embed_pid" || embed_status=$?
	[ "$embed_status" = 8 ] || { echo "status $embed_status"; cat "$scratch/out"; return 1; }
}

check "a program that embeds a machine shows what its guest prints" greets
check "a profile that is not there is told, status 2" refuses_a_bad_profile
check "SIGTERM ends the machine, status 8" stops_when_asked
check "it has fewer than 100 lines" \
	test "$(wc -l <"$LICHEN_SOURCE/examples/embed/embed.c")" -lt 100
check "it includes no header of the library but <lichen/vm.h>" \
	test "$(grep -c 'include.*\(lichen\|"\)' "$LICHEN_SOURCE/examples/embed/embed.c")" = 1
finish
