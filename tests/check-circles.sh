#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# No two files call each other in a circle: every file has its floor and sees only what lies below. Read from the
# symbols of the objects that were built: a file that uses a function or variable calls the file that defines it. The
# check first proves on small trees of its own that it can fail. Run in the build directory. Prints TAP.
set -euo pipefail
top=$(realpath "${srcdir:-.}")
# What is looked at together: folders with those in them, of which no two files define the same symbol.
together=("daemon dbus names" "libclient tools")

# Objects are named after their sources, after a prefix for what they were compiled for. One without a source was left
# over from a file that had another name, and is none of today's. Sets file.
find_source() { # TOP OBJECT
        local directory=${2%/*} name=${2##*/}
        directory=${directory%/.libs}
        name=${name%.o}
        until [ -e "$1/$directory/$name.c" ]; do
                case $name in *-*) name=${name#*-} ;; *) return 1 ;; esac
        done
        file=$directory/$name
}

# Prints lines "FILE defines SYMBOL" and "FILE uses SYMBOL". Of nm's types U, w and v are undefined, and of the others
# the capitals are global.
symbols() { # TOP BUILD FOLDERS LISTING-COMMAND
        local objects=() object file
        cd "$2"
        # shellcheck disable=SC2086 # a list
        while read -r object; do
                find_source "$1" "$object" || continue
                objects+=("$object"); echo "$object: = $file"
        done < <(find $3 -name '*.o' 2>/dev/null | sort) >"$scratch/sources"
        { cat "$scratch/sources"; [ ${#objects[@]} = 0 ] || $4 "${objects[@]}" || true; } | awk '
                $2 == "=" { file[$1] = $3; next }
                $3 ~ /^[Uwv]$/ { print file[$1], "uses", $2 }
                $3 ~ /^[A-TV-Z]$/ { print file[$1], "defines", $2 }'
}

# From those lines: each call that is part of a circle, because a way leads back from who is called. Calls of the same
# circle begin with the same file.
circles() {
        sort -u | awk '
                $2 == "defines" { owner[$3] = $1 }
                $2 == "uses" { user[++n] = $1; used[n] = $3 }
                END {
                        for (i = 1; i <= n; i++) {
                                a = user[i]
                                b = used[i] in owner ? owner[used[i]] : a
                                if (a == b) continue
                                if (!((a, b) in calls)) { from[++m] = a; to[m] = b }
                                calls[a, b] = calls[a, b] " " used[i]
                                way[a, b]; file[a]; file[b]
                        }
                        for (k in file) for (i in file) if ((i, k) in way) for (j in file) if ((k, j) in way) way[i, j]
                        for (i = 1; i <= m; i++) {
                                first = from[i]
                                if (!((to[i], first) in way)) continue
                                for (k in file) if (k < first && (from[i], k) in way && (k, from[i]) in way) first = k
                                print "circle of " first ": " from[i] " calls " to[i] " for" calls[from[i], to[i]]
                        }
                }' | sort
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

n=0
report() { # STATUS WHAT
        n=$((n + 1))
        if [ "$1" = 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; fi
}

# In the small trees an object is a text, what nm would print of it.
paper_nm() { for object; do sed "s|^|$object: |" "$object"; done; }

proof() { # WHAT EXPECTED OBJECT=NM-OUTPUT...
        local what=$1 expected=$2 object found status=0
        rm -rf "$scratch/tree"; mkdir -p "$scratch"/tree/a/{,b/}.libs
        touch "$scratch"/tree/a/{one,two-three,low,main,b/four}.c
        for object in "${@:3}"; do
                printf '%b' "${object#*=}" >"$scratch/tree/${object%%=*}"
        done
        found=$(symbols "$scratch/tree" "$scratch/tree" a paper_nm | circles)
        [ "$found" = "$expected" ] || { echo "# found: ${found//$'\n'/$'\n# '}"; status=1; }
        report $status "$what"
}

one_two='circle of a/one: a/one calls a/two-three for two
circle of a/one: a/two-three calls a/one for one'
proof "two files that call each other are a circle" "$one_two" \
        a/.libs/libx_la-one.o='one T 0 5\nlocal t 5 2\ntwo U\n' a/.libs/libx_la-two-three.o='two D 0 8\none U\nfree U\n'
proof "so are three, in a folder and one below it, of which others are no part" \
        'circle of a/b/four: a/b/four calls a/one for one
circle of a/b/four: a/one calls a/two-three for three two
circle of a/b/four: a/two-three calls a/b/four for four' \
        a/one.o='one T 0 5\ntwo U\nthree w\nlow U\n' a/two-three.o='two T 0 5\nthree W 5 1\nfour U\n' \
        a/b/.libs/p-four.o='four B 0 4\none U\n' a/main.o='main T 0 5\none U\n' a/low.o='low T 0 5\n'
proof "layers are none" "" a/.libs/libx_la-one.o='one T 0 5\ntwo U\nfour U\n' \
        a/.libs/libx_la-two-three.o='two T 0 5\nfour U\nlocal t 0 1\n' a/b/four.o='four T 0 5\nlocal U\n'
proof "an object without a source is not looked at" "" a/.libs/libx_la-one.o='one T 0 5\nold U\n' \
        a/.libs/libx_la-old.o='old T 0 5\none U\n'

for folders in "${together[@]}"; do
        what="no two files of $folders call each other in a circle"
        found=$(symbols "$top" . "$folders" "nm -P -A")
        why="no objects, or some do not show their symbols"
        command -v nm >/dev/null || why="nm is not installed"
        shown=$(cut -d' ' -f1 <<<"$found" | sort -u)
        if [ -z "$shown" ] || [ "$shown" != "$(cut -d' ' -f3 "$scratch/sources" | sort -u)" ]; then
                report 0 "$what # SKIP $why"
                continue
        fi
        found=$(circles <<<"$found")
        status=0
        [ -z "$found" ] || { printf '# %s\n' "${found//$'\n'/$'\n# '}"; status=1; }
        report $status "$what"
done
echo "1..$n"
