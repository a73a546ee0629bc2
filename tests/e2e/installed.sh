# SPDX-License-Identifier: MIT
# installed.sh: for tests of what is built outside the tree, from an installation alone; to be
# sourced after lib.sh.
prefix=$scratch/prefix
out=$scratch/plugins
mkdir -p "$out" "$scratch/sources"

# sources FOLDER...: copies of examples, so that nothing is found next to them that an author would
# not have.
sources() {
	for folder; do
		cp -r "$LICHEN_SOURCE/examples/$folder" "$scratch/sources"
	done
}

install_it() {
	cmake --install "$LICHEN_BUILD" --prefix "$prefix" &&
		lichen=$(find "$prefix" -path '*/bin/lichen' -type f) && [ -x "$lichen" ]
}

with_cmake() { # FOLDER NAME COMPILER-VARIABLE COMPILER [OPTION...]
	folder=$1 plugin=$2 variable=$3 compiler=$4
	shift 4
	cmake -S "$scratch/sources/$folder" -B "$scratch/build-$folder" \
		-DCMAKE_PREFIX_PATH="$prefix" -D"$variable=$compiler" "$@" &&
		cmake --build "$scratch/build-$folder" &&
		cp "$scratch/build-$folder/$plugin.so" "$out"
}
