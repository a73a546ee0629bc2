#!/bin/bash
# SPDX-License-Identifier: MIT
# What tools/svm-bench promises about commands, their output and their status.
. "$LICHEN_SOURCE/tests/tap.sh"
bench=$LICHEN_SOURCE/tools/svm-bench
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# run WANT [OPTION|WORD]...: runs the bench; the status has to be WANT.
run() {
	want=$1
	shift
	got=0
	"$bench" --timeout 120 "$@" >"$scratch/out" 2>"$scratch/err" </dev/null || got=$?
	[ "$got" = "$want" ] || { cat "$scratch/out" "$scratch/err"; echo "status: want $want, got $got"; return 1; }
}

same() { # TEXT FILE
	[ "$(cat "$2")" = "$1" ] || { echo "want: $1"; echo "got:"; cat "$2"; return 1; }
}

matches() { # PATTERN FILE
	grep -q -- "$1" "$2" || { echo "want: $1"; echo "got:"; cat "$2"; return 1; }
}

# One start looks at most of it.
cat >"$scratch/inside" <<'I'
cat /sys/module/kvm_amd/parameters/npt
pwd
nproc
id -u
echo "$LICHEN_WORD"
for word; do printf '<%s>\n' "$word"; done
[ -w /dev/kvm ] && echo kvm
perl -e 'open(KVM, "+<", "/dev/kvm") or die "$!";
	for (1 .. 300) { open(VM, "+<&=", ioctl(KVM, 0xae01, 0)) or die "$!"; close(VM); }' &&
	echo "VMs came and went"
echo reopened >/dev/stdout
seq 1 50000
echo aside >&2
echo written >"$0.new" && cat "$0.new"
cat
exit 67
I
words=('two words' "it's" '"quoted"' '$HOME `date` \ *' '' $'line\nbreak' -n --timeout)
cd "$scratch" || exit 1
export LICHEN_WORD='a "b" $c'
check "the command's status is passed through" run 67 --cpus 3 --memory 1024 -- \
	bash "$scratch/inside" "${words[@]}"
{
	echo Y
	echo "$scratch"
	echo 3
	id -u root
	echo "$LICHEN_WORD"
	printf '<%s>\n' "${words[@]}"
	echo kvm
	echo "VMs came and went"
	echo reopened
	seq 1 50000
	echo written
} >"$scratch/want"
check "stdout is passed through whole, every word arrives as it was" cmp "$scratch/want" "$scratch/out"
check "stderr stays apart" same aside "$scratch/err"
check "what the command wrote stays in the machine" [ ! -e "$scratch/inside.new" ]

check "shadow paging is there as well" run 0 --paging shadow cat /sys/module/kvm_amd/parameters/npt
check "and is what kvm-amd says" same N "$scratch/out"

check "a command killed by a signal is 128 and the signal" run 137 sh -c 'kill -9 $$'
check "a command that is not there is 127" run 127 "$scratch/no-such-command"
check "a command that takes too long ends the bench" run 125 --timeout 8 sleep 100
check "and says so" matches 'svm-bench: .* still running after 8 s' "$scratch/err"
check "a machine that does not start is the bench's failure" run 125 --qemu "-device no-such-device" true
check "and says so in one line at the end" matches '^svm-bench: the emulated machine ended' "$scratch/err"
check "no command is an error" run 125
check "an unknown option is one" run 125 --no-such-option true
check "so is an unknown paging mode" run 125 --paging both true
check "so is a number that is none" run 125 --cpus two true

# Two starts at once on an empty cache build it once and both work.
export LICHEN_BENCH_DIR=$scratch/bench
mkdir "$LICHEN_BENCH_DIR"
echo broken >"$LICHEN_BENCH_DIR/partial.gz" # by a start that was cut short
twice() {
	"$bench" true &
	first=$!
	"$bench" true || return 1
	wait $first
}
check "two starts at once share one cache and do not use half a file" twice
check "one file is left" [ "$(ls "$scratch"/bench/*.gz | wc -l)" = 1 ]
finish
