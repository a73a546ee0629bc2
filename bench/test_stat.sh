#!/bin/sh
# SPDX-License-Identifier: MIT
# What bench-stat makes of pairs: median, interval, bound.
. "$LICHEN_SOURCE/tests/tap.sh"
stat=$LICHEN_BUILD/bench/bench-stat
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

pairs() { # N: ratios 1.01, 1.02, ..., in no order
	i=0
	while [ $i -lt "$1" ]; do
		echo "x 100 $((101 + i * 7 % $1))"
		i=$((i + 1))
	done
}

says() { # KIND BOUND PATTERN N
	pairs "$4" | "$stat" --json "$work/json" "x,$1,ms,$2,text" >"$work/out"
	status=$?
	cat "$work/out"
	grep -q -- "$3" "$work/out" && return $status
	echo "not there: $3"
	return 99
}

misses() {
	says "$@"
	[ $? = 1 ]
}

check "15 pairs: the 4th and the 12th" says ratio 1.5 ' 1\.08  \[    1\.04,    1\.12\] .*holds' 15
check "20 pairs: the 6th and the 15th" says ratio - '\[    1\.06,    1\.15\]' 20
check "5 pairs: no interval, the range" says ratio - '\[    1\.01,    1\.05\]' 5
check "a difference" says difference 10 ' 8\.00  \[    4\.00,   12\.00\] .*holds' 15
check "a value" says value - ' 108\.00  ' 15
check "the bound is the lower end's" says ratio 1.04 holds 15
check "a bound that is missed is status 1" misses ratio 1.039 MISSED 15
check "the JSON has the pairs" grep -q '"count": 15' "$work/json"
refuse "a pair of another figure" sh -c "echo 'y 1 2' | $stat x,ratio,ms,-,t"
refuse "no pair at all" sh -c "$stat x,ratio,ms,-,t </dev/null"
refuse "a line that is no pair" sh -c "echo 'x 1' | $stat x,ratio,ms,-,t"
refuse "another kind" sh -c "echo 'x 1 2' | $stat x,rate,ms,-,t"
finish
