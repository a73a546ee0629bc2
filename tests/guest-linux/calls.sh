#!/bin/bash
# SPDX-License-Identifier: MIT
# calls.sh COUNT: COUNT direct calls of stock Linux's functions, at random moments on random vCPUs,
# while it is busy in user and in kernel mode: with nested and with shadow paging, 1 and 4 vCPUs,
# page-table isolation on and off, an eighth of the calls each; and amid NMIs, which are counted.
. "$LICHEN_SOURCE/tests/tap.sh"
. "$LICHEN_SOURCE/tests/guest-linux/lib.sh" calls
count=$(($1 / 8))
headers=$("$LICHEN_SOURCE/tools/fetch-headers" cloud) || exit 1
cp -r "$LICHEN_SOURCE/tests/guest-linux/nmis" "$work/"
make -s -C "${headers#* }" M="$work/nmis" CONFIG_DEBUG_INFO_BTF_MODULES= modules >"$work/log" 2>&1 || {
	cat "$work/log"
	exit 1
}
strip --strip-debug "$work/nmis/lichen_nmis.ko"
built "$work/nmis/lichen_nmis.ko"

# What runs inside the bench.
cat >"$work/inside" <<'B'
#!/bin/bash
# inside LICHEN PROFILE KERNEL INITRD PAGING COUNT CLIENT INSIDE
. "$8" "$@"
calls() { # CPUS PTI
	local name="$3 $1 $2" status=0
	echo "=== $name"
	starts 300 "pti=$2 lichen.run=symbiotic lichen.busy=3" --set paging="$3" --set cpus="$1"
	"$5" /tmp/run busy "$4" "$1" || status=$?
	echo "=== $name calls $status"
	ends "$name"
}
for cpus in 1 4; do
	for pti in on off; do
		calls $cpus $pti "$5" "$6" "$7"
	done
done
B
chmod +x "$work/inside"

# Both at once, each on a processor of its own.
boots() { # PAGING
	"$LICHEN_SOURCE/tools/svm-bench" --paging "$1" --timeout $((1200 + count / 10)) -- "$work/inside" \
		"$LICHEN_BUILD/lichen" "$work/linux.yaml" "$cloud/vmlinuz" "$work/initrd.gz" "$1" "$count" \
		"$LICHEN_BUILD/tests/guest-calls" "$LICHEN_SOURCE/tests/guest-linux/inside.sh" \
		>"$work/run-$1" 2>&1
	echo $? >"$work/status-$1"
}
booted() { # PAGING
	tr -d '\r' <"$work/run-$1" >>"$work/clean"
	[ "$(cat "$work/status-$1")" = 0 ] || { tail -n 40 "$work/run-$1"; return 1; }
}
guest() { # NAME: all of that one
	sed -n "/^=== $1\$/,/^=== $1 status/p" "$work/clean"
}
tells() { # NAME PATTERN
	guest "$1" | grep -q -- "$2" || { guest "$1" | tail -n 40; echo "not there: $2"; return 1; }
}
without_warning() {
	guest "$1" | no_warnings
}
# A process that sleeps for a second at a time, among those that never do, wakes in each four at
# least; and the time is that of the machine around it.
times() {
	guest "$1" | awk '/^lichen-guest: beats/ { beats = $3; of = $5 }
		/^lichen-guest: clock/ { guest = $3 } /^=== clock/ { host = $NF }
		END { print "beats " beats " of " of ", clock " guest " of " host
			exit !(of > 0 && beats * 4 >= of && host - guest >= 0 && host - guest <= 30) }'
}

# Each NMI has come, and none that nobody sent, of which the kernel would warn.
nmis() {
	guest "$1" | awk '/^lichen-guest: nmis/ { sent = $3; lost = $5 }
		END { print "sent " sent ", lost " lost; exit !(sent >= 20 && lost == 0) }'
}

boots nested &
boots shadow &
wait
for paging in nested shadow; do
	check "the bench ran ($paging paging)" booted $paging
	for cpus in 1 4; do
		for pti in on off; do
			name="$paging $cpus $pti"
			guest "$name" | sed -n 's/^hits:/# '"$name"':/p; s/^lichen-guest: nmis/# '"$name"': nmis/p'
			check "$paging paging, $cpus vCPUs, isolation $pti: each call came back, and right" \
				tells "$name" "^=== $name calls 0"
			check "$name: none failed" tells "$name" "^hits: .*failed=0 timeouts=0 crashed=0 "
			check "$name: the guest's timers and clock" times "$name"
			check "$name: no NMI was lost" nmis "$name"
			check "$name: its log has no warning" without_warning "$name"
			check "$name: it powers off" tells "$name" "^=== $name status 0"
		done
	done
done
finish
