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

/* A process that is not the owner holds the socket. If the owner let go of it, what comes next is the holder's. */
static __always_inline int mark_holder(struct sock *sk, struct tcp_sock *tp, struct ledger *l,
                                       const struct process_key *key, struct task_struct *task) {
        struct occasion why = { .may_be_shared = switches & SWITCH_TCP_CALLS };
        struct process_key owner = l->owner;
        struct charge c = {};

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

/* A socket without an owner, held by a process: gets a ledger if it may count, and the holder for an owner. */
static __always_inline int adopt(struct sock *sk, struct tcp_sock *tp, struct ledger *l, __u32 kind,
                                 const struct process_key *key, struct task_struct *task) {
        bool is_active = tp && is_active_open(sk);
        __u32 drops = drops_of(sk);
        struct process_row *row;

        /* A UDP socket without a ledger has not moved anything since we started, but may have dropped what came. */
        if (!l && is_scanned && !tp && !drops)
                return 0;
        row = row_of(key, task);
        l = ledger_of(sk, kind);
        if (!l)
                return 0;
        bpf_spin_lock(&l->lock);
        open_ledger(sk, tp, l, kind, is_active, drops);
        if (l->state == LEDGER_UNCLAIMED && !l->owner.tgid && row) {
                l->owner = *key;
                l->owner_pass = pass_number;
        }
        bpf_spin_unlock(&l->lock);
        return 0;
}

static __always_inline void fold_drops(struct sock *sk, struct ledger *l) {
        struct occasion why = { .drops = drops_of(sk) };

        if (why.drops != l->drops)
                fold(sk, NULL, l, &why);
}

SEC("iter/task_file")
int scan_files(struct bpf_iter__task_file *ctx) {
        struct task_struct *task = ctx->task;
        struct file *file = ctx->file;
        struct tcp_sock *tp = NULL;
        struct process_key key;
        struct socket *socket;
        struct ledger *l;
        struct sock *sk;
        __u32 kind;
        __u8 state;

        if (!task || !file)
                return 0;
        scanner = bpf_get_current_pid_tgid() >> 32;
        socket = bpf_sock_from_file(file);
        if (!socket || !(sk = socket->sk))
                return 0;
        l = bpf_sk_storage_get(&ledgers, sk, 0, 0);
        if (l && l->kind == KIND_UDP)
                fold_drops(sk, l);
        if (l && l->owner.tgid == (__u32) task->tgid && l->owner.start_time == task->group_leader->start_boottime) {
                l->owner_pass = pass_number;
                if (is_row_wanted) { /* the owner's own calls do not ask for one */
                        key = l->owner;
                        row_of(&key, task);
                }
                return 0;
        }
        kind = kind_of(sk);
        if (kind == KIND_NONE)
                return 0;
        if (kind == KIND_TCP) {
                state = sk->__sk_common.skc_state;
                tp = bpf_skc_to_tcp_sock(sk);
                if (!tp || state == TCP_LISTEN || (state == TCP_CLOSE && !l) || BPF_CORE_READ_BITFIELD(tp, is_mptcp))
                        return 0;
        }
        key = key_of(task);
        if (l && (l->state > LEDGER_UNCLAIMED || l->owner.tgid))
                return mark_holder(sk, tp, l, &key, task);
        return adopt(sk, tp, l, kind, &key, task);
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

static __always_inline bool has_calls(const struct ledger *l) {
        return l->bytes[TX] | l->bytes[RX] | l->calls[TX] | l->calls[RX];
}

/* A look without the lock that spares it for idle sockets. What comes while we look is folded next time. */
static __always_inline bool is_idle(const struct sock *sk, const struct tcp_sock *tp, const struct ledger *l) {
        if (has_calls(l))
                return false;
        if (!(l->flags & LEDGER_READY))
                return !is_connected(sk->__sk_common.skc_state);
        if (l->flags & LEDGER_CLOSED)
                return tp->total_retrans == l->retransmits;
        return (l->flags & LEDGER_SETTLED || tcp_written(sk, tp, l, 0) == l->base[TX]) &&
               tcp_read(sk, tp, l) == l->base[RX] && tp->total_retrans == l->retransmits &&
               (!(l->flags & LEDGER_SETTLED) || l->settled[TX] == l->base[TX]);
}

/* Sockets of one process tend to lie together: its row is looked up once for all of them. */
static __always_inline void mark_seen(const struct ledger *l) {
        struct process_key owner = l->owner;
        struct process_row *row;

        if (is_same_key(&owner, &last_seen))
                return;
        row = find_row(&owner);
        if (row)
                row->seen_pass = pass_number;
        last_seen = owner;
}

/* Not TCP: the socket may be freed at this moment, and so may the lock not be had, which needs it. The ledger itself is
 * there until the walk is over. What the kernel dropped is folded where the socket is held: by the look at the open
 * files, and when it closes. */
static __always_inline int fold_calls(struct ledger *l) {
        struct charge c = {};

        if (!has_calls(l) || !enter(l))
                return 0;
        if (l->state > LEDGER_UNCLAIMED) {
                c.owner = l->owner;
                c.kind = l->kind;
                c.flags = l->flags;
                take_calls(l, &c);
                c.bytes[TX] = exchange(&l->bytes[TX]);
                c.bytes[RX] = exchange(&l->bytes[RX]);
        }
        leave(l);
        if (!is_nothing(&c) && !is_off(&c))
                give(owner_row(&c.owner, c.flags), &c);
        return 0;
}

/* Who is not sure yet is folded in the next interval. */
static __always_inline bool has_sure_keys(const struct sock *sk, const struct tcp_sock *tp, struct ledger *l) {
        bool is_sure = false;

        if (l->flags & LEDGER_SURE)
                return true;
        bpf_spin_lock(&l->lock);
        if (!(l->flags & LEDGER_DEAD)) {
                catch_up(tp, l, sk->__sk_common.skc_state);
                is_sure = confirm_keys(sk, l, tp);
        }
        bpf_spin_unlock(&l->lock);
        return is_sure;
}

/* TCP: the memory of a socket that was freed is another TCP socket's at worst (SLAB_TYPESAFE_BY_RCU). While the lock is
 * held and the ledger is neither another's nor dead, the socket is alive. */
static __always_inline int fold_connection(struct sock *sk, const struct ledger *seen) {
        struct ledger *l = bpf_sk_storage_get(&ledgers, sk, 0, 0);
        struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
        struct occasion why = {};

        if (!l || !tp || l != seen || is_idle(sk, tp, l) || !has_sure_keys(sk, tp, l))
                return 0;
        /* Where no call is seen nothing would ever explain it. */
        why.may_be_shared = switches & SWITCH_TCP_CALLS && l->foreign_pass == pass_number;
        fold(sk, tp, l, &why);
        return 0;
}

/* The walk holds no reference to the socket: see above before you touch it. */
SEC("iter/bpf_sk_storage_map")
int fold_sockets(struct bpf_iter__bpf_sk_storage_map *ctx) {
        struct ledger *l = ctx->value;
        struct sock *sk = ctx->sk;

        if (!l)
                return 0;
        pass_sockets++;
        mark_seen(l);
        if (l->kind != KIND_TCP)
                return fold_calls(l);
        return sk ? fold_connection(sk, l) : 0;
}

#endif
