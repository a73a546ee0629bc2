# SPDX-License-Identifier: MIT
# tap.sh: TAP 13 from a shell script, to be sourced.
#
#	check "name" COMMAND...		ok when it succeeds; what it prints becomes a comment
#	refuse "name" COMMAND...	ok when it fails
#	skip "name" "why"
#	finish				the plan, at the end; exits 1 where anything failed
tap_count=0
tap_bad=0

tap_result() { # ok|not-ok name output
	tap_count=$((tap_count + 1))
	if [ "$1" = 0 ]; then
		echo "ok $tap_count - $2"
		return
	fi
	printf '%s\n' "$3" | sed 's/^/# /'
	echo "not ok $tap_count - $2"
	tap_bad=$((tap_bad + 1))
}

check() {
	tap_name=$1
	shift
	if tap_output=$("$@" 2>&1); then
		tap_result 0 "$tap_name" ""
	else
		tap_result 1 "$tap_name" "$tap_output"
	fi
}

refuse() {
	tap_name=$1
	shift
	if tap_output=$("$@" 2>&1); then
		tap_result 1 "$tap_name" "succeeded: $*"
	else
		tap_result 0 "$tap_name" ""
	fi
}

skip() {
	tap_count=$((tap_count + 1))
	echo "ok $tap_count - $1 # SKIP $2"
}

finish() {
	echo "1..$tap_count"
	[ "$tap_bad" = 0 ]
	exit
}
