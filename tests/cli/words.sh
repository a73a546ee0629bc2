#!/bin/sh
# SPDX-License-Identifier: MIT
# What is typed: commands, options, their help, and what is said of wrong ones.
. "$LICHEN_SOURCE/tests/cli/lib.sh"

check "no command: a sentence" refused 2 'a command is missing'
check "a command that is nearly one is named" refused 2 'chck: not a command, did you mean "check"' chck
check "a second word that is nearly one is named" \
	refused 2 'plugin lst: not a command, did you mean "plugin list"' plugin lst
check "a command like nothing" refused 2 'frobnicate: not a command: see' frobnicate
check "plugin alone" refused 2 'plugin: a word is missing' plugin
check "an option before the command" refused 2 '--verison: not an option, did you mean "--version"' --verison
check "an option that is nearly one is named" \
	refused 2 '--sett: not an option of run, did you mean "--set"' run x.yaml --sett a=b
check "an option of another command" refused 2 '--set: not an option of plugin list' plugin list --set a=b
check "--stop-timeout is run's alone" refused 2 'not an option of check' check x.yaml --stop-timeout 1s
check "a short option that is none" refused 2 '-x: not an option' run -x
check "an option without its value" refused 2 '--set: its value is missing' run x.yaml --set
check "a flag with a value" refused 2 '--json=yes: not an option' check x.yaml --json=yes
check "an operand that is missing" refused 2 'PROFILE is missing' run
check "plugin info without a plugin" refused 2 'PLUGIN is missing' plugin info
check "an operand too many" refused 2 'two: one word too many' check one two
check "plugin list takes none" refused 2 'x: one word too many' plugin list x
check "a --set without =" refused 2 'KEY.PATH=VALUE' run x.yaml --set cpus
check "a time that is none" refused 2 'not a time' run x.yaml --stop-timeout soon

helps() {
	status 0 "$lichen" "$@" --help && printed '^usage: lichen' && printed '^exit status'
}
commands >"$scratch/commands"
check "the help lists the commands" [ "$(wc -l <"$scratch/commands")" -ge 4 ]
while read -r first second; do
	# shellcheck disable=SC2086 # the second word may not be there
	check "lichen $first $second --help" helps $first $second
done <"$scratch/commands"
check "--help with all else wrong still helps" helps run --set a=b one two three

# Each option of a command's help is taken by it: what is said, if anything, is not that it is none.
takes() { # OPTION WORD...
	takes_option=$1
	shift
	timeout 10 "$lichen" "$@" "$takes_option" >"$scratch/out" 2>&1 </dev/null
	! grep 'not an option' "$scratch/out"
}
while read -r first second; do
	# shellcheck disable=SC2086
	for option in $(options_of $first $second); do
		check "$first $second takes $option" takes "$option" $first $second
	done
done <"$scratch/commands"

full() {
	[ -c /dev/full ] || return 0
	"$lichen" "$@" >/dev/full 2>"$scratch/err" </dev/null
	[ $? = 1 ] && grep -q 'standard output: cannot be written' "$scratch/err"
}
check "output that does not get out is a failure" full --help
check "and so it is with JSON" full plugin list --json
finish
