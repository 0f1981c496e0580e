/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_LIVE_WORKERS_H
#define SOCKTALLY_LIVE_WORKERS_H
/*
 * Four processes that move data as fast as they can, each with books of its own, and a crowd that moved something once
 * and rests. All in network namespaces of their own. What they say of themselves is in memory that all share.
 */
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "libclient/metrics.h"

#define N_WORKERS 4
#define N_RESTING 60
#define RESTING_BYTES 4

struct worker {
        pid_t pid;
        uint64_t moved[SOCKTALLY_N_METRICS];
        sem_t held, go;
};

struct workers {
        struct worker workers[N_WORKERS];
        pid_t resting[N_RESTING], breeder;
        uint64_t brief_bytes; /* sent by processes that live for one datagram */
        sem_t brief_wanted, brief_done;
        bool is_held;
        char problem[320]; /* the first thing that anybody found wrong */
};

/* Ends the program when the machine does not allow it. has_brief: the first worker lets others come, each of which
 * lives for one datagram. */
struct workers *workers_start(bool has_brief);
/* When this returns every worker rests, and its books are closed. */
void workers_hold(struct workers *workers);
void workers_let_go(struct workers *workers);
void workers_stop(struct workers *workers);
void workers_complain(struct workers *workers, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
