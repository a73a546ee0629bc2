# SPDX-License-Identifier: MIT
# lib.sh NAME: for tests of lichen_guest, to be sourced after tap.sh with the name of their folder,
# $work.  What runs in an emulated machine sources inside.sh; $work/clean is what it printed.
work=$LICHEN_BUILD/guest-$1
rm -rf "$work"
mkdir -p "$work"
cloud=$("$LICHEN_SOURCE/tools/fetch-kernels" cloud) || exit 1

# built [FILE]...: the module for Debian's cloud kernel and its example, in $work/cloud; an initrd
# with the former and the FILEs; and a profile with all symbiotic plugins, $work/linux.yaml.
built() {
	"$LICHEN_SOURCE/tools/guest-modules" cloud "$work/cloud" >"$work/log" 2>&1 &&
		"$LICHEN_SOURCE/tools/guest-initrd" "$work/initrd.gz" "$work/cloud/lichen_guest.ko" "$@" ||
		{ cat "$work/log"; exit 1; }
	cat >"$work/linux.yaml" <<-Y
		lichen: 1
		include: ["$LICHEN_SOURCE/tests/e2e/linux.yaml"]
		symbiotic:
		  - { plugin: symspy }
		  - { plugin: symcall, timeout: 20s, deferred_timeout: 2min }
		  - { plugin: symmod, timeout: 5min }
	Y
}

# in_machine BENCH [OPTION]... -- COMMAND...: what it prints goes to $work/clean.
in_machine() {
	status=0
	"$LICHEN_SOURCE/tools/$1" "${@:2}" </dev/null >"$work/run" 2>&1 || status=$?
	tr -d '\r' <"$work/run" >"$work/clean"
	[ $status = 0 ] || { tail -n 40 "$work/clean"; return 1; }
}

part() { # NAME: what that command printed
	sed -n "/^=== $1\$/,/^=== $1 status/p" "$work/clean" | grep -v "^=== "
}
says() { # LINE
	grep -qx -- "$1" "$work/clean" || { tail -n 40 "$work/clean"; return 1; }
}
# did STATUS NAME [PATTERN]: it ended so, and printed that.
did() {
	says "=== $2 status $1" && { [ $# = 2 ] || part "$2" | grep -q -- "$3" || { part "$2"; return 1; }; }
}

# no_warnings <LOG: what scripts/warnings printed in the guest is whole, and nothing is in it besides
# what linux-warnings.txt allows, and that the module is not the kernel's own.
no_warnings() {
	sed -n '/^lichen-guest: warnings begin/,/^lichen-guest: warnings end/p' >"$work/said"
	grep -v '^lichen-guest' "$work/said" | grep -v -f "$LICHEN_SOURCE/tests/e2e/linux-warnings.txt" |
		grep -v 'taint' >"$work/warnings"
	cat "$work/warnings"
	[ ! -s "$work/warnings" ] && grep -q '^lichen-guest: warnings end' "$work/said"
}
quiet() {
	no_warnings <"$work/clean"
}
