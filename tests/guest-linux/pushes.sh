#!/bin/bash
# SPDX-License-Identifier: MIT
# Stock Linux is given modules of all kinds, and each comes back as what it was, with the guest's own
# words; and a device that brings its driver.  A guest of its own, for it is wrecked, reset and locked
# on the way.
. "$LICHEN_SOURCE/tests/tap.sh"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
. "$LICHEN_SOURCE/tests/e2e/installed.sh"
. "$LICHEN_SOURCE/tests/guest-linux/lib.sh" pushes
headers=$("$LICHEN_SOURCE/tools/fetch-headers" cloud | cut -d ' ' -f 2)
cp "$LICHEN_SOURCE/tests/guest-linux/after.sh" "$work/after"
built "$work/after"

modules() {
	cp -r "$LICHEN_SOURCE/tests/guest-linux/modules" "$work/modules" &&
		make -s -C "$headers" M="$work/modules" CONFIG_DEBUG_INFO_BTF_MODULES= \
			KBUILD_MODPOST_WARN=1 modules || return 1
	cd "$work/modules" && strip --strip-debug ./*.ko && cp "$work/cloud/lichen_example.ko" . &&
		(cat lichen_example.ko; echo) >forbidden.ko || return 1
	# The sum of its first symbol's type is another.
	objcopy --dump-section __versions=versions lichen_example.ko &&
		tr '\000-\377' '\001-\377\000' <versions | dd of=sum bs=4 count=1 2>"$work/log" &&
		dd if=sum of=versions conv=notrunc 2>"$work/log" &&
		objcopy --update-section __versions=versions lichen_example.ko crc.ko
}

pair() {
	sources 5-pair && install_it && with_cmake 5-pair ticket CMAKE_C_COMPILER gcc \
		-DTICKET_KERNEL="$headers" && cp "$out/ticket.so" "$work"
}

check "modules of all kinds are built" modules
check "5-pair builds, a driver for Linux in it" pair
allowed() {
	for file in "$work"/modules/*.ko "$scratch/build-5-pair/linux/ticket.ko"; do
		[ "${file##*/}" = forbidden.ko ] ||
			sha256sum <"$file" | sed 's/^\([0-9a-f]*\).*/      - sha256:\1/'
	done
}
cat >"$work/linux.yaml" <<Y
lichen: 1
include: ["$LICHEN_SOURCE/tests/e2e/linux.yaml"]
symbiotic:
  - { plugin: symspy }
  - { plugin: symcall, deferred_timeout: 2min }
  - plugin: symmod
    timeout: 2min
    allow:
$(allowed)
Y

runs() {
	in_machine svm-bench --timeout 1000 -- "$LICHEN_SOURCE/tests/guest-linux/pushes_inside.sh" \
		"$work" "$cloud/vmlinuz"
}
check "the guest powers off in the end" runs

pushed() { # NAME PATTERN: it has a result
	grep -a "^lichen-push: $1 0 " "$work/clean" | grep -qE -- "$2" ||
		{ grep -a "^lichen-push: $1 " "$work/clean"; return 1; }
}
refused() { # NAME PATTERN: it has none, for that reason
	grep -a "^lichen-push: $1 [1-9][0-9]* " "$work/clean" | grep -qE -- "$2" ||
		{ grep -a "^lichen-push: $1 " "$work/clean"; return 1; }
}
ran() { # NAME: the guest's program ended well
	pushed "$1" '"results":[{]"status":0,"signal":0[}]'
}

check "policy off: nothing is pushed" refused off "policy is to take no modules"
check "policy signed, without enforcement: the guest refuses, and says why" \
	refused signed 'guest refuses: .*only while its kernel enforces signatures .*\(-1\)'
check "policy any: a good module is loaded" pushed good '"name":"lichen_example"'
check "and listed" pushed good-list '"lichen_example"'
check "its record can be read" pushed good-record '"adds"'
check "its function can be called" pushed good-call '"sum":"0x7"'
check "a second time it is there already" refused good-twice 'fails: .*File exists.* \(-17\)'
check "it is dropped" pushed good-drop 'lichen_example'
check "with its record" refused good-gone 'no such record'
check "a hash that the profile does not allow goes nowhere" refused hash 'profile allows'
check "64 MiB of zeros are no module" refused zeros 'not a module'
check "nor is more than that" refused large 'not a module|64 MiB'
check "a word that does not fit: the kernel's own words" refused word "invalid for parameter .*fail.*\(-22\)"
check "an init that fails" refused fails 'No such device.*\(-19\)'
check "which ran once" ran fails-once
check "an unknown symbol" refused misses 'Unknown symbol nobody_has_it.*\(-2\)'
check "a symbol of another type" refused crc 'disagrees about version of symbol'
check "a device comes" pushed pair ticket
for step in one two hold three free absent; do
	check "with its driver: $step" ran "pair-$step"
done
check "a driver in use keeps the device" refused pair-busy 'does not let go of it: .*ticket.*in use|does not let go of it: .*\(-16\)'
check "driver and device go" pushed pair-gone ''
check "and come again" pushed pair-again ticket
check "the guest takes the driver out by itself" ran pair-removed
check "then the device goes as well" pushed pair-late ''
check "and comes once more" pushed pair-last ticket
check "an init that crashes: the kernel's own words" refused crashes 'crashes: the guest fails: .*RIP: .*crashes_init'
check "the guest lives, and its driver" ran crashes-lives
check "a guest that starts again amid a push" pushed sleeps-reset ''
check "ends the push" refused sleeps 'sleeps: (cancelled by a pause|the guest)'
check "and gets the driver as soon as it takes modules" ran next-takes
check "lockdown" ran lock
check "refuses a module without a signature" refused lockdown '\(-1\)'
check "enforcement of signatures" ran enforce
check "refuses it, with the key for a reason" refused enforced '\(-129\)'
check "what was loaded works on" ran next-takes-still
check "and goes" pushed next-gone ''
finish
