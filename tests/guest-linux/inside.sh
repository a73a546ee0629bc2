# SPDX-License-Identifier: MIT
# inside.sh LICHEN PROFILE KERNEL INITRD: for scripts in an emulated machine, to be sourced: runs
# stock Linux with lichen_guest.
lichen=$1 profile=$2 kernel=$3 initrd=$4
export LICHEN_RUNTIME_DIR=/tmp/run

# starts TRIES WORDS [OPTION OF run]...: a VM "busy", with WORDS on its kernel's command line, until it
# has come up or been looked at so often.
starts() {
	local tries=$1 words=$2
	shift 2
	"$lichen" run "$profile" --name busy --set boot.kernel="$kernel" --set boot.initrd="$initrd" \
		--set "boot.cmdline=console=ttyS0 quiet $words" "$@" </dev/null >/tmp/guest 2>&1 &
	pid=$!
	for _ in $(seq "$tries"); do
		grep -q 'lichen-guest: waiting' /tmp/guest && break
		kill -0 $pid || break
		sleep 0.5
	done
}
# try NAME WORD...: a command of lichen's, its output between marks.
try() {
	local name=$1 status=0
	shift
	echo "=== $name"
	timeout 300 "$lichen" "$@" </dev/null 2>&1 || status=$?
	echo "=== $name status $status"
}
# ends NAME: has the power button pressed, and prints what the guest said, and the time.
ends() {
	local status=0
	try stop stop busy --stop-timeout 10min
	wait $pid || status=$?
	cat /tmp/guest
	echo "=== clock $(date +%s)"
	echo "=== $1 status $status"
}
