/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SOCKTALLY_BPF_HANDOVER_H
#define SOCKTALLY_BPF_HANDOVER_H
/*
 * One attach method takes over from another while calls are running. A call passes the trampolines first and the
 * tracepoint after them, in the same task and without sleeping between. While both are attached the word of switches
 * says who counts (enum ledger_role), and each hook reads it once:
 *
 *   a trampoline that counts also leaves a mark, task and socket; the tracepoint takes the mark away and passes over
 *   the call; what it finds without a mark it counts. So each call counts once, whichever of the two sees it: not every
 *   call that is inside when a trampoline comes or goes passes it, but all pass the tracepoint.
 *
 * The collector (daemon/collect-method.c) turns the word from step to step and waits between them until no task can be
 * where the step before and the step after do not agree. Each step has a number, the epoch, and each time marks come
 * into use a new period begins, in which older marks mean nothing; both are in the word.
 */
#include "bpf/maps.bpf.h"

struct passage {
        __u64 marked[N_DIRECTIONS]; /* address of the socket on which a trampoline has counted the current call */
        __u32 marker[N_DIRECTIONS]; /* the role of that trampoline */
        __u64 utime;                /* when the census began */
        __u32 period;               /* of the marks */
        __u32 awaited;              /* epoch + 1 of the census that waits for this task; 0: none does */
};

struct {
        __uint(type, BPF_MAP_TYPE_TASK_STORAGE);
        __uint(map_flags, BPF_F_NO_PREALLOC);
        __type(key, int);
        __type(value, struct passage);
} passages SEC(".maps");

/* Sockets whose release the trampoline has charged already; goes with the socket. */
struct {
        __uint(type, BPF_MAP_TYPE_SK_STORAGE);
        __uint(map_flags, BPF_F_NO_PREALLOC);
        __type(key, int);
        __type(value, __u32);
} released SEC(".maps");

/* Calls on which a trampoline could leave no mark. */
__u64 marks_missed = 0;

static __always_inline __u32 epoch_of(__u64 word) {
        return word >> HANDOVER_EPOCH_SHIFT & 0xffff;
}

/* A task that comes to a hook again, or to the last one, has left the calls it was in before. Not when it is made to
 * send for the kernel in the midst of a call, by a page fault on a network file system or by an interrupt. */
static __always_inline void note_arrival(struct passage *p, struct sock *sk, struct task_struct *task, __u64 word) {
        if (p->awaited == epoch_of(word) + 1 &&
            (task->flags & PF_KTHREAD || !BPF_CORE_READ_BITFIELD(sk, sk_kern_sock)))
                p->awaited = 0;
}

/* True: the trampoline counts. What it cannot mark it leaves to the tracepoint, if that one counts. Trampolines can
 * take over from others while a call is between the two: within udp_sendmsg() it was counted, within inet_sendmsg() it
 * would be again. */
static __always_inline bool mark(struct passage *p, struct sock *sk, __u32 dir, __u64 word, __u32 role) {
        __u32 period = word >> HANDOVER_PERIOD_SHIFT;

        if (p && p->period != period) {
                p->marked[TX] = p->marked[RX] = 0;
                p->period = period;
        }
        if (!p || (p->marked[dir & 1] && p->marked[dir & 1] != (__u64) sk)) {
                __sync_fetch_and_add(&marks_missed, 1);
                return !(word & ROLE_TRACEPOINT);
        }
        if (p->marked[dir & 1] && p->marker[dir & 1] == ROLE_PROTOCOL && role == ROLE_INET)
                return false;
        p->marked[dir & 1] = (__u64) sk;
        p->marker[dir & 1] = role;
        return true;
}

static __always_inline bool take_mark(struct passage *p, struct sock *sk, __u32 dir, __u64 word) {
        if (!p || p->period != (__u32) (word >> HANDOVER_PERIOD_SHIFT) || p->marked[dir & 1] != (__u64) sk)
                return false;
        p->marked[dir & 1] = 0;
        return true;
}

/* Is this call counted by this hook? Looking for a mark never fails: since Linux 6.2 storage is found even when
 * another program was interrupted while it made some, and the tracepoint is younger. */
static __noinline int claims_call(struct sock *sk, __u32 dir, __u64 word, __u64 role) {
        struct task_struct *task = bpf_get_current_task_btf();
        bool is_last = role == ROLE_TRACEPOINT, is_counting = word & role;
        struct passage *p;

        if (word & ROLE_STREAMS && role != ROLE_PROTOCOL && sk->sk_type == SOCK_STREAM)
                is_counting = true;
        if (!is_last && !is_counting)
                return 0;
        p = bpf_task_storage_get(&passages, task, 0, !is_last && word & ROLE_MARK ? BPF_LOCAL_STORAGE_GET_F_CREATE : 0);
        if (p)
                note_arrival(p, sk, task, word);
        if (!(word & ROLE_MARK))
                return is_counting;
        if (!is_last)
                return mark(p, sk, dir, word, role);
        return !take_mark(p, sk, dir, word) && is_counting;
}

/* The trampoline of inet_release(), and the control group's hook, which that function calls. */
static __always_inline bool claims_release_first(struct sock *sk, __u64 word) {
        if (!(word & (ROLE_INET | ROLE_PROTOCOL)))
                return false;
        if (!(word & ROLE_MARK) || bpf_sk_storage_get(&released, sk, 0, BPF_SK_STORAGE_GET_F_CREATE))
                return true;
        return !(word & ROLE_TRACEPOINT);
}

static __always_inline bool claims_release_last(struct bpf_sock *sk, __u64 word) {
        if (word & ROLE_MARK && bpf_sk_storage_get(&released, sk, 0, 0))
                return false;
        return word & ROLE_TRACEPOINT;
}

#endif
