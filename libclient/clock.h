/* SPDX-License-Identifier: MIT */
#ifndef SOCKTALLY_CLOCK_H
#define SOCKTALLY_CLOCK_H
#include <stdint.h>
#include <time.h>

#define SECOND_NS UINT64_C(1000000000)

/* CLOCK_MONOTONIC in nanoseconds, from the vDSO: no system call where the machine's clock allows it. */
static inline uint64_t clock_now(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * SECOND_NS + (uint64_t) now.tv_nsec;
}

#endif
