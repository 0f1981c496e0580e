/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SOCKTALLY_BPF_SCAN_H
#define SOCKTALLY_BPF_SCAN_H
/*
 * The walks of a pass. One over the files of all processes, with each file held while its socket is looked at: it finds
 * out who holds the socket, and folds its ledger if nobody else can be using it. What may be shared is folded by a
 * second walk, over the processes that hold such sockets, when the first has met all of them. Then over the TCP and UDP
 * sockets of our own network namespace, for those that no descriptor leads to: the kernel's own, those on their way
 * between two processes, those that only io_uring holds. In other namespaces such a socket is folded at its next call
 * or its end. enum walk says which other walks there are.
 *
 * There is no walk over the ledgers themselves (iter/bpf_sk_storage_map): it holds no reference to the socket, policies
 * refuse it, and Linux 7 dies of it.
 */
#include "bpf/call.bpf.h"

#define WORK_PROCESS 10 /* beside its files */

/* References to an open file: one for each descriptor, one for each call under way in a process with threads, and ours
 * while we walk. */
static __always_inline __u64 references(const struct file *file) {
        if (bpf_core_field_exists(((struct file___ref *) 0)->f_ref))
                return ((const struct file___ref *) file)->f_ref.refcnt.counter + 1;
        return file->f_count.counter;
}

/* Can nobody but the task's process make a call on the socket? True if file has two references, one for its only
 * descriptor and one that the walk holds, and all that share the table of descriptors are threads of the process. */
static __always_inline bool is_only_holder(struct task_struct *met, const struct file *file) {
        struct task_struct *task = unproven(met);

        return references(unproven((struct file *) file)) == 2 &&
               task->files->count.counter <= task->signal->nr_threads;
}

/* A walk has met the socket among the files of a process that is not its owner. The pass is noted, so that the owner
 * is not charged for calls of this process. If the owner does not hold a TCP socket any more, as this process is the
 * only one that does, or as no pass of late has met it with the owner (has_let_go()), the owner is charged for what is
 * there, and this process becomes the owner. */
static __always_inline void note_holder(struct sock *sk, struct tcp_sock *tp, struct ledger *l,
                                        const struct process_key *key, struct task_struct *task,
                                        const struct file *file) {
        struct occasion why = { .may_be_shared = switches & SWITCH_TCP_CALLS };
        bool is_alone = tp && is_only_holder(task, file);
        struct process_key owner = l->owner;
        struct charge c = {};

        l->foreign_pass = pass_number;
        if (!tp || !(is_alone || has_let_go(l)) || !row_of(key, task))
                return;
        bpf_spin_lock(&l->lock);
        if (is_same_process(&owner, &l->owner)) {
                take(sk, tp, l, &c, &why);
                l->owner = *key;
                l->owner_pass = pass_number;
                if (is_alone) /* for is_owners_alone(); by is_used_by_others() the old owner may have closed it yet */
                        l->foreign_pass = pass_number - GRACE_PASSES;
                if (l->state == LEDGER_OWNED)
                        l->fast_tgid = key->tgid;
        }
        bpf_spin_unlock(&l->lock);
        give_to_owner(&c);
}

/* Has the socket moved nothing until now? A socket that was there before the daemon and moved nothing has no past:
 * all that it will move counts, so the first scan notes that instead of making a ledger. Later walks ask for that
 * note. */
static __always_inline bool needs_no_ledger_yet(struct sock *sk, struct tcp_sock *tp, __u32 drops) {
        bool is_fresh = tp ? !(tp->bytes_acked | tp->bytes_received | (tp->write_seq - tp->snd_una)) : !drops;
        bool is_active = tp && sk->__sk_common.skc_state == TCP_SYN_SENT;

        if (is_scanned)
                return tp && is_fresh && birth_of(sk) & BIRTH_EARLY;
        return is_fresh && note_birth(sk, BIRTH_SEEN | BIRTH_EARLY | (is_active ? BIRTH_ACTIVE : 0));
}

