#!/bin/bash
# SPDX-License-Identifier: MIT
# vt.sh EPT: on emulated Intel hardware, with kvm-intel ept=EPT, stock Linux with lichen_guest, busy:
# what a VMM asks of a symbiotic guest by command, and direct calls at random moments.
. "$LICHEN_SOURCE/tests/tap.sh"
. "$LICHEN_SOURCE/tests/guest-linux/lib.sh"
ept=$1
paging=$([ "$ept" = 1 ] && echo nested || echo shadow)
calls=200
work=$LICHEN_BUILD/guest-vt-$ept
rm -rf "$work"
mkdir -p "$work"
kernel=$("$LICHEN_SOURCE/tools/fetch-kernels" cloud)/vmlinuz || exit 1
"$LICHEN_SOURCE/tools/guest-modules" cloud "$work/cloud" >"$work/log" 2>&1 &&
	"$LICHEN_SOURCE/tools/guest-initrd" "$work/initrd.gz" "$work/cloud/lichen_guest.ko" ||
	{ cat "$work/log"; exit 1; }
cat >"$work/linux.yaml" <<Y
lichen: 1
include: ["$LICHEN_SOURCE/tests/e2e/linux.yaml"]
symbiotic:
  - { plugin: symspy }
  - { plugin: symcall, timeout: 20s, deferred_timeout: 2min }
  - { plugin: symmod, timeout: 5min }
Y

# What runs inside the bench: the guest, and the commands, each one's output between marks.
cat >"$work/inside" <<'B'
#!/bin/bash
# inside BUILD PROFILE KERNEL INITRD PAGING EXAMPLE CALLS
lichen=$1/lichen
export LICHEN_RUNTIME_DIR=/tmp/run
"$lichen" run "$2" --name busy --set boot.kernel="$3" --set boot.initrd="$4" --set paging="$5" \
	--set memory.size=256M --set "boot.cmdline=console=ttyS0 quiet lichen.run=symbiotic lichen.busy=1 lichen.parameters=mod=any,run=1" \
	</dev/null >/tmp/guest 2>&1 &
pid=$!
for _ in $(seq 600); do
	grep -q 'lichen-guest: waiting' /tmp/guest && break
	kill -0 $pid || break
	sleep 1
done
try() { # NAME WORD...
	local name=$1 status=0
	shift
	echo "=== $name"
	"$lichen" "$@" </dev/null 2>&1 || status=$?
	echo "=== $name status $status"
}
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
"$1/tests/guest-calls" /tmp/run busy "$7" 1 || status=$?
echo "=== calls status $status"
try stop stop busy --stop-timeout 10min
status=0
wait $pid || status=$?
cat /tmp/guest
echo "=== run status $status"
echo "=== ept $(cat /sys/module/kvm_intel/parameters/ept)"
B
chmod +x "$work/inside"
files=()
for file in "$LICHEN_BUILD"/plugins/*.so "$LICHEN_BUILD"/{lichen,profiles,tests/guest-calls} \
	"$LICHEN_SOURCE/tests/e2e/linux.yaml" "$work"/{linux.yaml,initrd.gz,cloud/lichen_example.ko} "$kernel"; do
	files+=(--file "$file")
done
"$LICHEN_SOURCE/tools/vt-bench" --ept "$ept" --timeout 3400 "${files[@]}" -- "$work/inside" "$LICHEN_BUILD" \
	"$work/linux.yaml" "$kernel" "$work/initrd.gz" "$paging" "$work/cloud/lichen_example.ko" $calls \
	>"$work/run" 2>&1
bench=$?
tr -d '\r' <"$work/run" >"$work/clean"

# did NAME [PATTERN]: it ended well, and printed that.
did() {
	sed -n "/^=== $1\$/,/^=== $1 status/p" "$work/clean" >"$work/part"
	grep -q "^=== $1 status 0\$" "$work/part" && grep -v '^===' "$work/part" | grep -q -- "${2-}" ||
		{ cat "$work/part"; tail -n 20 "$work/clean"; return 1; }
}
has() {
	grep -q -- "$1" "$work/clean" || { tail -n 40 "$work/clean"; return 1; }
}
quiet() {
	no_warnings <"$work/clean"
}

check "the bench ran" [ $bench = 0 ]
check "kvm-intel runs with ept=$ept" has "^=== ept $([ "$ept" = 1 ] && echo Y || echo N)\$"
check "the guest is symbiotic" did info symcall
check "a record is read" did spy '"pid"'
check "a direct call" did echo 'some text'
check "a deferred call" did deferred deferred
check "its processes are listed" did ps acpid
check "a module is pushed" did push lichen_example
check "its function is called" did add 'sum: 7'
check "it is dropped" did drop
sed -n 's/^hits:/#/p' "$work/clean"
check "$calls direct calls came back, and right" did calls
check "none failed" did calls 'failed=0 timeouts=0 crashed=0 '
check "the guest's log has no warning" quiet
check "it powers off" has '^=== run status 0$'
finish
