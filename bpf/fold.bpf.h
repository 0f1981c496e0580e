/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SOCKTALLY_BPF_FOLD_H
#define SOCKTALLY_BPF_FOLD_H
/*
 * A fold takes what a ledger holds and charges it to the row of its owner: when the owner changes, when the socket
 * closes or dies, and when the collector walks all sockets each interval. take() runs under the ledger's lock, give()
 * after it. Each counter is taken by an atomic exchange, so a call that adds at the same time is charged now or next
 * time, never twice and never lost.
 *
 * TCP: tcp_sock says how much the connection moved, and base how much of that is charged. The difference is the
 * owner's. Finished calls of the owner explain most of it. What no finished call explains was moved by splice(), by a
 * zero-copy receive, or by a call that is still running. If only the owner holds the socket, that is charged at once.
 * Else it may be half of another process's call, and waits until that call is over, the other process has let go of the
 * socket, or the socket closes. Example: A owns a socket that B holds, too. B is in a recv() that has copied 4000 of
 * 10,000 bytes when a walk folds the socket. tcp_sock says 4000 more than base, and A has no call that explains them.
 * They are not charged to A: when the recv() returns, B is charged 10,000, and base grows by as many.
 */
#include "bpf/account.bpf.h"
#include "bpf/connect.bpf.h"
#include "bpf/rows.bpf.h"
#include "bpf/tcp.bpf.h"

struct charge {
        union {
                struct process_key owner;
                struct beginning beginning; /* which has the same owner */
        };
        __u64 bytes[N_DIRECTIONS];
        __u64 calls[N_DIRECTIONS];
        __u64 errors[N_DIRECTIONS];
        __u32 retransmits;
        __u32 drops;
        __u32 closes;
        __u32 kind;
        __u32 flags;
        __u32 scope; /* of all bytes */
};

/* How a fold came about. */
struct occasion {
        bool may_be_shared; /* another process holds the socket and may be in the middle of a call: due() waits */
        __u32 drops;        /* what drops_of() says; not needed for TCP, whose ledgers have no drops */
        bool is_final;      /* no call can be running any more: due() does not wait */
        bool is_close;      /* the last descriptor is gone: the end of the connection is charged */
        bool is_end;        /* the socket is about to be freed: LEDGER_AMENDED is looked at */
        bool is_young;      /* the socket is younger than the daemon: what was taken for its past is none */
        struct process_key closer; /* the process that closed the socket; zeros: not known */
        bool is_heir;              /* the closer becomes the owner: nobody moved data, and no owner has a row */
        bool is_rowless;           /* there is no room for a row of the closer */
        __u32 scope;               /* what scope_of() says, if wants_scope() */
};

static __always_inline __u32 drops_of(const struct sock *sk) {
        __u32 drops = sk->sk_drops.counter;

        if (cfg_drop_counters) {
                const char *numa = *(const char *const *) ((const char *) sk + cfg_drop_counters);

                if (numa)
                        drops += *(const __u32 *) numa + *(const __u32 *) (numa + cfg_drops1);
        }
        return drops;
}

/* How many of the bytes that no finished call explains are charged now: all, or none while they may be half of
 * another process's call (see the head of this file). A negative number was charged too early, and is always given
 * back. */
static __always_inline __s64 due(const struct ledger *l, __s64 unexplained, const struct occasion *why) {
        bool may_wait = why->may_be_shared || l->state == LEDGER_SHARED;

        if (unexplained > 0 && may_wait && !why->is_final && switches & SWITCH_TCP)
                return 0;
        return unexplained;
}

/* 1 if total has a FIN in it that tcp_written() did not know of, else 0. A FIN takes a sequence number and is no
 * byte. tcp_written() takes it off in the states that follow a FIN, but a connection can reach TCP_CLOSE with a FIN
 * or without. settle_tcp() knows the state before. When the kernel has skipped that hook, the payload tells: with
 * 100 bytes and a FIN total is 101, and 100 bytes were sent, not counting what was sent again. A ledger that began
 * later than its socket may have our SYN in its base, so this sum tells nothing: there one single byte that no call
 * explains is the FIN. */
static __always_inline __u32 unseen_fin(const struct sock *sk, const struct tcp_sock *tp, const struct ledger *l,
                                        __u64 total, __s64 unexplained) {
        if (l->flags & LEDGER_SETTLED || sk->__sk_common.skc_state != TCP_CLOSE)
                return 0;
        if (l->flags & LEDGER_INHERITED)
                return unexplained == 1 && switches & SWITCH_TCP_CALLS;
        return tp->write_seq == tp->snd_nxt && (__u32) total == (__u32) (tp->bytes_sent - tp->bytes_retrans) + 1;
}

