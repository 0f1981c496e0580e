/* SPDX-License-Identifier: MIT */
#ifndef SOCKTALLY_PROTOCOL_H
#define SOCKTALLY_PROTOCOL_H
/*
 * How writer and reader agree on a slot, in single steps. The writer fills a slot that is not the published one:
 *
 *   write_begin   seq = 2k + 1 (relaxed); fence (release)   so no store of the fill is seen before the odd number
 *   ... fill ...
 *   write_end     seq = 2k + 2 (release)                    pairs with read_begin
 *   publish       published = k (release)                   pairs with read_number
 *
 *   read_number   k = published (acquire)
 *   read_begin    seq == 2k + 2 (acquire)
 *   ... copy ...
 *   read_end      fence (acquire); seq == 2k + 2 (relaxed)  so no load of the copy is done after this one
 *
 * Both fences are necessary on machines weaker than x86: without the first a reader can see new rows under the old even
 * number, without the second the closing load can overtake the copy. A reader that fails tries again a bounded number
 * of times. A writer that dies anywhere leaves the published slot as it was.
 */
#include <stdbool.h>
#include <stdint.h>

/* An 8-byte load that is not one instruction could need a lock, or a store into a read-only mapping. */
_Static_assert(__atomic_always_lock_free(8, 0), "64-bit loads must be atomic on this machine");

static inline uint32_t protocol_slot(uint64_t number, uint32_t n_slots) {
        return (uint32_t) (number % n_slots);
}

static inline void protocol_write_begin(uint64_t *seq, uint64_t number) {
        __atomic_store_n(seq, 2 * number + 1, __ATOMIC_RELAXED);
        __atomic_thread_fence(__ATOMIC_RELEASE);
}

static inline void protocol_write_end(uint64_t *seq, uint64_t number) {
        __atomic_store_n(seq, 2 * number + 2, __ATOMIC_RELEASE);
}

static inline void protocol_publish(uint64_t *published, uint64_t number) {
        __atomic_store_n(published, number, __ATOMIC_RELEASE);
}

static inline uint64_t protocol_read_number(const uint64_t *published) {
        return __atomic_load_n(published, __ATOMIC_ACQUIRE);
}

static inline bool protocol_read_begin(const uint64_t *seq, uint64_t number) {
        return __atomic_load_n(seq, __ATOMIC_ACQUIRE) == 2 * number + 2;
}

static inline bool protocol_read_end(const uint64_t *seq, uint64_t number) {
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        return __atomic_load_n(seq, __ATOMIC_RELAXED) == 2 * number + 2;
}

#endif
