#!/bin/sh
# SPDX-License-Identifier: MIT
# The manual: each page says what the declarations say, and its examples work.
. "$LICHEN_SOURCE/tests/cli/lib.sh"
need jq

manual=$LICHEN_SOURCE/docs/man
"$lichen" plugin list --json | jq -r '.[] | select(.refused | not) | .name' >"$scratch/plugins"
page_of() { # PLUGIN
	ls "$LICHEN_SOURCE"/plugins/*/"$1/$1.7.md" 2>/dev/null
}

# section FILE HEAD: the text under a head.
section() {
	awk -v head="# $2" '/^# /{ on = $0 == head; next } on' "$1"
}

heads() { # PAGE
	page_heads=$(grep '^# ' "$1" | sed 's/^# //' | grep -vx 'REGISTERS' | tr '\n' ';')
	[ "$page_heads" = "NAME;SYNOPSIS;DESCRIPTION;PARAMETERS;LIMITS;EXAMPLES;BUGS;SEE ALSO;" ] ||
		{ echo "$page_heads"; return 1; }
	section "$1" NAME | grep -q "^$2 - ." || { echo "NAME is not that of $2"; return 1; }
}

# What the declarations say, a line each: name, kind of value, default, least, greatest, word.
declared() { # PLUGIN
	"$lichen" plugin info "$1" --json | jq -r '
		def word: if .choices then (.choices |
				if length > 1 then (.[:-1] | join(", ")) + " or " + .[-1] else .[0] end)
			elif .unit then { bytes: "size", ns: "time", port: "I/O port", gpa: "guest address",
				gsi: "interrupt line" }[.unit]
			elif .access then ([.access[] | { directory: "folder", device: "device node",
				socket: "socket", listen: "socket to make" }[.] // empty] + ["file"])[0]
			elif .list then "list of texts"
			else { text: "text", bool: "yes or no" }[.type] // "number" end;
		def fallback: if .default == true then "yes" elif .default == false then "no"
			else .yaml.default // .default // "-" end;
		(.parameters[] | [.name, word, (fallback | if . == "" then "\"\"" else . end),
			.yaml.min // .min_length // "-", .yaml.max // .max_length // "-", (if .required then "required" else "-" end)]),
		(.needs[] | select(.key) | [.key, "instance that provides " + .interface, "-", "-", "-",
			(if .optional then "optional" else "required" end)]) | join("|")'
}

# "0x10" and "16" are one number; all else is as it is.
number() {
	case $1 in
	0x*[!0-9a-fA-F]*) echo "$1" ;;
	0x*) printf '%d\n' "$1" ;;
	*) echo "$1" ;;
	esac
}

same() { # WHAT PAGE DECLARED
	[ "$(number "$2")" = "$(number "$3")" ] || echo "$1: the page says $2, the plugin $3"
}

# What a page says of one parameter, in its brackets and in prose, against the declaration.
compare() { # NAME BRACKETS PROSE WORD DEFAULT MIN MAX FLAG
	case $(printf '%s\n' "$2" | tr -d '`') in
	"$4" | "$4",* | "$4;"* | "$4 of "*) ;;
	"provides ${4##* }",*) ;;
	*) echo "$1: ($2) does not start with \"$4\"" ;;
	esac
	given=$(printf '%s\n' "$2" | sed -n 's/.*default \([^,;]*\).*/\1/p' | tr -d '`')
	same "$1, default" "${given:--}" "$5"
	flag=$(printf '%s\n' "$2" | grep -oE '(^|[,;] )(required|optional)' | grep -oE '[a-z]+')
	same "$1, whether it may be absent" "${flag:--}" "$8"
	# A range that starts a sentence is behaviour, not declared.
	for text in "$2" "$3"; do
		most=$(printf '%s\n' "$text" | grep -oE 'at most (0x[0-9a-f]+|[0-9]+[KMGTnuims]*)\b' | head -n 1)
		least=$(printf '%s\n' "$text" | grep -oE 'at least (0x[0-9a-f]+|[0-9]+[KMGTnuims]*)\b' | head -n 1)
		range=$(printf '%s\n' "$text" | grep -oE '\b(0x[0-9a-f]+|[0-9]+[KMGTnuims]*) to (0x[0-9a-f]+|[0-9]+[KMGTnuims]*)\b' | head -n 1)
		[ -z "$most" ] || same "$1, greatest" "${most##* }" "$7"
		[ -z "$least" ] || same "$1, least" "${least##* }" "$6"
		[ -z "$range" ] || { same "$1, least" "${range%% *}" "$6"; same "$1, greatest" "${range##* }" "$7"; }
	done
}

parameters() { # PAGE PLUGIN
	section "$1" PARAMETERS >"$scratch/section"
	declared "$2" >"$scratch/declared" || return 1
	sed -n 's/^\*\*\([a-z0-9_]*\)\*\* .*/\1/p' "$scratch/section" | sort >"$scratch/said"
	cut -d'|' -f1 "$scratch/declared" | sort | diff "$scratch/said" - ||
		{ echo "the page has <, the plugin declares >"; return 1; }
	while IFS='|' read -r name word fallback min max flag; do
		brackets=$(sed -n "s/^\*\*$name\*\* (\(.*\))\$/\1/p" "$scratch/section")
		prose=$(awk -v name="**$name** " 'index($0, name) == 1 { on = 1; next } /^\*\*/ { on = 0 } on' \
			"$scratch/section" | tr '\n' ' ')
		compare "$name" "$brackets" "$prose" "$word" "$fallback" "$min" "$max" "$flag"
	done <"$scratch/declared" >"$scratch/differences"
	cat "$scratch/differences"
	[ ! -s "$scratch/differences" ]
}

# Each ```yaml block of a page, in a file of its own: $scratch/example.N.yaml.
examples() {
	rm -f "$scratch"/example.*
	awk -v base="$scratch/example." '
		/^```/ { if (on) { on = 0; close(file) } else if ($0 == "```yaml") { on = 1; n++; file = base n ".yaml" }
			next }
		on { print > file }' "$1"
}

