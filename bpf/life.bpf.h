/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SOCKTALLY_BPF_LIFE_H
#define SOCKTALLY_BPF_LIFE_H
/*
 * Birth and death of sockets and processes. State changes and destruction run in whatever context the kernel is in, so
 * the current task means nothing there. socket(), connect() and the last close of a descriptor run in the process that
 * does them.
 *
 * The last close of a socket is hooked by each attach method in its own way, so the programs for that are in
 * attach-tracepoint.bpf.h and attach-trampoline.bpf.h. They call on_release() or release_unknown() here.
 */
#include "bpf/call.bpf.h"

/* socket(), attached to the root of the control groups. A TCP socket that is made here has a connection only after
 * connect(), so the SYN is noted as ours: the kernel makes the sockets that accept() returns in another way. */
SEC("cgroup/sock_create")
int on_sock_create(struct bpf_sock *ctx) {
        note_birth(ctx, BIRTH_SEEN | BIRTH_ACTIVE | BIRTH_DUE); /* until an attempt is noted */
        return 1;
}

/* A socket that was used before and disconnected starts again from nothing. Under the lock. */
static __always_inline void reopen(struct sock *sk, struct tcp_sock *tp, struct ledger *l, struct charge *c,
                                   __u32 scope) {
        struct occasion why = { .is_final = true };

        take(sk, tp, l, c, &why);
        c->closes += (l->flags & (LEDGER_CONNECTED | LEDGER_CLOSED)) == LEDGER_CONNECTED;
        l->base[TX] = l->base[RX] = l->past[TX] = l->past[RX] = 0;
        l->key_seen_msec = 0;
        l->flags = (l->flags & (LEDGER_KERNEL | LEDGER_UNCAPPED)) | LEDGER_ACTIVE;
        l->retransmits = tp->total_retrans;
        l->scope = scope;
}

/* Does a socket need a ledger from its beginning? Where neither calls nor the last close are seen, nothing later would
 * tell who used it. */
static __always_inline bool is_unseen(void) {
        return switches & SWITCH_UNSEEN_RELEASE && !(switches & SWITCH_TCP_CALLS);
}

/* Makes a ledger for a socket that the current process connects, and makes the process its owner. For sockets that
 * nothing later would tell of (is_unseen()), and when there is no place for the note that the SYN is ours. */
static __always_inline struct ledger *open_for_current(struct sock *sk) {
        struct process_key me = {};
        struct ledger *l;
        __u32 scope;

        current_key(&me);
        if (BPF_CORE_READ_BITFIELD(sk, sk_kern_sock) || !current_row(&me))
                return NULL;
        l = ledger_of(sk, KIND_TCP);
        if (!l)
                return NULL;
        scope = scope_for(l, sk);
        bpf_spin_lock(&l->lock);
        open_ledger(sk, NULL, l, KIND_TCP, 0, 0, scope);
        l->flags |= LEDGER_ACTIVE;
        if (l->state == LEDGER_UNCLAIMED && !l->owner.tgid) {
                l->owner = me;
                l->owner_pass = pass_number;
        }
        bpf_spin_unlock(&l->lock);
        return l;
}

static __always_inline int socket_opens(struct sock *sk, struct tcp_sock *tp, struct ledger *l) {
        struct process_key me = {};
        struct charge c = {};
        __u32 scope;

        begin_attempt(sk);
        if (!l) {
                if (!note_birth(sk, BIRTH_SEEN | BIRTH_ACTIVE) || is_unseen())
                        open_for_current(sk);
                return 0;
        }
        current_key(&me);
        if (!l->owner.tgid || is_same_process(&l->owner, &me)) /* an owner that a walk has noted may have no row yet */
                current_row(&me);
        scope = scope_of(sk);
        bpf_spin_lock(&l->lock);
        if (!l->owner.tgid)
                l->owner = me;
        if (l->state != LEDGER_NEW)
                reopen(sk, tp, l, &c, scope);
        l->flags &= ~LEDGER_DUE;
        bpf_spin_unlock(&l->lock);
        give_to_owner(&c);
        return 0;
}

/* Must a connection that came up get its ledger at once? Most need none: the first call makes it, and the note of the
 * birth, which is made here, tells it that there is no past. Three kinds of sockets need one:
 *   - kernel sockets, whose reader takes the data without a call;
 *   - all where nothing later would tell who used the socket (is_unseen());
 *   - those for whose note there is no place. */
