#!/bin/bash
# SPDX-License-Identifier: MIT
# Neither requires the other: the same module, in the same guest, on machines that are not
# symbiotic (QEMU's emulator with two kinds of CPU; the bench itself; Lichen without symbiotic
# plugins), says so in one line, is not loaded, and leaves nothing.
. "$LICHEN_SOURCE/tests/tap.sh"
. "$LICHEN_SOURCE/tests/guest-linux/lib.sh" alone
built
"$LICHEN_SOURCE/tools/guest-modules" generic "$work/generic" >"$work/log" 2>&1 ||
	{ cat "$work/log"; exit 1; }

on_qemu() { # NAME
	timeout 300 qemu-system-x86_64 -M q35 -accel tcg -cpu "$1" -smp 2 -m 512 -display none \
		-monitor none -no-reboot -nic none -serial "file:$work/$1" -kernel "$cloud/vmlinuz" \
		-initrd "$work/initrd.gz" -append "console=ttyS0 quiet panic=-1 lichen.run=module" \
		</dev/null >"$work/qemu" 2>&1
	status=$?
	cat "$work/qemu"
	[ $status = 0 ]
}

# What runs inside the bench: kmod's insmod, once, on its own kernel; then Lichen.
cat >"$work/inside" <<'B'
#!/bin/bash
# inside LICHEN PROFILE KERNEL INITRD MODULE
echo "=== bare"
dmesg >/tmp/before
/sbin/insmod "$5" 2>&1
echo "lichen-guest: insmod $?"
dmesg | diff /tmp/before - | sed -n 's/^> \[[^]]*\] /lichen-guest: said /p'
echo "lichen-guest: loaded $(grep -c '^lichen_guest ' /proc/modules)"
echo "=== bare status 0"
echo "=== lichen"
timeout 250 "$1" run "$2" --set boot.kernel="$3" --set boot.initrd="$4" --set cpus=2 \
	--set boot.cmdline="console=ttyS0 quiet lichen.run=module" </dev/null 2>&1
echo "=== lichen status $?"
B
chmod +x "$work/inside"

in_bench() {
	"$LICHEN_SOURCE/tools/svm-bench" --timeout 500 -- "$work/inside" "$LICHEN_BUILD/lichen" \
		"$LICHEN_SOURCE/tests/e2e/linux.yaml" "$cloud/vmlinuz" "$work/initrd.gz" \
		"$work/generic/lichen_guest.ko" >"$work/bench" 2>&1
	status=$?
	for part in bare lichen; do
		sed -n "/^=== $part\r*\$/,/^=== $part status/p" "$work/bench" >"$work/$part"
	done
	[ $status = 0 ] || { tail -n 30 "$work/bench"; return 1; }
}

has() { # MACHINE LINE
	tr -d '\r' <"$work/$1" | grep -qx -- "$2" || { tail -n 40 "$work/$1"; echo "not there: $2"; return 1; }
}

# Beside the kernel's own about a module that is not its own; busybox's insmod tries twice.
one_line() { # MACHINE
	tr -d '\r' <"$work/$1" | sed -n 's/^lichen-guest: said //p' | grep -v 'taint' | sort -u >"$work/said"
	[ "$(cat "$work/said")" = "lichen_guest: this machine is not symbiotic" ] ||
		{ cat "$work/said"; return 1; }
}

no_warning() { # MACHINE: none that names us, or of the kernel's about code
	tr -d '\r' <"$work/$1" | sed -n '/^lichen-guest: warnings begin/,/^lichen-guest: warnings end/p' |
		grep '^<' | grep -e 'lichen_guest' -e 'unchecked MSR' -e 'WARNING: CPU' -e 'BUG:' |
		grep -v 'taint' >"$work/warnings"
	cat "$work/warnings"
	[ ! -s "$work/warnings" ]
}

for cpu in qemu64 max; do
	check "QEMU, CPU $cpu: the guest runs" on_qemu $cpu
done
check "the bench runs" in_bench
for machine in qemu64 max bare lichen; do
	case $machine in
	bare) status=1 ;; # kmod's insmod ends so for any error
	*) status=19 ;;
	esac
	check "$machine: init says that there is no such device" has $machine "lichen-guest: insmod $status"
	check "$machine: in one line" one_line $machine
	check "$machine: it is not loaded" has $machine 'lichen-guest: loaded 0'
	check "$machine: no warning of ours" no_warning $machine
done
check "kmod says which error" grep -q 'No such device' "$work/bare"
for machine in qemu64 max lichen; do
	check "$machine: nothing is left" has $machine 'lichen-guest: left 0'
done
check "Lichen: the guest powers off" has lichen '=== lichen status 0'
finish
