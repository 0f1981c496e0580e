/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SOCKTALLY_BPF_TCP_H
#define SOCKTALLY_BPF_TCP_H
/*
 * What the application wrote to and read from a TCP socket, exact at any moment, from tcp_sock alone:
 *
 *   written = bytes_acked + (write_seq - snd_una)  - 1 for our SYN - 1 for our FIN
 *   read    = bytes_received - (rcv_nxt - copied_seq)  - 1 once the reader is past the peer's FIN
 *
 * We look without the socket's lock, while an ACK may just be moving bytes_acked and then snd_una. But the two grow by
 * the same amount (tcp_snd_una_update()), so bytes_acked - snd_una is a constant of the connection, the *key*. Then
 * write_seq + key is the low half of the count, from one single load; the sum of several loads is needed for the high
 * half only. Example, on the side that called connect(): the first byte has sequence number 5001, and the SYN before it
 * was acknowledged, so bytes_acked is 1, snd_una 5001 and the key -5000, for as long as the connection lasts. When
 * write_seq is 5101, the count is 101: the SYN and 100 bytes. The same holds for bytes_received and rcv_nxt
 * (tcp_rcv_nxt_update()) with copied_seq.
 */
#include "bpf/maps.bpf.h"

/* The 64-bit number next to near whose low half is low. Example: near 0x1fffffff0 and low 0x10 make 0x200000010. */
static __always_inline __u64 extend(__u64 near, __u32 low) {
        return near + (__s32) (low - (__u32) near);
}

/* Our FIN takes a sequence number. The state changes before the FIN is queued, so load write_seq first. */
#define FIN_STATES                                                                                                    \
        (1U << TCP_FIN_WAIT1 | 1U << TCP_FIN_WAIT2 | 1U << TCP_CLOSING | 1U << TCP_LAST_ACK | 1U << TCP_TIME_WAIT)

static __always_inline __u32 is_fin_queued(__u32 state) {
        return FIN_STATES >> (state & 31) & 1;
}

static __always_inline __u64 tcp_written(const struct sock *sk, const struct tcp_sock *tp, const struct ledger *l,
                                         __u32 old_state) {
        __u32 low = tp->write_seq + l->seq_key[TX];
        __u64 near = tp->bytes_acked + (__u32) (tp->write_seq - tp->snd_una);
        __u32 state = old_state ?: sk->__sk_common.skc_state;

        return extend(near, low) - !!(l->flags & LEDGER_SYN_COUNTED) - is_fin_queued(state);
}

/* The order of loads matters: once SOCK_DONE is set rcv_nxt is final, and copied_seq passes the FIN only after that. */
static __always_inline __u64 tcp_read_with(const struct sock *sk, const struct tcp_sock *tp, __u32 key) {
        __u32 copied = *(volatile __u32 *) &tp->copied_seq;
        __u32 is_done = sk->__sk_common.skc_flags >> SOCK_DONE_BIT & 1;
        __u32 next = *(volatile __u32 *) &tp->rcv_nxt;
        __u64 near = tp->bytes_received - (__u32) (next - copied);

        return extend(near, copied + key) - (is_done & (copied == next));
}

static __always_inline __u64 tcp_read(const struct sock *sk, const struct tcp_sock *tp, const struct ledger *l) {
        return tcp_read_with(sk, tp, l->seq_key[RX]);
}

/* Without a ledger, when nothing else can move the counters. */
static __always_inline __u64 tcp_read_in_all(const struct sock *sk, const struct tcp_sock *tp) {
        return tcp_read_with(sk, tp, (__u32) tp->bytes_received - tp->rcv_nxt);
}

/* Has connect(AF_UNSPEC) zeroed the counters? What was written cannot be told then. */
static __always_inline bool is_zeroed(const struct sock *sk, const struct tcp_sock *tp) {
        return sk->__sk_common.skc_state == TCP_CLOSE && !(tp->bytes_acked | tp->bytes_sent | tp->bytes_received);
}

/* What was written, as tcp_read_in_all() tells what was read. is_active: the SYN was ours. */
static __always_inline __u64 tcp_written_in_all(const struct sock *sk, const struct tcp_sock *tp, bool is_active) {
        __u64 n = tp->bytes_acked + (__u32) (tp->write_seq - tp->snd_una);

        if (is_zeroed(sk, tp))
                return 0;
        return n - (is_active && tp->bytes_acked) - is_fin_queued(sk->__sk_common.skc_state);
}

/* Segments sent again until now. connect(AF_UNSPEC) zeroes the kernel's number. Therefore settle_tcp() leaves 0
 * minus what is still to be charged in the ledger, and 0 is what that is compared with. */