# A fragment is put over the least that makes a machine: a PC, unless it says itself what there is.
example_is_good() { # FILE
	grep -q '^lichen:' "$1" || sed -i '1i lichen: 1' "$1"
	base=pc,
	grep -qE '^include:|plugin: kvm-irqchip' "$1" && base=
	{
		echo 'lichen: 1'
		echo "include: [$base $1]"
		grep -q '^boot:' "$1" || echo 'boot: { plugin: flat, image: none.bin }'
	} >"$scratch/whole.yaml"
	status 0 "$lichen" check "$scratch/whole.yaml" >"$scratch/why" && return
	cat "$scratch/why" "$1"
	return 1
}

examples_are_good() { # PAGE
	examples "$1"
	set -- "$scratch"/example.*.yaml
	[ -e "$1" ] || { echo "no example"; return 1; }
	for example; do
		example_is_good "$example" || return 1
	done
}

# Pages that are named exist, and so do plugins.
references() { # PAGE
	bad=0
	for reference in $(grep -oE '[a-z0-9][a-z0-9.-]*\([157]\)' "$1" | sort -u); do
		case $reference in
		lichen\(1\) | lichen.yaml\(5\)) ;;
		*\(7\)) [ -n "$(page_of "${reference%(7)}")" ] || { echo "$reference has no page"; bad=1; } ;;
		*) echo "$reference is not ours"; bad=1 ;;
		esac
	done
	return $bad
}

while read -r plugin; do
	page=$(page_of "$plugin")
	check "$plugin(7) is there" [ -n "$page" ]
	[ -n "$page" ] || continue
	check "$plugin(7) has its heads" heads "$page" "$plugin"
	check "$plugin(7) tells the parameters as they are declared" parameters "$page" "$plugin"
	check "$plugin(7) has examples that work" examples_are_good "$page"
	check "$plugin(7) names pages that exist" references "$page"
done <"$scratch/plugins"
for page in lichen.1 lichen.yaml.5; do
	check "$page names pages that exist" references "$manual/$page.md"
done
check "lichen.yaml(5) has examples that work" examples_are_good "$manual/lichen.yaml.5.md"

