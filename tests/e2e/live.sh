# SPDX-License-Identifier: MIT
# live.sh: for tests that talk to a VM that runs in the background, to be sourced after lib.sh.

# live NAME COMMAND...: starts it; its output is in $scratch/log, its process $pid.
live() {
	name=$1
	shift
	"$@" >"$scratch/log" 2>&1 </dev/null &
	pid=$!
}

# eventually COMMAND...: it succeeds within a minute; what its last try said is shown otherwise.
eventually() {
	for _ in $(seq ${TRIES:-600}); do
		! "$@" >"$scratch/tried" 2>&1 || return 0
		sleep 0.1
	done
	cat "$scratch/tried"
	return 1
}

# logged COUNT PATTERN: so many lines of the VM's output have it.
logged() {
	[ "$(grep -c -- "$2" "$scratch/log")" = "$1" ] || { cat "$scratch/log"; return 1; }
}

# over: the VM's end is waited for; its exit status is in $got.
over() {
	eventually eval '! kill -0 $pid 2>/dev/null' || kill -KILL $pid
	got=0
	wait $pid || got=$?
}

# ask METHOD [PARAMETERS [FILE]]: its answer is in $scratch/answer.
ask() {
	timeout 60 "$LICHEN_BUILD/tests/guest-ask" "$LICHEN_RUNTIME_DIR" "$name" "$@" \
		>"$scratch/answer"
}

# good PATTERN METHOD...: it has a result, in which the (extended) pattern is.
good() {
	pattern=$1
	shift
	ask "$@" && grep -qE -- "$pattern" "$scratch/answer" ||
		{ cat "$scratch/answer" "$scratch/log"; return 1; }
}

# bad PATTERN METHOD...: it is refused, with the pattern.
bad() {
	pattern=$1
	shift
	! ask "$@" && grep -qE -- "$pattern" "$scratch/answer" ||
		{ cat "$scratch/answer" "$scratch/log"; return 1; }
}
