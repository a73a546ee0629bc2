# SPDX-License-Identifier: MIT
# bash completion for lichen(1).  Sourced; needs nothing but bash.

# The plugins that can be named; "$@": options that say where they are.
_lichen_plugins()
{
	"${COMP_WORDS[0]}" plugin list "$@" 2>/dev/null |
		while read -r name rest; do
			[[ $rest == refused:* ]] || printf '%s\n' "$name"
		done
}

# _lichen_files PATTERN: folders, and files whose name matches.
_lichen_files()
{
	local cur=${COMP_WORDS[COMP_CWORD]} pattern
	compopt -o filenames 2>/dev/null
	mapfile -t COMPREPLY < <(
		compgen -d -- "$cur"
		for pattern; do compgen -f -X "!$pattern" -- "$cur"; done
	)
}

# The VMs that run.
_lichen_vms()
{
	"${COMP_WORDS[0]}" ps 2>/dev/null | while read -r name rest; do
		[[ $name == NAME ]] || printf '%s\n' "$name"
	done
}

# The instances of a VM.
_lichen_ids()
{
	"${COMP_WORDS[0]}" device list "$1" 2>/dev/null | while read -r id rest; do
		[[ $id == ID ]] || printf '%s\n' "$id"
	done
}

# What a guest shares, offers or has taken: names for spy, call, drop.
_lichen_sym()
{
	case $2 in
	spy) "${COMP_WORDS[0]}" sym info "$1" 2>/dev/null | _lichen_below RECORD ;;
	call) "${COMP_WORDS[0]}" sym info "$1" 2>/dev/null | _lichen_below FUNCTION ;;
	drop) "${COMP_WORDS[0]}" sym list "$1" 2>/dev/null | _lichen_below NAME ;;
	esac
}

# _lichen_below HEAD: first words of the table with that head.
_lichen_below()
{
	local on=
	while read -r name rest; do
		[[ -z $on || $name != *: ]] || break
		[[ -z $on ]] || printf '%s\n' "$name"
		[[ $name == "$1" ]] && on=1
	done
}

_lichen_words()
{
	mapfile -t COMPREPLY < <(compgen -W "$*" -- "${COMP_WORDS[COMP_CWORD]}")
}

_lichen()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local command=${COMP_WORDS[1]-} options i where=()
	COMPREPLY=()

	if ((COMP_CWORD == 1)); then
		_lichen_words run check ps stop pause resume reset console metrics top device sym schema plugin --help --version
		return
	fi
	if [[ $command == plugin ]]; then
		if ((COMP_CWORD == 2)); then
			_lichen_words list info load unload reload
			return
		fi
		command="plugin ${COMP_WORDS[2]}"
	fi
	if [[ $command == schema ]]; then
		if ((COMP_CWORD == 2)); then
			_lichen_words control
			return
		fi
		command="schema ${COMP_WORDS[2]}"
	fi
	if [[ $command == device ]]; then
		if ((COMP_CWORD == 2)); then
			_lichen_words list add remove dump
			return
		fi
		command="device ${COMP_WORDS[2]}"
	fi
	if [[ $command == sym ]]; then
		if ((COMP_CWORD == 2)); then
			_lichen_words info spy call list push drop
			return
		fi
		command="sym ${COMP_WORDS[2]}"
	fi
	case $prev in
	--name | --set | --vcpu) return ;;
	--guest)
		_lichen_words "$(_lichen_vms)"
		return
		;;
	--deadline)
		_lichen_words 200us 50ms 10s 1min
		return
		;;
	--stop-timeout | --timeout)
		_lichen_words 0 500ms 10s 30s 2min
		return
		;;
	--escape)
		_lichen_words none ctrl-a ctrl-b ctrl-]
		return
		;;
	--log)
		_lichen_files '*'
		return
		;;
	--plugin-path)
		_lichen_files
		return
		;;
	esac
	case $command in
	run) options="--name --set --detach --log --stop-timeout --plugin-path --json --verbose --help" ;;
	check) options="--name --set --plugin-path --json --verbose --help" ;;
	"plugin list" | "plugin info" | "plugin reload") options="--plugin-path --json --help" ;;
	"plugin load") options="--no-instance --plugin-path --json --help" ;;
	"plugin unload") options="--force --timeout --json --help" ;;
	ps) options="--guest --json --help" ;;
	pause | resume) options="--json --help" ;;
	"sym info" | "sym list" | "sym push" | "sym drop") options="--json --help" ;;
	"sym spy") options="--follow --vcpu --json --help" ;;
	"sym call") options="--vcpu --deadline --json --help" ;;
	stop) options="--stop-timeout --json --help" ;;
	reset) options="--warm --json --help" ;;
	console) options="--force --escape --help" ;;
	metrics | "device list" | "device dump") options="--json --help" ;;
	top) options="--once --help" ;;
	"device add") options="--backend --json --help" ;;
	"device remove") options="--force --timeout --json --help" ;;
	"schema control") options="--help" ;;
	*) return ;;
	esac
	if [[ $cur == -* ]]; then
		_lichen_words "$options"
		return
	fi
	case $command in
	"device list" | "device add" | "device remove" | "device dump")
		if ((COMP_CWORD == 3)); then
			_lichen_words "$(_lichen_vms)"
		elif ((COMP_CWORD == 4)) && [[ $command == *remove || $command == *dump ]]; then
			_lichen_words "$(_lichen_ids "${COMP_WORDS[3]}")"
		fi
		;;
	sym*)
		if ((COMP_CWORD == 3)); then
			_lichen_words "$(_lichen_vms)"
		elif [[ $command == *push ]] && ((COMP_CWORD == 4)); then
			_lichen_files '*.ko' '*.o'
		elif ((COMP_CWORD == 4)); then
			_lichen_words "$(_lichen_sym "${COMP_WORDS[3]}" "${command#sym }")"
		fi
		;;
	stop | pause | resume | reset | console | metrics | top) _lichen_words "$(_lichen_vms)" ;;
	run | check) _lichen_files '*.yaml' '*.yml' ;;
	"plugin load" | "plugin unload" | "plugin reload")
		if ((COMP_CWORD == 3)); then
			_lichen_words "$(_lichen_vms)"
		elif ((COMP_CWORD == 4)) && [[ $cur == */* ]]; then
			_lichen_files '*.so'
		elif ((COMP_CWORD == 4)); then
			_lichen_words "$(_lichen_plugins)"
		fi
		;;
	"plugin info")
		if [[ $cur == */* ]]; then
			_lichen_files '*.so'
			return
		fi
		for ((i = 3; i < ${#COMP_WORDS[@]} - 1; i++)); do
			[[ ${COMP_WORDS[i]} != --plugin-path ]] || where=(--plugin-path "${COMP_WORDS[i + 1]}")
		done
		_lichen_words "$(_lichen_plugins "${where[@]}")"
		;;
	esac
}

complete -F _lichen lichen
