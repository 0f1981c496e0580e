/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stands in front of the C library's functions of the same names. */
#include <stdbool.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/clock.h"

#define SECOND_NS UINT64_C(1000000000)

static uint64_t ahead_ns, still_ns;
static bool is_still;

static uint64_t to_ns(const struct timespec *time) {
        return (uint64_t) time->tv_sec * SECOND_NS + (uint64_t) time->tv_nsec;
}

int clock_gettime(clockid_t clock, struct timespec *ret_time) {
        int r = (int) syscall(SYS_clock_gettime, clock, ret_time);
        uint64_t now;

        if (r < 0 || clock != CLOCK_MONOTONIC)
                return r;
        now = is_still ? still_ns : to_ns(ret_time) + ahead_ns;
        *ret_time = (struct timespec) { (time_t) (now / SECOND_NS), (long) (now % SECOND_NS) };
        return 0;
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *time, struct timespec *ret_rest) {
        if (is_still && clock == CLOCK_MONOTONIC && flags == TIMER_ABSTIME) {
                if (to_ns(time) > still_ns)
                        still_ns = to_ns(time);
                return 0;
        }
        return (int) syscall(SYS_clock_nanosleep, clock, flags, time, ret_rest);
}

uint64_t clock_time(void) {
        struct timespec now;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return to_ns(&now);
}

void clock_ahead(void) {
        clock_real();
        ahead_ns = 3600 * SECOND_NS;
}

void clock_still(void) {
        still_ns = clock_time();
        is_still = true;
}

void clock_move(uint64_t ns) {
        still_ns += ns;
}

void clock_real(void) {
        is_still = false;
        ahead_ns = 0;
}