static __always_inline bool needs_ledger_now(struct sock *sk, __u32 noted, __u32 birth) {
        if (BPF_CORE_READ_BITFIELD(sk, sk_kern_sock) || is_unseen())
                return true;
        return noted != birth && !note_birth(sk, birth);
}

/* What is known of a socket that is established. has_attempt: the process that called connect() is charged. What
 * accept() returns has no socket() and no connect() behind it; with Fast Open it can be accepted already. */
static __always_inline __u32 birth_established(const struct sock *sk, __u32 noted, __u32 old_state, bool has_attempt) {
        __u32 due = switches & SWITCH_CONNECT ? BIRTH_DUE : 0;

        if (has_attempt)
                return noted | BIRTH_SEEN | BIRTH_ACTIVE;
        if (old_state == TCP_SYN_SENT || (noted & BIRTH_ACTIVE && unproven(sk)->sk_socket))
                return BIRTH_SEEN | BIRTH_ACTIVE | due;
        return BIRTH_SEEN | due;
}

static __always_inline int socket_established(struct sock *sk, struct tcp_sock *tp, struct ledger *l, __u32 old_state,
                                              bool has_attempt) {
        __u32 noted = birth_of(sk), birth = birth_established(sk, noted, old_state, has_attempt), scope;

        if (!l && needs_ledger_now(sk, noted, birth))
                l = ledger_of(sk, KIND_TCP);
        if (!l)
                return 0;
        scope = scope_for(l, sk);
        bpf_spin_lock(&l->lock);
        open_ledger(sk, NULL, l, KIND_TCP, birth, 0, scope);
        if (old_state == TCP_SYN_SENT && l->flags & LEDGER_READY) /* of a connection before this one */
                begin_again(sk, tp, l);
        if (has_attempt)
                l->flags &= ~LEDGER_DUE;
        else if (old_state == TCP_SYN_SENT)
                l->flags |= LEDGER_DUE;
        take_keys(l, tp);
        l->flags |= LEDGER_SURE; /* we run under the socket's lock */
        if (birth & BIRTH_ACTIVE)
                l->flags |= LEDGER_ACTIVE;
        if (l->flags & LEDGER_ACTIVE && tp->bytes_acked)
                l->flags |= LEDGER_SYN_COUNTED;
        l->flags |= LEDGER_CONNECTED;
        bpf_spin_unlock(&l->lock);
        return 0;
}

/* A connection goes to TCP_CLOSE. While a process holds the socket it can call connect(AF_UNSPEC), which zeroes
 * tcp_sock's counters, so what they say now is put into the ledger. A socket that nobody holds was charged at its
 * last close. */
static __always_inline int socket_ends(struct sock *sk, struct tcp_sock *tp, struct ledger *l, __u32 old_state) {
        __u32 birth = birth_of(sk), scope;

        if (!l && birth && unproven(sk)->sk_socket && tp->rcv_nxt)
                l = ledger_of(sk, KIND_TCP);
        if (!l)
                return 0;
        scope = scope_for(l, sk);
        bpf_spin_lock(&l->lock);
        open_ledger(sk, tp, l, KIND_TCP, birth, 0, scope);
        settle_tcp(sk, tp, l, old_state);
        bpf_spin_unlock(&l->lock);
        return 0;
}

/* The socket of an MPTCP connection, whose subflows are not the process's. */
static __always_inline int mptcp_changes(struct sock *sk, __u32 old_state, __u32 new_state) {
        bool has_attempt = false;

        if (sk->sk_protocol != IPPROTO_MPTCP)
                return 0;
        if (new_state == TCP_SYN_SENT) {
                begin_attempt(sk);
                note_birth(sk, BIRTH_SEEN | BIRTH_ACTIVE);
                return 0;
        }
        has_attempt = end_attempt(sk, NULL, new_state == TCP_ESTABLISHED);
        if (new_state == TCP_ESTABLISHED && old_state != TCP_SYN_SENT && !has_attempt)
                note_birth(sk, BIRTH_SEEN | BIRTH_DUE);
        return 0;
}

