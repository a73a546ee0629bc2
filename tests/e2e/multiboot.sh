#!/bin/bash
# SPDX-License-Identifier: MIT
# multiboot.sh nested|shadow: Debian's Xen hypervisor, by the Multiboot protocol, on emulated AMD
# hardware: as far as it goes without a kernel for its first domain.
. "$LICHEN_SOURCE/tests/e2e/lib.sh"

paging=$1
work=$LICHEN_BUILD/multiboot-$paging
rm -rf "$work"
mkdir -p "$work"
xen=$("$LICHEN_SOURCE/tools/fetch-kernels" xen) || exit 1
linux=$("$LICHEN_SOURCE/tools/fetch-kernels" cloud) || exit 1
cat >"$work/xen.yaml" <<P
lichen: 1
include: [pc]
name: xen
memory: { size: 512M }
on_reboot: stop
boot:
  plugin: multiboot
  kernel: $xen/xen
  cmdline: "console=com1 com1=115200 no-real-mode"
  module: $linux/vmlinuz
  module_cmdline: "console=hvc0 panic=1"
devices:
  - { plugin: serial16550, port: 0x3f8, irq: 4, backend: { plugin: stdio } }
P
"$LICHEN_SOURCE/tools/svm-bench" --paging "$paging" --timeout 300 -- timeout 240 "$lichen" run \
	"$work/xen.yaml" >"$work/log" 2>&1
got=$?
tr -d '\r' <"$work/log" >"$work/clean"
cp "$work/log" /tmp/xen-log

has() { # PATTERN
	grep -q -- "$1" "$work/clean" || { tail -n 40 "$work/clean"; echo "not there: $1"; return 1; }
}

version=$(sed 's/+.*//' "$xen/version")
check "Xen prints its banner ($version, $paging paging)" has "Xen version $version "
check "it has its command line" has 'Command line: console=com1 com1=115200 no-real-mode'
echo "status $got"
finish
