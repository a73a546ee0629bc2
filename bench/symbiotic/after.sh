#!/bin/busybox sh
# SPDX-License-Identifier: MIT
# In the guest of linux.sh, as its script "after": measures what takes no VMM, then waits.
for word in $(cat /proc/cmdline); do
	case $word in
	bench.pairs=*) pairs=${word#*=} ;;
	bench.agent) agent=1 ;;
	esac
done
if [ "$agent" ]; then
	# Each comes after those that it needs.
	for try in 1 2 3 4; do
		for module in /lichen/virtio*.ko; do
			insmod "$module" 2>/dev/null
		done
	done
	for port in /dev/vport*; do
		/lichen/ld-linux-x86-64.so.2 --library-path /lichen /lichen/qemu-ga -m virtio-serial \
			-p "$port" -t /tmp >/tmp/agent 2>&1 &
	done
	sleep 1
	echo "lichen-guest: waiting"
	wait
fi
i=0
while [ $i -lt "$pairs" ]; do
	without=$(/lichen/bench-guest switch)
	insmod /lichen/lichen_guest.ko mod=any
	echo "bench: switch $without $(/lichen/bench-guest switch)"
	echo "bench: insmod $(/lichen/bench-guest insmod /lichen/lichen_example.ko lichen_example)"
	rmmod lichen_guest
	i=$((i + 1))
done
insmod /lichen/lichen_guest.ko mod=any
echo "lichen-guest: waiting"
while :; do sleep 3600; done
