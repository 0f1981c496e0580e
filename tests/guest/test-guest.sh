#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The live tests on other kernels than this machine's, and with the attach methods that this machine may refuse.
#
#     builddir=build srcdir=. tests/guest/test-guest.sh [SUITE/METHOD...]
#
# Boots the kernel of a Debian suite with two processors, runs tests/live/live of the build tree in it, and reports
# each of its cases as one of its own. Default: bookworm/trampoline (6.1); what is counted by tracepoint is played on
# this machine and in virtual machines, and trixie/trampoline (6.12) has the same hooks. What this machine cannot do
# (no qemu, no network to fetch a kernel) is skipped with the reason.
#
# Prints TAP. Needs no privilege; about ten minutes for each guest. The guests' consoles are kept in
# BUILDDIR/tests/guest/*.console.
set -eu

top=${srcdir:-.}
build=${builddir:-.}
guest=$top/tests/guest
[ $# -gt 0 ] || set -- bookworm/trampoline

work=$(mktemp -d "${TMPDIR:-/tmp}/socktally-test-guest.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
consoles=$build/tests/guest
mkdir -p "$consoles"
echo 0 >"$work/count"

# report ok|not\ ok SENTENCE
report() {
        count=$(($(cat "$work/count") + 1))
        echo $count >"$work/count"
        echo "$1 $count - $2"
}

# Runs COMMAND; its standard output becomes $answer. 77 means skip, with what it said last as the reason.
try() {
        sentence=$1
        shift
        code=0
        answer=$("$@" 2>"$work/messages") || code=$?
        case $code in
        0) return 0 ;;
        77) report ok "$sentence # SKIP $(tail -n 1 "$work/messages")" ;;
        *)
                sed 's/^/# /' "$work/messages"
                report "not ok" "$sentence"
                ;;
        esac
        return 1
}

# The tools themselves, so that a guest that ran nothing cannot pass for one in which all is well.
check_run_guest() {
        kernel=$1
        code=0
        "$guest/make-initramfs" -o "$work/bare" >&2
        # shellcheck disable=SC2016  # for the guest's shell
        "$guest/run-guest" "$kernel" --initrd "$work/bare" --timeout 300 -- \
                sh -c 'printf "<%s>" "$@"; exit 42' sh "two words" "it's" '$HOME' '' >"$work/console" || code=$?
        if [ "$code" = 42 ] && grep -qF "<two words><it's><\$HOME><>" "$work/console"; then
                report ok "run-guest gives the command its arguments and returns its exit code"
        else
                echo "# exit code $code, console: $(tr -d '\r' <"$work/console" | tail -n 1)"
                report "not ok" "run-guest gives the command its arguments and returns its exit code"
        fi
        code=0
        "$guest/run-guest" "$kernel" --initrd "$work/bare" --timeout 5 -- sleep 1000 >/dev/null 2>&1 || code=$?
        [ $code = 124 ] && verdict=ok || verdict="not ok"
        report "$verdict" "run-guest ends a guest whose time is over"
}

