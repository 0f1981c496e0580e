/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SOCKTALLY_BPF_CALL_H
#define SOCKTALLY_BPF_CALL_H
/*
 * What happens when a send or receive call has returned. The fast path is for the socket's owner: one look-up, one
 * comparison, two atomic adds. Everything else (first sight, first data, another process, a moved cgroup, no room)
 * takes the slow path, under the ledger's lock.
 *
 * Ownership only ever moves where no call of the old owner can still be adding: from nobody to the first process that
 * moves data, and away from a process that has exited, or that holds the socket no more (has_let_go(), and
 * is_only_holder() in scan.bpf.h). A second living process makes the socket shared instead.
 */
#include "bpf/birth.bpf.h"
#include "bpf/copies.bpf.h"
#include "bpf/fold.bpf.h"

static __always_inline __u32 kind_of(const struct sock *sk) {
        __u16 family = sk->__sk_common.skc_family, protocol = sk->sk_protocol, type = sk->sk_type;

        if (family != AF_INET && family != AF_INET6)
                return KIND_NONE;
        if (type == SOCK_STREAM && protocol == IPPROTO_TCP)
                return KIND_TCP;
        if (type == SOCK_STREAM && protocol == IPPROTO_MPTCP)
                return KIND_MPTCP;
        if (type == SOCK_DGRAM && protocol == IPPROTO_UDP)
                return KIND_UDP;
        return KIND_OTHER;
}

static __always_inline bool is_cap_reached(void) {
        return (__s64) health.sockets_tracked >= cfg_max_sockets;
}

/* The ledger of a socket, made if there is room. A kernel UDP socket is never released through inet_release(), so it
 * gets none and each call is charged to the kernel's row. */
static __always_inline struct ledger *ledger_of(struct sock *sk, __u32 kind) {
        struct ledger *l = find_ledger(sk);

        if (l || (kind != KIND_TCP && BPF_CORE_READ_BITFIELD(sk, sk_kern_sock)))
                return l;
        if (is_cap_reached())
                return NULL;
        l = make_ledger(sk);
        if (!l) { /* another CPU was first: the helper fails then, and does not say why */
                l = find_ledger(sk);
                if (l)
                        return l;
                /* Or somebody else's storage became the socket's first. */
                l = make_ledger(sk);
        }
        if (l)
                __sync_fetch_and_add(&health.sockets_tracked, 1);
        return l;
}

/* The first scan's: sockets that were there before the daemon do not count against the cap. */
static __always_inline struct ledger *ledger_of_old(struct sock *sk) {
        struct ledger *l = find_ledger(sk);

        if (l)
                return l;
        l = make_ledger(sk);
        if (!l)
                return find_ledger(sk);
        bpf_spin_lock(&l->lock); /* a call may have found it by now */
        l->flags |= LEDGER_UNCAPPED;
        bpf_spin_unlock(&l->lock);
        __sync_fetch_and_add(&sockets_uncapped, 1);
        return l;
}

static __always_inline void untrack(const struct ledger *l) {
        __sync_fetch_and_add(l->flags & LEDGER_UNCAPPED ? &sockets_uncapped : &health.sockets_tracked, -1ULL);
}

/* Is it known that the socket has no past? Not 0: yes. There is a note of its birth, or its connection is not up
 * yet. */
static __always_inline __u32 is_newborn(const struct sock *sk, __u32 birth) {
        return birth | ((1U << TCP_SYN_RECV | 1U << TCP_SYN_SENT) >> (sk->__sk_common.skc_state & 31) & 1);
}

static __always_inline void open_tcp(struct sock *sk, struct tcp_sock *tp, struct ledger *l, __u32 birth) {
        __u8 state = sk->__sk_common.skc_state;

        if (birth & BIRTH_ACTIVE)
                l->flags |= LEDGER_ACTIVE;
        if (state == TCP_SYN_SENT) { /* keys come with the answer; see socket_established() */
                l->flags |= LEDGER_ACTIVE;
                return;
        }
        take_keys(l, tp);
        if (birth & BIRTH_ACTIVE && tp->bytes_acked)
                l->flags |= LEDGER_SYN_COUNTED;
        if (state != TCP_SYN_RECV)
                l->flags |= LEDGER_CONNECTED;
        else if (!(birth & BIRTH_ACTIVE)) /* Fast Open: accepted before it is established */
                l->flags |= LEDGER_DUE;
        if (is_newborn(sk, birth))
                return;
        l->flags |= LEDGER_INHERITED;
        l->retransmits = tp->total_retrans;
        l->base[TX] = tcp_written(sk, tp, l, 0);
        l->base[RX] = tcp_read(sk, tp, l);
}

