/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SOCKTALLY_BPF_SCAN_H
#define SOCKTALLY_BPF_SCAN_H
/*
 * The walks. Over the files of all processes: first to find the sockets that were there before us, then each interval
 * for sockets on which no call was seen yet (splice reads and zero-copy receives are none). Over all ledgers, to fold
 * them. Both cross network namespaces. Over the TCP sockets of our own namespace, once: those that no descriptor leads
 * to, being on the way between two processes.
 */
#include "bpf/call.bpf.h"

/* The process of key holds the socket. If its owner let go of it, what comes from now on is the holder's. */
static __always_inline int mark_holder(struct sock *sk, struct tcp_sock *tp, struct ledger *l,
                                       const struct process_key *key, struct task_struct *task) {
        struct occasion why = {};
        struct process_key owner = l->owner;
        struct charge c = {};

        if (is_same_process(&owner, key)) {
                l->owner_pass = pass_number;
                return 0;
        }
        l->foreign_pass = pass_number;
        if (!tp || !has_let_go(l) || !row_of(key, task))
                return 0;
        bpf_spin_lock(&l->lock);
        if (is_same_process(&owner, &l->owner)) {
                take(sk, tp, l, &c, &why);
                l->owner = *key;
                l->owner_pass = pass_number;
                if (l->state == LEDGER_OWNED)
                        l->fast_tgid = key->tgid;
        }
        bpf_spin_unlock(&l->lock);
        if (!is_nothing(&c))
                give(owner_row(&c.owner, c.flags), &c);
        return 0;
}

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
        bool is_active = false;
        __u32 kind, state, drops = 0;

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
        l = bpf_sk_storage_get(&ledgers, sk, 0, 0);
        if (l && (l->state > LEDGER_UNCLAIMED || l->owner.tgid))
                return mark_holder(sk, tp, l, &key, task);
        /* A UDP socket without a ledger has not moved anything since we started. */
        if (!l && is_scanned && !tp)
                return 0;
        row = row_of(&key, task);
        l = ledger_of(sk, kind);
        if (!l)
                return 0;
        if (tp)
                is_active = is_active_open(sk);
        else
                drops = drops_of(sk);
        bpf_spin_lock(&l->lock);
        open_ledger(sk, tp, l, kind, is_active, drops);
        if (l->state == LEDGER_UNCLAIMED && !l->owner.tgid && row) {
                l->owner = key;
                l->owner_pass = pass_number;
        }
        bpf_spin_unlock(&l->lock);
        return 0;
}

SEC("iter/tcp")
int scan_tcp(struct bpf_iter__tcp *ctx) {
        struct sock_common *common = ctx->sk_common;
        struct tcp_sock *tp;
        struct ledger *l;
        struct sock *sk;

        if (!common)
                return 0;
        tp = bpf_skc_to_tcp_sock(common); /* NULL for time-wait and request sockets */
        if (!tp)
                return 0;
        sk = (struct sock *) tp;
        if (sk->__sk_common.skc_state == TCP_LISTEN || BPF_CORE_READ_BITFIELD(tp, is_mptcp))
                return 0;
        l = ledger_of(sk, KIND_TCP);
        if (!l)
                return 0;
        bpf_spin_lock(&l->lock);
        open_ledger(sk, tp, l, KIND_TCP, false, 0);
        bpf_spin_unlock(&l->lock);
        return 0;
}

SEC("iter/bpf_sk_storage_map")
int fold_sockets(struct bpf_iter__bpf_sk_storage_map *ctx) {
        struct sock *sk = ctx->sk;
        struct occasion why = {};
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
        } else {
                why.drops = drops_of(sk);
        }
        why.may_be_shared = l->foreign_pass == pass_number;
        fold(sk, tp, l, &why);
        owner = l->owner;
        row = bpf_map_lookup_elem(&processes, &owner);
        if (row)
                row->seen_pass = pass_number;
        return 0;
}

#endif
