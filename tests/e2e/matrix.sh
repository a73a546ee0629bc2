#!/bin/bash
# SPDX-License-Identifier: MIT
# matrix.sh [full [TABLE]]: stock Linux to its own power-off, over kernels, CPUs, paging, boot
# protocols and memory strategies; and restarts in a row.  Without "full" a cover in which each
# two values of different columns meet, in nine boots; with it, every combination, 50 restarts,
# and a table written to TABLE.  Boots of one kernel with one paging share a start of the bench, in
# the full run those with as many CPUs.
. "$LICHEN_SOURCE/tests/e2e/lib.sh"

full=${1-}
table=${2-/dev/null}
work=$LICHEN_BUILD/matrix
rm -rf "$work"
mkdir -p "$work"
"$LICHEN_SOURCE/tools/guest-initrd" "$work/initrd.gz" || exit 1
for kernel in cloud generic; do
	from=$("$LICHEN_SOURCE/tools/fetch-kernels" $kernel)/vmlinuz || exit 1
	ln -s "$from" "$work/$kernel.bzimage"
	"$LICHEN_BUILD/tools/extract-vmlinux" "$from" "$work/$kernel.vmlinux" || exit 1
	ln -s "$from" "$work/$kernel.pvh" # the plugin unpacks it
done

if [ "$full" ]; then
	restarts=50
	for kernel in cloud generic; do
		for cpus in 1 2 4; do
			for paging in nested shadow; do
				for protocol in bzimage vmlinux pvh; do
					for memory in anon shared hugetlb; do
						echo "$kernel $cpus $paging $protocol $memory"
					done
				done
			done
		done
	done >"$work/rows"
else
	restarts=3
	cat >"$work/rows" <<'R'
cloud 1 nested bzimage anon
cloud 1 shadow vmlinux shared
generic 1 shadow pvh hugetlb
generic 2 shadow bzimage shared
cloud 2 nested vmlinux hugetlb
cloud 2 nested pvh anon
generic 4 nested bzimage hugetlb
generic 4 shadow vmlinux anon
cloud 4 nested pvh shared
R
fi

# What runs inside the bench.
cat >"$work/boots" <<'B'
#!/bin/bash
# boots LICHEN PROFILE WORK ROWS
lichen=$1 profile=$2 work=$3
echo 200 >/proc/sys/vm/nr_hugepages
while read -r kernel cpus paging protocol memory; do
	plugin=linux
	[ $protocol = pvh ] && plugin=pvh
	echo "=== $kernel $cpus $paging $protocol $memory"
	status=0 start=$(date +%s%N)
	timeout 150 "$lichen" run "$profile" --set boot="{plugin: $plugin, kernel: $work/$kernel.$protocol, initrd: $work/initrd.gz, cmdline: 'console=ttyS0 quiet lichen.run=poweroff'}" \
		--set paging=$paging --set cpus=$cpus --set memory="{size: 256M, plugin: $memory}" \
		--stop-timeout 0 </dev/null 2>&1 || status=$?
	echo
	echo "=== status $status after $((($(date +%s%N) - start) / 1000000)) ms"
done <"$4"
B
cat >"$work/restarts" <<'B'
#!/bin/bash
# restarts LICHEN PROFILE WORK RESTARTS
lichen=$1 profile=$2 work=$3 restarts=$4
# The guest's memory is a shared file, so that anonymous memory is the process' own.  From its page
# tables: what "status" says may be 64 pages off for each thread.
holdings() {
	echo "$(ls /proc/$1/fd | wc -l) $(ls /proc/$1/task | wc -l) $(wc -l </proc/$1/maps)" \
		"$(awk '/^Anonymous:/ { print $2 }' /proc/$1/smaps_rollup)"
}
starts() {
	grep -ac 'lichen-guest: up' /tmp/restarts
}
echo "=== restarts"
"$lichen" run "$profile" --set boot.kernel="$work/cloud.bzimage" --set boot.initrd="$work/initrd.gz" \
	--set memory="{size: 256M, plugin: shared}" --set cpus=2 \
	--set boot.cmdline="console=ttyS0 quiet lichen.run=reboot" \
	--stop-timeout 0 </dev/null >/tmp/restarts 2>&1 &
pid=$!
first= start=$(date +%s%N)
while kill -0 $pid 2>/dev/null && [ "$(starts)" -le $restarts ]; do
	[ "$first" ] || { [ "$(starts)" -ge 3 ] && first=$(holdings $pid); }
	sleep 0.3