/* Fills a ledger that was just made, and returns whether it was. Under the lock; birth was looked up before it.
 * tp: NULL for other kinds. */
static __always_inline bool open_ledger(struct sock *sk, struct tcp_sock *tp, struct ledger *l, __u32 kind,
                                        __u32 birth, __u32 drops, __u32 scope) {
        if (l->state != LEDGER_NEW)
                return false;
        l->kind = kind;
        l->scope = scope;
        l->state = LEDGER_UNCLAIMED;
        if (birth & BIRTH_DUE && kind <= KIND_MPTCP) /* it is one of TCP's two */
                l->flags |= LEDGER_DUE;
        if (BPF_CORE_READ_BITFIELD(sk, sk_kern_sock))
                l->flags |= LEDGER_KERNEL;
        if (!is_newborn(sk, birth)) /* what a socket that was there before us dropped is the past */
                l->drops = drops;
        if (tp)
                open_tcp(sk, tp, l, birth);
        forget_birth(sk);
        return true;
}

/* The first call that is seen on a socket whose beginning nobody saw. Example: tcp_sock says 1050 bytes when a call
 * of 50 has returned. open_tcp() made base 1050. What this call moved counts, so base and past become 1000. If base
 * becomes 0 in both directions, the socket has no past at all, and its retransmits count, too. */
static __always_inline void begin_with_call(struct ledger *l, const struct call *call) {
        if (!(l->flags & LEDGER_INHERITED))
                return;
        l->base[call->dir & 1] -= call->n;
        l->past[TX] = l->base[TX];
        l->past[RX] = l->base[RX];
        if (l->base[TX] | l->base[RX])
                return;
        l->retransmits = 0;
        if (!(l->flags & LEDGER_ACTIVE)) /* accepted, as socket() would have noted its birth */
                l->flags |= LEDGER_DUE;
}

static __always_inline void own(struct ledger *l, const struct process_key *me) {
        l->owner = *me;
        l->owner_pass = pass_number;
        l->state = LEDGER_OWNED;
        l->fast_tgid = me->tgid;
}

/* A ledger of this process holds something: the next flush looks at the files of the process. Not static: verified
 * once. */
__attribute__((noinline)) int note_active(const struct process_key *key) {
        struct process_key copy; /* older kernels want keys on the stack */
        struct process_row *row;

        if (!key || !key->tgid) /* 0 in the ring is a place that is being written */
                return 0;
        copy = *key;
        row = find_row(&copy);
        if (row && row->noted_round == (__u32) health.rounds)
                return 0;
        if (row)
                row->noted_round = (__u32) health.rounds;
        active[__sync_fetch_and_add(&n_active, 1) & (MAX_ACTIVE - 1)] = copy.tgid;
        return 0;
}

/*
 * Decides under the lock who pays for a call. Returns true if the call was put on the ledger; false: charge the
 * caller's row, or the kernel's. c gets what the old owner must be charged when the owner changes.
 *
 *  who makes the call                                 what happens
 *    the owner, in the cgroup of its row              on the ledger
 *    any process, on a socket of the kernel           the kernel's row
 *    any process, for which is_refused is true        the caller's row
 *    the first process that moves data                becomes the owner; on the ledger
 *    the owner, from another cgroup                   becomes the owner there; on the ledger
 *    another process, when the owner is gone          becomes the owner; on the ledger
 *    another process, while the owner lives           the socket is shared from now on; the caller's row
 *
 * A call is refused when the socket is shared, when it moved nothing, when there is no row for the caller, and when
 * no fold would come for the ledger. What is charged to a row of its own is added to base, so that the owner is not
 * charged for it. Conditions are calculated: each branch doubles what the verifier has to walk behind it.
 */
