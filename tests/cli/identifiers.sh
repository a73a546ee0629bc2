#!/bin/sh
# SPDX-License-Identifier: MIT
# What documents and headers call `like_this()` exists in the tree.
. "$LICHEN_SOURCE/tests/tap.sh"
root=${1:-$LICHEN_SOURCE}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

folders="abi framework loader sdk cli plugins guest examples tests tools"

# Comments of C files, and documents in which text in `` is an identifier.
headers() {
	(cd "$root" && find abi framework loader sdk cli plugins -name '*.h' 2>/dev/null | sort)
}
documents() {
	(cd "$root" && find docs abi plugins sdk -name '*.md' 2>/dev/null | sort
		ls ./*.md 2>/dev/null)
}

# "file name" of each call-like word: in headers within comments, in documents between backticks.
mentions() {
	headers | while read -r file; do
		awk -v file="$file" '
			function scan(text) {
				while (match(text, /[A-Za-z_][A-Za-z0-9_]*\(\)/)) {
					print file, substr(text, RSTART, RLENGTH - 2)
					text = substr(text, RSTART + RLENGTH)
				}
			}
			{
				for (line = $0; line != ""; on = !end) {
					if (!on) {
						start = index(line, "/*")
						if (!start) {
							end = 1
							break
						}
						line = substr(line, start + 2)
					}
					end = index(line, "*/")
					scan(end ? substr(line, 1, end - 1) : line)
					line = end ? substr(line, end + 2) : ""
				}
			}' "$root/$file"
	done
	documents | while read -r file; do
		grep -oE '`[^`]*`' "$root/$file" | grep -oE '[A-Za-z_][A-Za-z0-9_]*\(\)' |
			sed "s|^|$file |; s|()\$||"
	done
}

# Words of code: what is left of C files without comments and texts; scripts as they are.
words() {
	(cd "$root" && for folder in $folders; do
		find "$folder" -type f \( -name '*.[chS]' -o -name '*.cc' -o -name '*.cpp' \) 2>/dev/null
	done) | while read -r file; do
		awk -f "$LICHEN_SOURCE/tests/style/strip.awk" "$root/$file"
	done | grep -oE '[A-Za-z_][A-Za-z0-9_]*' | sort -u
	(cd "$root" && find cmake tools tests completions -type f 2>/dev/null | grep -v '\.[ch]$' |
		xargs -r grep -ohE '(function|macro)\([a-z_]+|^_?[a-z_]+\(\)' 2>/dev/null |
		sed 's/.*(\([a-z]\)/\1/; s/()$//')
}

all_exist() {
	words | sort -u >"$work/words"
	mentions | sort -u >"$work/mentions"
	bad=0
	while read -r file name; do
		grep -qx "$name" "$work/words" || { echo "$file: $name()"; bad=1; }
	done <"$work/mentions"
	return $bad
}

check "what is called like_this() exists" all_exist
[ -n "$1" ] && finish
check "there are such words" [ "$(wc -l <"$work/mentions")" -gt 20 ]

# The gate itself.
mkdir -p "$work/tree/abi" "$work/tree/docs" "$work/tree/loader"
echo 'int here_it_is(void);' >"$work/tree/loader/x.c"
try() { # FILE TEXT
	rm -f "$work"/tree/abi/* "$work"/tree/docs/*
	printf '%s\n' "$2" >"$work/tree/$1"
	"$LICHEN_SOURCE/tests/cli/identifiers.sh" "$work/tree"
}
check "a function that exists" try docs/a.md 'call `here_it_is()` first'
refuse "a document names one that does not" try docs/a.md 'call `it_is_not()` first'
refuse "a header does" try abi/a.h '/* call it_is_not() first */'
refuse "a header does, on a later line" try abi/a.h '/*
 * call it_is_not() first
 */'
refuse "one that only a comment names is none" try abi/a.h '/* see it_is_not() */ /* it_is_not */'
check "code is no comment" try abi/a.h 'int (*x)(); y_is_not();'
finish
