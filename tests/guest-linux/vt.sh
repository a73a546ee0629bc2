#!/bin/bash
# SPDX-License-Identifier: MIT
# vt.sh EPT: on emulated Intel hardware, with kvm-intel ept=EPT, stock Linux with lichen_guest, busy:
# what a VMM asks of a symbiotic guest by command, and direct calls at random moments.
. "$LICHEN_SOURCE/tests/tap.sh"
. "$LICHEN_SOURCE/tests/guest-linux/lib.sh" "vt-$1"
ept=$1
paging=$([ "$ept" = 1 ] && echo nested || echo shadow)
calls=200
built

# What runs inside the bench: the guest, and the commands, each one's output between marks.
cat >"$work/inside" <<'B'
#!/bin/bash
# inside LICHEN PROFILE KERNEL INITRD PAGING EXAMPLE CALLS CLIENT INSIDE
. "$9" "$@"
starts 1200 "lichen.run=symbiotic lichen.busy=1 lichen.parameters=mod=any,run=1" --set paging="$5" \
	--set memory.size=256M
try info sym info busy
try spy sym spy busy linux.task/1 --json
try echo sym call busy echo 3 4 'some text'
try deferred sym call busy drop_caches 3
try ps ps --guest busy
try push sym push busy "$6"
try add sym call busy example.add 3 4
try drop sym drop busy lichen_example
echo "=== calls"
status=0
"$8" /tmp/run busy "$7" 1 || status=$?
echo "=== calls status $status"
ends run
echo "=== ept $(cat /sys/module/kvm_intel/parameters/ept)"
B
chmod +x "$work/inside"
files=()
for file in "$LICHEN_BUILD"/plugins/*.so "$LICHEN_BUILD"/{lichen,profiles,tests/guest-calls} \
	"$LICHEN_SOURCE"/tests/{e2e/linux.yaml,guest-linux/inside.sh} "$cloud/vmlinuz" \
	"$work"/{linux.yaml,initrd.gz,cloud/lichen_example.ko}; do
	files+=(--file "$file")
done
runs() {
	in_machine vt-bench --ept "$ept" --timeout 3400 "${files[@]}" -- "$work/inside" "$LICHEN_BUILD/lichen" \
		"$work/linux.yaml" "$cloud/vmlinuz" "$work/initrd.gz" "$paging" "$work/cloud/lichen_example.ko" \
		$calls "$LICHEN_BUILD/tests/guest-calls" "$LICHEN_SOURCE/tests/guest-linux/inside.sh"
}
check "the bench ran" runs
check "kvm-intel runs with ept=$ept" says "=== ept $([ "$ept" = 1 ] && echo Y || echo N)"
check "the guest is symbiotic" did 0 info symcall
check "a record is read" did 0 spy '"pid"'
check "a direct call" did 0 echo 'some text'
check "a deferred call" did 0 deferred deferred
check "its processes are listed" did 0 ps acpid
check "a module is pushed" did 0 push lichen_example
check "its function is called" did 0 add 'sum: 7'
check "it is dropped" did 0 drop
sed -n 's/^hits:/#/p' "$work/clean"
check "$calls direct calls came back, and right" did 0 calls
check "none failed" did 0 calls 'failed=0 timeouts=0 crashed=0 '
check "the guest's log has no warning" quiet
check "it powers off" says '=== run status 0'
finish
