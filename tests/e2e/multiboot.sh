#!/bin/bash
# SPDX-License-Identifier: MIT
# multiboot.sh: Debian's Xen hypervisor, by the Multiboot protocol, on emulated AMD hardware: to
# its banner and as far as it goes without a kernel for its first domain, which is its own reset.
. "$LICHEN_SOURCE/tests/e2e/lib.sh"

work=$LICHEN_BUILD/multiboot
rm -rf "$work"
mkdir -p "$work"
xen=$("$LICHEN_SOURCE/tools/fetch-kernels" xen) || exit 1
cat >"$work/xen.yaml" <<P
lichen: 1
include: [pc]
name: xen
memory: { size: 512M }
on_reboot: stop
boot: { plugin: multiboot, kernel: $xen/xen, cmdline: "console=com1 com1=115200 no-real-mode" }
devices:
  - { plugin: serial16550, port: 0x3f8, irq: 4, backend: { plugin: stdio } }
P
"$LICHEN_SOURCE/tools/svm-bench" --timeout 600 -- timeout 500 "$lichen" run "$work/xen.yaml" \
	>"$work/log" 2>&1
got=$?
tr -d '\r' <"$work/log" >"$work/clean"

has() { # PATTERN
	grep -q -- "$1" "$work/clean" || { tail -n 40 "$work/clean"; echo "not there: $1"; return 1; }
}

version=$(sed 's/+.*//' "$xen/version")
check "Xen prints its banner ($version)" has "^(XEN) Xen version $version "
check "it knows who loaded it" has '^(XEN) Bootloader: Lichen$'
check "it has its command line" has '^(XEN) Command line: console=com1 com1=115200 no-real-mode$'
check "it misses a kernel" has '^(XEN) dom0 kernel not specified'
check "its reset ends the VM with status 0" [ $got = 0 ]
finish
