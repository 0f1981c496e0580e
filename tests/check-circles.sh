#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# No two files of a folder call each other in a circle. Read from the symbols of the objects that were built: what one
# uses and another defines is an edge. The check first proves on a small list of its own that it can fail. Prints TAP.
set -euo pipefail

rooms=(daemon daemon/collect daemon/identity daemon/totals daemon/publish daemon/control dbus libclient tools)
build=${builddir:-.}

if ! command -v nm >/dev/null; then
        echo "1..0 # SKIP nm is not installed"
        exit 0
fi

# From lines "FILE SYMBOL" (it defines) and "FILE U SYMBOL" (it uses): an edge for each file that uses another's.
edges() {
        awk 'NF == 2 { owner[$2] = $1 } NF == 3 { used[++n] = $1 " " $3 }
             END { for (i = 1; i <= n; i++) {
                           split(used[i], u)
                           if (u[2] in owner && owner[u[2]] != u[1]) print u[1], owner[u[2]], u[2]
                   } }' | sort -u
}

# Takes away what calls nobody that is left, and what nobody calls, until nothing changes. What is left is circles and
# the ways between them.
circles() {
        awk '{ from[NR] = $1; to[NR] = $2; why[NR] = $3 }
             END {
                     do {
                             split("", calls); split("", called)
                             for (i in from) { calls[from[i]] = 1; called[to[i]] = 1 }
                             n_gone = 0
                             for (i in from)
                                     if (!(to[i] in calls) || !(from[i] in called)) { gone[++n_gone] = i }
                             for (k = 1; k <= n_gone; k++) delete from[gone[k]]
                     } while (n_gone)
                     for (i in from) print from[i], "calls", to[i] ":", why[i]
             }' | sort
}

symbols() { # DIRECTORY
        local object name
        for object in "$1"/.libs/*.o; do
                [ -e "$object" ] || continue
                name=${object##*/}
                name=${name%.o}
                name=${name##*_la-}
                nm -P "$object" | awk -v file="$name" '$2 == "U" { print file, "U", $1 } $2 ~ /^[TDBRV]$/ { print file, $1 }'
        done
}

n=0
report() { # STATUS WHAT
        n=$((n + 1))
        if [ "$1" = 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; fi
}

verdict() { # WHAT IS-CIRCLE LINES
        local found is_circle=no
        found=$(printf '%b' "$3" | edges | circles)
        [ -z "$found" ] || is_circle=yes
        if [ "$is_circle" = "$2" ]; then report 0 "$1"; else report 1 "$1"; fi
}

verdict 'two files that call each other are noticed' yes 'a one\na U two\nb two\nb U one\n'
verdict 'so are three' yes 'a one\na U two\nb two\nb U three\nc three\nc U one\nd U one\n'
verdict 'layers are no circle' no 'a one\na U two\na U three\nb two\nb U three\nc three\n'

for room in "${rooms[@]}"; do
        if ! compgen -G "$build/$room/.libs/*.o" >/dev/null; then
                n=$((n + 1))
                echo "ok $n - $room/ has no circle # SKIP no shared objects were built"
                continue
        fi
        found=$(symbols "$build/$room" | edges | circles)
        [ -z "$found" ] || sed 's/^/# /' <<<"$found"
        status=0
        [ -z "$found" ] || status=1
        report $status "no two files of $room/ call each other in a circle"
done
echo "1..$n"
