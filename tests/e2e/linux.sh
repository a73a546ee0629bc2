#!/bin/bash
# SPDX-License-Identifier: MIT
# linux.sh nested|shadow: Debian's stock cloud kernel on emulated AMD hardware, started with
# 1, 2 and 4 CPUs.  All boots of one paging mode share one start of the bench.
. "$LICHEN_SOURCE/tests/e2e/lib.sh"

paging=$1
work=$LICHEN_BUILD/linux-$paging
rm -rf "$work"
mkdir -p "$work"
kernel=$("$LICHEN_SOURCE/tools/fetch-kernels" cloud)/vmlinuz || exit 1
"$LICHEN_SOURCE/tools/guest-initrd" "$work/initrd.gz" || exit 1

# What runs inside the bench: boots, and prints each one's output between marks.
cat >"$work/boots" <<'B'
#!/bin/bash
# boots LICHEN PROFILE KERNEL INITRD PAGING
boot() { # NAME CPUS SCRIPT [OPTION...]
	local name=$1 cpus=$2 run=$3 status=0
	shift 3
	echo "=== $name"
	timeout 120 "$lichen" run "$profile" --set boot.kernel="$kernel" \
		--set boot.initrd="$initrd" --set paging="$paging" --set cpus="$cpus" \
		--set boot.cmdline="console=ttyS0 lichen.run=$run" --stop-timeout 0 "$@" \
		</dev/null 2>&1 || status=$?
	echo "=== $name status $status"
}
button() {
	local status=0
	echo "=== button"
	"$lichen" run "$profile" --set boot.kernel="$kernel" --set boot.initrd="$initrd" \
		--set paging="$paging" --set boot.cmdline="console=ttyS0 quiet lichen.run=wait" \
		--stop-timeout 60s </dev/null >/tmp/button 2>&1 &
	local pid=$!
	for _ in $(seq 300); do
		grep -q 'lichen-guest: waiting' /tmp/button && break
		sleep 0.2
	done
	kill -TERM $pid
	wait $pid || status=$?
	cat /tmp/button
	echo "=== button status $status"
}
lichen=$1 profile=$2 kernel=$3 initrd=$4 paging=$5
for cpus in 1 2 4; do
	boot "cpus$cpus" $cpus info
done
boot wrong-paging 1 info --set paging="$([ "$paging" = nested ] && echo shadow || echo nested)"
boot crash 1 crash
button
B
chmod +x "$work/boots"
"$LICHEN_SOURCE/tools/svm-bench" --paging "$paging" --timeout 900 -- "$work/boots" "$lichen" \
	"$here/linux.yaml" "$kernel" "$work/initrd.gz" "$paging" >"$work/log" 2>&1
bench=$?
tr -d '\r' <"$work/log" >"$work/clean"

# part NAME: the output of one boot.
part() {
	sed -n "/^=== $1\$/,/^=== $1 status/p" "$work/clean"
}

has() { # NAME PATTERN
	part "$1" | grep -q -- "$2" || { part "$1" | tail -n 40; echo "not there: $2"; return 1; }
}

hasnt() { # NAME PATTERN
	! part "$1" | grep -- "$2"
}

# The APIC ids that the guest lists are 0 to CPUS - 1.
apic_ids() {
	got=$(part "cpus$1" | sed -n 's/^lichen-guest: apicid //p' | sort -n | tr '\n' ' ')
	[ "$got" = "$(seq 0 $(($1 - 1)) | tr '\n' ' ')" ] || { echo "apic ids: $got"; return 1; }
}

# Nothing of level warning and up but what linux-warnings.txt allows: the emulated CPU's
# microcode and clock, a busy host, and that there is no PCI bus, which is true.
no_warning() {
	part "$1" | sed -n '/^lichen-guest: warnings begin/,/^lichen-guest: warnings end/p' |
		grep -v '^lichen-guest' | grep -v -f "$here/linux-warnings.txt" >"$work/warnings"
	[ ! -s "$work/warnings" ] || { cat "$work/warnings"; return 1; }
	part "$1" | grep -q '^lichen-guest: warnings end'
}

# iasl reads each table that the guest was given.
tables() {
	mkdir -p "$work/tables"
	part "$1" | awk -v to="$work/tables/" '/^lichen-guest: table .* begins/ { f = to $3 ".b64"; next }
		/^lichen-guest: table .* ends/ { f = ""; next } f { print > f }'
	count=0
	for text in "$work"/tables/*.b64; do
		table=${text%.b64}.dat
		base64 -di "$text" >"$table"
		(cd "$work/tables" && iasl -d "$table") >"$work/iasl" 2>&1 || { cat "$work/iasl"; return 1; }
		! grep -i 'error\|invalid\|warning' "$work/iasl" || return 1
		count=$((count + 1))
	done
	[ $count -ge 4 ] || { echo "only $count tables"; return 1; }
}

different_text() {
	one=$(part cpus1 | sed -n 's/^lichen-guest: _text //p')
	two=$(part cpus2 | sed -n 's/^lichen-guest: _text //p')
	[ -n "$one" ] && [ "$one" != "$two" ] || { echo "_text: $one and $two"; return 1; }
}

check "the bench ran ($paging paging)" [ $bench = 0 ]
check "pvpanic: Linux's own driver tells of a panic, which gives status 6" \
	has crash "^=== crash status 6"
for cpus in 1 2 4; do
	check "$cpus CPUs: power-off gives status 0" has cpus$cpus "^=== cpus$cpus status 0"
	check "$cpus CPUs: init is reached and sees $cpus" has cpus$cpus "^lichen-guest: nproc $cpus\$"
	check "$cpus CPUs: APIC ids" apic_ids $cpus
	check "$cpus CPUs: the serial port is a 16550A" has cpus$cpus 'lichen-guest: serial .*16550A'
	check "$cpus CPUs: no ACPI error" hasnt cpus$cpus 'ACPI Error\|ACPI BIOS Error\|ACPI Warning\|Firmware Bug'
	check "$cpus CPUs: no warning of ours" no_warning cpus$cpus
	check "$cpus CPUs: iasl reads the tables" tables cpus$cpus
done
check "two boots have different symbol addresses" different_text
check "another paging than the host's is refused with status 2" has wrong-paging '^=== wrong-paging status 2'
check "and says so in one sentence" has wrong-paging "paging: .*: this host's KVM gives $paging"
check "SIGTERM presses the button, acpid powers off: status 0" has button '^=== button status 0'
check "the guest saw the button" has button '^lichen-guest: power button'
finish
