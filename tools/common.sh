# SPDX-License-Identifier: MIT
# Sourced by the other tools: where things are, and how they fail.
set -euo pipefail
tool=${0##*/}
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=$top/.cache
export PATH=$PATH:/usr/sbin:/sbin # modprobe and depmod, where a plain user's PATH lacks them

# fail SENTENCE [STATUS]
fail()
{
	printf '%s: %s\n' "$tool" "$1" >&2
	exit "${2:-1}"
}

# locked FILE: holds an exclusive lock on FILE until this process ends.
locked()
{
	mkdir -p "$(dirname "$1")"
	exec 9>"$1"
	flock 9
}