/* The ledger of a socket that a walk has met without one. NULL: the socket needs none yet. */
static __always_inline struct ledger *find_or_make(struct sock *sk, struct tcp_sock *tp, __u32 kind, __u32 drops) {
        if (needs_no_ledger_yet(sk, tp, drops))
                return NULL;
        /* Without a ledger it has not moved anything since we started, but may have dropped what came, or been
         * accepted. */
        if (!tp && !drops && (kind != KIND_MPTCP || (birth_of(sk) & (BIRTH_DUE | BIRTH_ACTIVE)) != BIRTH_DUE))
                return NULL;
        return is_scanned ? ledger_of(sk, kind) : ledger_of_old(sk);
}

static __always_inline __u32 birth_in_scan(const struct sock *sk, const struct tcp_sock *tp,
                                           const struct file *file) {
        if (tp ? is_forgetting_tcp : is_forgetting_others)
                forget_birth(sk);
        else if (is_young_file(file))
                return birth_of(sk) ?: BIRTH_SEEN | BIRTH_DUE; /* socket() would have noted it */
        return birth_of(sk);
}

/* A process holds a socket that has no owner: the process becomes the owner. A socket without a ledger gets one first,
 * unless find_or_make() says that it needs none yet. The owner's row is made later, when there is something to add. */
static __always_inline void make_owner(struct sock *sk, struct tcp_sock *tp, struct ledger *l, __u32 kind,
                                       const struct process_key *key, const struct file *file) {
        __u32 drops = drops_of(sk), birth = birth_in_scan(sk, tp, file);

        l = l ?: find_or_make(sk, tp, kind, drops);
        if (!l)
                return;
        bpf_spin_lock(&l->lock);
        open_ledger(sk, tp, l, kind, birth, drops, SCOPE_unknown); /* a look here needs more stack than there is */
        recall_kernel(sk, l);
        if (l->state == LEDGER_UNCLAIMED && !l->owner.tgid) {
                l->owner = *key;
                l->owner_pass = pass_number;
        }
        bpf_spin_unlock(&l->lock);
}

/* Names and users as they are now: no hook sees prctl() and setuid(). Once for each process in a pass, as its files
 * come one after the other. */
static __always_inline void meet_process(struct task_struct *task) {
        struct process_key key = key_of(task);
        struct process_row *row;

        pass_place = task->pid;
        if (is_same_key(&key, &last_named))
                return;
        scanner = bpf_get_current_pid_tgid() >> 32;
        last_named = key;
        pass_work += WORK_PROCESS;
        row = find_row(&key);
        if (row)
                identify(row, task);
}

/* The task holds a socket that has no owner, or another process for its owner. */
static __noinline void meet(struct sock *sk, struct ledger *l, struct task_struct *task, const struct file *file) {
        struct process_key key = key_of(task);
        struct tcp_sock *tp = NULL;
        __u32 kind = kind_of(sk);
        __u8 state;

        if (kind == KIND_NONE)
                return;
        if (kind == KIND_TCP) {
                state = sk->__sk_common.skc_state;
                tp = bpf_skc_to_tcp_sock(sk);
                if (!tp || state == TCP_LISTEN || (state == TCP_CLOSE && !l) || BPF_CORE_READ_BITFIELD(tp, is_mptcp))
                        return;
        }
        if (l && (l->state > LEDGER_UNCLAIMED || l->owner.tgid))
                note_holder(sk, tp, l, &key, task, file);
        else
                make_owner(sk, tp, l, kind, &key, file);
}

/* Notes that the task's process holds the socket. Returns the socket's ledger; NULL: it needs none yet. */
static __always_inline struct ledger *find_holder(struct sock *sk, struct ledger *l, struct task_struct *task,
                                                  const struct file *file) {
        struct process_key key = key_of(task);

        if (!l || !is_same_process(&l->owner, &key)) {
                meet(sk, l, task, file);
                return l ?: find_ledger(sk);
        }
        l->owner_pass = pass_number;
        if (is_row_wanted) { /* the owner's own calls do not ask for one */
                key = l->owner;
                row_of(&key, task);
        }
        return l;
}

/* Is there nothing to fold? Looked up without the lock, so that idle sockets are spared it. What is added while we
 * look is folded by the next walk. */
