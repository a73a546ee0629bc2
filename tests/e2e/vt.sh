#!/bin/bash
# SPDX-License-Identifier: MIT
# vt.sh EPT: Debian's stock cloud kernel on emulated Intel hardware, with kvm-intel ept=EPT.
# Prints how long the boot took, by the emulated machine's clock and by this one's.
. "$LICHEN_SOURCE/tests/e2e/lib.sh"

ept=$1
paging=$([ "$ept" = 1 ] && echo nested || echo shadow)
work=$LICHEN_BUILD/vt-ept$ept
rm -rf "$work"
mkdir -p "$work"
kernel=$("$LICHEN_SOURCE/tools/fetch-kernels" cloud)/vmlinuz || exit 1
"$LICHEN_SOURCE/tools/guest-initrd" "$work/initrd.gz" || exit 1

# What runs inside: one boot, then what KVM says of itself.
cat >"$work/boot" <<'B'
#!/bin/bash
# boot LICHEN PROFILE KERNEL INITRD PAGING
read -r begin _ </proc/uptime
"$1" run "$2" --set boot.kernel="$3" --set boot.initrd="$4" --set paging="$5" --set cpus=1 \
	--set memory.size=256M --set boot.cmdline="console=ttyS0 quiet lichen.run=poweroff" </dev/null
status=$?
read -r end _ </proc/uptime
echo "=== status $status"
echo "=== seconds $begin $end"
echo "=== linux $(uname -r)"
echo "=== ept $(cat /sys/module/kvm_intel/parameters/ept)"
echo "=== unrestricted guest $(cat /sys/module/kvm_intel/parameters/unrestricted_guest)"
exit $status
B
chmod +x "$work/boot"
files=()
for plugin in "$LICHEN_BUILD"/plugins/*.so; do
	files+=(--file "$plugin")
done
TIMEFORMAT='%0R s of ours, %0U s of them on a CPU'
{
	time "$LICHEN_SOURCE/tools/vt-bench" --ept "$ept" --timeout 1700 --file "$lichen" \
		"${files[@]}" --file "$LICHEN_BUILD/profiles" --file "$here/linux.yaml" \
		--file "$kernel" --file "$work/initrd.gz" -- \
		"$work/boot" "$lichen" "$here/linux.yaml" "$kernel" "$work/initrd.gz" "$paging" \
		>"$work/log" 2>&1
	bench=$?
} 2>"$work/time"
tr -d '\r' <"$work/log" >"$work/clean"

has() { # PATTERN
	grep -q -- "$1" "$work/clean" || { tail -n 40 "$work/clean"; echo "not there: $1"; return 1; }
}

hasnt() { # PATTERN
	! grep -- "$1" "$work/clean"
}

check "power-off gives status 0 (ept=$ept)" [ $bench = 0 ]
check "init is reached" has '^lichen-guest: up cpus=1 linux='
check "kvm-intel runs with ept=$ept" has "^=== ept $([ "$ept" = 1 ] && echo Y || echo N)\$"
check "no ACPI error" hasnt 'ACPI Error\|ACPI BIOS Error\|ACPI Warning'
awk -v bench="$(cat "$work/time")" -v ept="$ept" '/^=== seconds/ {
	printf "# ept=%s: lichen ran for %.0f s of the emulated clock; the whole bench took %s\n",
		ept, $4 - $3, bench }' "$work/clean"
finish
