#!/bin/sh
# SPDX-License-Identifier: MIT
# `lichen plugin info`: what it tells, and plugins that mean harm.
. "$LICHEN_SOURCE/tests/cli/lib.sh"
need jq

info() {
	status "$@" --plugin-path "$plugins"
}

# Where a build puts it and what it hashes to differ.
is_golden() { # FILE WORD...
	golden=$here/$1
	shift
	info 0 "$lichen" plugin info shapes "$@" || return 1
	sed 's|/[^"]*/shapes\.so|FILE|; s/[0-9a-f]\{64\}/HASH/' "$scratch/out" >"$scratch/now"
	diff -u "$golden" "$scratch/now"
}
check "all that can be declared is told" is_golden shapes.txt
check "and as JSON" is_golden shapes.json --json

same() { # TWO PLUGINS
	"$lichen" plugin info "$1" --plugin-path "$plugins" >"$scratch/one" &&
		"$lichen" plugin info "$2" --plugin-path "$plugins" >"$scratch/two" &&
		cmp "$scratch/one" "$scratch/two"
}
check "a plugin is named by its file too" same shapes "$plugins/shapes.so"
here_too() {
	(cd "$plugins" && same shapes shapes.so && same shapes ./shapes.so)
}
check "and by a file in the current folder" here_too

lists_agree() {
	"$lichen" plugin list --json >"$scratch/list" || return 1
	[ "$(jq length "$scratch/list")" -ge 10 ] || { echo "few plugins"; return 1; }
	jq -r '.[].name' "$scratch/list" | while read -r name; do
		"$lichen" plugin info "$name" --json >"$scratch/info" || { echo "$name"; return 1; }
		jq -e --slurpfile info "$scratch/info" --arg name "$name" '
			map(select(.name == $name))[0] as $one | $info[0] as $i |
			[$one.kind, $one.version, $one.abi, $one.sha256, $one.file] ==
			[$i.kind, $i.version, $i.abi, $i.sha256, $i.file]' "$scratch/list" >/dev/null ||
			{ echo "$name differs"; return 1; }
	done
}
check "every plugin of the tree is described, as plugin list has it" lists_agree

check "a name that is nearly one" refused 2 'plugin shpaes: not found, did you mean "shapes"' \
	plugin info shpaes --plugin-path "$plugins"
check "a name like nothing" refused 2 'no nothing-like-it.so' plugin info nothing-like-it
check "a file that is not there" refused 2 'no absent.so' plugin info /tmp/absent.so
check "a file that is no NAME.so" refused 1 'named NAME.so' plugin info /bin/true
not_a_plugin() {
	mkdir -p "$scratch/a" && echo text >"$scratch/a/text.so"
	refused 1 'text.so: ' plugin info "$scratch/a/text.so"
}
check "a file that is no plugin" not_a_plugin
colon() {
	mkdir -p "$scratch/a:b" && cp "$plugins/shapes.so" "$scratch/a:b"
	refused 1 "':'" plugin info "$scratch/a:b/shapes.so"
}
check "a folder that no path can name" colon

# Code of the plugin runs, but in a child that can do nothing.
check "a plugin that crashes" refused 1 'plugin crash: crashes when it is opened: ' \
	plugin info crash --plugin-path "$plugins"
check "a plugin that never opens" refused 1 'plugin hang: does not open within 2 s' \
	plugin info hang --plugin-path "$plugins"
check "a plugin that ends its process" refused 1 'leave: cannot be described' \
	plugin info leave --plugin-path "$plugins"
check "a plugin that writes wherever it can" refused 1 'chatty: cannot be described' \
	plugin info chatty --plugin-path "$plugins"
check "a plugin that writes without end" refused 1 'flood: its description is longer' \
	plugin info flood --plugin-path "$plugins"
no_child_is_left() {
	! pgrep -f "plugin info hang --plugin-path $plugins"
}
command -v pgrep >/dev/null && check "no child is left" no_child_is_left

curious() {
	echo text >"$plugins/victim"
	rm -rf "$plugins/mark"
	info 0 "$lichen" plugin info curious && printed 'got away with nothing' || return 1
	[ ! -e "$plugins/mark" ] && [ "$(cat "$plugins/victim")" = text ]
}
check "no program, file, socket or signal comes of it" curious
sanitized=$(nm "$lichen" 2>/dev/null | grep -c '__[at]san_init')
closed() {
	"$lichen" plugin info shapes --plugin-path "$plugins" <&- >"$scratch/out" 2>"$scratch/err" 2>&- ||
		return 1
	printed 'one of everything'
}
[ "$sanitized" = 0 ] && check "with standard streams closed" closed
finish