static __always_inline bool is_idle(const struct sock *sk, const struct tcp_sock *tp, const struct ledger *l,
                                    __u32 drops) {
        if (has_calls(l) || (l->flags & LEDGER_DUE && (!tp || l->flags & LEDGER_READY)))
                return false;
        if (!tp)
                return l->kind != KIND_UDP || l->drops == drops;
        if (!(l->flags & LEDGER_READY))
                return !is_connected(sk->__sk_common.skc_state);
        if (l->flags & LEDGER_CLOSED)
                return retransmits_of(tp, l) == l->retransmits;
        return (l->flags & LEDGER_SETTLED || tcp_written(sk, tp, l, 0) == l->base[TX]) &&
               tcp_read(sk, tp, l) == l->base[RX] && retransmits_of(tp, l) == l->retransmits &&
               (!(l->flags & LEDGER_SETTLED) || l->settled[TX] == l->base[TX]);
}

/* Is there a row to charge? If the owner has none, and the walk is at the owner's files (task), it is made here.
 * Sockets of one process tend to lie together: its row is looked up once for all of them. */
static __always_inline bool has_row(const struct ledger *l, struct task_struct *task, bool may_make) {
        struct process_key owner = l->owner, me;
        struct process_row *row;

        if (is_same_key(&owner, &last_seen))
                return true;
        row = find_row(&owner);
        if (!row && task && may_make) {
                me = key_of(task);
                if (is_same_process(&owner, &me))
                        row = row_of(&owner, task);
        }
        if (!row)
                return false;
        row->seen_pass = pass_number;
        last_seen = owner;
        return true;
}

/* Are the connection's sequence keys verified? If not, this walk charges nothing, and a later one tries again.
 * is_locked: the walk holds the socket's lock. */
static __always_inline bool has_sure_keys(const struct sock *sk, const struct tcp_sock *tp, struct ledger *l,
                                          bool is_locked) {
        bool is_sure;

        if (l->flags & LEDGER_SURE)
                return true;
        bpf_spin_lock(&l->lock);
        catch_up(sk, tp, l, sk->__sk_common.skc_state);
        if (is_locked)
                correct_keys(l, tp);
        is_sure = confirm_keys(sk, l, tp);
        bpf_spin_unlock(&l->lock);
        return is_sure;
}

/* Is the task's process the owner, and can nobody else make a call on the socket? It is the only holder, and no other
 * process was met with the socket in this pass or the last one. */
static __always_inline bool is_owners_alone(const struct ledger *l, struct task_struct *task, const struct file *file) {
        struct process_key key = key_of(task);

        return is_same_process(&l->owner, &key) && is_only_holder(task, file) && pass_number - l->foreign_pass > 1;
}

static __always_inline void note_again(struct task_struct *task) {
        __u32 tgid = task->tgid;

        if (n_again && again[(n_again - 1) & (MAX_ACTIVE - 1)] == tgid)
                return;
        again[n_again++ & (MAX_ACTIVE - 1)] = tgid;
}

/* Counts a ledger as one that the pass has met, once. */
static __always_inline void note_met(struct ledger *l) {
        if (l->met_round == pass_round)
                return;
        l->met_round = pass_round;
        *(l->flags & LEDGER_UNCAPPED ? &pass_uncapped : &pass_sockets) += 1;
}

/* Folds a socket that is held, once in a pass: it is met with each descriptor that leads to it. A flush folds what
 * holds calls, and with the next descriptor it holds none. task: whose file leads to the socket; NULL: the walk is one
 * over sockets, and holds the socket's lock. */
static __always_inline void fold_once(struct sock *sk, struct tcp_sock *tp, struct ledger *l,
                                      struct task_struct *task, struct file *file) {
        bool is_row_there, has_news, must_meet_others, is_off = is_kind_off(l->kind);
        bool has_sharing = tp && switches & SWITCH_TCP_CALLS;
        struct occasion why = { .drops = drops_of(sk) };

        if (walk != WALK_FLUSH) {
                note_met(l);
                if (l->folded_round == pass_round)
                        return;
        }
        why.is_young = tp && has_past(l) && is_young_file(file);
        has_news = !is_idle(sk, tp, l, why.drops) || why.is_young;
        is_row_there = is_off || has_row(l, task, has_news);
        /* The owner gets a row when this pass meets its files, or another process becomes the owner. */
        if (has_news && !is_row_there && l->state == LEDGER_UNCLAIMED && !(l->flags & LEDGER_KERNEL))
                return;
        must_meet_others = has_sharing && walk == WALK_PASS && task && !is_owners_alone(l, task, file);
        if (has_news && must_meet_others) {
                note_again(task);
                return;
        }
        if (walk != WALK_FLUSH)
                l->folded_round = pass_round;
        if (!has_news)
                return;
        if (tp && !has_sure_keys(sk, tp, l, !task) && !is_off) {
                if (has_calls(l)) /* no call will note the owner: the ledger is not empty */
                        note_owner(l);
                return;
        }
        /* Only where calls are seen can one explain later what is not explained now. */
        if (wants_scope(l))
                why.scope = scope_of(sk);
        why.may_be_shared = has_sharing && (walk == WALK_FLUSH || l->foreign_pass == pass_number);
        fold(sk, tp, l, &why);
}