# lichen(1) against the command's own help.
defined() { # FILE SECTION: the names of its definitions
	section "$1" "$2" | sed -n 's/^\*\*\([^*]*\)\*\*.*/\1/p'
}
options_agree() {
	{ options_of; echo --version; } | sort >"$scratch/want"
	defined "$manual/lichen.1.md" OPTIONS | sort | diff "$scratch/want" -
}
check "lichen(1) has the options that --help has" options_agree
commands_agree() {
	commands | sort >"$scratch/want"
	defined "$manual/lichen.1.md" COMMANDS | sort | diff "$scratch/want" -
}
check "and the commands" commands_agree
mentions_exist() {
	bad=0
	{ options_of; echo --version; } >"$scratch/want"
	for option in $(grep -ohE '(^|[^a-z-])--[a-z]+(-[a-z]+)*' "$manual"/*.md | grep -oE -- '--[a-z-]+' | sort -u); do
		grep -qx -- "$option" "$scratch/want" || { echo "$option"; bad=1; }
	done
	return $bad
}
check "every option that the manual mentions exists" mentions_exist
members() {
	section "$manual/lichen.1.md" JSON >"$scratch/text"
	for plugin in $(cat "$scratch/plugins") "$plugins/shapes.so"; do
		"$lichen" plugin info "$plugin" --json | jq -r '[paths | map(strings)] | flatten | unique[]'
	done | sort -u | while read -r member; do
		grep -q "\`$member\`" "$scratch/text" || echo "$member"
	done >"$scratch/missing"
	cat "$scratch/missing"
	[ ! -s "$scratch/missing" ]
}
check "every member of plugin info's JSON is in lichen(1)" members

# lichen.yaml(5) against what a profile may say.
keys_agree() {
	awk '/bind_keys\[\] = \{/ { on = 1 } on { print } /\};/ { on = 0 }' \
		"$LICHEN_SOURCE/framework/profile_bind.c" | grep -oE '"[a-z_]+"' | tr -d '"' | sort >"$scratch/want"
	[ "$(wc -l <"$scratch/want")" -ge 10 ] || return 1
	defined "$manual/lichen.yaml.5.md" KEYS | sort | diff "$scratch/want" -
}
check "lichen.yaml(5) has the keys that a profile may have" keys_agree
defaults_agree() {
	printf 'lichen: 1\nboot: { plugin: flat, image: x }\n' >"$scratch/least.yaml"
	"$lichen" check "$scratch/least.yaml" --json >"$scratch/least.json" || return 1
	section "$manual/lichen.yaml.5.md" KEYS |
		sed -n 's/^\*\*\([a-z_]*\)\*\* (.*default `\{0,1\}\([a-z0-9]*\)`\{0,1\})$/\1 \2/p' >"$scratch/told"
	[ "$(wc -l <"$scratch/told")" -ge 5 ] || return 1
	while read -r key value; do
		jq -e --arg key "$key" --arg value "$value" '.[$key] | tostring == $value' \
			"$scratch/least.json" >/dev/null || { echo "$key: not $value by default"; return 1; }
	done <"$scratch/told"
	jq -e '.memory.size == 268435456 and .memory.plugin == "anon"' "$scratch/least.json"
}
check "and the defaults" defaults_agree

# The pages as man shows them.
if [ -d "$LICHEN_BUILD/man" ] && [ -e "$LICHEN_BUILD/man/man1/lichen.1" ]; then
	built() {
		for plugin in $(cat "$scratch/plugins"); do
			[ -s "$LICHEN_BUILD/man/man7/$plugin.7lichen" ] || { echo "$plugin"; return 1; }
		done
		grep -q '^\.TH "lichen.yaml" "5"' "$LICHEN_BUILD/man/man5/lichen.yaml.5"
	}
	check "every page is built" built
	if command -v groff >/dev/null; then
		plain() {
			for file in "$LICHEN_BUILD"/man/man?/*; do
				groff -Tutf8 -t -man -rLL=96n -z -w el -w escape -w mac "$file" 2>&1
			done >"$scratch/warnings"
			cat "$scratch/warnings"
			[ ! -s "$scratch/warnings" ]
		}
		check "groff has nothing to say of them" plain
	fi
else
	skip "the pages are built" "no lowdown"
fi
finish
