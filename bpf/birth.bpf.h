/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SOCKTALLY_BPF_BIRTH_H
#define SOCKTALLY_BPF_BIRTH_H
/*
 * Which sockets have no past? A hook saw the socket when it began, or the scan found it before it had moved anything:
 * then all that it moved counts, and its number is noted here until it gets a ledger or ends. A socket without a note
 * may be older than the daemon: what it moved before the first call that we see is not counted.
 *
 * A number can stand in each of BIRTH_WAYS slots. When all of them are other sockets' there is no place for a note; the
 * hook of states then makes a ledger at once, which says the same and costs more. A note that outlived its socket (the
 * kernel skipped the hook of its end) stays true: whatever socket has that number next is younger still.
 */
#include "bpf/maps.bpf.h"

#define BIRTH_BITS 16
#define BIRTH_WAYS 2 /* a power of two; four cost each connection some 300 instructions more */

/* Low bits of a note; the numbers of sockets are multiples of 8. */
enum birth {
        BIRTH_SEEN = 1,   /* it has no past */
        BIRTH_ACTIVE = 2, /* and connect() opened it: its SYN takes a sequence number that must not count */
        BIRTH_EARLY = 4,  /* and was there before the daemon: it needs no ledger until it moves data */
        BIRTH_MASK = 7,
};

__u64 births[1 << BIRTH_BITS] = {};

/* The number that a note has for its socket: the socket's address minus the table's. No two sockets have the same one
 * while they live, and all programs see the table at the same address. The verifier refuses to calculate with one
 * address, but allows the distance of two. */
static __always_inline __u64 note_number(const void *sk) {
        __u64 number = (__u64) sk, table = (__u64) births;

        asm volatile("%0 -= %1" : "+r"(number) : "r"(table));
        return number;
}

/* The first of the slots that a number can stand in. */
static __always_inline __u64 *birth_slots(__u64 number) {
        return &births[number * 0x9e3779b97f4a7c15ULL >> (64 - BIRTH_BITS) & ~(BIRTH_WAYS - 1ULL)];
}

static __always_inline bool is_note_of(__u64 note, __u64 number) {
        return (note & ~(__u64) BIRTH_MASK) == number;
}

/* Global functions, which are verified once. */
__attribute__((noinline)) int find_note(__u64 number) {
        volatile __u64 *slots = birth_slots(number);

        for (int i = 0; i < BIRTH_WAYS; i++) {
                __u64 note = slots[i];

                if (is_note_of(note, number))
                        return note & BIRTH_MASK;
        }
        return 0;
}

/* 0: there is no place. */
__attribute__((noinline)) int make_note(__u64 number, __u32 birth) {
        __u64 *slots = birth_slots(number);

        for (int i = 0; i < BIRTH_WAYS; i++)
                if (is_note_of(*(volatile __u64 *) &slots[i], number)) {
                        slots[i] = number | birth;
                        return 1;
                }
        for (int i = 0; i < BIRTH_WAYS; i++)
                if (!*(volatile __u64 *) &slots[i] && __sync_val_compare_and_swap(&slots[i], 0, number | birth) == 0)
                        return 1;
        return 0;
}

static __always_inline __u32 birth_of(const void *sk) {
        return find_note(note_number(sk));
}

/* False: there is no place. */
static __always_inline bool note_birth(const void *sk, __u32 birth) {
        return make_note(note_number(sk), birth);
}

/* Also under a ledger's lock, where no function may be called. One slot at the most is the number's, so which one is
 * calculated: a branch for each would be another way for the verifier to walk. */
static __always_inline void forget_birth(const void *sk) {
        __u64 number = note_number(sk);
        volatile __u64 *slots = birth_slots(number);
        __u32 i = 0;

        for (int k = 1; k < BIRTH_WAYS; k++)
                i |= k & -(__u32) is_note_of(slots[k], number);
        i &= BIRTH_WAYS - 1;
        if (is_note_of(slots[i], number))
                slots[i] = 0;
}

/* Is a socket without a note younger than the daemon all the same? The kernel may have skipped the hook that would have
 * noted it. */
static __always_inline bool is_young_file(const struct file *file) {
        return file && !is_youth_no_proof && unproven(file)->f_inode->i_ino >= first_young_inode;
}

static __always_inline bool is_young(const struct sock *sk) {
        const struct socket *socket = unproven(sk)->sk_socket;

        return socket && is_young_file(socket->file);
}

#endif