static __always_inline __u32 retransmits_of(const struct tcp_sock *tp, const struct ledger *l) {
        return l->flags & LEDGER_SETTLED ? 0 : *(volatile __u32 *) &tp->total_retrans;
}

/* How many more than charged. If there are fewer than charged, the kernel has skipped the hook at the end of a
 * connection: they are all the next connection's. */
static __always_inline __u32 more_retransmits(__u32 total, __u32 charged) {
        return (__s32) (total - charged) < 0 ? total : total - charged;
}

static __always_inline __u32 key_of_writer(const struct tcp_sock *tp) {
        return (__u32) *(volatile __u64 *) &tp->bytes_acked - *(volatile __u32 *) &tp->snd_una;
}

static __always_inline __u32 key_of_reader(const struct tcp_sock *tp) {
        return (__u32) *(volatile __u64 *) &tp->bytes_received - *(volatile __u32 *) &tp->rcv_nxt;
}

/* Low half of all that came and went: each ACK and each segment changes it. */
static __always_inline __u32 traffic(const struct tcp_sock *tp) {
        return (__u32) *(volatile __u64 *) &tp->bytes_acked + (__u32) *(volatile __u64 *) &tp->bytes_received;
}

static __always_inline void take_keys(struct ledger *l, const struct tcp_sock *tp) {
        l->seq_key[TX] = key_of_writer(tp);
        l->seq_key[RX] = key_of_reader(tp);
        l->flags |= LEDGER_READY;
}

static __always_inline void set_key(struct ledger *l, __u32 dir, __u32 key) {
        if (key == l->seq_key[dir])
                return;
        if (l->flags & LEDGER_INHERITED)
                l->base[dir] += (__s32) (key - l->seq_key[dir]);
        l->seq_key[dir] = key;
        if (l->flags & LEDGER_CLOSED)
                l->flags |= LEDGER_AMENDED;
}

/* Not 0: the socket's lock is taken, by a process or by the side that works on packets, or it cannot be seen here. */
static __always_inline __u32 is_locked(const struct sock *sk) {
        if (bpf_core_field_exists(((struct sock___rt *) 0)->sk_lock.slock.lock.owner)) /* PREEMPT_RT */
                return *(volatile int *) &sk->sk_lock.owned |
                       !!*(void *volatile *) &((struct sock___rt *) sk)->sk_lock.slock.lock.owner;
        if (!bpf_core_field_exists(sk->sk_lock.slock.rlock.raw_lock.val))
                return 1;
        return *(volatile int *) &sk->sk_lock.owned |
               *(volatile int *) &sk->sk_lock.slock.rlock.raw_lock.val.counter;
}

/* A key that no walk has seen change for so long is verified where nothing moves and the socket's lock cannot be seen,
 * or is held for long. */
#define PATIENCE_MSEC 1000

/* If this walk has read the same keys as an earlier one: do the two prove each other, by traffic since or by
 * PATIENCE_MSEC? */
static __always_inline bool is_proven_by_time(const struct ledger *l, __u32 traffic_now) {
        return l->key_seen_msec &&
               (l->key_seen_traffic != traffic_now || pass_msec - l->key_seen_msec >= PATIENCE_MSEC);
}

/*
 * Verifies the keys, which come from two loads each. A walk loads without the socket's lock: an ACK can be handled in
 * between. Example: bytes_acked is 1000 and snd_una 5000, which makes the key 1000 - 5000. An ACK for 100 bytes sets
 * bytes_acked to 1100, and snd_una to 5100 a moment later. A walk that loads in that moment finds the key 1100 - 5000,
 * and tcp_written() would be 100 too large. When a hypervisor stops the CPU, that moment can last for seconds.
 *
 * One of three proofs is enough that the two counters of a key belong together:
 *   - nobody held the socket's lock during the look, and the keys read the same twice (!is_moving);
 *   - an earlier walk read the same keys, and traffic went on since: whoever was between the two stores then has done
 *     the second one;
 *   - the keys have been the same for PATIENCE_MSEC. This is for a socket on which nothing moves, on a kernel whose
 *     lock cannot be seen, or whose lock is held for long.
 * Until then a fold that can be made again charges nothing. Returns whether the keys are verified. Under the ledger's
 * lock.
 */
