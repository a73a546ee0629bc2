#!/bin/bash
# SPDX-License-Identifier: MIT
# matrix.sh [full [TABLE]]: stock Linux to its own power-off, over kernels, CPUs, paging, boot
# protocols and memory strategies; and restarts in a row.  Without "full" a cover in which each
# two values of different columns meet, in nine boots; with it, every combination, 50 restarts,
# and a table written to TABLE.
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
# boots LICHEN PROFILE WORK PAGING RESTARTS
lichen=$1 profile=$2 work=$3 paging=$4 restarts=$5
echo 200 >/proc/sys/vm/nr_hugepages
while read -r kernel cpus row_paging protocol memory; do
	[ "$row_paging" = "$paging" ] || continue
	plugin=linux
	[ $protocol = pvh ] && plugin=pvh
	echo "=== $kernel $cpus $paging $protocol $memory"
	status=0 start=$(date +%s%N)
	timeout 180 "$lichen" run "$profile" --set boot="{plugin: $plugin, kernel: $work/$kernel.$protocol, initrd: $work/initrd.gz, cmdline: 'console=ttyS0 quiet lichen.run=poweroff'}" \
		--set paging=$paging --set cpus=$cpus --set memory="{size: 256M, plugin: $memory}" \
		</dev/null 2>&1 || status=$?
	echo
	echo "=== status $status after $((($(date +%s%N) - start) / 1000000)) ms"
done <"$work/rows"
[ "$paging" = nested ] || exit 0

holdings() {
	echo "$(ls /proc/$1/fd | wc -l) $(ls /proc/$1/task | wc -l) $(wc -l </proc/$1/maps)"
}
starts() {
	grep -ac 'lichen-guest: up' /tmp/restarts
}
echo "=== restarts"
"$lichen" run "$profile" --set boot.kernel="$work/cloud.bzimage" --set boot.initrd="$work/initrd.gz" \
	--set memory.size=256M --set boot.cmdline="console=ttyS0 quiet lichen.run=reboot" \
	--stop-timeout 0 </dev/null >/tmp/restarts 2>&1 &
pid=$!
first=
while kill -0 $pid 2>/dev/null && [ "$(starts)" -le $restarts ]; do
	[ "$first" ] || { [ "$(starts)" -ge 2 ] && first=$(holdings $pid); }
	sleep 0.5
done
last=$(holdings $pid)
kill -TERM $pid
status=0
wait $pid || status=$?
tail -n 3 /tmp/restarts
echo "=== status $status restarts $(($(starts) - 1)) first $first last $last"
B
chmod +x "$work/boots"
for paging in nested shadow; do
	"$LICHEN_SOURCE/tools/svm-bench" --paging $paging --timeout 3600 --memory 4096 -- "$work/boots" \
		"$lichen" "$here/linux.yaml" "$work" $paging $restarts >"$work/log-$paging" 2>&1
	check "the bench ran ($paging paging)" [ $? = 0 ]
done
cat "$work"/log-* | tr -d '\r' >"$work/log"

boots() {
	line=$(sed -n "/^=== $1\$/,/^=== status/p" "$work/log")
	printf '%s\n' "$line" | grep -q '^=== status 0 ' || { printf '%s\n' "$line" | tail -n 20; return 1; }
}

restarted() {
	line=$(sed -n '/^=== restarts$/,/^=== status/p' "$work/log" | tail -n 1)
	case $line in
	"=== status 8 restarts $restarts first "*) ;;
	*) echo "$line"; return 1 ;;
	esac
	[ "$(echo "$line" | sed 's/.*first \(.*\) last.*/\1/')" = "$(echo "$line" | sed 's/.* last //')" ] ||
		{ echo "descriptors, threads, mappings: $line"; return 1; }
}

echo '| kernel | CPUs | paging | protocol | memory | status, time |' >"$table"
echo '| --- | --- | --- | --- | --- | --- |' >>"$table"
while read -r kernel cpus paging protocol memory; do
	row="$kernel $cpus $paging $protocol $memory"
	check "$kernel, $cpus CPUs, $paging, $protocol, $memory" boots "$row"
	echo "| $(echo "$row" | sed 's/ / | /g') | $(sed -n "/^=== $row\$/,/^=== status/s/^=== status //p" "$work/log") |" >>"$table"
done <"$work/rows"
check "$restarts restarts in a row, and nothing is left behind" restarted
finish