done
last=$(holdings $pid)
kill -TERM $pid
status=0
wait $pid || status=$?
tail -n 3 /tmp/restarts
echo "=== status $status restarts $(($(starts) - 1)) first $first last $last" \
	"after $((($(date +%s%N) - start) / 1000000)) ms"
B
chmod +x "$work/boots" "$work/restarts"

# bench NAME PAGING COMMAND...: in the emulated machine, what it prints behind the log of that name.
bench() {
	"$LICHEN_SOURCE/tools/svm-bench" --paging "$2" --timeout 1500 --memory 3072 -- \
		"${@:3}" >>"$work/log-$1" 2>&1
	echo "=== end" >>"$work/log-$1" # of a boot that was cut short as well
}

# A group: kernel, paging, and CPUs where there are many.
while read -r row; do
	read -r kernel cpus paging _ <<<"$row"
	echo "$row" >>"$work/group-$kernel-$paging${full:+-$cpus}"
done <"$work/rows"
for group in "$work"/group-*; do
	name=${group##*/group-}
	paging=${name#*-}
	bench "$name" "${paging%%-*}" "$work/boots" "$lichen" "$here/linux.yaml" "$work" "$group"
done
bench restarts nested "$work/restarts" "$lichen" "$here/linux.yaml" "$work" $restarts
cat "$work"/log-* | tr -d '\r' >"$work/log"

# Each two values of different columns are in a row together.
pairs_meet() {
	awk 'BEGIN { split("cloud generic;1 2 4;nested shadow;bzimage vmlinux pvh;anon shared hugetlb", column, ";") }
		{ for (a = 1; a < 5; a++) for (b = a + 1; b <= 5; b++) met[a, $a, b, $b] = 1 }
		END {
			for (a = 1; a < 5; a++) for (b = a + 1; b <= 5; b++) {
				n = split(column[a], left, " "); m = split(column[b], right, " ")
				for (i = 1; i <= n; i++) for (j = 1; j <= m; j++)
					if (!((a, left[i], b, right[j]) in met)) { print left[i], "never meets", right[j]; bad = 1 }
			}
			exit bad
		}' "$work/rows"
}

boots() {
	line=$(sed -n "/^=== $1\$/,/^===/p" "$work/log")
	printf '%s\n' "$line" | grep -q '^=== status 0 ' &&
		printf '%s\n' "$line" | grep -q "lichen-guest: up cpus=$cpus linux=" ||
		{ printf '%s\n' "$line" | tail -n 20; return 1; }
}

restarted() {
	line=$(sed -n '/^=== restarts$/,/^=== status/p' "$work/log" | tail -n 1)
	case $line in
	"=== status 8 restarts $restarts first "*) ;;
	*) echo "$line"; return 1 ;;
	esac
	echo "$line" | sed 's/.* first \(.*\) last \(.*\) after.*/\1 \2/' | {
		read -r fd thread map own fds threads maps owns
		# Some pages of stack or heap are touched late.  One page lost at each restart would be
		# three times what 50 may add.
		[ "$fd $thread $map" = "$fds $threads $maps" ] && [ "$owns" -le $((own + 16 + restarts)) ]
	} || { echo "descriptors, threads, mappings, KiB of its own: $line"; return 1; }
}

check "each two values of different columns meet" pairs_meet
echo '| kernel | CPUs | paging | protocol | memory | status, time |' >"$table"
echo '| --- | --- | --- | --- | --- | --- |' >>"$table"
while read -r kernel cpus paging protocol memory; do
	row="$kernel $cpus $paging $protocol $memory"
	check "$kernel, $cpus CPUs, $paging, $protocol, $memory" boots "$row"
	echo "| $(echo "$row" | sed 's/ / | /g') | $(sed -n "/^=== $row\$/,/^===/s/^=== status //p" "$work/log") |" >>"$table"
done <"$work/rows"
check "$restarts restarts in a row, and nothing is left behind" restarted
{
	echo
	echo "$restarts restarts in one process, each to the guest's init (descriptors, threads, mappings,"
	echo "KiB of anonymous memory, early and at the end): $(sed -n 's/^=== \(status .* restarts .*\)/\1/p' "$work/log")."
	echo
	echo "Guests: $(sed -n 's/.*lichen-guest: up .*linux=//p' "$work/log" | sort -u | paste -s -d ' '), 256 MiB each."
} >>"$table"
finish
