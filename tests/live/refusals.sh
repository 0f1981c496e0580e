#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The kernel refuses one facility after the other, when it is loaded and when it is attached, and the live tests play
# with a daemon that is without it: it is ready, each metric is equal to what was moved or unknown, as the table says,
# and the daemon has said why. Prints TAP, one case for each refusal; arguments choose rules that contain one of them.
# Needs root.
#
# tests/live/live starts this file in the daemon's place, with the rules of tests/unit/fault.h in SOCKTALLY_REFUSED.
set -u

if [ -n "${SOCKTALLY_REFUSED-}" ]; then
        exec env SOCKTALLY_FAIL="$SOCKTALLY_REFUSED" LD_PRELOAD="$builddir/tests/unit/.libs/fault.so" \
                "$builddir/daemon/socktallyd" "$@" ${SOCKTALLY_REFUSED_MODE:+"--load-mode=$SOCKTALLY_REFUSED_MODE"}
fi

self=$(readlink -f "$0")
builddir=$(readlink -f "${builddir:-.}")
export builddir

# A link that is made and does nothing (IDLE) is a hook that the kernel skips each time: no byte may be lost then, while
# the release hook is attached. Without the hook of states nobody knows how often a socket disconnected by AF_UNSPEC
# between two looks: there the number of closes is not compared, and never how many connections there were.
#
# Scenarios by the words of their sentences. Without the walks over open files bytes show when the socket closes: there
# nothing is compared before, and no scene plays that has to. What only io_uring holds is then closed by a thread of the
# kernel, which does not know for whom, and is in the overflow row; without the other walks it shows in the end.
common=(
        'TCP requests and responses over IPv4 through' 'unconnected UDP over IPv6' '128 MB' 'half-closed connection goes'
        'SO_LINGER 0' 'shared by 2 processes' 'accept in the parent'
        'splice from a TCP socket' 'reset by its peer' 'live for a few milliseconds appear' 'first thread keeps'
        'Fast Open' 'receive that waits' 'killed in the middle' 'TCP over IPv4 in another network' 'MPTCP counts once'
        'receive buffer full are drops'
)
again=('connects again after AF_UNSPEC' 'end by AF_UNSPEC')
prompt=(
        'while it has no peer' 'sockets in use before' 'half-closed connections from before' '500 connections' 'passed on after use'
        'exec keeps' 'ping sockets over IPv4'
)

# kind  facility  unknown: as SOCKTALLY_LIVE_UNKNOWN, or -  when: prompt, late, end or again  words of the reason
table='hook  fold_files       -             late    each call is charged at once
hook  fold_tcp         -             end     sockets that no descriptor leads to
hook  fold_udp         -             end     sockets that no descriptor leads to
hook  on_set_state     tcp           prompt  TCP cannot be counted
hook  on_tcp_destroy   tcp           prompt  TCP cannot be counted
hook  on_process_exit  -             prompt  ends and names of processes
hook  on_process_exec  -             prompt  ends and names of processes
hook  on_sock_create   udp_rx_drops  prompt  drops of datagrams are unknown
hook  on_sock_release  tcp_closes,tcp_accepts_v4,tcp_accepts_v6  prompt  who closes a connection is unknown
hook  on_send_length   method        prompt  on_send_length
hook  on_recv_length   method        prompt  on_recv_length
idle  on_set_state     -             prompt  -
idle  on_set_state     -             again   -
idle  on_tcp_destroy   -             prompt  -
idle  on_process_exit  -             prompt  -
idle  on_process_exec  -             prompt  -
map   sk_storage       all           prompt  refused
map   task_storage     -             prompt  not recovered
read  hash             -             prompt  -
all   *                all           prompt  refused
'
rules() { # KIND FACILITY: one line for each stage
        case $1 in
        hook) printf 'bpf:%s:%s:EPERM\n' PROG_LOAD "$2" LINK_CREATE "$2" ;;
        idle) printf 'bpf:LINK_CREATE:%s:IDLE\n' "$2" ;;
        map) printf 'bpf:MAP_CREATE:%s:EPERM\n' "$2" ;;
        read) printf 'bpf:LOOKUP_BATCH:%s:EPERM\n' "$2" ;;
        all) printf 'bpf:PROG_LOAD:*:EPERM\n' ;;
        esac
}

play() { # RULE UNKNOWN WHEN WORDS
        local scenes=("${common[@]}") log=$room/log
        export SOCKTALLY_REFUSED=$1 SOCKTALLYD=$self SOCKTALLY_LIVE_UNKNOWN= SOCKTALLY_LIVE_LATE=0 SOCKTALLY_LIVE_SCALE=16
        export SOCKTALLY_LIVE_UNSURE=
        if [ "$1" = bpf:LINK_CREATE:on_set_state:IDLE ]; then SOCKTALLY_LIVE_UNSURE=connect; else scenes+=("${again[@]}"); fi
        case $3 in
        again) scenes=("${again[@]}") SOCKTALLY_LIVE_UNSURE=tcp_closes,connect ;;
        prompt) scenes+=("${prompt[@]}") ;;
        end) scenes+=('only io_uring holds') ;;
        esac
        export SOCKTALLY_LOAD_MODE=entry SOCKTALLY_REFUSED_MODE=
        case $2 in
        -) ;;
        calls)
                SOCKTALLY_LIVE_UNKNOWN=udp SOCKTALLY_LOAD_MODE=passive SOCKTALLY_REFUSED_MODE=entry
                scenes=("${scenes[@]/MPTCP counts once/half-closed connection goes}") # its bytes are those of its calls
                ;;
        *) SOCKTALLY_LIVE_UNKNOWN=$2 ;;
        esac
        case $3 in late | end) SOCKTALLY_LIVE_LATE=1 ;; esac
        number=$((number + 1))
        if "$builddir/tests/live/live" "${scenes[@]}" >"$log" 2>&1 && { [ "$4" = - ] || grep -q "ounting.*$4\|Cannot count.*$4" "$log"; }; then
                echo "ok $number - $1: $(grep -c '^ok' "$log") scenarios"
        else
                echo "not ok $number - $1"
                sed 's/^/# /' "$log"
                failed=$((failed + 1))
        fi
}

# Both of these need the other method, where there is one. Else no call is seen, and load mode entry is like passive.
otherwise=calls
is_chosen() { # RULE WORDS...
        local rule=$1 word
        shift
        [ $# -gt 0 ] || return 0
        for word; do
                [[ $rule != *"$word"* ]] || return 0
        done
        return 1
}

if [ "$(id -u)" != 0 ]; then
        echo "1..0 # SKIP needs root"
        exit 0
fi
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
! "$builddir/daemon/socktallyd" --check | grep -q '^attach-method.trampoline.yes' || otherwise=-
number=0 failed=0
set -f
while read -r kind facility unknown when words; do
        [ "$unknown" != method ] || unknown=$otherwise
        for rule in $(rules "$kind" "$facility"); do
                ! is_chosen "$rule" "$@" || play "$rule" "$unknown" "$when" "$words"
        done
done <<<"$table"
echo "1..$number"
[ $failed = 0 ]
