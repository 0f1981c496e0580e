/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_LIVE_WATCH_H
#define SOCKTALLY_LIVE_WATCH_H
/*
 * A reader that does not believe: in every snapshot it takes, the rows of the process table must add up to the host row
 * in each known counter, and no counter of any row may be smaller than in the snapshot before. Missed calls grow by no
 * more than the interval's.
 */
#include <stdbool.h>
#include <stdint.h>

#include "libclient/metrics.h"

struct watch;

struct sighting {
        uint64_t counters[SOCKTALLY_N_METRICS]; /* 0 where unknown */
        uint64_t start_time;
        bool has_row, has_exited;
};

/* 0, or -1 with errno. */
int watch_open(struct watch **ret_watch, const char *runtime_directory);
struct watch *watch_close(struct watch *watch);

/* For poll; -1: none. */
int watch_fd(const struct watch *watch);
/* Takes every publication there is now. -1: one of them broke a promise, or could not be read; see watch_problem(). */
int watch_take(struct watch *watch);
/* Waits for the next publication. */
int watch_next(struct watch *watch);
/* Waits for a publication that contains everything that happened before this CLOCK_BOOTTIME moment. */
int watch_until(struct watch *watch, uint64_t boottime_ns);
/* The last thing that was wrong, for people. */
const char *watch_problem(const struct watch *watch);

/* Bit per metric that the host row has a value for. */
uint64_t watch_known(const struct watch *watch);
/* The process of this PID and name that started last. -1: there is a row of this PID, but it is wrong. */
int watch_find(const struct watch *watch, uint32_t pid, const char *comm, struct sighting *ret_seen);
/* Sum of the rows of a kind (enum socktally_row_kind). */
void watch_special(const struct watch *watch, uint32_t kind, struct sighting *ret_seen);
/* Calls, sending and receiving, that the daemon says are in no row since it began to count. */
void watch_missed(const struct watch *watch, uint64_t ret_missed[2]);
/* Facts about the daemon: the last interval's CPU time and the sockets it follows. */
void watch_facts(const struct watch *watch, uint64_t *ret_cost_ns, uint64_t *ret_sockets, uint64_t *ret_sequence);

#endif
