#!/bin/busybox sh
# SPDX-License-Identifier: MIT
# freeze_guest.sh [WORD]: of freeze.sh, in the guest: without a word, mounts one ext4 and another in
# a file of it, has a program write to both, and loads lichen_guest; with one, what the VMM asks.
written() { # FOLDER
	cat "/tmp/written-$1" 2>/dev/null || echo 0
}

# stands|goes: whether the writers of both, or of the one named, come on.
writers() { # stands|goes FOLDER...
	local want=$1 folder before now=stands
	shift
	for folder; do
		before=$(written "$folder")
		sleep 2
		[ "$(written "$folder")" = "$before" ] && now=stands || now=goes
		[ $now = "$want" ] || exit 1
	done
	exit 0
}

writes() { # FOLDER PATH
	local n=0
	while echo $n >"$2/file" && sync "$2/file"; do
		n=$((n + 1))
		echo $n >"/tmp/written-$1"
		usleep 20000
	done
}

case $1 in
'')
	insmod /lichen/loop.ko
	mkdir -p "/mnt/a b" /mnt/none
	mount -t ext4 -o loop /lichen/outer.img "/mnt/a b" || echo "lichen-guest: no outer mount"
	mkdir "/mnt/a b/inner"
	cp /lichen/inner.img "/mnt/a b/inner.img"
	mount -t ext4 -o loop "/mnt/a b/inner.img" "/mnt/a b/inner" || echo "lichen-guest: no inner mount"
	mount -t tmpfs tmpfs /mnt/none
	writes outer "/mnt/a b" &
	writes inner "/mnt/a b/inner" &
	insmod /lichen/lichen_guest.ko run=1
	printf '#!/bin/busybox sh\n/scripts/warnings\n' >/tmp/last
	chmod +x /tmp/last
	echo "lichen-guest: waiting"
	while :; do sleep 3600; done
	;;
stand) writers stands inner outer ;;
goes) writers goes inner outer ;;
inner-stands) (writers stands inner) && (writers goes outer) ;;
unload) # in use by what it runs, so a little later
	(while grep -q '^lichen_guest ' /proc/modules; do rmmod lichen_guest; usleep 100000; done
	(writers goes inner outer) && echo "lichen-guest: unloaded, and writers go on") >/dev/console 2>&1 &
	;;
*) exit 99 ;;
esac
