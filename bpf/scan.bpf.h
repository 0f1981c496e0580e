/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SOCKTALLY_BPF_SCAN_H
#define SOCKTALLY_BPF_SCAN_H
/*
 * The two walks: once over the files of all processes, to find the sockets that were there before us, and each interval
 * over all ledgers, to fold them. Both cross network namespaces.
 */
#include "bpf/call.bpf.h"

SEC("iter/task_file")
int scan_files(struct bpf_iter__task_file *ctx) {
        struct task_struct *task = ctx->task;
        struct file *file = ctx->file;
        struct process_row *row;
        struct process_key key;
        struct socket *socket;
        struct tcp_sock *tp = NULL;
        struct ledger *l;
        struct sock *sk;
        __u32 kind, state;

        if (!task || !file)
                return 0;
        socket = bpf_sock_from_file(file);
        if (!socket || !(sk = socket->sk) || !(kind = kind_of(sk)))
                return 0;
        if (kind == KIND_TCP) {
                state = sk->__sk_common.skc_state;
                tp = bpf_skc_to_tcp_sock(sk);
                if (!tp || state == TCP_LISTEN || state == TCP_CLOSE || BPF_CORE_READ_BITFIELD(tp, is_mptcp))
                        return 0;
        }
        key = key_of(task);
        row = row_of(&key, task);
        l = ledger_of(sk, kind);
        if (!l)
                return 0;
        bpf_spin_lock(&l->lock);
        open_ledger(sk, tp, l, kind);
        if (l->state == LEDGER_UNCLAIMED && !l->owner.tgid && row)
                l->owner = key;
        bpf_spin_unlock(&l->lock);
        return 0;
}

SEC("iter/bpf_sk_storage_map")
int fold_sockets(struct bpf_iter__bpf_sk_storage_map *ctx) {
        struct sock *sk = ctx->sk;
        struct occasion why = { .now = pass_time };
        struct process_key owner;
        struct process_row *row;
        struct tcp_sock *tp = NULL;
        struct ledger *l;

        if (!sk || !ctx->value)
                return 0;
        l = bpf_sk_storage_get(&ledgers, sk, 0, 0);
        if (!l)
                return 0;
        pass_sockets++;
        if (l->kind == KIND_TCP) {
                tp = bpf_skc_to_tcp_sock(sk);
                if (!tp)
                        return 0;
        }
        why.may_be_shared = may_be_shared(sk);
        fold(sk, tp, l, &why);
        owner = l->owner;
        row = bpf_map_lookup_elem(&processes, &owner);
        if (row)
                row->seen_pass = pass_number;
        return 0;
}

#endif
