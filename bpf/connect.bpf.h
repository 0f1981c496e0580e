/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SOCKTALLY_BPF_CONNECT_H
#define SOCKTALLY_BPF_CONNECT_H
/*
 * Connections that processes make. connect() runs in the process that makes the connection, but whether it comes up is
 * told later, mostly while another task runs. So who called connect(), and when, is noted: an attempt. It ends when the
 * socket leaves the states in which it opens, and its process is charged then.
 *
 * An attempt stands in a table by the number of its socket, as the note of a birth does, and not in the socket's
 * ledger: most connections come up before anything needs a ledger, and the ledger's owner is who moves the data. It is
 * written and taken under the socket's lock, but for those that are taken late, as the kernel has skipped the hook of
 * states. Therefore ATTEMPT_TAKEN decides who takes one. Those for which both places are taken by other sockets go to a
 * hash table.
 */
#include <bpf/bpf_endian.h>

#include "bpf/birth.bpf.h"
#include "bpf/rows.bpf.h"

#define ATTEMPT_BITS 12
#define ATTEMPT_WAYS 2
#define CALLER_BITS 8
#define ATTEMPT_TAKEN 1 /* a low bit of the number: somebody writes or takes it */

#ifdef BEFORE_6_2 /* see CORE_TABLE_FLAGS */
#define MAX_CROWDED 4096
#else
#define MAX_CROWDED 262144
#endif

struct attempt attempts[1 << ATTEMPT_BITS] = {};

struct {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(map_flags, CORE_TABLE_FLAGS);
        __uint(max_entries, MAX_CROWDED);
        __type(key, __u64);
        __type(value, struct attempt);
} crowded_attempts SEC(".maps");

__u64 n_crowded = 0;

/* Processes that have a row, each in the place of its tgid: to ask the table of processes costs ten times as much. A
 * row stays as long as its process lives; where the table is exchanged, the collector empties this one. */
struct process_key callers[1 << CALLER_BITS] = {};

static __always_inline struct attempt *attempt_slots(__u64 number) {
        return &attempts[number * 0x9e3779b97f4a7c15ULL >> (64 - ATTEMPT_BITS) & ~(ATTEMPT_WAYS - 1ULL)];
}

static __always_inline bool is_attempt_of(const struct attempt *slot, __u64 number) {
        return *(volatile __u64 *) &slot->number == number;
}

static __always_inline bool claim(struct attempt *slot, __u64 from, __u64 to) {
        return is_attempt_of(slot, from) && __sync_val_compare_and_swap(&slot->number, from, to) == from;
}

/* Can the socket have an attempt? In most cases the answer is no, and true. */
static __always_inline bool may_have_attempt(__u64 number) {
        struct attempt *slots = attempt_slots(number);

        return is_attempt_of(&slots[0], number) || is_attempt_of(&slots[1], number) || n_crowded;
}

/* The current process gets a row, in which the attempt is charged when nobody can make one. False: there is no room. */
static __always_inline bool has_callers_row(const struct process_key *me) {
        struct process_key *known = &callers[me->tgid & ((1 << CALLER_BITS) - 1)];

        if (is_same_key(known, me))
                return true;
        if (!current_row(me))
                return false;
        *known = *me;
        return true;
}

static __always_inline void fill_attempt(struct attempt *attempt, bool is_kernels) {
        struct process_key me = {};

        current_key(&me);
        attempt->since_ns = bpf_ktime_get_ns();
        attempt->caller = me;
        attempt->flags = is_kernels ? LEDGER_KERNEL : has_callers_row(&me) ? 0 : LEDGER_ROWLESS;
}

static __noinline int crowd(__u64 number, bool is_kernels) {
        struct attempt attempt = { .number = number };

        fill_attempt(&attempt, is_kernels);
        if (bpf_map_update_elem(&crowded_attempts, &number, &attempt, BPF_ANY) < 0)
                __sync_fetch_and_add(&health.sockets_overflowed, 1);
        else
                __sync_fetch_and_add(&n_crowded, 1);
        return 0;
}

/* Global functions, which are verified once. */
__attribute__((noinline)) int note_attempt(__u64 number, __u32 is_kernels) {
        struct attempt *slots = attempt_slots(number);

        for (int i = 0; i < ATTEMPT_WAYS; i++)
                if (claim(&slots[i], 0, number | ATTEMPT_TAKEN)) {
                        fill_attempt(&slots[i], is_kernels);
                        __sync_lock_test_and_set(&slots[i].number, number);
                        return 0;
                }
        return crowd(number, is_kernels);
}

/* 1: the socket had an attempt, which is the caller's of this function now. 0: it had none. */
__attribute__((noinline)) int take_attempt(__u64 number, struct attempt *ret_attempt) {
        struct attempt *slots = attempt_slots(number), *found;

        if (!ret_attempt)
                return 0;
        for (int i = 0; i < ATTEMPT_WAYS; i++)
                if (claim(&slots[i], number, number | ATTEMPT_TAKEN)) {
                        *ret_attempt = slots[i];
                        __sync_lock_test_and_set(&slots[i].number, 0);
                        return 1;
                }
        if (!n_crowded)
                return 0;
        found = bpf_map_lookup_elem(&crowded_attempts, &number);
        if (!found)
                return 0;
        *ret_attempt = *found;
        if (bpf_map_delete_elem(&crowded_attempts, &number) < 0)
                return 0;
        __sync_fetch_and_add(&n_crowded, -1ULL);
        return 1;
}

