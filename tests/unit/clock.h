/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_TESTS_CLOCK_H
#define SOCKTALLY_TESTS_CLOCK_H
/*
 * CLOCK_MONOTONIC as the test wants it, for everything that is linked into it, so that no case depends on how long the
 * machine takes. Other clocks, and sleeps in the kernel on futexes and descriptors, are not changed.
 */
#include <stdint.h>

/* An hour ahead of the kernel's: a sleep until a time of that clock lasts for an hour if nobody ends it. */
void clock_ahead(void);
/* Stands still, but for clock_move() and for clock_nanosleep(), which comes back at once at the time it was to end. */
void clock_still(void);
void clock_move(uint64_t ns);
uint64_t clock_time(void);
/* The kernel's own again. */
void clock_real(void);

#endif
