#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The ways to build Socktally that the ordinary build does not show: each compiler without a warning, installation and
# its reverse, and the release tarball, built and tested from a read-only tree. Prints TAP, and what the tools say as
# comments. Run it by ./verify builds, or by hand with builddir and srcdir set.
set -uo pipefail
exec </dev/null
export LC_ALL=C.UTF-8 PATH="$PATH:/usr/sbin:/sbin"
srcdir=$(realpath "${srcdir:-.}")
builddir=$(realpath "${builddir:-.}")
place=$builddir/builds
jobs=-j$(nproc)
n=0
failed=0

check() { # SENTENCE COMMAND...
        local sentence=$1
        shift
        n=$((n + 1))
        echo "# $sentence"
        local status=0
        "$@" >"$place/log" 2>&1 || status=$?
        if [ $status = 0 ]; then
                echo "ok $n - $sentence"
        elif [ $status = 77 ]; then
                echo "ok $n - $sentence # SKIP $(tail -n 1 "$place/log")"
        else
                { grep -E -m 10 '(error|warning|Error|\*\*\*|^not ok|^FAIL)' "$place/log" || tail -n 10 "$place/log"; } | sed 's/^/#   /'
                echo "not ok $n - $sentence"
                failed=$((failed + 1))
        fi
        cat "$place/log" >>"$builddir/logs/builds-output.log"
}

# Everything, the test programs too; no test runs.
compiles_without_warning() { # COMPILER C++-COMPILER
        mkdir -p "$place/$1"
        cd "$place/$1" && { [ -f config.status ] || "$srcdir/configure" -q CC="$1" CXX="$2" --enable-werror; } &&
                make "$jobs" && make "$jobs" check TESTS=
}

installs_and_uninstalls() {
        local left
        rm -rf "$place/installed"
        make -C "$builddir" install DESTDIR="$place/installed" || return
        [ -n "$(find "$place/installed" -name 'socktally.h')" ] || return
        make -C "$builddir" uninstall DESTDIR="$place/installed" || return
        left=$(find "$place/installed" ! -type d)
        [ -z "$left" ] || { echo "error: still there after uninstall: $left"; return 1; }
}

distribution_is_complete() {
        mkdir -p "$place/dist"
        cd "$place/dist" && { [ -f config.status ] || "$srcdir/configure" -q; } && make "$jobs" distcheck
}

mkdir -p "$place" "$builddir/logs"
: >"$builddir/logs/builds-output.log"
check "gcc has no warning" compiles_without_warning gcc g++
check "clang has no warning" compiles_without_warning clang clang++
for suite in trixie sid; do
        check "it compiles without warning in a tree of $suite, with its libraries" "$srcdir/tests/system/vm.sh" --compile $suite
done
check "make install installs, make uninstall removes all of it" installs_and_uninstalls
check "make distcheck passes" distribution_is_complete
echo "1..$n"
[ $failed -eq 0 ]
