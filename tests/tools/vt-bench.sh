#!/bin/bash
# SPDX-License-Identifier: MIT
# What tools/vt-bench promises about commands, their files, their output and their status.
. "$LICHEN_SOURCE/tests/tap.sh"
bench=$LICHEN_SOURCE/tools/vt-bench
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# run WANT [OPTION|WORD]...: runs the bench; the status has to be WANT.
run() {
	want=$1
	shift
	got=0
	"$bench" --timeout 900 "$@" >"$scratch/out" 2>"$scratch/err" </dev/null || got=$?
	[ "$got" = "$want" ] || { cat "$scratch/out" "$scratch/err"; echo "status: want $want, got $got"; return 1; }
}

same() { # TEXT FILE
	[ "$(cat "$2")" = "$1" ] || { echo "want: $1"; echo "got:"; cat "$2"; return 1; }
}

matches() { # PATTERN FILE
	grep -q -- "$1" "$2" || { echo "want: $1"; echo "got:"; cat "$2"; return 1; }
}

# A start takes minutes: one looks at most of it.
mkdir "$scratch/folder"
echo deep >"$scratch/folder/one"
ln -s one "$scratch/folder/two"
cat >"$scratch/inside" <<'I'
#!/bin/bash
cat /sys/module/kvm_intel/parameters/ept
pwd
id -u
echo "$LICHEN_WORD"
for word; do printf '<%s>\n' "$word"; done
[ -w /dev/kvm ] && echo kvm
grep -q '^flags.* vmx' /proc/cpuinfo && echo vmx
cat folder/two
ls folder
realpath --version | head -n 1 | grep -c GNU >/dev/stdout
[ -e "$0.not-packed" ] || echo alone
seq 1 2000
printf 'no line end, \001 \377 and a carriage return\r'
echo aside >&2
cat
exit 67
I
chmod +x "$scratch/inside"
: >"$scratch/inside.not-packed"
words=('two words' "it's" '"quoted"' '$HOME `date` \ *' '' $'line\nbreak' -n --timeout)
cd "$scratch" || exit 1
export TMPDIR=$scratch/tmp
mkdir "$TMPDIR"
export LICHEN_WORD='a "b" $c'
check "the command's status is passed through" run 67 --ept 1 --file folder --file /usr/bin/realpath -- \
	./inside "${words[@]}"
{
	echo Y
	echo "$scratch"
	echo 0
	echo "$LICHEN_WORD"
	printf '<%s>\n' "${words[@]}"
	echo kvm
	echo vmx
	echo deep
	printf '%s\n' one two
	echo 1
	echo alone
	seq 1 2000
	printf 'no line end, \001 \377 and a carriage return\r'
} >"$scratch/want"
check "stdout is passed through whole, every word and file arrives as it was" \
	cmp "$scratch/want" "$scratch/out"
check "stderr stays apart" same aside "$scratch/err"

check "a command killed by a signal is 128 and the signal" run 137 --ept 0 \
	sh -c 'cat /sys/module/kvm_intel/parameters/ept; kill -9 $$'
check "ept=0 is what kvm-intel says" same N "$scratch/out"

check "a command that takes too long ends the bench" run 125 --timeout 5 sleep 1000
check "and says so" matches 'vt-bench: .* still running after 5 s' "$scratch/err"
check "nothing of the emulator is left" [ -z "$(pgrep -f "$TMPDIR"; ls "$TMPDIR")" ]
check "no command is an error" run 125
check "an unknown option is one" run 125 --no-such-option true
check "so is an ept that is neither 1 nor 0" run 125 --ept both true
check "so is a number that is none" run 125 --memory much true
check "so is a file that is not there" run 125 --file "$scratch/no-such-file" true
check "and it is named" matches 'no-such-file: is not there' "$scratch/err"
finish
