/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SOCKTALLY_BPF_BIRTH_H
#define SOCKTALLY_BPF_BIRTH_H
/*
 * Which sockets have no past? The kernel tells how much a TCP connection moved in all. All of that counts if the socket
 * began while the daemon ran, and not if the daemon was started in the middle of it. Example: after the first call that
 * we see, one of 50 bytes, a socket has moved 1000. If its birth was seen 1000 are charged, else 50.
 *
 * A socket has no past if a hook saw its beginning, or if the first scan found it before it had moved anything. Then
 * its number is noted here until it gets a ledger or ends. A socket without a note may be older than the daemon.
 *
 * A number can stand in each of BIRTH_WAYS slots. When all of them are other sockets' there is no place for a note; the
 * hook of states then makes a ledger at once, which says the same and costs more. A note that outlived its socket (the
 * kernel skipped the hook of its end) stays true: whatever socket has that number next is younger still.
 */
#include "bpf/maps.bpf.h"

#define BIRTH_BITS 16
#define BIRTH_WAYS 2 /* a power of two; four cost each connection some 300 instructions more */

/* Low bits of a note. The numbers of sockets are multiples of 16: the kernel aligns sockets to cache lines
 * (SLAB_HWCACHE_ALIGN in proto_register()), and the table is aligned below. */
enum birth {
        BIRTH_SEEN = 1,   /* it has no past */
        BIRTH_ACTIVE = 2, /* and connect() opened it: its SYN takes a sequence number that must not count */
        BIRTH_EARLY = 4,  /* and was there before the daemon: it needs no ledger until it moves data */
        /* The beginning of its connection is not charged: who accepted it is not known yet, or, with BIRTH_ACTIVE, the
         * kernel has skipped the hook that sees connect(). */
        BIRTH_DUE = 8,
        BIRTH_MASK = 15,
};

__u64 births[1 << BIRTH_BITS] __attribute__((aligned(64))) = {};

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

/* Takes the note of a socket away. Also under a ledger's lock, where no function may be called. Which slot has the
 * note is calculated, as at most one has: with a branch for each the verifier would walk on once for each. */
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

/* Is a socket without a note younger than the daemon all the same? The kernel may have skipped the hook that would
 * have noted it. Its inode's number tells, if it comes from a batch that began after the first scan. */
static __always_inline bool is_young_file(const struct file *file) {
        return file && !is_youth_no_proof && unproven(file)->f_inode->i_ino >= first_young_inode;
}

static __always_inline bool is_young(const struct sock *sk) {
        const struct socket *socket = unproven(sk)->sk_socket;

        return socket && is_young_file(socket->file);
}

#endif
