#!/bin/bash
# SPDX-License-Identifier: MIT
# serial16550 is reloaded at random moments while stock Linux, on emulated AMD hardware, streams
# through it both ways.  The program that does it runs in the bench.
. "$LICHEN_SOURCE/tests/e2e/lib.sh"

work=$LICHEN_BUILD/linux-reload
rm -rf "$work"
mkdir -p "$work"
kernel=$("$LICHEN_SOURCE/tools/fetch-kernels" cloud)/vmlinuz || exit 1
head -c 524288 /dev/urandom >"$work/stream"
"$LICHEN_SOURCE/tools/guest-initrd" "$work/initrd.gz" "$work/stream" || exit 1
"$LICHEN_SOURCE/tools/svm-bench" --timeout 1700 -- env STREAM_KERNEL="$kernel" \
	STREAM_INITRD="$work/initrd.gz" STREAM_FILE="$work/stream" LICHEN_REQUIRE_KVM=1 \
	"$LICHEN_BUILD/tests/test-reload_linux" >"$work/log" 2>&1
bench=$?
cat "$work/log" | grep '^# '
it_passed() {
	grep -q '^ok 1 - .*once_and_in_order$' "$work/log" && [ $bench = 0 ] || { tail -n 60 "$work/log"; return 1; }
}
check "every byte of 512 KiB each way comes once and in order while serial16550 is reloaded" it_passed
finish