static __always_inline void take_tcp_bytes(struct sock *sk, struct tcp_sock *tp, struct ledger *l, struct charge *c,
                                           const struct occasion *why) {
        __s64 unexplained;
        __u64 total;

        if (!(l->flags & LEDGER_READY)) {
                if (why->is_final) /* Fast Open data of a connection that never came up */
                        c->bytes[TX] = drain(&l->bytes[TX]);
                return;
        }
        if (!(l->flags & LEDGER_SETTLED) && (sk->__sk_common.skc_state == TCP_SYN_SENT || is_zeroed(sk, tp))) {
                /* The kernel has skipped the hook of connect(AF_UNSPEC): the calls are all that is known. */
                c->bytes[TX] = drain(&l->bytes[TX]);
                c->bytes[RX] = drain(&l->bytes[RX]);
                return;
        }
        /* The calls first, total after: total then has all that they moved. The other way round a call that returns
         * between the two makes unexplained negative. That is taken off the owner now, and the next flush sees no call
         * that would give it back. */
        c->bytes[TX] = drain(&l->bytes[TX]);
        total = l->flags & LEDGER_SETTLED ? l->settled[TX] : tcp_written(sk, tp, l, 0);
        unexplained = total - l->base[TX] - c->bytes[TX];
        unexplained -= unseen_fin(sk, tp, l, total, unexplained);
        if (unexplained == -1 && !why->is_final && is_fin_queued(sk->__sk_common.skc_state))
                unexplained = 0; /* the FIN itself, which is not queued yet: tcp_written() is too early */
        c->bytes[TX] += due(l, unexplained, why);
        l->base[TX] += c->bytes[TX];

        c->bytes[RX] = drain(&l->bytes[RX]);
        total = tcp_read(sk, tp, l);
        /* connect(AF_UNSPEC) zeroes the counters of a closed socket. What was read after it closed is in the calls. */
        if (l->flags & LEDGER_SETTLED && !tp->bytes_received) {
                total = l->settled[RX];
                if (total < l->base[RX] + c->bytes[RX])
                        total = l->base[RX] + c->bytes[RX];
        }
        c->bytes[RX] += due(l, total - l->base[RX] - c->bytes[RX], why);
        l->base[RX] += c->bytes[RX];
}

/* Bytes are not taken any more after the last close: nothing is written or read. The kernel queues its FIN then, and
 * changes the state first, so for a moment tcp_written() is one too small. A walk in that moment would take a byte
 * away from the owner, and no later fold would give it back. When a key was corrected since, the end looks once
 * more. */
static __always_inline void take_tcp(struct sock *sk, struct tcp_sock *tp, struct ledger *l, struct charge *c,
                                     const struct occasion *why) {
        __u32 total;

        catch_up(sk, tp, l, sk->__sk_common.skc_state);
        if (why->is_end && !has_other_keys(tp, l)) /* the kernel may have skipped the hook that settles */
                correct_keys(l, tp);
        if (!(l->flags & LEDGER_CLOSED) || (why->is_end && l->flags & LEDGER_AMENDED))
                take_tcp_bytes(sk, tp, l, c, why);
        if (!(l->flags & LEDGER_READY))
                return;
        total = retransmits_of(tp, l);
        c->retransmits = more_retransmits(total, l->retransmits);
        l->retransmits = total;
        c->closes = !!(l->flags & LEDGER_ENDED);
        l->flags &= ~LEDGER_ENDED;
}

static __always_inline void take_calls(struct ledger *l, struct charge *c) {
        c->calls[TX] = drain(&l->calls[TX]);
        c->calls[RX] = drain(&l->calls[RX]);
        c->errors[TX] = drain(&l->errors[TX]);
        c->errors[RX] = drain(&l->errors[RX]);
}

/* The beginning of a connection that nobody was charged for. How long it took is not known; the round trip tells about
 * as much. */
static __always_inline void take_beginning(const struct sock *sk, const struct tcp_sock *tp, struct ledger *l,
                                           struct charge *c) {
        bool is_begun = tp ? l->flags & LEDGER_READY : is_connected(sk->__sk_common.skc_state);

        if (!(l->flags & LEDGER_DUE) || !is_begun)
                return;
        l->flags &= ~LEDGER_DUE;
        c->beginning.counter = beginning_of(sk, l->flags & LEDGER_ACTIVE);
        c->beginning.usec = tp ? tp->srtt_us >> 3 : 0;
}

/* The peer of a connection stays. A datagram socket can be connected anew, and no hook sees that: what it moved since
 * the last look is of unknown scope then. */
