/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_CLOCK_H
#define SOCKTALLYD_CLOCK_H
#include <stdint.h>
#include <time.h>

static inline uint64_t clock_ns(clockid_t clock) {
        struct timespec now;

        clock_gettime(clock, &now);
        return (uint64_t) now.tv_sec * UINT64_C(1000000000) + (uint64_t) now.tv_nsec;
}

static inline uint64_t clock_usec(clockid_t clock) {
        return clock_ns(clock) / 1000;
}

#endif
