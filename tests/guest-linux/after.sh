#!/bin/busybox sh
# SPDX-License-Identifier: MIT
# after.sh [WORD...]: in the guest: without words, loads lichen_guest by one policy after the other,
# each until the VMM has it run "after.sh go"; with words, what the VMM has it do.
go() {
	echo "lichen-guest: policy $1"
	while [ ! -e /tmp/go ]; do usleep 100000; done
	rm /tmp/go
}

again() { # POLICY: the module is in use as long as what it runs
	while grep -q '^lichen_guest ' /proc/modules && ! rmmod lichen_guest; do usleep 100000; done
	insmod /lichen/lichen_guest.ko run=1 "mod=$1"
	go "$1"
}

case $1 in
'')
	for policy in off signed any; do
		again $policy
	done
	while ! rmmod lichen_guest; do usleep 100000; done
	poweroff -f
	;;
go) touch /tmp/go ;;
take) [ "$(cat /dev/ticket)" = "$2" ] ;;
absent) [ ! -e /dev/ticket ] && ! grep -q '^ticket ' /proc/modules ;;
hold)
	sleep 100000 </dev/ticket >/dev/null 2>&1 &
	echo $! >/tmp/holder
	;;
free)
	kill "$(cat /tmp/holder)"
	while grep -q '^ticket [0-9]* [1-9]' /proc/modules; do usleep 100000; done
	;;
remove) rmmod "$2" ;;
said) [ "$(dmesg | grep -c "$2")" = "$3" ] ;;
lock)
	[ -e /sys/kernel/security/lockdown ] || mount -t securityfs security /sys/kernel/security
	echo integrity >/sys/kernel/security/lockdown
	;;
enforce) echo 1 >/sys/module/module/parameters/sig_enforce ;;
*) exit 99 ;;
esac