static __always_inline bool confirm_keys(const struct sock *sk, struct ledger *l, const struct tcp_sock *tp) {
        __u32 is_moving, before, writer, reader, has_changed;

        if ((l->flags & (LEDGER_READY | LEDGER_SURE)) != LEDGER_READY)
                return true;
        is_moving = is_locked(sk);
        before = traffic(tp);
        writer = key_of_writer(tp);
        reader = key_of_reader(tp);
        is_moving |= (writer ^ key_of_writer(tp)) | (reader ^ key_of_reader(tp));
        is_moving |= is_locked(sk);
        has_changed = (writer ^ l->seq_key[TX]) | (reader ^ l->seq_key[RX]);
        if (!is_moving || (!has_changed && is_proven_by_time(l, before)))
                l->flags |= LEDGER_SURE;
        set_key(l, TX, writer);
        set_key(l, RX, reader);
        if (has_changed || !l->key_seen_msec) {
                l->key_seen_traffic = traffic(tp);
                l->key_seen_msec = pass_msec;
        }
        return l->flags & LEDGER_SURE;
}

/* The same while the socket's lock is held, too: no packet is handled meanwhile, so one look verifies the keys. */
static __always_inline void correct_keys(struct ledger *l, const struct tcp_sock *tp) {
        if ((l->flags & (LEDGER_READY | LEDGER_SURE)) != LEDGER_READY)
                return;
        set_key(l, TX, key_of_writer(tp));
        set_key(l, RX, key_of_reader(tp));
        l->flags |= LEDGER_SURE;
}

#define CONNECTED_STATES (FIN_STATES | 1U << TCP_ESTABLISHED | 1U << TCP_CLOSE_WAIT)

static __always_inline bool is_connected(__u32 state) {
        return CONNECTED_STATES >> (state & 31) & 1;
}

/* The ledger follows to a new connection on the same socket, when the kernel has skipped the hooks of the former
 * one's end and of connect(). tcp_sock's counters begin at 0 again. What was not charged of the former one becomes a
 * base below 0. Example: settled is 1000 and base 900, so base becomes -100, and the next fold charges 100 more than
 * the new connection moved. If the end was not settled, the finished calls tell: what they moved beyond the new
 * counters is of the former connection. Under the lock. */
static __always_inline void begin_again(const struct sock *sk, const struct tcp_sock *tp, struct ledger *l) {
        bool is_settled = l->flags & LEDGER_SETTLED;
        __u64 written, read;

        l->flags = (l->flags & (LEDGER_KERNEL | LEDGER_UNCAPPED)) | LEDGER_ACTIVE | LEDGER_CONNECTED | LEDGER_ENDED |
                   LEDGER_DUE;
        take_keys(l, tp);
        if (tp->bytes_acked)
                l->flags |= LEDGER_SYN_COUNTED;
        written = tcp_written(sk, tp, l, 0) - l->bytes[TX];
        read = tcp_read(sk, tp, l) - l->bytes[RX];
        l->base[TX] = is_settled ? l->base[TX] - l->settled[TX] : (__s64) written < 0 ? written : 0;
        l->base[RX] = is_settled ? l->base[RX] - l->settled[RX] : (__s64) read < 0 ? read : 0;
        l->past[TX] = l->past[RX] = 0;
        if (!is_settled)
                l->retransmits = 0;
        l->key_seen_msec = 0;
        l->scope = 0; /* take_scope() asks anew */
}

/* Are the keys those of another connection? A key stays while a connection lasts. Without the socket's lock one of them
 * may look changed for a moment, but not both: a packet does not move the counters of both directions at the same
 * time. */
static __always_inline bool has_other_keys(const struct tcp_sock *tp, const struct ledger *l) {
        __u32 writer = key_of_writer(tp), reader = key_of_reader(tp);

        return writer != l->seq_key[TX] && reader != l->seq_key[RX] && writer == key_of_writer(tp) &&
               reader == key_of_reader(tp);
}

/* Is this another connection than the ledger's? While a past is not verified the answer is no, as a mistake would
 * charge all of it. */
static __always_inline bool has_begun_again(const struct tcp_sock *tp, const struct ledger *l) {
        if (l->flags & LEDGER_CLOSED || (l->flags & (LEDGER_INHERITED | LEDGER_SURE)) == LEDGER_INHERITED)
                return false;
        return has_other_keys(tp, l);
}

/* Takes the keys of a connection that the hook at TCP_ESTABLISHED has no ledger for yet. The hook runs before the
 * kernel stores the state. A call or a walk that makes the ledger between the two still sees TCP_SYN_SENT, and takes
 * no keys. Under the lock. */
static __always_inline void catch_up(const struct sock *sk, const struct tcp_sock *tp, struct ledger *l, __u32 state) {
        if (!is_connected(state))
                return;
        if (l->flags & LEDGER_READY) {
                if (has_begun_again(tp, l))
                        begin_again(sk, tp, l);
                return;
        }
        take_keys(l, tp);
        l->flags |= LEDGER_CONNECTED;
        if (l->flags & LEDGER_ACTIVE && tp->bytes_acked)
                l->flags |= LEDGER_SYN_COUNTED;
}

#endif