static __always_inline __u32 take_scope(struct ledger *l, const struct occasion *why) {
        __u32 before = l->scope;

        if (l->kind <= KIND_MPTCP && before != SCOPE_unknown)
                return before;
        l->scope = why->scope;
        return l->kind <= KIND_MPTCP || before == why->scope ? why->scope : SCOPE_unknown;
}

/* Does take_scope() ask for the scope? */
static __always_inline bool wants_scope(const struct ledger *l) {
        return l->kind > KIND_MPTCP || l->scope == SCOPE_unknown;
}

/* tp: NULL unless the ledger's kind is KIND_TCP. */
static __always_inline void take(struct sock *sk, struct tcp_sock *tp, struct ledger *l, struct charge *c,
                                 const struct occasion *why) {
        c->owner = l->owner;
        c->kind = l->kind;
        c->flags = l->flags;
        c->scope = take_scope(l, why);
        take_calls(l, c);
        if (tp) {
                take_tcp(sk, tp, l, c, why);
        } else {
                c->bytes[TX] = drain(&l->bytes[TX]);
                c->bytes[RX] = drain(&l->bytes[RX]);
                if (c->kind == KIND_UDP) {
                        c->drops = why->drops - l->drops;
                        l->drops += c->drops;
                }
        }
        if (c->owner.tgid && !(c->flags & LEDGER_KERNEL))
                take_beginning(sk, tp, l, c);
}

static __always_inline bool is_nothing(const struct charge *c) {
        return !(c->bytes[TX] | c->bytes[RX] | c->calls[TX] | c->calls[RX] | c->errors[TX] | c->errors[RX] |
                 c->retransmits | c->drops | c->closes);
}

/* Not static: a global function is verified once, on its own. The same for charge_call(). */
__attribute__((noinline)) int give(struct process_row *row, const struct charge *c) {
        __u64 *k;
        __u32 scope;

        if (!row || !c)
                return 0;
        k = counters_of(row, &c->owner);
        scope = c->scope;
        switch (c->kind) {
        case KIND_TCP:
        case KIND_MPTCP:
                add(scoped(k, SOCKTALLY_METRIC_tcp_tx_bytes_unknown, scope), c->bytes[TX]);
                add(scoped(k, SOCKTALLY_METRIC_tcp_rx_bytes_unknown, scope), c->bytes[RX]);
                add(&k[SOCKTALLY_METRIC_tcp_tx_calls], c->calls[TX]);
                add(&k[SOCKTALLY_METRIC_tcp_rx_calls], c->calls[RX]);
                add(&k[SOCKTALLY_METRIC_tcp_tx_errors], c->errors[TX]);
                add(&k[SOCKTALLY_METRIC_tcp_rx_errors], c->errors[RX]);
                add(&k[SOCKTALLY_METRIC_tcp_retransmits], c->retransmits);
                add(&k[SOCKTALLY_METRIC_tcp_closes], c->closes);
                break;
        case KIND_UDP:
                add(scoped(k, SOCKTALLY_METRIC_udp_tx_bytes_unknown, scope), c->bytes[TX]);
                add(scoped(k, SOCKTALLY_METRIC_udp_rx_bytes_unknown, scope), c->bytes[RX]);
                add(&k[SOCKTALLY_METRIC_udp_tx_calls], c->calls[TX]);
                add(&k[SOCKTALLY_METRIC_udp_rx_calls], c->calls[RX]);
                add(&k[SOCKTALLY_METRIC_udp_tx_errors], c->errors[TX]);
                add(&k[SOCKTALLY_METRIC_udp_rx_errors], c->errors[RX]);
                add(&k[SOCKTALLY_METRIC_udp_rx_drops], c->drops);
                break;
        case KIND_OTHER:
                add(scoped(k, SOCKTALLY_METRIC_other_tx_bytes_unknown, scope), c->bytes[TX]);
                add(scoped(k, SOCKTALLY_METRIC_other_rx_bytes_unknown, scope), c->bytes[RX]);
                break;
        }
        return 0;
}

/* The socket leaves old_state for TCP_CLOSE: nothing can be written any more, and connect(AF_UNSPEC) may now spoil the
 * counters. Under the lock. */
static __always_inline void settle_tcp(struct sock *sk, struct tcp_sock *tp, struct ledger *l, __u32 old_state) {
        catch_up(sk, tp, l, old_state);
        correct_keys(l, tp);
        if (!(l->flags & LEDGER_READY) || l->flags & LEDGER_SETTLED)
                return;
        l->settled[TX] = tcp_written(sk, tp, l, old_state);
        l->settled[RX] = tcp_read(sk, tp, l);
        l->retransmits = -more_retransmits(tp->total_retrans, l->retransmits);
        l->flags |= LEDGER_SETTLED;
}

