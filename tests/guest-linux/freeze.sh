#!/bin/bash
# SPDX-License-Identifier: MIT
# Stock Linux's file systems stand still while the VMM wants them to, and no longer: ext4, and
# another ext4 in a file of it, with programs that write to both.
. "$LICHEN_SOURCE/tests/tap.sh"
. "$LICHEN_SOURCE/tests/guest-linux/lib.sh" freeze
mke2fs -q -t ext4 "$work/outer.img" 16M && mke2fs -q -t ext4 "$work/inner.img" 4M || exit 1
cp "$LICHEN_SOURCE/tests/guest-linux/freeze_guest.sh" "$work/after"
built "$work"/*.img "$work/after" "$(find "$cloud/lib/modules" -name loop.ko)"

# What runs inside the bench: the guest, and the commands, each one's output between marks.
cat >"$work/inside" <<'B'
#!/bin/bash
# inside LICHEN PROFILE KERNEL INITRD INSIDE
. "$5" "$@"
starts 600 lichen.run=after
call() { # NAME FUNCTION ARGUMENT...
	local name=$1
	shift
	try "$name" sym call busy "$@"
}
guest() { # NAME WORD: of freeze_guest.sh
	call "$1" linux.run "/lichen/after $2"
}
guest first goes
call all linux.freeze 60000 ''
guest all-stand stand
call again linux.freeze 60000 ''
call all-thaw linux.thaw
guest all-go goes
call one linux.freeze 60000 '/mnt/a b/inner'
guest one-stands inner-stands
call one-thaw linux.thaw
call timed linux.freeze 1000 ''
sleep 4
guest timed-go goes
call timed-thaw linux.thaw
call none linux.freeze 1000 /mnt/none
call nowhere linux.freeze 1000 /mnt/nowhere
call long linux.freeze 60001 ''
call last linux.freeze 60000 ''
guest unload unload
for _ in $(seq 60); do
	grep -q 'unloaded, and writers' /tmp/guest && break
	sleep 0.5
done
ends run
B
chmod +x "$work/inside"

runs() {
	in_machine svm-bench --timeout 600 -- "$work/inside" "$LICHEN_BUILD/lichen" "$work/linux.yaml" \
		"$cloud/vmlinuz" "$work/initrd.gz" "$LICHEN_SOURCE/tests/guest-linux/inside.sh" &&
		says '=== run status 0'
}
ran() { # NAME
	did 0 "$1" '^  status: 0$'
}
unloads() {
	says 'lichen-guest: unloaded, and writers go on'
}
but_one() {
	grep -v 'thawed file systems: the VMM did not in time' "$work/clean" | no_warnings
}

check "the guest powers off in the end" runs
check "programs write" ran first
check "both file systems freeze" did 0 all 'count.*2'
check "the programs stand still" ran all-stand
check "who freezes twice is told" did 1 again 'busy'
check "both thaw" did 0 all-thaw 'count.*2'
check "the programs go on" ran all-go
check "one freezes by its mount point, with a space in it" did 0 one 'count.*1'
check "its program stands, the other goes on" ran one-stands
check "it thaws" did 0 one-thaw 'count.*1'
check "one that the VMM forgets" did 0 timed 'count.*2'
check "thaws by itself" ran timed-go
check "and the VMM hears that it came too late" did 1 timed-thaw 'expired'
check "memory does not freeze" did 1 none 'not supported'
check "nor what is not there" did 1 nowhere 'No such'
check "nor anything for longer than a minute" did 1 long '-34\|range'
check "file systems freeze a last time" did 0 last 'count.*2'
check "and thaw with the module's end" unloads
check "the guest's log has no warning but that one" but_one
finish