static __always_inline bool is_opening(__u32 state) {
        return state == TCP_SYN_SENT || state == TCP_SYN_RECV;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_set_state, struct sock *sk, int old_state, int new_state) {
        bool has_attempt = false;
        struct tcp_sock *tp;
        struct ledger *l;

        if (new_state != TCP_CLOSE && new_state != TCP_ESTABLISHED && new_state != TCP_SYN_SENT)
                return 0;
        l = find_ledger(sk);
        if (!l && new_state == TCP_CLOSE && !is_opening(old_state) && !unproven(sk)->sk_socket)
                return 0;
        tp = bpf_skc_to_tcp_sock(sk);
        if (!tp)
                return mptcp_changes(sk, old_state, new_state);
        if (BPF_CORE_READ_BITFIELD(tp, is_mptcp))
                return 0;
        if (is_opening(old_state))
                has_attempt = end_attempt(sk, tp, new_state == TCP_ESTABLISHED);
        if (new_state == TCP_SYN_SENT)
                return socket_opens(sk, tp, l);
        if (new_state == TCP_ESTABLISHED)
                return socket_established(sk, tp, l, old_state, has_attempt);
        return socket_ends(sk, tp, l, old_state);
}

/* The last point at which a TCP socket's counters are valid: its memory is soon another socket's. */
SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(on_tcp_destroy, struct sock *sk) {
        struct ledger *l = find_ledger(sk);
        struct occasion why = { .is_final = true, .is_end = true };
        struct tcp_sock *tp;

        if (!l && !may_have_attempt(note_number(sk))) {
                forget_birth(sk);
                return 0;
        }
        tp = bpf_skc_to_tcp_sock(sk);
        if (!tp)
                return 0;
        end_attempt(sk, NULL, tp->rcv_nxt); /* the kernel has skipped the hook of states */
        if (!l) {
                forget_birth(sk);
                return 0;
        }
        why.is_close = switches & SWITCH_UNSEEN_RELEASE;
        fold(sk, tp, l, &why);
        untrack(l);
        return 0;
}

/* The system calls that close, on x86-64. */
static __always_inline bool is_closing_call(__u64 number) {
        return number == 3 /* close */ || number == 33 /* dup2 */ || number == 59 /* execve */ ||
               number == 292 /* dup3 */ || number == 322 /* execveat */ || number == 436 /* close_range */;
}

/*
 * Is it the current process that closes the socket? Another one can drop the last reference: a process that looks at
 * the owner's descriptors (readlink() in /proc, a walk over open files) holds each file for a moment, the receiver
 * of a message that had the file in it may throw it away, and so may a thread of the kernel. Example: `ss -p` reads
 * /proc/PID/fd while PID closes the socket. If `ss` is the last to let go, the release runs in `ss`.
 *
 * The current process is the closer if one of these is true:
 *   - It opened the file: it has the very credentials of the file, not equal ones but the same object. Each process
 *     has an object of its own since its fork(), and a new one since it changed its user or group.
 *   - It is exiting.
 *   - It is in a system call that closes. Nobody looks at another's descriptors in one of those.
 *
 * So a closer can stay unknown (one that inherited the socket and closes it by io_uring or a 32-bit call), but is
 * never a wrong one. Where the system call cannot be told (not x86-64, no bpf_task_pt_regs()), all count as closers
 * but the kernel's threads and the process that walks for us.
 */
static __always_inline bool is_closed_by_current(const struct sock *sk) {
        struct task_struct *current = bpf_get_current_task_btf(), *task = unproven(current);
        const struct socket *socket = unproven(sk)->sk_socket;
        const struct file *file = socket ? socket->file : NULL;

        if (task->flags & PF_KTHREAD || (__u32) task->tgid == scanner)
                return false;
        if (!file || file->f_cred == task->cred || task->flags & PF_EXITING)
                return true;
        if (!bpf_core_field_exists(((struct pt_regs *) 0)->orig_ax) ||
            !bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs))
                return true;
        return is_closing_call(((struct pt_regs *) bpf_task_pt_regs(current))->orig_ax);
}

/* The row that is charged for a socket without a ledger which is closed. me: gets the process that closes it. */
static __always_inline struct process_row *row_of_closer(const struct sock *sk, struct process_key *me) {
        current_key(me);
        if (!is_closed_by_current(sk))
                return row_of_none();
        return current_row(me) ?: special(SPECIAL_OVERFLOW);
}

/* connect() has made the connection, and the kernel has skipped the hook that would have seen it. */
static __noinline int charge_skipped(const struct sock *sk, const struct tcp_sock *tp, struct process_row *row,
                                     const struct process_key *me) {
        struct beginning b = { .owner = *me, .counter = beginning_of(sk, true), .usec = tp ? tp->srtt_us >> 3 : 0 };

        return count_beginning(row, &b);
}

/* A socket without a ledger is closed. No call was seen on it: there was none, calls are not looked at, or it was
 * only read by splice(). The process that closes it is charged. It was a connection if rcv_nxt is not 0, which it
 * becomes with the peer's first segment. If it may be older than the daemon, only its end counts, and not its bytes.
 * tp: NULL for MPTCP, whose bytes no counter of the socket tells. */