static __always_inline bool place_call(struct sock *sk, struct tcp_sock *tp, struct ledger *l, const struct call *call,
                                        struct charge *c, struct occasion *why) {
        __u64 is_mine, is_owner_gone, is_unclaimed, is_refused;
        __u32 dir = call->dir & 1;

        if (open_ledger(sk, tp, l, call->kind, call->birth, why->drops, why->scope))
                begin_with_call(l, call);
        if (!call->is_kernel) /* a listener of MPTCP makes its children as the kernel's, until they are accepted */
                l->flags &= ~LEDGER_KERNEL;
        is_mine = is_zero(difference(&l->owner, &call->me));
        if (is_mine & is_zero((l->state ^ LEDGER_OWNED) | (l->owner.cgroup_id ^ call->me.cgroup_id))) {
                add_call(l, dir, call->ret, call->n, call->is_part);
                return true;
        }
        is_owner_gone = call->is_owner_gone & is_zero(difference(&l->owner, &call->seen));
        is_unclaimed = is_zero(l->state ^ LEDGER_UNCLAIMED);
        is_refused = (is_zero(l->state ^ LEDGER_SHARED) & ~is_owner_gone) | is_zero(call->n) | is_zero(call->has_row) |
                     (switches & (tp ? SWITCH_DIRECT : SWITCH_DIRECT | SWITCH_UNSEEN_RELEASE));
        if (l->flags & LEDGER_KERNEL)
                return false;
        l->base[dir] += call->n;
        if (is_refused)
                return false;
        /* base has this call now, so take() does not charge the old owner for it. */
        if (is_unclaimed | is_mine | is_owner_gone) {
                /* What the old owner left unexplained may be half of a call that another process is in. */
                why->may_be_shared = switches & SWITCH_TCP_CALLS && (!is_mine || is_unclaimed);
                if (has_owner(l))
                        take(sk, tp, l, c, why);
                l->base[dir] -= call->n;
                own(l, &call->me);
                add_call(l, dir, call->ret, call->n, call->is_part);
                return true;
        }
        l->state = LEDGER_SHARED;
        l->fast_tgid = 0;
        return false;
}

static __always_inline void overflow_call(struct call *call) {
        __sync_fetch_and_add(&health.sockets_overflowed, 1);
        charge_call(call);
}

/* The beginning of a connection that gets no ledger. */
static __always_inline void charge_due(const struct sock *sk, const struct tcp_sock *tp, const struct call *call) {
        __u32 birth = birth_of(sk);
        struct beginning b = { .owner = call->me, .counter = beginning_of(sk, birth & BIRTH_ACTIVE) };

        if (!(birth & BIRTH_DUE) || !is_connected(sk->__sk_common.skc_state) ||
            (call->kind != KIND_TCP && call->kind != KIND_MPTCP))
                return;
        b.usec = tp ? tp->srtt_us >> 3 : 0;
        count_beginning(row_of_call(call), &b);
}

/* Does the owner not hold the socket any more? GRACE_PASSES whole passes that began since have not met it there. */
static __always_inline bool has_let_go(const struct ledger *l) {
        return cfg_scan_is_whole && pass_number - l->owner_pass > GRACE_PASSES;
}

/* Has this owner exited, or does it not hold the socket any more? Asked without the lock: an owner that is gone does
 * not come back, but the ledger can have another owner by the time that place_call() holds the lock, which compares
 * again. */
static __always_inline bool is_owner_gone(const struct ledger *l, const struct process_key *owner,
                                          const struct process_key *me) {
        struct process_row *row;

        if (!owner->tgid || is_same_process(owner, me))
                return false;
        if (has_let_go(l))
                return true;
        if (is_table_short)
                return false;
        row = find_row(owner);
        return !row || row->exited;
}

/* Puts the call on the ledger or in the caller's row. */
static __always_inline void charge(struct sock *sk, struct tcp_sock *tp, struct ledger *l, struct call *call,
                                   struct occasion *why) {
        struct charge c = {};
        bool is_done;

        if (l) {
                call->seen = l->owner;
                call->is_owner_gone = is_owner_gone(l, &call->seen, &call->me);
                call->birth = birth_of(sk);
                if (!tp && !call->birth && is_young(sk)) /* of TCP it would not tell whose the SYN is */
                        call->birth = BIRTH_SEEN;
                bpf_spin_lock(&l->lock);
                is_done = place_call(sk, tp, l, call, &c, why);
                bpf_spin_unlock(&l->lock);
                give_to_owner(&c);
                if (is_done) {
                        note_active(&call->me);
                        return;
                }
                if (tp)
                        call->scope = l->scope;
        }
        /* TCP bytes of the kernel's own sockets come from tcp_sock alone. */
        if (call->is_kernel && tp && l)
                call->n = 0;
        charge_call(call);
}

static __always_inline int place(struct sock *sk, struct ledger *l, struct call *call, bool is_tcp) {
        struct occasion why = { .drops = call->drops, .scope = call->scope };
        struct tcp_sock *tp = NULL;
        __u8 state;

        if (is_tcp) {
                tp = bpf_skc_to_tcp_sock(sk);
                if (!tp || BPF_CORE_READ_BITFIELD(tp, is_mptcp)) /* a subflow: its parent is counted */
                        return 0;
        }
        state = sk->__sk_common.skc_state;
        if (!l && !(tp && (state == TCP_CLOSE || state == TCP_LISTEN))) {
                l = ledger_of(sk, call->kind);
                if (!l && !call->is_kernel) {
                        call->is_overflow = is_cap_reached();
                        charge_due(sk, tp, call);
                        forget_birth(sk); /* what is charged now will be its past */
                        is_youth_no_proof = true;
                        if (call->is_overflow) {
                                overflow_call(call);
                                return 0;
                        }
                        /* There is no memory: whoever calls pays for each call. */
                }
        }
        charge(sk, tp, l, call, &why);
        return 0;
}

