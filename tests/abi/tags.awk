# SPDX-License-Identifier: MIT
# tags.awk: names every function pointer of a header whose comment lacks its
# thread tag, `[role, state]`, or has a malformed one.  Prints "FILE:LINE: NAME:
# what is wrong" for each, and at the end how many pointers it saw.
#
#	tag    = "[" roles "," states { ";" text } "]"
#	roles  = role { " or " role }		role: control vcpu io any
#	states = state { " or " state | " to " state }	and any

BEGIN {
	split("control vcpu io any", list)
	for (i in list)
		role[list[i]] = 1
	split("created realized running paused quiescing drained any", list)
	for (i in list)
		state[list[i]] = 1
}

function words_of(text, known, joiners, n, i, word) {
	n = split(text, word, / +/)
	for (i = 1; i <= n; i++)
		if (i % 2 ? !(word[i] in known) : word[i] !~ joiners)
			return 0
	return n % 2
}

# An alternative after ";" ("FUNCTION: vcpu, running") is judged without its label.
function tag_is_right(tag, n, i, part, half) {
	n = split(tag, part, / *; */)
	for (i = 1; i <= n; i++) {
		sub(/^[A-Z_]+: */, "", part[i])
		if (split(part[i], half, / *, */) != 2)
			return 0
		if (!words_of(half[1], role, "^or$") || !words_of(half[2], state, "^(or|to)$"))
			return 0
	}
	return 1
}

function judge(name, tag) {
	seen++
	if (!match(comment, /\[[^][]*\]/)) {
		printf "%s:%d: %s: no tag\n", FILENAME, FNR, name
		return
	}
	while (match(comment, /\[[^][]*\]/)) {
		tag = substr(comment, RSTART + 1, RLENGTH - 2)
		if (tag_is_right(tag))
			return
		comment = substr(comment, RSTART + RLENGTH)
	}
	printf "%s:%d: %s: [%s] is no tag\n", FILENAME, FNR, name, tag
}

{
	line = $0
	while (line != "") {
		if (inside) {
			end = index(line, "*/")
			text = end ? substr(line, 1, end - 1) : line
			sub(/^[ \t]*\*?[ \t]*/, "", text)
			comment = comment " " text
			line = end ? substr(line, end + 2) : ""
			inside = !end
			continue
		}
		start = index(line, "/*")
		code = start ? substr(line, 1, start - 1) : line
		line = start ? substr(line, start + 2) : ""
		# of several on a line all are judged; the comment serves the first only
		while (match(code, /\(\*[a-z_][a-z0-9_]*\)\(/)) {
			name = substr(code, RSTART + 2, RLENGTH - 4)
			code = substr(code, RSTART + RLENGTH) # judge() matches as well
			judge(name)
			comment = ""
		}
		if (code ~ /;/)
			comment = ""
		if (start) {
			inside = 1
			comment = ""
		}
	}
}

END {
	print seen + 0
}
