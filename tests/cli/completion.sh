#!/bin/bash
# SPDX-License-Identifier: MIT
# Completion for bash and zsh: what they offer is what there is.
. "$LICHEN_SOURCE/tests/cli/lib.sh"
completions=$LICHEN_SOURCE/completions

# completed WORD...: what bash offers for the last one.
completed() {
	bash --norc -c '
		compopt() { :; } # outside of a completion there is nothing to set
		. "$1"
		shift
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
		_lichen
		for word in "${COMPREPLY[@]}"; do printf "%s\n" "$word"; done' completed "$completions/lichen.bash" "$lichen" "$@" | sort
}
offers() { # FILE-OF-WANTED WORD...
	offers_want=$1
	shift
	completed "$@" | diff <(sort "$offers_want") -
}

commands >"$scratch/commands"
{ cut -d' ' -f1 "$scratch/commands" | sort -u; printf -- '--help\n--version\n'; } >"$scratch/first"
check "bash: commands" offers "$scratch/first" ""
sed -n 's/^plugin //p' "$scratch/commands" >"$scratch/second"
check "bash: words of plugin" offers "$scratch/second" plugin ""
sed -n 's/^sym //p' "$scratch/commands" >"$scratch/sym"
check "bash: words of sym" offers "$scratch/sym" sym ""
while read -r first second; do
	# shellcheck disable=SC2086
	options_of $first $second >"$scratch/options"
	check "bash: options of $first $second" offers "$scratch/options" $first $second --
done <"$scratch/commands"
"$lichen" plugin list | awk '$2 != "refused:" { print $1 }' >"$scratch/plugins"
check "bash: plugins" offers "$scratch/plugins" plugin info ""
echo shapes >"$scratch/shapes"
check "bash: plugins of another folder" \
	offers "$scratch/shapes" plugin info --plugin-path "$plugins" sh
mkdir -p "$scratch/f/folder"
touch "$scratch/f/a.yaml" "$scratch/f/b.yml" "$scratch/f/c.txt" "$scratch/f/with space.yaml"
profiles() {
	(cd "$scratch/f" && printf '%s\n' a.yaml b.yml folder 'with space.yaml' >"$scratch/files" &&
		offers "$scratch/files" "$1" "")
}
check "bash: profiles and folders, for run" profiles run
check "bash: and for check" profiles check
: >"$scratch/none"
check "bash: no guess at a value" offers "$scratch/none" run x.yaml --set ""
refused_is_not_offered() {
	mkdir -p "$scratch/p" && cp "$plugins/shapes.so" "$scratch/p" && echo text >"$scratch/p/text.so"
	offers "$scratch/shapes" plugin info --plugin-path "$scratch/p" ""
}
check "bash: a refused plugin is not offered" refused_is_not_offered
check "bash: the script has no fault of form" bash -n "$completions/lichen.bash"

# zsh: its own completion system, in a terminal of its own.
if command -v zsh >/dev/null; then
	mkdir -p "$scratch/zsh"
	cat >"$scratch/zsh/offer.zsh" <<'ZSH'
# offer.zsh COMMAND-LINE: what zsh lists for it, a line each.
zmodload zsh/zpty
zpty z zsh -f -i
line() { local l; while zpty -r z l; do l=${l%%$'\r\n'}; [[ $l == *"$1"* ]] && break; done; }
zpty -w z "PS1= PROMPT_EOL_MARK= TERM=dumb; stty columns 200; fpath=($COMPLETIONS \$fpath); path=(${LICHEN:h} \$path)"
zpty -w z 'autoload -Uz compinit && compinit -u -D; zstyle ":completion:*" verbose no'
zpty -w z 'zstyle ":completion:*" list-colors; unsetopt list_types always_last_prompt; setopt list_ambiguous'
zpty -w z 'compadd() { local -a o m; builtin compadd -O m "$@"; print -rl -- "<"$^m">" >>$OUT; builtin compadd "$@"; }; OUT='$OUT
# A key after the tab, which is read when the completion is over; the list is never asked about.
zpty -w z 'over() { : >$OUT.over; }; zle -N over; LISTMAX=-1; bindkey "^T" over'
zpty -w z 'bindkey "^I" complete-word; print READY'
line READY
zpty -w -n z "$1"$'\t\C-t'
for _ in {1..400}; do
	while zpty -rt z; do done >/dev/null
	[[ -e $OUT.over ]] && break
	sleep 0.05
done
zpty -d z
ZSH
	offered() { # LINE: the words
		OUT=$scratch/zsh/out COMPLETIONS=$completions LICHEN=$lichen HOME=$scratch \
			timeout 40 zsh -f "$scratch/zsh/offer.zsh" "$1" >/dev/null 2>&1
		grep -oE '<[^>]+>' "$scratch/zsh/out" 2>/dev/null | tr -d '<>' | sort -u
		rm -f "$scratch/zsh/out" "$scratch/zsh/out.over"
	}
	zsh_offers() { # FILE-OF-WANTED LINE
		offered "$2" | diff <(sort "$1") -
	}
	check "zsh: commands" zsh_offers "$scratch/first" "lichen "
	check "zsh: words of plugin" zsh_offers "$scratch/second" "lichen plugin "
	check "zsh: words of sym" zsh_offers "$scratch/sym" "lichen sym "
	while read -r first second; do
		# shellcheck disable=SC2086
		options_of $first $second >"$scratch/options"
		check "zsh: options of $first $second" \
			zsh_offers "$scratch/options" "lichen $first${second:+ $second} --"
	done <"$scratch/commands"
	check "zsh: plugins" zsh_offers "$scratch/plugins" "lichen plugin info "
else
	skip "zsh" "zsh is not installed"
fi
finish
