#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Which part of the house may see which header. The list below is the whole rule: an include of one of our headers, or
# of a guarded library's, that no line allows is a failure. The check first proves on small trees of its own that it
# can fail.
set -euo pipefail
top=${srcdir:-.}

rules() {
        cat <<'END'
bpf/*               bpf/*.h libclient/metrics.h <bpf/bpf_*.h> <linux/bpf.h>
libclient/*         libclient/*.h
daemon/collect/*    daemon/collect/*.h daemon/clock.h daemon/lookup.h daemon/module.h daemon/sample.h libclient/metrics.h
daemon/identity/*   daemon/identity/*.h daemon/clock.h daemon/lookup.h daemon/sample.h daemon/text.h
daemon/totals/*     daemon/totals/*.h daemon/clock.h daemon/identity/identity.h daemon/identity/unit.h daemon/lookup.h
daemon/totals/*     daemon/sample.h daemon/text.h libclient/metrics.h
daemon/publish/*    daemon/publish/*.h daemon/clock.h daemon/totals/*.h
daemon/control/*    daemon/*.h
daemon/clock.h      daemon/clock.h
daemon/lo*          daemon/lo*.h
daemon/text*        daemon/text.h
daemon/directories* daemon/directories.h
daemon/module*      daemon/module.h bpf/ledger.h
daemon/privilege*   daemon/privilege.h
daemon/keep*        daemon/*.h
daemon/runtime*     daemon/*.h
daemon/interval*    daemon/*.h
daemon/data-line*   daemon/*.h
daemon/daemon*      daemon/*.h
daemon/main*        daemon/*.h
daemon/*            <systemd/sd-event.h> <systemd/sd-daemon.h> <systemd/sd-journal.h> <systemd/sd-id128.h>
daemon/collect/*    bpf/*.h <bpf/bpf.h> <bpf/libbpf.h> <bpf/btf.h> <linux/bpf.h> <linux/btf.h>
daemon/sample.h     bpf/ledger.h
daemon/publish/segment*     libclient/*.h
daemon/publish/publication* libclient/layout.h libclient/socktally.h
daemon/publish/table*       libclient/layout.h libclient/socktally.h
daemon/publish/readers*     libclient/handshake.h libclient/frame.h libclient/socktally.h
daemon/totals/*     libclient/layout.h libclient/socktally.h
dbus/*              dbus/*.h daemon/clock.h daemon/control/operations.h daemon/log.h <systemd/*>
daemon/*            dbus/bus.h
tools/*             tools/*.h libclient/socktally.h libclient/metrics.h libclient/inspect.h
tools/identify*     daemon/identity/*.h daemon/directories.h
tools/rules*        daemon/identity/*.h daemon/directories.h
tools/namer*        daemon/identity/*.h
names/*             names/*.h daemon/identity/question.h daemon/text.h <json-c/*> <systemd/sd-daemon.h>
tools/*             <systemd/*> <json-c/*> <libsmartcols*> <*curses*>
tests/*             *
END
}

# Library headers that only some parts may use; others, such as libc's, are free.
is_guarded() {
        case $1 in
        '<bpf/'* | '<linux/bpf.h>' | '<linux/btf.h>' | '<systemd/'* | '<json'* | '<libsmartcols'* | *curses*) return 0 ;;
        '<'* | config.h) return 1 ;;
        esac
}

is_allowed() { # FILE INCLUDED
        local who what pattern
        while read -r who what; do
                # shellcheck disable=SC2254 # these are patterns
                case $1 in $who) ;; *) continue ;; esac
                set -f
                for pattern in $what; do
                        # shellcheck disable=SC2254
                        case $2 in $pattern) set +f; return 0 ;; esac
                done
                set +f
        done < <(rules)
        return 1
}

# Prints one line for each include in this directory that is against the rules.
violations() { # TOP DIRECTORY
        local file included
        (cd "$1" && find "$2" -name '*.[ch]' ! -name '*.skel.h' -print 2>/dev/null | sort) | while read -r file; do
                sed -nE 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*("([^"]+)"|(<[^>]+>)).*/\2\3/p' "$1/$file" |
                while read -r included; do
                        ! is_guarded "$included" || is_allowed "$file" "$included" || echo "$file includes $included"
                done
        done
}

n=0
report() { # STATUS WHAT
        n=$((n + 1))
        if [ "$1" = 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; fi
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

notices() { # FILE INCLUDE-LINE
        rm -rf "$scratch/tree"
        mkdir -p "$scratch/tree/$(dirname "$1")"
        printf '%s\n' "$2" >"$scratch/tree/$1"
        if [ -n "$(violations "$scratch/tree" "${1%%/*}")" ]; then return 0; else return 1; fi
}

while IFS='|' read -r file include why; do
        status=0
        notices "$file" "$include" || status=1
        report $status "the check notices that $why"
done <<'END'
daemon/totals/totals.c|#include "bpf/ledger.h"|the aggregator looks into the kernel's types
daemon/publish/publication.c|#include <bpf/libbpf.h>|something but the collector uses libbpf
daemon/identity/identity.c|#include "libclient/layout.h"|identification knows the segment's layout
daemon/totals/totals.c|#include "daemon/publish/segment.h"|a room looks up
daemon/totals/totals.c|#include "daemon/identity/source.h"|the totals know where names come from
daemon/main.c|# include <systemd/sd-bus.h>|the daemon uses the bus outside its bus part
libclient/reader.c|#include "daemon/publish/segment.h"|the library reaches into the daemon
libclient/reader.c|#include <systemd/sd-event.h>|the library needs more than libc
tools/top.c|#include "libclient/layout.h"|a tool reads the segment behind the library's back
tools/top.c|#include "daemon/sample.h"|a tool reaches into the daemon
names/places.c|#include "daemon/identity/identities.h"|the service of names knows more of the daemon than its questions
bpf/tcp.bpf.c|#include "daemon/sample.h"|a program in the kernel knows the daemon
daemon/collect/collector.c|#include "ledger.h"|a header is not included by its path from the top
END

for directory in bpf libclient daemon names dbus tools tests; do
        [ -d "$top/$directory" ] || continue
        found=$(violations "$top" "$directory")
        [ -z "$found" ] || sed 's/^/# /' <<<"$found"
        status=0
        [ -z "$found" ] || status=1
        report $status "$directory/ includes only what it may see"
done
echo "1..$n"
