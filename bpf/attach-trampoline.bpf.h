/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SOCKTALLY_BPF_ATTACH_TRAMPOLINE_H
#define SOCKTALLY_BPF_ATTACH_TRAMPOLINE_H
/*
 * Attach method "trampoline": fexit of each protocol's own functions, so that a module's hooks come and go without
 * touching another's, and nothing is on TCP's data path in load mode "passive". A call passes one of them once. Sockets
 * of protocols that are not here (SCTP, DCCP) are not seen.
 */
#include "bpf/life.bpf.h"

/* Of a trampoline's programs the newest runs first, so copies run before the original (bpf/copies.bpf.h). TCP has none:
 * its bytes are known without its calls. Nor have raw and ping sockets. */
enum place { ALONE, FIRST, SECOND, ORIGINAL };

/* Hooks are attached a moment before they count, and detached a moment after. */
static __always_inline bool is_on(enum hook_view view, __u32 dir, enum place place) {
        __u64 word = switches; /* once: a change between two looks would be two answers */

        if (place != ALONE) {
                if (place == ORIGINAL && !needs_check(word))
                        return true;
                return word & SWITCH_UDP && claims(dir, word, place, ORIGINAL);
        }
        if (!(word & SWITCH_PARTIAL))
                return true;
        return word & (view == SEES_TCP     ? SWITCH_TCP_CALLS
                       : view == SEES_MPTCP ? SWITCH_TCP
                                                : SWITCH_UDP);
}

static __always_inline int sent(struct sock *sk, int ret, enum hook_view view, enum place place) {
        return is_on(view, TX, place) ? on_call(sk, ret, TX, ret, view) : 0;
}

static __always_inline int received(struct sock *sk, __u64 size, int flags, int ret, enum hook_view view,
                                    enum place place) {
        __u32 n = ret;

        if (!is_on(view, RX, place) || flags & (MSG_PEEK | MSG_ERRQUEUE))
                return 0;
        if (n > size)
                n = size; /* MSG_TRUNC returns the datagram's length, not what was copied */
        if (flags & MSG_OOB && view == SEES_TCP)
                n = 0; /* the urgent byte counts when the stream passes it */
        return on_call(sk, ret, RX, n, view);
}

