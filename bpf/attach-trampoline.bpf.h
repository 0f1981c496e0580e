/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SOCKTALLY_BPF_ATTACH_TRAMPOLINE_H
#define SOCKTALLY_BPF_ATTACH_TRAMPOLINE_H
/*
 * Attach method "trampoline": fexit of each protocol's own functions, so that a module's hooks come and go without
 * touching another's, and nothing is on TCP's data path in load mode "passive". A call passes one of them once. Sockets
 * of protocols that are not here (SCTP, DCCP) are not seen.
 */
#include "bpf/life.bpf.h"

/* Hooks are attached a moment before they count, and detached a moment after. */
static __always_inline bool is_on(enum caller caller) {
        __u64 word = switches;

        if (!(word & SWITCH_PARTIAL))
                return true;
        return word & (caller == CALLER_TCP     ? SWITCH_TCP_CALLS
                       : caller == CALLER_MPTCP ? SWITCH_TCP
                                                : SWITCH_UDP);
}

static __always_inline int sent(struct sock *sk, int ret, enum caller caller) {
        return is_on(caller) ? on_call(sk, ret, TX, ret, caller) : 0;
}

static __always_inline int received(struct sock *sk, __u64 size, int flags, int ret, enum caller caller) {
        __u32 n = ret;

        if (flags & (MSG_PEEK | MSG_ERRQUEUE) || !is_on(caller))
                return 0;
        if (n > size)
                n = size; /* MSG_TRUNC returns the datagram's length, not what was copied */
        if (flags & MSG_OOB && sk->sk_type == SOCK_STREAM)
                n = 0; /* the urgent byte counts when the stream passes it */
        return on_call(sk, ret, RX, n, caller);
}

#define SEND(function, caller)                                                                                         \
        SEC("fexit/" #function)                                                                                        \
        int BPF_PROG(on_##function, struct sock *sk, struct msghdr *msg, unsigned long size, int ret) {                \
                return sent(sk, ret, caller);                                                                          \
        }

/* The arguments changed in Linux 5.19 and in 7.2; the collector loads what fits. */
#define RECEIVE(function, caller)                                                                                      \
        SEC("fexit/" #function)                                                                                        \
        int BPF_PROG(on_##function, struct sock *sk, struct msghdr *msg, unsigned long size, int flags, int ret) {     \
                return received(sk, size, flags, ret, caller);                                                         \
        }                                                                                                              \
        SEC("fexit/" #function)                                                                                        \
        int BPF_PROG(on_##function##_before_7_2, struct sock *sk, struct msghdr *msg, unsigned long size, int flags,   \
                     int *addr_size, int ret) {                                                                        \
                return received(sk, size, flags, ret, caller);                                                         \
        }                                                                                                              \
        SEC("fexit/" #function)                                                                                        \
        int BPF_PROG(on_##function##_before_5_19, struct sock *sk, struct msghdr *msg, unsigned long size,             \
                     int no_block, int flags, int *addr_size, int ret) {                                               \
                return received(sk, size, flags, ret, caller);                                                         \
        }

SEND(tcp_sendmsg, CALLER_TCP)
SEND(mptcp_sendmsg, CALLER_MPTCP)
SEND(udpv6_sendmsg, CALLER_OTHERS)
SEND(raw_sendmsg, CALLER_OTHERS)
SEND(rawv6_sendmsg, CALLER_OTHERS)
SEND(ping_v4_sendmsg, CALLER_OTHERS)
SEND(ping_v6_sendmsg, CALLER_OTHERS)
RECEIVE(tcp_recvmsg, CALLER_TCP)
RECEIVE(mptcp_recvmsg, CALLER_MPTCP)
RECEIVE(udp_recvmsg, CALLER_OTHERS)
RECEIVE(udpv6_recvmsg, CALLER_OTHERS)
RECEIVE(raw_recvmsg, CALLER_OTHERS)
RECEIVE(rawv6_recvmsg, CALLER_OTHERS)
RECEIVE(ping_recvmsg, CALLER_OTHERS)

/* An IPv6 socket comes here from udpv6_sendmsg() for a v4-mapped peer and is counted there. So does, up to Linux 6.4,
 * udp_sendpage() with nothing to send, to prepare the datagram. */
SEC("fexit/udp_sendmsg")
int BPF_PROG(on_udp_sendmsg, struct sock *sk, struct msghdr *msg, unsigned long size, int ret) {
        if (sk->__sk_common.skc_family != AF_INET || (cfg_has_sendpage && !size && msg->msg_flags & MSG_MORE))
                return 0;
        return sent(sk, ret, CALLER_OTHERS);
}

/* Linux up to 6.4: sendfile and splice come here. Protocols with no sendpage of their own fall back to sendmsg. */
SEC("fexit/tcp_sendpage")
int BPF_PROG(on_tcp_sendpage, struct sock *sk, void *page, int offset, unsigned long size, int flags, int ret) {
        return sent(sk, ret, CALLER_TCP);
}

/* What udp_sendpage() calls; where the device cannot gather, it goes on to udp_sendmsg(), where the call is counted. */
SEC("fexit/ip_append_page")
int BPF_PROG(on_ip_append_page, struct sock *sk, void *flow, void *page, int offset, unsigned long size, int flags,
             int ret) {
        return ret == -EOPNOTSUPP ? 0 : sent(sk, ret ?: (int) size, CALLER_OTHERS);
}

SEC("fentry/inet_release")
int BPF_PROG(on_inet_release, struct socket *sock) {
        struct tcp_sock *tp = NULL;
        struct sock *sk = sock->sk;
        struct ledger *l;
        __u32 kind;

        if (!sk)
                return 0;
        l = bpf_sk_storage_get(&ledgers, sk, 0, 0);
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
        forget_birth(sk);
        return 0;
}

#endif
