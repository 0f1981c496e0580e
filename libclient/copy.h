/* SPDX-License-Identifier: MIT */
#ifndef SOCKTALLY_COPY_H
#define SOCKTALLY_COPY_H
/*
 * The only place where bytes of a slot are copied. Sizes are multiples of 8, addresses are aligned to 8.
 *
 * Formally the release build has a data race in C11's sense: the writer may store into the slot while memcpy() loads
 * from it. What was copied is then thrown away unread, because the sequence number has moved (protocol.h); no decision
 * is ever taken on it. The barriers keep the compiler from moving the copy out of its place. Copying by 64-bit atomics
 * would be formally clean and three to five times slower. With -DSOCKTALLY_ATOMIC_COPY it is done that way, for
 * ThreadSanitizer and for model checkers; the writer then fills private memory and copies it into the slot with the
 * same words.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef SOCKTALLY_ATOMIC_COPY

enum { COPY_IS_ATOMIC = 1 };

static inline void copy_from_slot(void *private_memory, const void *slot, size_t size) {
        uint64_t *to = private_memory;
        const uint64_t *from = slot;

        for (size_t i = 0; i < size / 8; i++)
                to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

static inline void copy_to_slot(void *slot, const void *private_memory, size_t size) {
        const uint64_t *from = private_memory;
        uint64_t *to = slot;

        for (size_t i = 0; i < size / 8; i++)
                __atomic_store_n(&to[i], from[i], __ATOMIC_RELAXED);
}

#else

enum { COPY_IS_ATOMIC = 0 };

static inline void copy_from_slot(void *private_memory, const void *slot, size_t size) {
        __asm__ volatile("" ::: "memory");
        memcpy(private_memory, slot, size);
        __asm__ volatile("" ::: "memory");
}

static inline void copy_to_slot(void *slot, const void *private_memory, size_t size) {
        __asm__ volatile("" ::: "memory");
        memcpy(slot, private_memory, size);
        __asm__ volatile("" ::: "memory");
}

#endif
#endif
