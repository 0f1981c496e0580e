#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Writer and readers of the shared segment in one process under ThreadSanitizer: no data race, no torn snapshot. The same
# without atomic copies must be reported, or the sanitizer does not see the segment at all.
srcdir=${srcdir:-.}
CC=${CC:-cc}
scratch=$(mktemp -d) || exit 99
trap 'rm -rf "$scratch"' EXIT
trap 'exit 99' INT TERM HUP

skip() {
        echo "1..0 # SKIP $1"
        exit 0
}

# Kernels that spread mappings far apart leave no room where the sanitizer wants its own.
echo 'int main(void) { return 0; }' >"$scratch/empty.c"
$CC -fsanitize=thread -o "$scratch/empty" "$scratch/empty.c" 2>/dev/null ||
        skip "$CC has no ThreadSanitizer (Debian: libtsan2)"
run=
"$scratch/empty" 2>/dev/null || run="setarch -R"
$run "$scratch/empty" 2>/dev/null || skip "ThreadSanitizer does not run on this kernel, even without address randomisation"
[ -w /dev/shm ] || skip "/dev/shm is not writable"

# build PROGRAM DEFINITIONS...
build() {
        program=$1
        shift
        $CC -std=gnu11 -O1 -g -fsanitize=thread -Wno-tsan -D_GNU_SOURCE -I. -I"$srcdir" "$@" \
                -Wl,--wrap=mmap,--wrap=munmap -o "$scratch/$program" \
                "$srcdir"/libclient/*.c "$srcdir/daemon/publish/death.c" "$srcdir/daemon/publish/segment.c" \
                "$srcdir/tests/unit/pattern.c" "$srcdir/tests/unit/test-tsan.c" -pthread >"$scratch/log" 2>&1 && return
        sed 's/^/# /' "$scratch/log"
        echo "Bail out! cannot build $program"
        exit 99
}

build good -DSOCKTALLY_ATOMIC_COPY
build racy

echo 1..2
if TSAN_OPTIONS=exitcode=66 $run "$scratch/good" >"$scratch/log" 2>&1; then
        echo "ok 1 - no data race and no torn snapshot with atomic copies"
else
        echo "not ok 1 - no data race and no torn snapshot with atomic copies (exit $?)"
fi
head -n 60 "$scratch/log" | sed 's/^/# /'

TSAN_OPTIONS=exitcode=66:report_bugs=1 $run "$scratch/racy" >"$scratch/log" 2>&1
if grep -q 'WARNING: ThreadSanitizer: data race' "$scratch/log" && grep -q 'copy_from_slot' "$scratch/log"; then
        echo "ok 2 - the sanitizer sees the copy without them"
else
        echo "not ok 2 - the sanitizer sees the copy without them"
        head -n 60 "$scratch/log" | sed 's/^/# /'
fi
