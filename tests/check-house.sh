#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The house rules that a machine can check: licence lines, sizes, indentation, names, and that no file knows the
# machine it was written on. Each check is a function that prints the offenders of a tree; the script first runs each
# on a small tree of its own that breaks the rule, to see that it can fail.
set -euo pipefail
top=${srcdir:-.}
rooms=(bpf daemon names libclient dbus tools tests man data .ci)
files=(autogen.sh try verify configure.ac Makefile.am README.md HACKING.md NEWS build-aux/install-packages build-aux/quietly build-aux/build)

sources() { # TOP: every file of ours, from the top; nothing generated, no program that a build in the tree left
        local name
        (
                cd "$1"
                for name in "${rooms[@]}"; do
                        [ ! -d "$name" ] || find "$name" -type f ! -name '*.skel.h' ! -name '*.o' ! -name '*.lo' ! -name '*.la' \
                                ! -name '*.log' ! -name '*.trs' ! -name .dirstamp ! -path '*/.deps/*' ! -path '*/.libs/*'
                done
                for name in "${files[@]}"; do
                        [ ! -f "$name" ] || echo "$name"
                done
        ) | sort | (cd "$1" && xargs -d '\n' grep -lI '')
}

licence_of() { # FILE
        case $1 in
        bpf/*.am | bpf/*.sh) echo GPL-2.0-or-later ;;
        bpf/*) echo 'GPL-2.0(-only)?' ;;
        libclient/*.am) echo '(MIT|GPL-2.0-or-later)' ;;
        libclient/*) echo MIT ;;
        *) echo '(GPL-2.0-or-later|MIT)' ;;
        esac
}

check_licence() { # TOP
        local name
        sources "$1" | while read -r name; do
                case $name in
                *.c | *.h | *.sh | *.am | *.ac | *.in | *.sym | *.map | try | verify | .ci/run | build-aux/*) ;;
                *) continue ;;
                esac
                head -n 3 "$1/$name" | grep -qE "SPDX-License-Identifier: $(licence_of "$name")( |\$)" ||
                        echo "$name: no line SPDX-License-Identifier: $(licence_of "$name") at the top"
        done
}

# A .bpf.h is a piece of one program, not a contract. The public header is also the library's reference, and the types
# of the kernel are a list.
check_file_size() { # TOP
        local name limit lines
        sources "$1" | while read -r name; do
                case $name in
                libclient/socktally.h) limit=200 ;;
                bpf/kernel-types.h) limit=300 ;;
                *.bpf.h | *.c | *.sh | try | verify) limit=500 ;;
                *.h) limit=120 ;;
                *) continue ;;
                esac
                lines=$(wc -l <"$1/$name")
                [ "$lines" -le $limit ] || echo "$name: $lines lines, more than $limit"
        done
}

functions() { # TOP: LENGTH FILE FUNCTION
        (cd "$1" && sources . | { grep -E '\.(c|bpf\.h)$' || true; } | ctags -L - --languages=C --langmap=C:+.h --kinds-C=f --fields=+ne -f - 2>/dev/null) |
                awk -F'\t' '{
                        line = end = 0
                        for (i = 4; i <= NF; i++) {
                                if ($i ~ /^line:/) line = substr($i, 6)
                                if ($i ~ /^end:/) end = substr($i, 5)
                        }
                        if (end) print end - line + 1, $2, $1
                }'
}

check_function_size() { # TOP
        functions "$1" | awk '
                { limit = $3 == "main" ? 40 : 80 }
                $1 > limit { print $2 ": " $3 "() has " $1 " lines, more than " limit }'
        functions "$1" | awk '{ print $1 }' | sort -n | awk '
                { length_of[NR] = $1 }
                END {
                        if (NR < 20) exit
                        median = length_of[int((NR + 1) / 2)]
                        p90 = length_of[int(NR * 0.9)]
                        if (median > 20) print "the median function has " median " lines, more than 20"
                        if (p90 > 55) print "one function in ten has more than 55 lines: " p90
                }'
}

check_form() { # TOP
        local name
        sources "$1" | { grep '\.[ch]$' || true; } | while read -r name; do
                awk -v name="$name" '
                        length($0) > 120 { print name ":" NR ": longer than 120 characters" }
                        /\t/ { print name ":" NR ": a tab; indentation is 8 spaces" }
                        /[ \t]$/ { print name ":" NR ": white space at the end" }' "$1/$name"
        done
}

check_names() { # TOP
        sources "$1" | grep -E '/[^/]*(util|common|helper|misc|manager)[^/]*\.[ch]$' || true
}

# A file that no fragment of the Makefile names is missing in what make dist packs. (A .c file is found by its program.)
check_makefile() { # TOP
        local name
        sources "$1" | { grep -E '\.(h|sh|pml|md)$' || true; } | while read -r name; do
                grep -rqwF --include='*.am' -- "$name" "$1" || echo "$name: in no Makefile fragment"
        done
}

# Written in pieces, so that this file passes its own check.
check_machine() { # TOP
        local name
        sources "$1" | while read -r name; do
                grep -nIE '(^|[^[:alnum:]_.])/(wo''rk|fa''rm|ro''ot|tmp/w''t|home/[a-z]+)/|(deb|snapshot|ftp)\.deb''ian\.org' "$1/$name" |
                        sed "s|^|$name:|" || true
        done
}

check_notes() { # TOP
        local name
        sources "$1" | while read -r name; do
                grep -nIwE 'TO''DO|FIX''ME|X''XX' "$1/$name" | sed "s|^|$name:|" || true
        done
}

# The tour of the house: each file has its line in the map, each file and function that the text names exists.
check_map() { # TOP
        local name pattern patterns is_found
        mapfile -t patterns < <(map_entries "$1")
        while read -r name; do
                case $name in .ci/run | */README.md) continue ;; */*) ;; *) continue ;; esac
                is_found=no
                for pattern in "${patterns[@]}"; do
                        # shellcheck disable=SC2254 # they are patterns, such as daemon/collect.[ch]
                        case $name in $pattern) is_found=yes ;; esac
                done
                [ $is_found = yes ] || echo "HACKING.md: the map has no line for $name"
        done < <(sources "$1")
        for pattern in "${patterns[@]}"; do
                compgen -G "$1/$pattern" >/dev/null || echo "HACKING.md: there is no $pattern"
        done
        check_tour "$1"
}

map_entries() { # TOP: a pattern for each line of the map
        awk '/^## The map/ { is_map = 1 } /^## How to add/ { is_map = 0 }
             is_map && /^[a-z\/-]+\/( |$)/ { room = $1 }
             is_map && /^  [^ ]/ { print room $1 }' "$1/HACKING.md" 2>/dev/null || true
}

check_tour() { # TOP
        local name
        [ -f "$1/HACKING.md" ] || return 0
        { grep -oE '\b[a-z][a-z0-9_]+\(\)' "$1/HACKING.md" || true; } | sort -u | while read -r name; do
                case $name in 'send()' | 'recv()' | 'bpf_printk()') continue ;; esac
                grep -rqE "\b${name%()}\(" "$1/bpf" "$1/daemon" "$1/dbus" "$1/libclient" "$1/names" "$1/tools" ||
                        grep -rqE "\(${name%()}," "$1/bpf" || echo "HACKING.md: there is no function $name"
        done
        { grep -oE '\b(bpf|daemon|libclient|names|tools|tests|man|data)/[a-zA-Z0-9./_-]*[a-z0-9]' "$1/HACKING.md" || true; } |
                sort -u | while read -r name; do
                case $name in */test-FILE.c | bpf/NAME.bpf.h | bpf/attach-NAME.bpf.h | */bench | */bench- | */live/live | daemon/socktallyd |\
                        tests/unit/test-segment) continue ;; esac
                [ -e "$1/$name" ] || echo "HACKING.md: there is no $name"
        done
}

