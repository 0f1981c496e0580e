/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SOCKTALLY_BPF_ACCOUNT_H
#define SOCKTALLY_BPF_ACCOUNT_H
/*
 * The account of a socket: find its ledger, make one, add a call, drain what calls have added. Nothing else asks where
 * ledgers lie, so another store can take the place of the socket's storage, which kprobes may not use: a hash by the
 * socket's address, for example.
 *
 * The adding and draining is without the lock: a call that adds at the same time as somebody drains is drained now or
 * next time, never twice and never lost.
 */
#include "bpf/maps.bpf.h"

/* sk: a struct sock that the verifier knows, or the context of a program that is attached to a cgroup. NULL: the socket
 * has no ledger. */
#define find_ledger(sk) ((struct ledger *) bpf_sk_storage_get(&ledgers, sk, 0, 0))

/* NULL: no memory, or another CPU was first: the helper fails then, and does not say why. */
#define make_ledger(sk) ((struct ledger *) bpf_sk_storage_get(&ledgers, sk, 0, BPF_SK_STORAGE_GET_F_CREATE))

static __always_inline void add_bytes(struct ledger *l, __u32 dir, int ret, __u64 n) {
        if (n)
                __sync_fetch_and_add(&l->bytes[dir & 1], n);
        else if (ret < 0 && switches & SWITCH_ERRORS) {
                __sync_fetch_and_add(&l->errors[dir & 1], 1);
                barrier(); /* else the compiler makes one addition of both, at the cost of the first */
        }
}

/* After the bytes, as a fold takes the bytes after the calls. Returns whether it is the first since the last fold. */
static __always_inline bool add_one_call(struct ledger *l, __u32 dir) {
        return !__sync_fetch_and_add(&l->calls[dir & 1], 1);
}

/* is_part: not 0 if the data is of a call that was counted already. */
static __always_inline void add_call(struct ledger *l, __u32 dir, int ret, __u64 n, __u32 is_part) {
        add_bytes(l, dir, ret, n);
        if (!is_part)
                add_one_call(l, dir);
}

static __always_inline bool has_calls(const struct ledger *l) {
        return l->bytes[TX] | l->bytes[RX] | l->calls[TX] | l->calls[RX] | l->errors[TX] | l->errors[RX];
}

/* One counter of those that add_call() adds to, which begins at 0 again. */
static __always_inline __u64 drain(__u64 *counter) {
        return *(volatile __u64 *) counter ? __sync_lock_test_and_set(counter, 0) : 0;
}

#endif
