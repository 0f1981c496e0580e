/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SOCKTALLY_BPF_BIRTH_H
#define SOCKTALLY_BPF_BIRTH_H
/*
 * Which sockets have no past? A hook saw the socket when it began, or the scan found it before it had moved anything:
 * then all that it moved counts, and its number is noted here until it gets a ledger or ends. A socket without a note
 * may be older than the daemon: what it moved before the first call that we see is not counted.
 *
 * One slot for each hash of a number. A slot that is taken by another socket is no place for a note; the caller then
 * makes a ledger at once, which says the same and costs more. A note that outlived its socket (the kernel skipped the
 * hook of its end) stays true: whatever socket has that number next is younger still.
 */
#include "bpf/maps.bpf.h"

#define BIRTH_BITS 16

/* Low bits of a note; the numbers of sockets are multiples of 8. */
enum birth {
        BIRTH_SEEN = 1,   /* it has no past */
        BIRTH_ACTIVE = 2, /* and connect() opened it: its SYN takes a sequence number that must not count */
        BIRTH_EARLY = 4,  /* and was there before the daemon: it needs no ledger until it moves data */
        BIRTH_MASK = 7,
};

__u64 births[1 << BIRTH_BITS] = {};

/* A number of the socket's own. The verifier lets nobody calculate with an address, but with the distance of two;
 * that of the table is the same for all programs. */
static __always_inline __u64 number_of(const void *sk) {
        __u64 number = (__u64) sk, table = (__u64) births;

        asm volatile("%0 -= %1" : "+r"(number) : "r"(table));
        return number;
}

static __always_inline __u64 *birth_slot(__u64 number) {
        return &births[number * 0x9e3779b97f4a7c15ULL >> (64 - BIRTH_BITS)];
}

static __always_inline bool is_note_of(__u64 note, __u64 number) {
        return (note & ~(__u64) BIRTH_MASK) == number;
}

static __always_inline __u32 birth_of(const void *sk) {
        __u64 number = number_of(sk), note = *(volatile __u64 *) birth_slot(number);

        return is_note_of(note, number) ? note & BIRTH_MASK : 0;
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

/* False: the slot is another socket's. */
static __always_inline bool note_birth(const void *sk, __u32 birth) {
        __u64 number = number_of(sk), *slot = birth_slot(number), old = *(volatile __u64 *) slot;

        if (old && !is_note_of(old, number))
                return false;
        return __sync_val_compare_and_swap(slot, old, number | birth) == old;
}

static __always_inline void forget_birth(const void *sk) {
        __u64 number = number_of(sk), *slot = birth_slot(number);

        if (is_note_of(*(volatile __u64 *) slot, number))
                *(volatile __u64 *) slot = 0;
}

#endif
