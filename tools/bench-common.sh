# SPDX-License-Identifier: MIT
# Sourced by the benches after common.sh: what an emulated machine needs, whichever it is.

# bench_fail SENTENCE: ends the bench with the status that says it was not the command.
bench_fail()
{
	fail "$1" 125
}

bench_needs()
{
	local needed

	for needed; do
		command -v "$needed" >/dev/null ||
			bench_fail "$needed is missing: run tools/setup first"
	done
}

# bench_number OPTION TEXT
bench_number()
{
	[[ $2 =~ ^[1-9][0-9]{0,6}$ ]] || bench_fail "$1 $2: not a number from 1"
}

# bench_start: makes the temporary folder $work, which goes when the bench ends together with
# the processes named in the array pids.  Sets kernel, version (of the kernel) and bench (the
# folder of files that are kept).
bench_start()
{
	kernel=$("$top/tools/fetch-kernels" generic) || bench_fail "there is no kernel to boot"
	version=$(<"$kernel/version")
	bench=${LICHEN_BENCH_DIR:-$cache/bench}
	work=$(mktemp -d "${TMPDIR:-/tmp}/$tool.XXXXXX") ||
		bench_fail "no room for temporary files"
	pids=()
	trap bench_clean EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
}

bench_clean()
{
	((${#pids[@]} == 0)) || kill "${pids[@]}" 2>/dev/null || true
	rm -rf "$work"
}

# Prints the files of the modules named and of what they need, in loading order.
module_files()
{
	local module

	for module; do
		modprobe -d "$kernel" -S "$version" --show-depends "$module"
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }'
}

# bench_modules ROOT LAST MODULE...: puts modules into ROOT/modules, and their loading order,
# without LAST, one of them, which the init loads with its parameters, into ROOT/modules/order.
bench_modules()
{
	local root=$1 last=$2 file

	module_files "${@:3}" >"$work/files"
	while read -r file; do
		cp "$file" "$root/modules/"
		[[ $file == */$last.ko ]] || echo "${file##*/}"
	done <"$work/files" >"$root/modules/order"
	[[ -s $root/modules/$last.ko ]] || bench_fail "the kernel in $kernel has no $last.ko"
}

# bench_archive ROOT: prints a cpio archive of what is below ROOT.
bench_archive()
{
	(cd "$1" && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet)
}

# bench_initrd PREFIX BUILD: sets initrd to a file that BUILD FILE has made, now or before.  It
# is named after what it is made from and appears whole: a start that was cut short leaves
# nothing that a later one takes.
bench_initrd()
{
	local prefix=$1 build=$2 key

	key=$({
		cat "$0" "${BASH_SOURCE[0]}" "$kernel/version"
		sha256sum "$kernel/vmlinuz" "$(command -v busybox)"
	} | sha256sum | cut -c 1-16)
	initrd=$bench/$prefix-$key.gz
	[[ ! -s $initrd ]] || return 0
	(
		locked "$bench/lock"
		[[ ! -s $initrd ]] || exit 0
		"$build" "$bench/partial.gz"
		find "$bench" -name "$prefix-*.gz" -mtime +1 -delete
		mv "$bench/partial.gz" "$initrd"
	) || bench_fail "could not make $initrd"
}

# bench_command FOLDER WORD...: prints the script that runs the command in FOLDER.
bench_command()
{
	local variable

	printf 'cd %q || exit 125\n' "$1"
	shift
	echo 'export HOME=/root USER=root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
	echo "export TERM=${TERM:-dumb}"
	for variable in "${!LICHEN_@}"; do
		printf 'export %s=%q\n' "$variable" "${!variable}"
	done
	printf 'exec'
	printf ' %q' "$@"
	echo
}

# bench_follow PID OUT ERR: passes on what is written to the files OUT and ERR until process
# PID, the emulator, has ended.
bench_follow()
{
	local tails

	pids=("$1")
	tail -q -s 0.1 -n +1 -f --pid="$1" "$2" 2>/dev/null &
	tails=($!)
	tail -q -s 0.1 -n +1 -f --pid="$1" "$3" >&2 2>/dev/null &
	tails+=($!)
	wait "$1" || true
	wait "${tails[@]}" || true
	pids=()
}

# bench_end STATUS FAILED TIMED LOG...: ends the bench, with the status in the file STATUS, or
# with the reason in the file FAILED; else TIMED is not empty where $limit seconds were up, and the
# LOGs have the machine's last words.
bench_end()
{
	if [[ -s $1 ]]; then
		exit "$(<"$1")"
	elif [[ -s $2 ]]; then
		bench_fail "$(<"$2")"
	elif [[ $3 ]]; then
		bench_fail "the command was still running after $limit s"
	fi
	tail -n 80 "${@:4}" >&2 2>/dev/null || true
	bench_fail "the emulated machine ended without a status (its last words are above)"
}
