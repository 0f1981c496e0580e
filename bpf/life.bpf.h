/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SOCKTALLY_BPF_LIFE_H
#define SOCKTALLY_BPF_LIFE_H
/*
 * Birth and death of sockets and processes. State changes and destruction run in whatever context the kernel is in; the
 * current task means nothing there. connect() and the last close of a descriptor run in the process that does them.
 */
#include "bpf/call.bpf.h"

static __always_inline int socket_opens(struct sock *sk, struct tcp_sock *tp) {
        struct task_struct *task = bpf_get_current_task_btf();
        struct process_key me = key_of(task);
        struct process_row *row = NULL;
        struct charge c = {};
        struct ledger *l;

        if (!BPF_CORE_READ_BITFIELD(sk, sk_kern_sock))
                row = row_of(&me, task);
        l = ledger_of(sk, KIND_TCP);
        if (!l)
                return 0;
        bpf_spin_lock(&l->lock);
        if (l->state == LEDGER_NEW)
                open_ledger(sk, NULL, l, KIND_TCP);
        /* Used before, and disconnected since: what its last calls read has not been charged yet. */
        c.owner = l->owner;
        c.kind = l->kind;
        c.flags = l->flags;
        c.bytes[RX] = exchange(&l->bytes[RX]);
        l->base[TX] = l->base[RX] = 0;
        l->flags = (l->flags & LEDGER_KERNEL) | LEDGER_ACTIVE;
        l->held_min[TX] = l->held_min[RX] = 0;
        l->retransmits = tp->total_retrans;
        if (l->state == LEDGER_UNCLAIMED && row)
                l->owner = me;
        bpf_spin_unlock(&l->lock);
        if (!is_nothing(&c))
                give(owner_row(&c.owner, c.flags), &c);
        return 0;
}

static __always_inline int socket_established(struct sock *sk, struct tcp_sock *tp) {
        struct ledger *l = ledger_of(sk, KIND_TCP);

        if (!l)
                return 0;
        bpf_spin_lock(&l->lock);
        if (l->state == LEDGER_NEW)
                open_ledger(sk, NULL, l, KIND_TCP);
        take_keys(l, tp);
        if (l->flags & LEDGER_ACTIVE && tp->bytes_acked)
                l->flags |= LEDGER_SYN_COUNTED;
        l->flags |= LEDGER_CONNECTED;
        bpf_spin_unlock(&l->lock);
        return 0;
}

static __always_inline int socket_ends(struct sock *sk, struct tcp_sock *tp, __u32 old_state) {
        struct ledger *l = bpf_sk_storage_get(&ledgers, sk, 0, 0);

        if (!l)
                return 0;
        bpf_spin_lock(&l->lock);
        settle_tcp(sk, tp, l, old_state);
        bpf_spin_unlock(&l->lock);
        return 0;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_set_state, struct sock *sk, int old_state, int new_state) {
        struct tcp_sock *tp;

        if (new_state != TCP_CLOSE && new_state != TCP_ESTABLISHED && new_state != TCP_SYN_SENT)
                return 0;
        tp = bpf_skc_to_tcp_sock(sk);
        if (!tp || BPF_CORE_READ_BITFIELD(tp, is_mptcp))
                return 0;
        if (new_state == TCP_SYN_SENT)
                return socket_opens(sk, tp);
        if (new_state == TCP_ESTABLISHED)
                return socket_established(sk, tp);
        return socket_ends(sk, tp, old_state);
}

/* The last point at which a TCP socket's counters are valid. */
SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(on_tcp_destroy, struct sock *sk) {
        struct ledger *l = bpf_sk_storage_get(&ledgers, sk, 0, 0);
        struct occasion why = { .is_final = true };
        struct tcp_sock *tp;

        if (!l)
                return 0;
        tp = bpf_skc_to_tcp_sock(sk);
        if (!tp)
                return 0;
        fold(sk, tp, l, &why);
        if (!cfg_sees_release && l->flags & LEDGER_CONNECTED) {
                struct process_key owner = l->owner;
                struct process_row *row = owner_row(&owner, l->flags);

                if (row)
                        add(&row->counters[SOCKTALLY_METRIC_tcp_closes], 1);
        }
        __sync_fetch_and_add(&health.sockets_tracked, -1ULL);
        return 0;
}

/* The last descriptor of a socket is gone; runs in process context, mostly in the process that closed it.
 * tp: NULL unless the ledger's kind is KIND_TCP. */
static __always_inline int on_release(struct sock *sk, struct tcp_sock *tp, struct ledger *l) {
        struct task_struct *task = bpf_get_current_task_btf();
        struct occasion why = { .is_final = true };
        struct process_row *row = NULL;
        bool is_close = false;
        struct process_key me, owner;
        __u32 flags;

        me = key_of(task);
        if (!l->owner.tgid && !(task->flags & PF_KTHREAD))
                row = row_of(&me, task);
        bpf_spin_lock(&l->lock);
        if (l->flags & LEDGER_CONNECTED && !(l->flags & LEDGER_CLOSED))
                is_close = true;
        l->flags |= LEDGER_CLOSED;
        if (l->state == LEDGER_UNCLAIMED && !l->owner.tgid && row)
                l->owner = me;
        owner = l->owner;
        flags = l->flags;
        bpf_spin_unlock(&l->lock);
        fold(sk, tp, l, &why);
        if (is_close) {
                row = owner_row(&owner, flags);
                if (row)
                        add(&row->counters[SOCKTALLY_METRIC_tcp_closes], 1);
        }
        if (!tp)
                __sync_fetch_and_add(&health.sockets_tracked, -1ULL);
        return 0;
}

/* A process is gone when its last thread is; its sockets close a little later. */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_process_exit, struct task_struct *task) {
        struct process_key key;
        struct process_row *row;

        if (task->signal->live.counter)
                return 0;
        key = key_of(task);
        row = bpf_map_lookup_elem(&processes, &key);
        if (row) {
                row->seen_pass = pass_number; /* the row stays for two more passes */
                row->exited = 1;
        }
        return 0;
}

/* exec keeps the process and changes its name. */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_process_exec, struct task_struct *task) {
        struct process_key key = key_of(task);
        struct process_row *row = bpf_map_lookup_elem(&processes, &key);

        if (row)
                identify(row, task->group_leader);
        return 0;
}

#endif