n=0
report() { # STATUS WHAT
        n=$((n + 1))
        if [ "$1" = 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; fi
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

verdict() { # CHECK WHAT BROKEN-FILE BROKEN-CONTENT
        local found status=0
        rm -rf "$scratch/tree"
        mkdir -p "$(dirname "$scratch/tree/$3")"
        printf '%b\n' "$4" >"$scratch/tree/$3"
        if [ "$1" = check_function_size ] && ! command -v ctags >/dev/null; then
                n=$((n + 1))
                echo "ok $n - $2 # SKIP ctags is not installed"
                return
        fi
        [ -n "$("$1" "$scratch/tree")" ] || { echo "# the check did not see that $3 breaks the rule"; status=1; }
        found=$("$1" "$top")
        [ -z "$found" ] || { head -n 40 <<<"$found" | sed 's/^/# /'; status=1; }
        report $status "$2"
}

many_lines=$(printf '\\n%.0s' {1..501})
long_function="int f(void)\\n{\\n$(printf 'g();\\n%.0s' {1..100})}"
wide=$(printf '%121s' x)
verdict check_licence "every file says its licence" daemon/a.c 'int a;'
verdict check_file_size "files stay short" daemon/a.c "$many_lines"
verdict check_file_size "scripts of tests stay short, too" tests/a.sh "$many_lines"
verdict check_function_size "functions stay short" daemon/a.c "$long_function"
verdict check_form "lines are at most 120 wide, indented with spaces" daemon/a.c "$wide"
verdict check_names "files are named after a thing" daemon/string-util.c 'int a;'
verdict check_makefile "every file is named in the Makefile" daemon/a.h 'int a;'
verdict check_machine "no file knows the machine it was written on" data/a.conf "path = /wo""rk/main"
verdict check_notes "no file has notes to self" daemon/a.c '/* TO''DO: later */'
verdict check_map "the tour of the house is complete and true" daemon/unknown.c 'int a;'
echo "1..$n"