static __always_inline int release_unknown(struct sock *sk, struct tcp_sock *tp) {
        __u32 birth = birth_of(sk) ?: is_young(sk) ? BIRTH_SEEN | BIRTH_DUE : 0, state = sk->__sk_common.skc_state;
        struct process_key me = {};
        __u64 *counters, written, read;
        struct process_row *row;
        __u32 scope;

        if (!(switches & (SWITCH_TCP | SWITCH_CONNECT)) || state == TCP_LISTEN)
                return 0;
        if (tp ? !tp->rcv_nxt || BPF_CORE_READ_BITFIELD(tp, is_mptcp) : !is_connected(state))
                return 0;
        row = row_of_closer(sk, &me);
        if (!row)
                return 0;
        counters = counters_of(row, &me);
        if ((birth & (BIRTH_DUE | BIRTH_ACTIVE)) == BIRTH_DUE && switches & SWITCH_CONNECT)
                add(&counters[beginning_of(sk, false)], 1);
        else if (birth & BIRTH_DUE)
                charge_skipped(sk, tp, row, &me);
        if (!tp)
                forget_birth(sk);
        if (!(switches & SWITCH_TCP))
                return 0;
        add(&counters[SOCKTALLY_METRIC_tcp_closes], 1);
        if (!tp || !is_newborn(sk, birth))
                return 0;
        written = tcp_written_in_all(sk, tp, birth & BIRTH_ACTIVE);
        read = tcp_read_in_all(sk, tp);
        if (written | read) {
                scope = scope_of(sk);
                add(scoped(counters, SOCKTALLY_METRIC_tcp_tx_bytes_unknown, scope), written);
                add(scoped(counters, SOCKTALLY_METRIC_tcp_rx_bytes_unknown, scope), read);
        }
        add(&counters[SOCKTALLY_METRIC_tcp_retransmits], tp->total_retrans);
        forget_birth(sk);
        return 0;
}

/* A datagram socket without a ledger closes: nobody has sent or received by it, but it may have dropped what came. */
static __always_inline int release_unused(struct sock *sk) {
        __u32 drops = drops_of(sk);
        struct process_key me = {};
        struct process_row *row;

        if (drops && kind_of(sk) == KIND_UDP && switches & SWITCH_UDP && (birth_of(sk) ?: is_young(sk))) {
                row = row_of_closer(sk, &me);
                if (row)
                        add(&counters_of(row, &me)[SOCKTALLY_METRIC_udp_rx_drops], drops);
        }
        forget_birth(sk);
        return 0;
}

/* The last descriptor of a socket is gone; runs in process context, mostly in the process that closed it.
 * tp: NULL unless the ledger's kind is KIND_TCP. */
static __always_inline int on_release(struct sock *sk, struct tcp_sock *tp, struct ledger *l) {
        struct occasion why = { .is_final = true, .is_close = true };
        struct process_key owner = l->owner;
        struct process_row *row = NULL;

        if (is_closed_by_current(sk))
                current_key(&why.closer);
        if (!tp)
                why.drops = drops_of(sk);
        else if (has_past(l))
                why.is_young = is_young(sk);
        if (wants_scope(l))
                why.scope = scope_of(sk);
        if (why.closer.tgid && l->state == LEDGER_UNCLAIMED) {
                why.is_heir = !owner.tgid || !find_row(&owner);
                if (why.is_heir)
                        why.is_rowless = !current_row(&why.closer);
        }
        if (fold(sk, tp, l, &why)) {
                row = current_row(&why.closer) ?: special(SPECIAL_OVERFLOW);
                if (row)
                        add(&counters_of(row, &why.closer)[SOCKTALLY_METRIC_tcp_closes], 1);
        }
        if (!tp)
                untrack(l);
        return 0;
}

/* A process is gone when its last thread is; its sockets close a little later. */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_process_exit, struct task_struct *task) {
        struct process_key key;
        struct process_row *row;

        delete_task_marks();
        if (task->signal->live.counter)
                return 0;
        key = key_of(task);
        row = find_row(&key);
        if (row) {
                row->seen_pass = pass_number; /* the row stays for GRACE_PASSES more */
                row->exited = 1;
        }
        return 0;
}

/* exec keeps the process and changes its name. */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_process_exec, struct task_struct *task) {
        struct process_key key = key_of(task);
        struct process_row *row = find_row(&key);

        if (row)
                identify(row, task);
        return 0;
}

#endif
