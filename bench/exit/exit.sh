#!/bin/bash
# SPDX-License-Identifier: MIT
# exit.sh PAIRS FOLDER LICHEN PROFILE: a guest that reads a port 20,000 times, on the bare
# program and on Lichen in turn.  FOLDER has the bench's programs.  Prints for each pair
#	gap A B		us from KVM_RUN's return to its next entry, the mean of all exits but the
#			highest 1 %, which are the host's interrupts; the shim's clock in both
#	median A B	the same, the median
#	wall A B	us an exit of the whole run of the program, its start and end included
set -euo pipefail
pairs=$1 folder=$2 lichen=$3 profile=$4

# run COMMAND...: prints COUNT MEDIAN MEAN WALL, ns and ns a run.
run() {
	local start=${EPOCHREALTIME/./} status=0

	BENCH_SHIM="gaps 7" LD_PRELOAD=$folder/bench-shim.so "$@" 7>"$work" </dev/null >/dev/null ||
		status=$?
	[[ $status == 1 && -s $work ]] || {
		echo "exit.sh: $1: status $status, want 1" >&2
		exit 1
	}
	echo "$(<"$work") $(((${EPOCHREALTIME/./} - start) * 1000))"
}

work=$(mktemp)
trap 'rm -f "$work"' EXIT
for ((pair = 0; pair < pairs; pair++)); do
	a=$(run "$folder/bench-bare" "$folder/exits.bin" 64 1)
	b=$(run "$lichen" run "$profile" --set boot.image="$folder/exits.bin")
	echo "$a $b" | awk '{
		printf "gap %.4f %.4f\n", $3 / 1000, $7 / 1000
		printf "median %.4f %.4f\n", $2 / 1000, $6 / 1000
		printf "wall %.4f %.4f\n", $4 / $1 / 1000, $8 / $5 / 1000
	}'
done
