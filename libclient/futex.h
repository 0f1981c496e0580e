/* SPDX-License-Identifier: MIT */
#ifndef SOCKTALLY_FUTEX_H
#define SOCKTALLY_FUTEX_H
/*
 * The futex calls that writer and readers need, without <linux/futex.h>, which musl's include path lacks. Always
 * shared: with FUTEX_PRIVATE_FLAG a wake-up never crosses from one process to another. Waiting works on a read-only
 * mapping.
 */
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define FUTEX_OP_WAIT_BITSET 9
#define FUTEX_OP_WAKE 1
#define FUTEX_SIZE_32 2 /* FUTEX2_SIZE_U32 */
#define FUTEX_BIT_WAITERS UINT32_C(0x80000000)
#define FUTEX_BIT_OWNER_DIED UINT32_C(0x40000000)

#ifdef SYS_futex_waitv
#define FUTEX_SYS_WAITV SYS_futex_waitv
#else
#define FUTEX_SYS_WAITV 449 /* since Linux 5.16, the same number on every architecture but alpha */
#endif

/* The kernel's struct futex_waitv and 64-bit timespec. */
struct futex_wait_on {
        uint64_t value, address;
        uint32_t flags, zero;
};
struct futex_time {
        int64_t seconds, nanoseconds;
};

static inline void futex_wake_all(const uint32_t *word) {
        /* Waking needs no write access either (get_futex_key with FUTEX_READ). Nobody waiting is no error. */
        (void) syscall(SYS_futex, word, FUTEX_OP_WAKE, INT_MAX, NULL, NULL, 0);
}

/* Sleeps while both words have these values, until deadline on CLOCK_MONOTONIC. 0, -EAGAIN, -ETIMEDOUT, -EINTR, or
 * -ENOSYS before Linux 5.16. */
static inline int futex_wait_two(const uint32_t *word1, uint32_t value1, const uint32_t *word2, uint32_t value2,
                                 uint64_t deadline_ns) {
        struct futex_wait_on words[2] = {
                { .value = value1, .address = (uintptr_t) word1, .flags = FUTEX_SIZE_32 },
                { .value = value2, .address = (uintptr_t) word2, .flags = FUTEX_SIZE_32 },
        };
        struct futex_time until = { (int64_t) (deadline_ns / 1000000000), (int64_t) (deadline_ns % 1000000000) };

        return syscall(FUTEX_SYS_WAITV, words, 2, 0, &until, CLOCK_MONOTONIC) < 0 ? -errno : 0;
}

/* The same for one word. With FUTEX_WAIT_BITSET the time is absolute, on CLOCK_MONOTONIC. */
static inline int futex_wait_one(const uint32_t *word, uint32_t value, uint64_t deadline_ns) {
#ifdef SYS_futex_time64
        struct futex_time until = { (int64_t) (deadline_ns / 1000000000), (int64_t) (deadline_ns % 1000000000) };
        long r = syscall(SYS_futex_time64, word, FUTEX_OP_WAIT_BITSET, value, &until, NULL, UINT32_MAX);
#else
        struct timespec until = { (time_t) (deadline_ns / 1000000000), (long) (deadline_ns % 1000000000) };
        long r = syscall(SYS_futex, word, FUTEX_OP_WAIT_BITSET, value, &until, NULL, UINT32_MAX);
#endif
        return r < 0 ? -errno : 0;
}

#endif
