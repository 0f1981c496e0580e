/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_KEEP_H
#define SOCKTALLYD_KEEP_H
/*
 * What outlives the daemon while it starts again, in the service manager's descriptor store: the kernel's side, which
 * goes on counting, and the totals. The manager drops them when the service is stopped.
 */
#include <stdbool.h>
#include <stdio.h>

#include "daemon/collect-keep.h"

struct aggregate;
struct identify;

/* Of the daemon before. */
struct keep {
        FILE *state; /* NULL: there is none, or none that this program understands */
        uint64_t sequence;
        struct collect_kept kernel;
        bool has_kernel;
        int fds[COLLECT_KEPT_FDS];
        size_t n_fds;
};

/* One that the service manager passed; true if it is of the store, and the keep's from then on. */
bool keep_take(struct keep *keep, const char *name, int fd);
/* After the last: reads what they are. */
void keep_open(struct keep *keep);
/* is_used: it is not to be used again, and the manager drops it, too. */
void keep_close(struct keep *keep, bool is_used);

/* For the next daemon. All may be called with NULL: then nothing is kept. */
struct keeper;

int keeper_new(struct keeper **ret_keeper);
struct keeper *keeper_free(struct keeper *keeper);
/* Before anything changes in the kernel or in the totals: from now on they do not agree with what was kept. */
void keeper_begin(struct keeper *keeper);
/* Now they do: keeps what there is. */
int keeper_save(struct keeper *keeper, struct collect *collect, const struct aggregate *aggregate,
                const struct identify *identify, uint64_t sequence);
/* Returns when the manager has all, or does not answer. */
void keeper_wait(struct keeper *keeper);

#endif