/* Is it IPv6 on the wire? An IPv6 socket whose peer has a mapped address speaks IPv4. */
static __always_inline bool is_over_ipv6(const struct sock *sk) {
        const struct in6_addr *peer = &sk->__sk_common.skc_v6_daddr;

        if (sk->__sk_common.skc_family != AF_INET6 || !bpf_core_field_exists(sk->__sk_common.skc_v6_daddr))
                return false;
        return peer->in6_u.u6_addr32[0] | peer->in6_u.u6_addr32[1] | (peer->in6_u.u6_addr32[2] ^ bpf_htonl(0xffff));
}

/* The counter for a connection that began. */
static __always_inline __u32 beginning_of(const struct sock *sk, bool is_active) {
        return (is_active ? SOCKTALLY_METRIC_tcp_connects_v4 : SOCKTALLY_METRIC_tcp_accepts_v4) + is_over_ipv6(sk);
}

static __always_inline __u32 bucket_of(__u64 usec) {
        return usec <= 1000      ? SOCKTALLY_METRIC_tcp_connect_le_1ms
               : usec <= 4000    ? SOCKTALLY_METRIC_tcp_connect_le_4ms
               : usec <= 16000   ? SOCKTALLY_METRIC_tcp_connect_le_16ms
               : usec <= 64000   ? SOCKTALLY_METRIC_tcp_connect_le_64ms
               : usec <= 256000  ? SOCKTALLY_METRIC_tcp_connect_le_256ms
               : usec <= 1000000 ? SOCKTALLY_METRIC_tcp_connect_le_1s
               : usec <= 4000000 ? SOCKTALLY_METRIC_tcp_connect_le_4s
                                 : SOCKTALLY_METRIC_tcp_connect_over_4s;
}

static __always_inline __u32 reason_of(int error) {
        switch (error) {
        case ECONNREFUSED:
                return SOCKTALLY_METRIC_tcp_connect_refused;
        case ETIMEDOUT:
                return SOCKTALLY_METRIC_tcp_connect_timed_out;
        case EACCES: /* ICMPv6: administratively prohibited, where IPv4 says EHOSTUNREACH */
        case ENONET:
        case ENETDOWN:
        case ENETUNREACH:
        case EHOSTDOWN:
        case EHOSTUNREACH:
                return SOCKTALLY_METRIC_tcp_connect_unreachable;
        case ECONNRESET:
                return SOCKTALLY_METRIC_tcp_connect_reset;
        default:
                return SOCKTALLY_METRIC_tcp_connect_other;
        }
}

/* What a connection's beginning or failure adds to a row. */
struct beginning {
        struct process_key owner;
        __u32 counter; /* beginning_of(), reason_of(); 0: nothing began */
        __u32 usec;    /* how long it took to connect */
};

__attribute__((noinline)) int count_beginning(struct process_row *row, const struct beginning *b) {
        __u64 *counters;
        __u32 counter;

        if (!row || !b || !(switches & SWITCH_CONNECT))
                return 0;
        counters = counters_of(row, &b->owner);
        counter = b->counter;
        if (counter >= SOCKTALLY_N_METRICS)
                return 0;
        add(&counters[counter], 1);
        if (counter >= SOCKTALLY_METRIC_tcp_connect_refused) {
                add(&counters[SOCKTALLY_METRIC_tcp_connect_failures], 1);
        } else if (counter <= SOCKTALLY_METRIC_tcp_connects_v6) {
                add(&counters[bucket_of(b->usec)], 1);
                row->counters[SOCKTALLY_METRIC_tcp_connect_us] = b->usec; /* a gauge is in the row alone */
        }
        return 0;
}

__attribute__((noinline)) int charge_attempt(const struct attempt *attempt, __u32 counter, __u64 usec) {
        struct beginning b = { .counter = counter, .usec = usec >> 32 ? -1U : usec };

        if (!attempt)
                return 0;
        b.owner = attempt->caller;
        return count_beginning(owner_row(&b.owner, attempt->flags), &b);
}

static __noinline int end_this_attempt(const struct sock *sk, const struct tcp_sock *tp, bool is_up) {
        struct attempt attempt = {};
        __u64 now;

        if (!take_attempt(note_number(sk), &attempt))
                return 0;
        now = tp && is_up ? tp->tcp_mstamp : bpf_ktime_get_ns() / 1000;
        charge_attempt(&attempt, is_up ? beginning_of(sk, true) : reason_of(sk->sk_err),
                       now - attempt.since_ns / 1000);
        return 1;
}

/* Returns whether there was an attempt. is_up: the packet that has ended it is just being worked on, which is the time
 * that tcp_mstamp tells. */
static __always_inline bool end_attempt(const struct sock *sk, const struct tcp_sock *tp, bool is_up) {
        return may_have_attempt(note_number(sk)) && end_this_attempt(sk, tp, is_up);
}

/* The current process has called connect(). */
static __always_inline void begin_attempt(struct sock *sk) {
        if (!(switches & SWITCH_CONNECT))
                return;
        end_attempt(sk, NULL, false); /* the kernel has skipped the hook at the end of the one before */
        note_attempt(note_number(sk), BPF_CORE_READ_BITFIELD(sk, sk_kern_sock));
}

#endif