/* Is there somebody to charge? What is on a socket that nobody claimed waits for the first process that moves data. */
static __always_inline bool has_owner(const struct ledger *l) {
        if (l->state == LEDGER_UNCLAIMED)
                return l->owner.tgid || l->flags & LEDGER_KERNEL;
        return l->state > LEDGER_UNCLAIMED;
}

/* While a module is off its sockets are charged to nobody. fold() takes what a ledger holds all the same, so that
 * base follows the socket, and drops the charge. */
static __always_inline bool is_kind_off(__u32 kind) {
        bool is_tcp = kind == KIND_TCP || kind == KIND_MPTCP;

        return switches & SWITCH_PARTIAL && !(switches & (is_tcp ? SWITCH_TCP : SWITCH_UDP));
}

/* Can another process than the owner have closed the socket? Yes, if it made calls on the socket, or if the pass that
 * runs, or one of the GRACE_PASSES + 1 before it, has met the socket among its files. The current task alone proves
 * nothing: a process that walks open files holds each for a moment, and may drop the last reference. */
static __always_inline bool is_used_by_others(const struct ledger *l) {
        return l->state == LEDGER_SHARED || pass_number - l->foreign_pass <= GRACE_PASSES + 1;
}

/* A listener of MPTCP makes its children as the kernel's, until they are accepted. Under the lock. */
static __always_inline void recall_kernel(const struct sock *sk, struct ledger *l) {
        if (!BPF_CORE_READ_BITFIELD(sk, sk_kern_sock))
                l->flags &= ~LEDGER_KERNEL;
}

/* What the ledger took for the socket's past counts after all. Under the lock. */
static __always_inline void disown_past(struct ledger *l) {
        l->base[TX] -= l->past[TX];
        l->base[RX] -= l->past[RX];
        l->past[TX] = l->past[RX] = 0;
        if (!(l->flags & LEDGER_SETTLED))
                l->retransmits = 0;
        if ((l->flags & (LEDGER_INHERITED | LEDGER_ACTIVE)) == LEDGER_INHERITED)
                l->flags |= LEDGER_DUE; /* accepted, as socket() would have noted its birth */
        l->flags &= ~LEDGER_INHERITED;
}

static __always_inline bool has_past(const struct ledger *l) {
        return l->past[TX] | l->past[RX];
}

/* Charges the owner, unless the module is off. */
static __always_inline void give_to_owner(const struct charge *c) {
        if (c->beginning.counter)
                count_beginning(owner_row(&c->owner, c->flags), &c->beginning);
        if (!is_kind_off(c->kind) && !is_nothing(c))
                give(owner_row(&c->owner, c->flags), c);
}

/* Folds one ledger into its owner's row. Returns true if the end of a connection is to be charged to the closer, who is
 * not the owner. */
static __always_inline bool fold(struct sock *sk, struct tcp_sock *tp, struct ledger *l, const struct occasion *why) {
        bool is_closers_end = false, is_kernels = l->flags & LEDGER_KERNEL && unproven(sk)->sk_socket;
        struct charge c = {};

        bpf_spin_lock(&l->lock);
        recall_kernel(sk, l);
        if (why->is_young)
                disown_past(l);
        if (why->is_heir)
                l->owner = why->closer;
        if (has_owner(l) || (why->is_final && l->state != LEDGER_NEW))
                take(sk, tp, l, &c, why);
        if (is_kernels) /* what a listener of MPTCP has made and nobody has accepted yet has no socket */
                take_beginning(sk, tp, l, &c);
        if (why->is_close) {
                if (l->kind == KIND_MPTCP && (l->state > LEDGER_UNCLAIMED || l->base[TX] | l->base[RX] ||
                                              is_connected(sk->__sk_common.skc_state)))
                        l->flags |= LEDGER_CONNECTED;
                if ((l->flags & (LEDGER_CONNECTED | LEDGER_CLOSED)) == LEDGER_CONNECTED) {
                        is_closers_end = why->closer.tgid && !is_same_key(&why->closer, &l->owner) &&
                                         is_used_by_others(l);
                        c.closes += !is_closers_end;
                }
                l->flags |= LEDGER_CLOSED;
        }
        bpf_spin_unlock(&l->lock);
        if (why->is_rowless)
                c.flags |= LEDGER_ROWLESS;
        give_to_owner(&c);
        return is_closers_end && !is_kind_off(c.kind);
}

#endif