#define SEND_AT(name, function, view, place)                                                                           \
        SEC("fexit/" #function)                                                                                        \
        int BPF_PROG(name, struct sock *sk, struct msghdr *msg, unsigned long size, int ret) {                         \
                return sent(sk, ret, view, place);                                                                     \
        }
#define SEND(function, view) SEND_AT(on_##function, function, view, ALONE)

/* The arguments changed in Linux 5.19 and in 7.2; the collector loads what fits. */
#define RECEIVE(function, view, place)                                                                                 \
        SEC("fexit/" #function)                                                                                        \
        int BPF_PROG(on_##function, struct sock *sk, struct msghdr *msg, unsigned long size, int flags, int ret) {     \
                return received(sk, size, flags, ret, view, place);                                                    \
        }                                                                                                              \
        SEC("fexit/" #function)                                                                                        \
        int BPF_PROG(on_##function##_before_7_2, struct sock *sk, struct msghdr *msg, unsigned long size, int flags,   \
                     int *addr_size, int ret) {                                                                        \
                return received(sk, size, flags, ret, view, place);                                                    \
        }                                                                                                              \
        SEC("fexit/" #function)                                                                                        \
        int BPF_PROG(on_##function##_before_5_19, struct sock *sk, struct msghdr *msg, unsigned long size,             \
                     int no_block, int flags, int *addr_size, int ret) {                                               \
                return received(sk, size, flags, ret, view, place);                                                    \
        }

SEND(tcp_sendmsg, SEES_TCP)
SEND(mptcp_sendmsg, SEES_MPTCP)
SEND_AT(on_udpv6_sendmsg, udpv6_sendmsg, SEES_OTHERS, ORIGINAL)
SEND_AT(on_udpv6_sendmsg_1, udpv6_sendmsg, SEES_OTHERS, FIRST)
SEND_AT(on_udpv6_sendmsg_2, udpv6_sendmsg, SEES_OTHERS, SECOND)
SEND(raw_sendmsg, SEES_OTHERS)
SEND(rawv6_sendmsg, SEES_OTHERS)
SEND(ping_v4_sendmsg, SEES_OTHERS)
SEND(ping_v6_sendmsg, SEES_OTHERS)
RECEIVE(tcp_recvmsg, SEES_TCP, ALONE)
RECEIVE(mptcp_recvmsg, SEES_MPTCP, ALONE)
RECEIVE(udp_recvmsg, SEES_OTHERS, ORIGINAL)
RECEIVE(udpv6_recvmsg, SEES_OTHERS, ORIGINAL)
RECEIVE(raw_recvmsg, SEES_OTHERS, ALONE)
RECEIVE(rawv6_recvmsg, SEES_OTHERS, ALONE)
RECEIVE(ping_recvmsg, SEES_OTHERS, ALONE)

/* Up to Linux 6.4 udp_sendpage() calls udp_sendmsg() with nothing to send, to prepare a datagram. The page is counted
 * by on_ip_append_page(). */
static __always_inline bool is_preparation(const struct msghdr *msg, __u64 size) {
        return cfg_has_sendpage && !size && msg->msg_flags & MSG_MORE;
}

/* For a v4-mapped peer an IPv6 socket comes here from udpv6_sendmsg(), and is counted there. */
static __always_inline int sent_udp(struct sock *sk, const struct msghdr *msg, __u64 size, int ret, enum place place) {
        if (!is_on(SEES_OTHERS, TX, place) || sk->__sk_common.skc_family != AF_INET || is_preparation(msg, size))
                return 0;
        return on_call(sk, ret, TX, ret, SEES_OTHERS);
}

#define SEND_UDP(name, place)                                                                                          \
        SEC("fexit/udp_sendmsg")                                                                                       \
        int BPF_PROG(name, struct sock *sk, struct msghdr *msg, unsigned long size, int ret) {                         \
                return sent_udp(sk, msg, size, ret, place);                                                            \
        }

SEND_UDP(on_udp_sendmsg, ORIGINAL)
SEND_UDP(on_udp_sendmsg_1, FIRST)
SEND_UDP(on_udp_sendmsg_2, SECOND)

/* One argument of a program that takes them as an array. Without the assembly the compiler may join reads of several
 * arguments into one read at a calculated place, which the verifier refuses. */
#define ARGUMENT(ctx, i)                                                                                               \
        ({                                                                                                             \
                __u64 argument = (ctx)[i];                                                                             \
                asm volatile("" : "+r"(argument));                                                                     \
                argument;                                                                                              \
        })

/* All protocols of one kernel receive with the same arguments. Which ones is a constant when the program is loaded, so
 * the verifier removes the code for the other two. */
static __always_inline int received_copy(__u64 *ctx, enum place place) {
        struct sock *sk = (void *) ctx[0];
        __u64 size = ctx[2];
        int flags, ret;

        if (cfg_receive_arguments == 4) {
                flags = ARGUMENT(ctx, 3);
                ret = ARGUMENT(ctx, 4);
        } else if (cfg_receive_arguments == 5) {
                flags = ARGUMENT(ctx, 3);
                ret = ARGUMENT(ctx, 5);
        } else {
                flags = ARGUMENT(ctx, 4);
                ret = ARGUMENT(ctx, 6);
        }
        return received(sk, size, flags, ret, SEES_OTHERS, place);
}

#define RECEIVE_COPY(name, function, place)                                                                            \
        SEC("fexit/" #function)                                                                                        \
        int name(__u64 *ctx) {                                                                                         \
                return received_copy(ctx, place);                                                                      \
        }

RECEIVE_COPY(on_udp_recvmsg_1, udp_recvmsg, FIRST)
RECEIVE_COPY(on_udp_recvmsg_2, udp_recvmsg, SECOND)
RECEIVE_COPY(on_udpv6_recvmsg_1, udpv6_recvmsg, FIRST)
RECEIVE_COPY(on_udpv6_recvmsg_2, udpv6_recvmsg, SECOND)

/* Up to Linux 6.4 sendfile() and splice() come here. Protocols without a sendpage of their own use their sendmsg. */
SEC("fexit/tcp_sendpage")
int BPF_PROG(on_tcp_sendpage, struct sock *sk, void *page, int offset, unsigned long size, int flags, int ret) {
        return sent(sk, ret, SEES_TCP, ALONE);
}

/* udp_sendpage() calls this. Where the device cannot gather, this fails with EOPNOTSUPP, and udp_sendpage() goes on to
 * udp_sendmsg(), where the call is counted. */
SEC("fexit/ip_append_page")
int BPF_PROG(on_ip_append_page, struct sock *sk, void *flow, void *page, int offset, unsigned long size, int flags,
             int ret) {
        return ret == -EOPNOTSUPP ? 0 : sent(sk, ret ?: (int) size, SEES_OTHERS, ALONE);
}

SEC("fentry/inet_release")
int BPF_PROG(on_inet_release, struct socket *sock) {
        struct tcp_sock *tp = NULL;
        struct sock *sk = sock->sk;
        struct ledger *l;
        __u32 kind;

        if (!sk)
                return 0;
        l = find_ledger(sk);
        kind = l ? l->kind : kind_of(sk);
        if (kind == KIND_TCP) {
                tp = bpf_skc_to_tcp_sock(sk);
                if (!tp)
                        return 0;
        }
        if (l)
                return on_release(sk, tp, l);
        if (tp || kind == KIND_MPTCP)
                return release_unknown(sk, tp);
        return release_unused(sk);
}

#endif