# Passes the guest's TAP on under its own numbers. The last line of its input is "guest-exit CODE".
renumber() {
        awk -v label="$1" -v counter="$work/count" '
                function result(status, what) { print status, ++n, "-", label ": " what; fflush() }
                BEGIN { getline n < counter; close(counter); plan = -1 }
                { sub(/\r$/, "") }
                /^(not )?ok( |$)/ {
                        seen++
                        status = /^not / ? "not ok" : "ok"
                        if (status == "not ok") failed++
                        sub(/^(not )?ok *[0-9]* *-? */, "")
                        result(status, $0)
                        next
                }
                /^1\.\.[0-9]/ {
                        plan = substr($1, 4) + 0
                        if (plan == 0) { sub(/^[^#]*#? *([Ss][Kk][Ii][Pp])? */, ""); result("ok", "live tests # SKIP " $0) }
                        next
                }
                /^Bail out!/ { print "# " $0; next }
                /^guest-exit / { code = $2; next }
                /^guest-again/ { print "# " label ": the emulator failed, not the guest: again"; plan = -1; seen = failed = 0; next }
                /^#/ { print "# " label ": " substr($0, 3); next }
                {
                        print "# " label ": " $0
                }
                END {
                        if (plan >= 0 && plan == seen + 0 && (code == 0 || failed)) {
                                if (plan) result("ok", "all " plan " promised cases ran")
                        } else {
                                print "# " seen + 0 " cases of " (plan < 0 ? "no plan" : plan) ", exit code " code
                                result("not ok", "the live tests ran to their end")
                        }
                        print n >counter
                }'
}

# boot LABEL NAME RUN-GUEST'S ARGUMENTS...
#
# QEMU before 8.1 can keep an instruction that another processor was replacing at the time, for good: a breakpoint at the
# first byte of a function that a trampoline came to or left. The guest's kernel dies of it, or finds no breakpoint in
# memory and runs into it again, for ever. This is no result, and the guest is booted again.
is_emulators_fault() {
        grep -q "^guest-exit 125" "$1" || return 1
        grep -q "Oops: int3" "$1" || { grep -q "soft lockup" "$1" && grep -q "RIP: 0010:[a-z0-9_]*+0x0/" "$1"; }
}

boot() {
        label=$1 console=$consoles/$2.console
        shift 2
        for attempt in 1 2 3; do
                {
                        code=0
                        "$guest/run-guest" "$kernel" --initrd "$work/live" --cpus 2 --kernel-option oops=panic \
                                --kernel-option softlockup_panic=1 --kernel-option watchdog_thresh=30 "$@" 2>&1 || code=$?
                        echo "guest-exit $code"
                } | tee "$console"
                is_emulators_fault "$console" || break
                [ $attempt = 3 ] || echo "guest-again"
        done | renumber "$label"
}

# A guest for tests/live/live alone, with modules of its kernel and this machine's ip (busybox's makes no veth): some
# scenarios want a file system that uses the network, or a cable. Without they say so.
pack_live() {
        ip=$(command -v ip || true)
        "$guest/make-initramfs" -o "$work/live-$suite" -L "$build/libclient/.libs" -k "$kernel" -m cifs -m veth \
                ${ip:+"$ip=/sbin/ip"} \
                "$build/tests/live/live=/build/tests/live/live" \
                "$build/daemon/socktallyd=/build/daemon/socktallyd" 2>"$work/messages" && return
        sed 's/^/# /' "$work/messages"
        ln "$work/live" "$work/live-$suite"
}

run_live() {
        [ -e "$work/live-$suite" ] || pack_live
        settings="SOCKTALLY_LIVE_TIMEOUT=400 SOCKTALLYD=daemon/socktallyd SOCKTALLY_ATTACH_METHOD=$method"
        boot "$1, $method" "$suite-$method" --initrd "$work/live-$suite" --timeout 1500 -- \
                sh -c "cd /build && export $settings && exec tests/live/live"
}

# In a guest whose kernel poisons sockets when they are freed and does not survive that one is touched afterwards. TCP's
# cannot be poisoned (SLAB_TYPESAFE_BY_RCU); to touch one that was freed miscounts instead.
run_churn() {
        boot "$1" "$suite-churn" --timeout 600 --kernel-option slub_debug=P,UDP,UDPv6,RAW,RAWv6,PING -- \
                /build/tests/live/churn 5
}

run_change() {
        boot "$1" "$suite-change" --by-turns --timeout 900 --kernel-option slub_debug=P -- \
                sh -c "echo 1 >/proc/sys/kernel/bpf_stats_enabled; exec /build/tests/live/change 40"
}

# By trampoline a module comes on again while the kernel is still dropping its links.
run_switch() {
        boot "$1" "$suite-switch" --by-turns --timeout 600 -- /build/tests/live/switch entry
}

# With dbus-daemon, for which init has users.
run_control() {
        boot "$1" "$suite-control" --by-turns --timeout 1500 -- sh -c "cd /build && exec tests/live/control 100"
}

# On a kernel that can preempt programs and skips them then.
run_skipped() {
        boot "$1, preempt=full" "$suite-skipped" --by-turns --timeout 600 --kernel-option preempt=full -- \
                /build/tests/live/skipped 6 "$method"
}

make_live() {
        make -s -C "$build" all tests/live/live tests/live/churn tests/live/change tests/live/switch \
                tests/live/skipped tests/live/control >&2 &&
                "$guest/make-initramfs" -o "$work/live" -L "$build/libclient/.libs" \
                        "$build/tests/live/live=/build/tests/live/live" \
                        "$build/tests/live/churn=/build/tests/live/churn" \
                        "$build/tests/live/change=/build/tests/live/change" \
                        "$build/tests/live/switch=/build/tests/live/switch" \
                        "$build/tests/live/skipped=/build/tests/live/skipped" \
                        "$build/tests/live/control=/build/tests/live/control" \
                        "$(command -v dbus-daemon || echo /usr/bin/dbus-daemon)=/usr/bin/dbus-daemon" \
                        "$build/daemon/socktallyd=/build/daemon/socktallyd"
}

checked=
have_live=
if try "the live tests and what they need fit into a guest" make_live; then
        have_live=yes
fi
churned=
for choice; do
        suite=${choice%/*} method=${choice#*/}
        try "$suite, $method: the kernel can be fetched" "$guest/fetch-kernel" "$suite" || continue
        kernel=$answer
        if [ -z "$checked" ]; then
                checked=yes
                try "guests can be booted here" "$guest/run-guest" --probe || break
                check_run_guest "$kernel"
        fi
        version=${kernel##*/vmlinuz-}
        [ -n "$have_live" ] || continue
        run_live "${version%.*}"
        [ "$churned" != "$suite" ] || continue
        run_churn "${version%.*}"
        run_change "${version%.*}"
        run_switch "${version%.*}"
        run_skipped "${version%.*}"
        run_control "${version%.*}"
        churned=$suite
done
echo "1..$(cat "$work/count")"
