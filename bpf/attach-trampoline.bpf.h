/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SOCKTALLY_BPF_ATTACH_TRAMPOLINE_H
#define SOCKTALLY_BPF_ATTACH_TRAMPOLINE_H
/*
 * Attach method "trampoline": fexit of the functions that every inet send and receive passes exactly once. In load mode
 * "passive" the functions of UDP, raw and ping sockets are used instead, so that TCP's data path has no program at all.
 */
#include "bpf/life.bpf.h"

static __always_inline int sent(struct sock *sk, int ret, __u64 role) {
        return on_call(sk, ret, TX, bytes_of(ret), role);
}

static __always_inline int received(struct sock *sk, __u64 size, int flags, int ret, __u64 role) {
        __u32 n = bytes_of(ret);

        if (flags & (MSG_PEEK | MSG_ERRQUEUE))
                return 0;
        if (n > size)
                n = size; /* MSG_TRUNC returns the datagram's length, not what was copied */
        if (flags & MSG_OOB && sk->sk_type == SOCK_STREAM)
                n = 0; /* the urgent byte counts when the stream passes it */
        return on_call(sk, ret, RX, n, role);
}

SEC("fexit/inet_sendmsg")
int BPF_PROG(on_inet_sendmsg, struct socket *sock, struct msghdr *msg, unsigned long size, int ret) {
        return sent(sock->sk, ret, ROLE_INET);
}

SEC("fexit/inet6_sendmsg")
int BPF_PROG(on_inet6_sendmsg, struct socket *sock, struct msghdr *msg, unsigned long size, int ret) {
        return sent(sock->sk, ret, ROLE_INET);
}

SEC("fexit/inet_recvmsg")
int BPF_PROG(on_inet_recvmsg, struct socket *sock, struct msghdr *msg, unsigned long size, int flags, int ret) {
        return received(sock->sk, size, flags, ret, ROLE_INET);
}

SEC("fexit/inet6_recvmsg")
int BPF_PROG(on_inet6_recvmsg, struct socket *sock, struct msghdr *msg, unsigned long size, int flags, int ret) {
        return received(sock->sk, size, flags, ret, ROLE_INET);
}

/* Raw and ping sockets of IPv6, and DCCP, receive here; so do other families, which have no ledger and get none. */
SEC("fexit/sock_common_recvmsg")
int BPF_PROG(on_sock_common_recvmsg, struct socket *sock, struct msghdr *msg, unsigned long size, int flags, int ret) {
        return received(sock->sk, size, flags, ret, ROLE_INET);
}

/* Linux up to 6.4: sendfile and splice come here. Protocols with no sendpage of their own fall back to inet_sendmsg(),
 * where they are counted; only TCP and UDP have one. */
SEC("fexit/inet_sendpage")
int BPF_PROG(on_inet_sendpage, struct socket *sock, void *page, int offset, unsigned long size, int flags, long ret) {
        __u32 kind = kind_of(sock->sk);

        return kind == KIND_TCP || kind == KIND_UDP ? sent(sock->sk, ret, ROLE_INET) : 0;
}

SEC("fentry/inet_release")
int BPF_PROG(on_inet_release, struct socket *sock) {
        struct tcp_sock *tp = NULL;
        struct sock *sk = sock->sk;
        __u64 word = switches;
        struct ledger *l;

        if (!sk || (word & SWITCH_HANDOVER && !claims_release_first(sk, word)))
                return 0;
        l = bpf_sk_storage_get(&ledgers, sk, 0, 0);
        if (l ? l->kind == KIND_TCP : kind_of(sk) == KIND_TCP) {
                tp = bpf_skc_to_tcp_sock(sk);
                if (!tp)
                        return 0;
        }
        if (l)
                return on_release(sk, tp, l);
        return tp ? release_unknown(sk, tp) : 0;
}

/* Load mode passive */

SEC("fexit/udp_sendmsg")
int BPF_PROG(on_udp_sendmsg, struct sock *sk, struct msghdr *msg, unsigned long size, int ret) {
        /* An IPv6 socket comes here from udpv6_sendmsg() for a v4-mapped peer and is counted there. */
        return sk->__sk_common.skc_family == AF_INET ? sent(sk, ret, ROLE_PROTOCOL) : 0;
}

SEC("fexit/udpv6_sendmsg")
int BPF_PROG(on_udpv6_sendmsg, struct sock *sk, struct msghdr *msg, unsigned long size, int ret) {
        return sent(sk, ret, ROLE_PROTOCOL);
}

SEC("fexit/raw_sendmsg")
int BPF_PROG(on_raw_sendmsg, struct sock *sk, struct msghdr *msg, unsigned long size, int ret) {
        return sent(sk, ret, ROLE_PROTOCOL);
}

SEC("fexit/rawv6_sendmsg")
int BPF_PROG(on_rawv6_sendmsg, struct sock *sk, struct msghdr *msg, unsigned long size, int ret) {
        return sent(sk, ret, ROLE_PROTOCOL);
}

SEC("fexit/ping_v4_sendmsg")
int BPF_PROG(on_ping_v4_sendmsg, struct sock *sk, struct msghdr *msg, unsigned long size, int ret) {
        return sent(sk, ret, ROLE_PROTOCOL);
}

SEC("fexit/ping_v6_sendmsg")
int BPF_PROG(on_ping_v6_sendmsg, struct sock *sk, struct msghdr *msg, unsigned long size, int ret) {
        return sent(sk, ret, ROLE_PROTOCOL);
}

#define RECEIVE(function)                                                                                             \
        SEC("fexit/" #function)                                                                                       \
        int BPF_PROG(on_##function, struct sock *sk, struct msghdr *msg, unsigned long size, int flags,               \
                     int *addr_size, int ret) {                                                                       \
                return received(sk, size, flags, ret, ROLE_PROTOCOL);                                                 \
        }

RECEIVE(udp_recvmsg)
RECEIVE(udpv6_recvmsg)
RECEIVE(raw_recvmsg)
RECEIVE(rawv6_recvmsg)
RECEIVE(ping_recvmsg)

/* Who accepted, since nobody's calls will tell. The arguments changed in Linux 6.10; the collector loads what fits. */
static __always_inline int accepted(struct sock *sk) {
        struct task_struct *task = bpf_get_current_task_btf();
        struct process_key me = key_of(task);
        struct process_row *row;
        struct ledger *l;

        if (!sk)
                return 0;
        l = bpf_sk_storage_get(&ledgers, sk, 0, 0);
        if (!l)
                return 0;
        row = row_of(&me, task);
        bpf_spin_lock(&l->lock);
        if (l->state == LEDGER_UNCLAIMED && !l->owner.tgid && row)
                l->owner = me, l->owner_pass = pass_number;
        bpf_spin_unlock(&l->lock);
        return 0;
}

SEC("fexit/inet_csk_accept")
int BPF_PROG(on_accept, struct sock *listener, void *arg, struct sock *ret) {
        return accepted(ret);
}

SEC("fexit/inet_csk_accept")
int BPF_PROG(on_accept_before_6_10, struct sock *listener, int flags, int *error, bool is_kernel, struct sock *ret) {
        return accepted(ret);
}

#endif
