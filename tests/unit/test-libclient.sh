#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The library as others get it: what it exports, what it needs, that its header is C99 and C++, that it builds with
# musl, and that the program in its manual compiles, links and runs. Run in the build directory. TAP.
set -uo pipefail
top=${srcdir:-.}
build=$PWD
library=$build/libclient/.libs/libsocktally.so
CC=${CC:-cc}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
n=0

report() { # STATUS SENTENCE
        n=$((n + 1))
        if [ "$1" = 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; sed 's/^/# /' "$scratch/out" | head -n 30; fi
}

check() { # SENTENCE COMMAND...: the command's output is shown when it fails
        local sentence=$1 status=0
        shift
        "$@" >"$scratch/out" 2>&1 || status=1
        report $status "$sentence"
}

skip() { # SENTENCE WHY
        n=$((n + 1))
        echo "ok $n - $1 # SKIP $2"
}

map_names() { sed -nE 's/^[[:space:]]*(socktally_[a-z_]+);.*/\1/p' "$top/libclient/libsocktally.map" | sort; }
header_names() { grep -oE 'socktally_[a-z_]+\(' <(grep -A1 '^SOCKTALLY_PUBLIC_API' "$top/libclient/socktally.h") | tr -d '(' | sort -u; }
exported() { nm -D --defined-only "$1" | awk '$2 == "T" { print $3 }' | sort; }

exports_are_the_map() { diff <(map_names | sed 's/$/@@SOCKTALLY_0/') <(exported "$1"); }
check "the library exports what the map says, with its version" exports_are_the_map "$library"
check "the header declares what the map says" diff <(map_names) <(header_names)

# A program that links the objects themselves, from an archive or from the sources, must not meet its own names there.
names_are_the_librarys() {
        local foreign
        foreign=$(nm -g --defined-only "$1" | awk 'NF == 3 && $3 !~ /^(socktally_|stly_|__)/ { print $3 }') && [ -s "$1" ] || return
        echo "$foreign"
        [ -z "$foreign" ]
}
check "every name that the library's objects define begins with socktally_ or stly_" \
        names_are_the_librarys "$build/libclient/.libs/libreader.a"

needs_libc_alone() {
        local needed
        needed=$(readelf -d "$1" | sed -nE 's/.*\(NEEDED\).*\[(.*)\]/\1/p' | grep -vE '^(libc\.so|ld-linux)')
        echo "$needed"
        [ -z "$needed" ]
}
if [ -n "${SANITIZER_CFLAGS:-}" ]; then
        skip "the library needs nothing but libc" "built with sanitizers"
else
        check "the library needs nothing but libc" needs_libc_alone "$library"
fi

cat >"$scratch/header.c" <<'END'
#include <socktally.h>
int main(void) { return sizeof(struct socktally_options) && socktally_version() ? 0 : 1; }
END
cp "$scratch/header.c" "$scratch/header.cc"
check "the header is strict C99" \
        $CC -std=c99 -pedantic-errors -Wall -Wextra -Werror -fsyntax-only -I"$top/libclient" "$scratch/header.c"
cxx=$(command -v c++ || command -v g++ || command -v clang++)
if [ -n "$cxx" ]; then
        check "the header is C++" "$cxx" -std=c++98 -Wall -Wextra -Werror -fsyntax-only -I"$top/libclient" "$scratch/header.cc"
else
        skip "the header is C++" "no C++ compiler"
fi

headers_compile_alone() {
        local header
        for header in "$top"/libclient/*.h; do
                $CC -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -Wno-unused-function -fsyntax-only -I"$top" -x c "$header" || return
        done
}
check "every header compiles alone" headers_compile_alone

# The program between ".\" example" and ".EE", without roff's escapes.
sed -n '/^\.\\" example/,/^\.EE/p' "$top/man/libsocktally.3" | grep -v '^\.' |
        sed -e 's/\\-/-/g' -e 's/\\e/\\/g' -e "s/\\\\(aq/'/g" -e 's/\\(dq/"/g' -e 's/\\&//g' >"$scratch/example.c"
compile_example() {
        grep -q '^int main' "$scratch/example.c" &&
                $CC -std=c99 -pedantic-errors -Wall -Wextra -Werror ${SANITIZER_CFLAGS:-} -I"$top/libclient" \
                        -o "$scratch/example" "$scratch/example.c" -L"$build/libclient/.libs" -lsocktally
}
check "the program in the manual compiles and links" compile_example
says_that_there_is_no_daemon() {
        SOCKTALLY_RUNTIME_DIRECTORY=$scratch/nowhere LD_LIBRARY_PATH=$build/libclient/.libs "$1" >"$scratch/output" 2>&1
        [ $? = 1 ] && grep -q 'No such file' "$scratch/output" || { cat "$scratch/output"; return 1; }
}
check "the program in the manual runs" says_that_there_is_no_daemon "$scratch/example"

pkg_config_works() {
        local flags
        flags=$(PKG_CONFIG_PATH=$build/libclient pkg-config --define-variable=libdir=/L --cflags --libs libsocktally) &&
                echo "$flags" && grep -q -- '-lsocktally' <<<"$flags"
}
if command -v pkg-config >/dev/null; then
        check "pkg-config knows the library" pkg_config_works
else
        skip "pkg-config knows the library" "no pkg-config"
fi

# The sources of the library are what its fragment lists; the inspector is for the command alone, but builds too.
musl=${MUSL_GCC:-musl-gcc}
build_with_musl() {
        local source objects=()
        for source in "$top"/libclient/*.c; do
                "$musl" -std=gnu11 -D_GNU_SOURCE -O2 -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wundef \
                        -Wwrite-strings -Wno-unused-parameter -Werror -fPIC -fvisibility=hidden -I"$top" -I"$build" \
                        -c -o "$scratch/$(basename "$source" .c).o" "$source" || return
                objects+=("$scratch/$(basename "$source" .c).o")
        done
        "$musl" -shared -o "$scratch/libsocktally.so" "${objects[@]}" \
                -Wl,--version-script="$top/libclient/libsocktally.map" -Wl,-z,defs &&
                exports_are_the_map "$scratch/libsocktally.so" &&
                "$musl" -static -I"$top/libclient" -o "$scratch/example-musl" "$scratch/example.c" "${objects[@]}"
}
if command -v "$musl" >/dev/null; then
        check "the library builds with musl without a warning" build_with_musl
        check "the program in the manual runs with musl" says_that_there_is_no_daemon "$scratch/example-musl"
else
        skip "the library builds with musl without a warning" "no musl-gcc"
        skip "the program in the manual runs with musl" "no musl-gcc"
fi

page_is_clean() {
        local said
        said=$(groff -t -man -Tutf8 -ww -z "$top/man/libsocktally.3" 2>&1)
        echo "$said"
        [ -z "$said" ]
}
if command -v groff >/dev/null; then
        check "the manual page formats without a complaint" page_is_clean
else
        skip "the manual page formats without a complaint" "no groff"
fi
echo "1..$n"
