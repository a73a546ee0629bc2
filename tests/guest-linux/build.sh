#!/bin/bash
# SPDX-License-Identifier: MIT
# build.sh NAME...: builds lichen_guest and the example for each of these headers (see
# tools/fetch-headers), with all warnings as errors.
. "$LICHEN_SOURCE/tests/tap.sh"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
source=$LICHEN_SOURCE/guest/linux

build() { # VERSION FOLDER: objtool and modpost only warn, which counts too
	"$LICHEN_SOURCE/tools/guest-modules" "$1" "$2" W=1 KCFLAGS=-Werror >"$scratch/log" 2>&1
	status=$?
	cat "$scratch/log"
	[ $status = 0 ] && ! grep -i 'warning' "$scratch/log"
}

field() { # FILE NAME
	/sbin/modinfo -F "$2" "$1"
}

for_kernel() { # FILE VERSION
	[ "$(field "$1" vermagic | cut -d ' ' -f 1)" = "$2" ]
}

gpl() {
	[ "$(field "$1" license)" = "GPL v2" ]
}

# modpost has refused what is not exported; these would be ways around it.
no_tricks() {
	! nm -u "$1" | grep -wE 'kallsyms_lookup_name|kallsyms_on_each_symbol|(un)?register_k(ret)?probes?'
}

# What it changes outside itself is taken back: each of these comes with its inverse.
paired() { # FILE CALL INVERSE
	nm -u "$1" | grep -qw "$2" && nm -u "$1" | grep -qw "$3"
}

unexported_is_refused() { # VERSION: the gate itself
	cp -r "$scratch/$1" "$scratch/bad"
	(cd "$scratch/bad" && printf '%s\n' 'void bad_function(void);' 'void bad_function(void)' \
		'{' 'iterate_supers((void *)0, (void *)0);' '}' >>files.c &&
		make KDIR="$(folder_of "$1")" CONFIG_DEBUG_INFO_BTF_MODULES= modules) >"$scratch/log" 2>&1 &&
		return 1
	grep -q 'iterate_supers.*undefined' "$scratch/log" || { cat "$scratch/log"; return 1; }
}

folder_of() {
	"$LICHEN_SOURCE/tools/fetch-headers" "$1" | cut -d ' ' -f 2
}

# What dkms would do, by what dkms.conf says.
dkms_builds() { # VERSION
	make -s -C "$source" dist DIR="$scratch/dkms" || return 1
	kernel_source_dir=$(folder_of "$1")
	. "$scratch/dkms/dkms.conf"
	(cd "$scratch/dkms" && eval "${MAKE[0]} CONFIG_DEBUG_INFO_BTF_MODULES=") >"$scratch/log" 2>&1 ||
		{ cat "$scratch/log"; return 1; }
	module=$scratch/dkms/${BUILT_MODULE_NAME[0]}.ko
	[ "$PACKAGE_VERSION" = "$(field "$module" version)" ] || { echo "$PACKAGE_VERSION"; return 1; }
	(cd "$scratch/dkms" && eval "$CLEAN") >"$scratch/log" 2>&1
	[ ! -e "$module" ]
}

"$LICHEN_SOURCE/tools/fetch-headers" "$@" >"$scratch/versions"
check "there are headers" [ -s "$scratch/versions" ]
while read -r version _; do
	folder=$scratch/$version
	check "$version: builds without a warning" build "$version" "$folder"
	for module in lichen_guest lichen_example; do
		file=$folder/$module.ko
		check "$version: $module is for that kernel" for_kernel "$file" "$version"
		check "$version: $module is GPL" gpl "$file"
		check "$version: $module uses exported symbols only" no_tricks "$file"
	done
	file=$folder/lichen_guest.ko
	check "$version: its probes are taken back" paired "$file" tracepoint_probe_register \
		tracepoint_probe_unregister
	check "$version: and waited for" paired "$file" tracepoint_probe_register tracepoint_srcu
	check "$version: its line is given back" paired "$file" acpi_register_gsi acpi_unregister_gsi
	first=${first:-$version}
done <"$scratch/versions"
check "a symbol that is not exported does not link" unexported_is_refused "$first"
check "dkms.conf builds and cleans it" dkms_builds "$first"
finish