/* Two functions, as the verifier would walk each combination of TCP's branches with the others'. */
static __noinline int place_tcp_call(struct sock *sk, struct ledger *l, struct call *call) {
        call->kind = KIND_TCP;
        return place(sk, l, call, true);
}

static __noinline int place_other_call(struct sock *sk, struct ledger *l, struct call *call) {
        call->kind = kind_of(sk);
        return place(sk, l, call, false);
}

static __noinline int note_owner(const struct ledger *l) {
        struct process_key owner = l->owner;

        return note_active(&owner);
}

/* Which sockets a hook sees. */
enum hook_view { SEES_ANY, SEES_TCP, SEES_MPTCP, SEES_OTHERS };

/* All chains of kernel pointers come first: each state of the verifier that reaches one costs it a walk through the
 * whole BTF, and further down there are thousands of states. */
static __always_inline int slow_call(struct sock *sk, struct ledger *l, struct call *call, enum hook_view view) {
        call->is_kernel = BPF_CORE_READ_BITFIELD(sk, sk_kern_sock);
        call->drops = view == SEES_TCP ? 0 : drops_of(sk);
        call->scope = scope_of(sk);
        call->has_row = make_callers_row(call);
        if (view == SEES_TCP || (view == SEES_ANY && kind_of(sk) == KIND_TCP))
                return place_tcp_call(sk, l, call);
        return place_other_call(sk, l, call);
}

/* AF_INET or AF_INET6, which differ in one bit. */
static __always_inline bool is_inet(const struct sock *sk) {
        return (sk->__sk_common.skc_family & ~(AF_INET ^ AF_INET6)) == (AF_INET & AF_INET6);
}

/* Is SWITCH_NEEDS_CHECK set? */
static __always_inline bool needs_check(__u64 word) {
        return (__s64) word < 0;
}

/* Is a call looked at, whatever is switched off? MPTCP's bytes are known from its calls alone. */
static __always_inline bool is_wanted(const struct sock *sk, __u64 word) {
        __u64 protocol = sk->sk_protocol, type = sk->sk_type;

        barrier_var(protocol); /* else the compiler cuts it to 16 bits before each comparison */
        if (type == SOCK_STREAM && protocol == IPPROTO_TCP)
                return word & SWITCH_TCP_CALLS;
        if (type == SOCK_STREAM && protocol == IPPROTO_MPTCP)
                return word & SWITCH_TCP;
        return word & SWITCH_UDP;
}

/* sendfile() sends in pieces, through a pipe of the task's own that it empties at the end: a piece that finds the pipe
 * begun is no call of its own. (splice_direct_to_actor() in the kernel's fs/splice.c.) */
static __always_inline bool is_later_piece(const struct task_struct *task, __u32 dir) {
        const struct pipe_inode_info *pipe = task->splice_pipe;

        return dir == TX && pipe && pipe->tail;
}

/* Is the socket's protocol switched on, and is it this copy's turn? All copies of a program say the same of a call that
 * is not wanted, so none leaves a mark for it. */
static __always_inline bool is_counted(const struct sock *sk, __u32 dir, __u64 word, __u32 copy) {
        return is_wanted(sk, word) && claims(dir, word, copy, 1);
}

/* A call is what moved data, reached the end, or failed; not what found nothing to do or is made again. n: bytes
 * moved, if it did not fail, which can be less than ret says (truncated datagrams). */
static __always_inline int on_call(struct sock *sk, int ret, __u32 dir, __u32 n, enum hook_view view) {
        struct task_struct *task;
        struct ledger *l;

        if (ret < 0) {
                if (!is_failure(ret))
                        return 0;
                n = 0;
        }
        task = bpf_get_current_task_btf();
        l = find_ledger(sk);
        if (l && l->fast_tgid == (__u32) task->tgid && l->owner.start_time == task->group_leader->start_boottime &&
            l->owner.cgroup_id == task->cgroups->dfl_cgrp->kn->id) {
                add_bytes(l, dir, ret, n);
                if (is_later_piece(task, dir) || add_one_call(l, dir))
                        note_owner(l);
                return 0;
        } else if (l || is_inet(sk)) {
                struct call call = {
                        .n = n,
                        .ret = ret,
                        .dir = dir,
                        .is_part = *(volatile __u32 *) &always_zero, /* else the verifier walks on for each value */
                };

                current_key(&call.me);
                if (is_later_piece(unproven(task), dir))
                        call.is_part |= 1;
                return slow_call(sk, l, &call, view);
        }
        return 0;
}

#endif
