#!/bin/bash
# SPDX-License-Identifier: MIT
# boot.sh PAIRS LICHEN PROFILE KERNEL INITRD: boots the same kernel and initrd with QEMU's
# microvm and with Lichen, in turn, from the start of the program to the guest's init and to
# its end.  Runs where KVM boots Linux: in tools/svm-bench, or on hardware.
#
# Prints QEMU's command line on stderr and for each pair the lines
#	init A B	s from the start to the first line of the guest's init; A: QEMU
#	off A B		s from the start to the program's end, after power-off
set -u
pairs=$1 lichen=$2 profile=$3 kernel=$4 initrd=$5
limit=600 # seconds that a boot may take

# The barest microvm that boots this kernel: docs/proof/bench.md says what was tried.  With ACPI, as
# without it and without the PIC the guest does not reach its init.
qemu=(
	qemu-system-x86_64
	-M "microvm,acpi=on,pit=off,pic=off,rtc=off,isa-serial=on,x-option-roms=off,auto-kernel-cmdline=off"
	-accel kvm -cpu host,-xsave -smp 1 -m 512
	-no-user-config -nodefaults -no-reboot -display none -monitor none -serial stdio
	-kernel "$kernel" -initrd "$initrd"
	-append "console=ttyS0 quiet pci=off lichen.run=poweroff"
)
# The profile masks XSAVE as well: docs/proof/bench.md says why.
ours=(
	"$lichen" run "$profile" --set cpus=1 --set memory.size=512M
	--set boot.kernel="$kernel" --set boot.initrd="$initrd"
	--set boot.cmdline="console=ttyS0 quiet pci=off lichen.run=poweroff"
)

# boot COMMAND...: sets init_us and off_us, microseconds.
boot() {
	local line start end status now
	start=${EPOCHREALTIME/./}
	init_us=
	while IFS= read -r line; do
		case $line in
		*'lichen-guest: up'*)
			now=${EPOCHREALTIME/./}
			init_us=$((now - start))
			;;
		'status '*) status=${line#status } ;;
		*) lines+=$line$'\n' ;;
		esac
	done < <(
		timeout -k 5 "$limit" "$@" </dev/null 2>&1
		status=$?
		echo
		echo "status $status"
	)
	end=${EPOCHREALTIME/./}
	off_us=$((end - start))
	if [[ $status != 0 || ! $init_us ]]; then
		printf '%s' "$lines" | tail -n 20 >&2
		echo "boot.sh: $1: status $status, init after ${init_us:-no time} us" >&2
		exit 1
	fi
}

{
	printf 'qemu:'
	printf ' %q' "${qemu[@]}"
	printf '\nlichen:'
	printf ' %q' "${ours[@]}"
	echo
} >&2
for ((pair = 0; pair < pairs; pair++)); do
	lines=
	boot "${qemu[@]}"
	init_a=$init_us off_a=$off_us
	lines=
	boot "${ours[@]}"
	for figure in "init $init_a $init_us" "off $off_a $off_us"; do
		read -r name a b <<<"$figure"
		printf '%s %d.%06d %d.%06d\n' "$name" $((a / 1000000)) $((a % 1000000)) \
			$((b / 1000000)) $((b % 1000000))
	done
done