/* A walk that writes something ends the collector's read(), and goes on with the next file when it reads again. */
static __always_inline void count_file(const struct bpf_iter_meta *meta) {
        __u8 nothing = 0;

        pass_work++;
        if (pass_work < pass_pause)
                return;
        pass_pause = -1ULL;
        bpf_seq_write(meta->seq, &nothing, sizeof(nothing));
}

SEC("iter/task_file")
int fold_files(struct bpf_iter__task_file *ctx) {
        struct task_struct *task = ctx->task;
        struct file *file = ctx->file;
        struct tcp_sock *tp = NULL;
        struct socket *socket;
        struct ledger *l;
        struct sock *sk;
        bool is_flush = walk == WALK_FLUSH;

        if (!task || !file)
                return 0;
        if (!is_flush)
                count_file(ctx->meta);
        if (walk <= WALK_PASS)
                meet_process(task);
        socket = bpf_sock_from_file(file);
        if (!socket || !(sk = socket->sk))
                return 0;
        l = find_ledger(sk);
        if (is_flush && (!l || !has_calls(l)))
                return 0;
        if (!is_flush)
                pass_work += WORK_SOCKET;
        if (walk <= WALK_PASS) {
                l = find_holder(sk, l, task, file);
        } else if (!l || l->state == LEDGER_NEW) {
                /* It came after the first walk, so it has no owner. While we hold the file its process can close it.
                 * The release would then run in our task, which is not the closer. So the owner is noted now. */
                meet(sk, l, task, file);
                return 0;
        }
        if (walk == WALK_FIND || !l || l->state == LEDGER_NEW)
                return 0;
        if (l->kind == KIND_TCP) {
                tp = bpf_skc_to_tcp_sock(sk);
                if (!tp)
                        return 0;
        }
        fold_once(sk, tp, l, task, file);
        return 0;
}

SEC("iter/tcp")
int fold_tcp(struct bpf_iter__tcp *ctx) {
        struct sock_common *common = ctx->sk_common;
        struct tcp_sock *tp;
        struct ledger *l;
        struct sock *sk;
        __u32 birth, scope;

        if (!common)
                return 0;
        tp = bpf_skc_to_tcp_sock(common); /* NULL for time-wait and request sockets */
        if (!tp)
                return 0;
        sk = (struct sock *) tp;
        if (sk->__sk_common.skc_state == TCP_LISTEN || BPF_CORE_READ_BITFIELD(tp, is_mptcp))
                return 0;
        l = find_ledger(sk);
        if (!l && !is_scanned) {
                birth = birth_in_scan(sk, tp, NULL);
                l = find_or_make(sk, tp, KIND_TCP, 0);
                if (!l)
                        return 0;
                scope = scope_for(l, sk);
                bpf_spin_lock(&l->lock);
                open_ledger(sk, tp, l, KIND_TCP, birth, 0, scope);
                bpf_spin_unlock(&l->lock);
        }
        if (l && l->state != LEDGER_NEW)
                fold_once(sk, tp, l, NULL, NULL);
        return 0;
}

SEC("iter/udp")
int fold_udp(struct bpf_iter__udp *ctx) {
        struct sock *sk = (struct sock *) ctx->udp_sk;
        struct ledger *l;

        if (!sk)
                return 0;
        l = find_ledger(sk);
        if (l && l->state != LEDGER_NEW)
                fold_once(sk, NULL, l, NULL, NULL);
        return 0;
}

#endif
