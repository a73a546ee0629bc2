# SPDX-License-Identifier: MIT
# lib.sh: for end-to-end tests, to be sourced: the command, guests, a scratch folder.
. "$LICHEN_SOURCE/tests/tap.sh"

lichen=$LICHEN_BUILD/lichen
guests=$LICHEN_BUILD/guests
here=$LICHEN_SOURCE/tests/e2e
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# Without ctest, which gives each test a folder of its own: names of VMs are the test's.
export LICHEN_RUNTIME_DIR="${LICHEN_RUNTIME_DIR:-$scratch/run}"

# Ends the script where there is no KVM: a skip, or a failure if it was required.
need_kvm() {
	if [ -c /dev/kvm ] && [ -r /dev/kvm ] && [ -w /dev/kvm ]; then
		return
	fi
	if [ "${LICHEN_REQUIRE_KVM:-0}" = 1 ]; then
		echo "not ok 1 - /dev/kvm is required and not usable"
		exit 1
	fi
	echo "1..0 # SKIP no usable /dev/kvm"
	exit 77
}

# status WANT COMMAND...: runs it for 60 s at most, shows what it printed, compares its exit status.
status() {
	status_want=$1
	shift
	status_got=0
	timeout -k 5 60 "$@" >"$scratch/out" 2>"$scratch/err" </dev/null || status_got=$?
	cat "$scratch/out" "$scratch/err"
	[ "$status_got" = "$status_want" ] ||
		{ echo "exit status: want $status_want, got $status_got"; return 1; }
}

# said PATTERN: the last status' error output has it, in one line.
said() {
	grep -q -- "$1" "$scratch/err" || { echo "not said: $1"; return 1; }
}

# printed PATTERN: the last status' output has it.
printed() {
	grep -q -- "$1" "$scratch/out" || { echo "not printed: $1"; return 1; }
}

# until_true COMMAND...: within a minute.
until_true() {
	for _ in $(seq 300); do
		"$@" >/dev/null 2>&1 && return
		sleep 0.2
	done
	echo "never: $*"
	return 1
}

# pebble WANT GUEST [OPTION...]: runs a pebble guest on the machine of pebble.yaml.
pebble() {
	pebble_want=$1 pebble_guest=$2
	shift 2
	status "$pebble_want" "$lichen" run "$here/pebble.yaml" \
		--set boot.image="$guests/$pebble_guest.bin" "$@"
}
