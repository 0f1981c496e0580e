/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SOCKTALLY_BPF_ATTACH_TRACEPOINT_H
#define SOCKTALLY_BPF_ATTACH_TRACEPOINT_H
/*
 * Attach method "tracepoint": sock_send_length and sock_recv_length (Linux 6.3) fire once per call, below every system
 * call and io_uring, for every family. cgroup/sock_release stands in for the tracepoint that UDP's end does not have.
 */
#include "bpf/life.bpf.h"
#include "bpf/truncated.bpf.h"

SEC("tp_btf/sock_send_length")
int BPF_PROG(on_send_length, struct sock *sk, int ret) {
        return on_call(sk, ret, TX, bytes_of(ret), ROLE_TRACEPOINT);
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(on_recv_length, struct sock *sk, int ret, int flags) {
        __u32 n = bytes_of(ret);

        if (flags & (MSG_PEEK | MSG_ERRQUEUE | MSG_TRUNC | MSG_OOB)) {
                if (flags & (MSG_PEEK | MSG_ERRQUEUE))
                        return 0;
                if (flags & MSG_TRUNC && sk->sk_type != SOCK_STREAM)
                        n = copied_by_call(n);
                if (flags & MSG_OOB && sk->sk_type == SOCK_STREAM)
                        n = 0; /* the urgent byte counts when the stream passes it */
        }
        return on_call(sk, ret, RX, n, ROLE_TRACEPOINT);
}

/* Programs of this type get neither a struct sock nor bpf_skc_to_tcp_sock(); two casts make up for it. Weak: kernels
 * before 6.2 lack them, and use another method. */
extern void *bpf_cast_to_kern_ctx(void *ctx) __ksym __weak;
extern void *bpf_rdonly_cast(void *object, __u32 btf_id) __ksym __weak;

SEC("cgroup/sock_release")
int on_sock_release(struct bpf_sock *ctx) {
        struct ledger *l = bpf_sk_storage_get(&ledgers, ctx, 0, 0);
        struct sock *sk = bpf_cast_to_kern_ctx(ctx);
        struct tcp_sock *tp = NULL;
        __u64 word = switches;

        if (word & SWITCH_HANDOVER && !claims_release_last(ctx, word))
                return 1;
        if (l ? l->kind == KIND_TCP : kind_of(sk) == KIND_TCP)
                tp = bpf_rdonly_cast(sk, bpf_core_type_id_kernel(struct tcp_sock));
        if (l)
                on_release(sk, tp, l);
        else if (tp)
                release_unknown(sk, tp);
        return 1;
}

#endif
