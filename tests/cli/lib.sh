# SPDX-License-Identifier: MIT
# lib.sh: for the tests of the command, to be sourced.
. "$LICHEN_SOURCE/tests/e2e/lib.sh"
here=$LICHEN_SOURCE/tests/cli
plugins=$LICHEN_BUILD/tests/cli-plugins
unset LICHEN_PLUGIN_PATH

# need PROGRAM...: ends the script where one is not installed; a failure, not a skip.
need() {
	for need_program; do
		command -v "$need_program" >/dev/null && continue
		echo "not ok 1 - $need_program is installed"
		exit 1
	done
}

# one_sentence: the last status said one line, as sentences of the command are, and printed nothing.
one_sentence() {
	[ "$(wc -l <"$scratch/err")" = 1 ] && grep -q '^lichen: .*[^.]$' "$scratch/err" ||
		{ echo "not one sentence"; return 1; }
	[ ! -s "$scratch/out" ] || { echo "something was printed"; return 1; }
}

# refused STATUS PATTERN WORD...: the command ends so, with one sentence that has the pattern.
refused() {
	refused_status=$1 refused_pattern=$2
	shift 2
	status "$refused_status" "$lichen" "$@" && one_sentence && said "$refused_pattern"
}

# The commands as they are typed, one a line.
commands() {
	"$lichen" --help | sed -n '/^[a-z]/!d; /^usage\|^exit\|^run:\|^4 \|^lichen/d; s/ [A-Z].*//p; t; p'
}

# The options of a command, or of all, one a line.
options_of() { # [COMMAND-WORD...]
	"$lichen" "$@" --help | sed -n 's/^  \(--[a-z-]*\).*/\1/p'
}
