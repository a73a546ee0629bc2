#!/bin/bash
# SPDX-License-Identifier: MIT
# linux.sh PAIRS BUILD PROFILE KERNEL INITRD EXAMPLE: stock Linux with lichen_guest, and then the
# same kernel under QEMU with qemu-guest-agent.  Runs where KVM boots Linux: in tools/svm-bench, or
# on hardware.  INITRD has after.sh and what that needs.  Prints for each pair
#	switch A B	ns a context switch of the guest, without and with the module
#	deferred A B	ns of a direct and of a deferred call, as the VMM measures them
#	insmod A B	ms of the guest's own insmod of EXAMPLE, and of a push of it
#	beyond A B	the same, A one and a half times as long
#	agent A B	us of a ping of qemu-guest-agent and of a deferred call, client to client
set -u
pairs=$1 build=$2 profile=$3 kernel=$4 initrd=$5 example=$6
client=$build/bench/bench-client
export LICHEN_RUNTIME_DIR=/tmp/run
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
	echo "linux.sh: $1" >&2
	tail -n 30 "$work"/*.log >&2
	exit 1
}

# waits LOG PID: until the guest has done its part.
waits() {
	for _ in $(seq 1200); do
		grep -q '^lichen-guest: waiting' "$1" && return
		kill -0 "$2" || break
		sleep 0.5
	done
	fail "the guest does not come so far"
}

append="console=ttyS0 quiet lichen.run=after bench.pairs=$pairs"
"$build/lichen" run "$profile" --name bench --set cpus=1 --set boot.kernel="$kernel" \
	--set boot.initrd="$initrd" --set "boot.cmdline=$append" </dev/null >"$work/lichen.log" 2>&1 &
pid=$!
waits "$work/lichen.log" $pid
for what in "call direct" "call deferred" "trip deferred"; do
	read -r how mode <<<"$what"
	"$client" "$how" /tmp/run bench "$mode" 20 >"$work/warm" && # not counted
		"$client" "$how" /tmp/run bench "$mode" "$pairs" >"$work/$how-$mode" || fail "$what"
done
"$client" push /tmp/run bench "$example" lichen_example "$pairs" >"$work/push" || fail "push"
"$build/lichen" stop bench --stop-timeout 1min || fail "stop"
wait $pid

# The agent's usual channel, on QEMU's usual machine.
qemu=(
	qemu-system-x86_64 -M pc -accel kvm -cpu "host,-xsave" -smp 1 -m 512 -nodefaults -no-user-config
	-display none -serial "file:$work/qemu.log" -kernel "$kernel" -initrd "$initrd"
	-append "$append bench.agent" -device virtio-serial
	-chardev "socket,id=agent,path=$work/agent,server=on,wait=off"
	-device "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"
)
printf 'qemu:%s\n' "$(printf ' %q' "${qemu[@]}")" >&2
: >"$work/qemu.log"
"${qemu[@]}" </dev/null >/dev/null 2>"$work/qemu-says.log" &
pid=$!
waits "$work/qemu.log" $pid
"$client" ping "$work/agent" 20 >"$work/warm" &&
	"$client" ping "$work/agent" "$pairs" >"$work/ping" || fail "ping"
kill $pid

tr -d '\r' <"$work/lichen.log" | sed -n 's/^bench: switch /switch /p'
paste -d ' ' "$work/call-direct" "$work/call-deferred" | sed 's/^/deferred /'
tr -d '\r' <"$work/lichen.log" | sed -n 's/^bench: insmod //p' | paste -d ' ' - "$work/push" |
	awk '{ printf "insmod %.3f %.3f\nbeyond %.3f %.3f\n", $1 / 1e6, $2 / 1e6, 1.5 * $1 / 1e6, $2 / 1e6 }'
paste -d ' ' "$work/ping" "$work/trip-deferred" | awk '{ printf "agent %.1f %.1f\n", $1 / 1e3, $2 / 1e3 }'
