#!/bin/sh
# SPDX-License-Identifier: MIT
# Objects that a running pebble guest is given: each comes back as what it was.
. "$LICHEN_SOURCE/tests/e2e/lib.sh"
need_kvm
. "$LICHEN_SOURCE/tests/e2e/live.sh"
"$lichen" run "$here/symbiotic.yaml" --name pushed --set cpus=2 \
	--set symbiotic.symcall.timeout=20s --set symbiotic.symcall.deferred_timeout=50s \
	--set boot.image="$guests/sym.bin" \
	>"$scratch/log" 2>&1 </dev/null &
pid=$!
for _ in $(seq 600); do
	grep -q 'pebble: symbiotic' "$scratch/log" && break
	sleep 0.1
done

ask() { # METHOD PARAMETERS [FILE]
	timeout 60 "$LICHEN_BUILD/tests/guest-ask" "$LICHEN_RUNTIME_DIR" pushed "$@" >"$scratch/answer"
}
good() { # PATTERN METHOD PARAMETERS [FILE]
	pattern=$1
	shift
	ask "$@" && grep -q -- "$pattern" "$scratch/answer" || { cat "$scratch/answer" "$scratch/log"; return 1; }
}
bad() {
	pattern=$1
	shift
	! ask "$@" && grep -q -- "$pattern" "$scratch/answer" || { cat "$scratch/answer" "$scratch/log"; return 1; }
}
push() { # good|bad PATTERN NAME
	"$1" "$2" symmod.push "{\"name\":\"$3\"}" "$guests/$3.o"
}
add='{"function":"tally.add","arguments":[5]}'

check "the guest agrees to everything" grep -q 'symbiotic 0x1f' "$scratch/log"
check "a function that nobody has is an error" bad 'no such function' symcall.call "$add"
check "an object is linked and started" push good '"tally"' tally
check "its function can be called" good '"sum":"0x5"' symcall.call "$add"
check "its record can be read" good '"calls":"0x1"' symspy.read '{"record":"tally.count/1"}'
# Other code for the three plugins (here the same again): the guest hears of nothing.
anew() { # TIMES
	for _ in $(seq "$1"); do
		for plugin in symspy symcall symmod; do
			"$lichen" plugin reload pushed $plugin >"$scratch/answer" 2>&1 || {
				cat "$scratch/answer" "$scratch/log"
				return 1
			}
		done
	done
}
check "the plugins are reloaded while it runs" anew 10
check "a function can be called still" good '"sum":"0xa"' symcall.call "$add"
check "a record can be read still" good '"calls":"0x2"' symspy.read '{"record":"tally.count/1"}'
check "what was pushed is listed still" good '"name":"tally"' symmod.list '{}'
check "a second one of its name is refused" push bad 'one of this name is loaded (-17)' tally
check "an init that fails is an error" push bad 'init function failed (-19)' fails
check "a symbol that the guest does not export is an error" push bad 'a symbol is missing' misses
check "the plugins are reloaded once more" anew 1
check "it is taken away" good '"tally"' symmod.drop '{"name":"tally"}'
check "with its function" bad 'no such function' symcall.call "$add"
check "and its record" bad 'no such record' symspy.read '{"record":"tally.count/1"}'
check "it can be given again" push good '"tally"' tally
check "and begins anew" good '"sum":"0x5"' symcall.call "$add"
check "the guest ends when it is told to" good '"status":0' symcall.call '{"function":"pebble.exit","arguments":[0]}'
over
check "and has found nothing wrong" [ $got = 1 ]
finish
