/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SOCKTALLY_BPF_ATTACH_TRACEPOINT_H
#define SOCKTALLY_BPF_ATTACH_TRACEPOINT_H
/*
 * Attach method "tracepoint": sock_send_length and sock_recv_length (Linux 6.3) fire once per call, below every system
 * call and io_uring, for every family. cgroup/sock_release stands in for the tracepoint that UDP's end does not have.
 */
#include "bpf/life.bpf.h"
#include "bpf/truncated.bpf.h"

static __always_inline int sent_length(struct sock *sk, int ret, __u32 copy) {
        __u64 word;

        if (!is_inet(sk)) /* the tracepoints fire for all families */
                return 0;
        word = switches; /* once: a change between two looks would be two answers */
        if ((copy > 1 || needs_check(word)) && !is_counted(sk, TX, word, copy))
                return 0;
        return on_call(sk, ret, TX, ret, SEES_ANY);
}

static __always_inline int received_length(struct sock *sk, int ret, int flags, bool reads_user, __u32 copy) {
        __u32 n = ret;
        __u64 word;

        if (!is_inet(sk))
                return 0;
        word = switches;
        if ((copy > 1 || needs_check(word)) && !is_counted(sk, RX, word, copy))
                return 0;
        if (flags & (MSG_PEEK | MSG_ERRQUEUE | MSG_TRUNC | MSG_OOB)) {
                if (flags & (MSG_PEEK | MSG_ERRQUEUE))
                        return 0;
                if (flags & MSG_TRUNC && sk->sk_type != SOCK_STREAM)
                        n = copied_by_call(n, reads_user);
                if (flags & MSG_OOB && sk->sk_type == SOCK_STREAM && sk->sk_protocol == IPPROTO_TCP)
                        n = 0; /* the urgent byte counts when the stream passes it */
        }
        return on_call(sk, ret, RX, n, SEES_ANY);
}

/* Each receive has two programs. name_locked is for kernels that are locked down for confidentiality, where programs
 * may not read kernel memory by helper. libbpf takes such a kernel for one without the helper that reads user memory,
 * so this program does without. */
#define COPY(number, on_send, on_receive, on_receive_locked)                                                           \
        SEC("tp_btf/sock_send_length")                                                                                 \
        int BPF_PROG(on_send, struct sock *sk, int ret) {                                                              \
                return sent_length(sk, ret, number);                                                                   \
        }                                                                                                              \
        SEC("tp_btf/sock_recv_length")                                                                                 \
        int BPF_PROG(on_receive, struct sock *sk, int ret, int flags) {                                                \
                return received_length(sk, ret, flags, true, number);                                                  \
        }                                                                                                              \
        SEC("tp_btf/sock_recv_length")                                                                                 \
        int BPF_PROG(on_receive_locked, struct sock *sk, int ret, int flags) {                                         \
                return received_length(sk, ret, flags, false, number);                                                 \
        }

COPY(1, on_send_length, on_recv_length, on_recv_length_locked)
COPY(2, on_send_length_2, on_recv_length_2, on_recv_length_2_locked)
COPY(3, on_send_length_3, on_recv_length_3, on_recv_length_3_locked)

/* Programs of this type get neither a struct sock nor bpf_skc_to_tcp_sock(); two casts make up for it (Linux 6.2). The
 * object for older kernels is built without them: libbpf would look for what is missing in all modules, for which the
 * service has no privilege. Those kernels have no sock_recv_length either and use another method. */
#ifdef BEFORE_6_2

SEC("cgroup/sock_release")
int on_sock_release(struct bpf_sock *ctx) {
        return 1;
}

#else

extern void *bpf_cast_to_kern_ctx(void *ctx) __ksym;

SEC("cgroup/sock_release")
int on_sock_release(struct bpf_sock *ctx) {
        struct ledger *l = find_ledger(ctx);
        struct sock *sk = bpf_cast_to_kern_ctx(ctx);
        struct tcp_sock *tp = NULL;
        __u32 kind = l ? l->kind : kind_of(sk);

        if (kind == KIND_TCP)
                tp = bpf_rdonly_cast(sk, bpf_core_type_id_kernel(struct tcp_sock));
        if (l)
                on_release(sk, tp, l);
        else if (tp || kind == KIND_MPTCP)
                release_unknown(sk, tp);
        else
                release_unused(sk);
        return 1;
}

#endif

#endif
