/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_KEEP_H
#define SOCKTALLYD_KEEP_H
/*
 * What outlives the daemon while it starts again, in the service manager's descriptor store: the kernel's side, which
 * goes on counting, and the totals. The manager drops them when the service is stopped.
 */
#include <stdbool.h>
#include <stdio.h>

#include "daemon/collect/operations.h"

struct totals;
struct identities;

#define KEEP_FILES 2
#define KEEP_OBJECTS (2 * COLLECT_KEPT_FDS) /* while some take the place of others there are more than count */

/* Maps, programs and links by the kernel's numbers. */
struct keep_objects {
        uint64_t numbers[KEEP_OBJECTS];
        int fds[KEEP_OBJECTS];
        size_t n;
};

/* Of the daemon before. */
struct keep {
        FILE *files[KEEP_FILES];
        size_t n_files;
        FILE *state; /* the one that is in force; NULL: there is none, or none that this program understands */
        uint64_t number; /* of its save; 0: none */
        uint64_t sequence;
        struct collect_kept kernel;
        bool has_kernel;
        struct keep_objects objects;
};

/* One that the service manager passed; true if it is of the store, and the keep's from then on. */
bool keep_take(struct keep *keep, const char *name, int fd);
/* After the last: reads what they are. */
void keep_open(struct keep *keep);
/* The kernel's side cannot be gone on with: its rows are worth nothing without the totals. */
void keep_forget_kernel(struct keep *keep);
/* What the manager has it keeps, until the next daemon has saved something newer. */
void keep_close(struct keep *keep);

/* For the next daemon. All others may be called with NULL: then nothing is kept. */
struct keeper;

/* Goes on with the files of the daemon before. counting: of the collectors that will be kept. */
int keeper_new(struct keeper **ret_keeper, const struct keep *keep, const struct collect_operations *counting);
struct keeper *keeper_free(struct keeper *keeper);
/* Keeps what there is. On error what was kept before stays. */
int keeper_save(struct keeper *keeper, struct collect *collect, const struct totals *totals,
                const struct identities *identities, uint64_t sequence);
/* Returns when the manager has all, or does not answer. */
void keeper_wait(struct keeper *keeper);

#endif
