#!/bin/bash
# SPDX-License-Identifier: MIT
# The initrd of the demo and the tests: its shape, and the same bytes each time.
. "$LICHEN_SOURCE/tests/tap.sh"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
make=$LICHEN_SOURCE/tools/guest-initrd

holds() {
	zcat "$scratch/one.gz" | cpio -t --quiet | grep -qx -- "$1"
}

check "it is made" "$make" "$scratch/one.gz"
sleep 1 # a time stamp would differ
check "it is made again" "$make" "$scratch/deep/two.gz"
check "and is the same" cmp "$scratch/one.gz" "$scratch/deep/two.gz"
for file in init bin/busybox modules/button.ko modules/evdev.ko etc/acpi/PWRF/00000080 \
	scripts/shell scripts/demo scripts/poweroff scripts/info scripts/wait scripts/reboot scripts/crash \
	scripts/module scripts/symbiotic scripts/reload scripts/after sbin/insmod sbin/rmmod; do
	check "it holds $file" holds "$file"
done
echo text >"$scratch/extra"
check "with a file of one's own it is made" "$make" "$scratch/one.gz" "$scratch/extra"
check "which is below /lichen" holds lichen/extra
refuse "a file that is not there makes nothing" "$make" "$scratch/three.gz" "$scratch/nothing"
check "at all" [ ! -e "$scratch/three.gz" ]
refuse "without a name it makes nothing" "$make"
finish
