/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_KEEP_H
#define SOCKTALLYD_KEEP_H
/*
 * What outlives the daemon while it starts again, in the service manager's descriptor store: the kernel's side, which
 * goes on counting, and the totals. The manager drops them when the service is stopped.
 *
 * struct keep is what the daemon before left. struct keeper writes what the next daemon will find. One daemon calls
 * them in this order:
 *
 *   1. keep_accept_descriptor() for each descriptor that the service manager passed, then keep_choose_file() once.
 *   2. keeper_new(), as the keeper goes on with the files of the keep. Without a service manager there is no keeper.
 *   3. If keep->state is not NULL: totals_restore(), and later identities_restore(), which reads on where the first
 *      has ended. If totals were not restored: keep_forget_kernel().
 *   4. If keep->has_kernel: collect_adopt() with keep->kernel and keep->objects, which copies the descriptors.
 *   5. keep_close(). The service manager still has all that it had.
 *   6. keeper_save() after each publication. When it returns 0 the collector may delete rows in the kernel
 *      (collect_saved()).
 *   7. keeper_wait_for_manager() after the last keeper_save(), before the process ends.
 *   8. keeper_free().
 *
 * A daemon that is killed leaves out 7 and 8. The next one then finds what the last keeper_save() before that wrote.
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

/* What the daemon before left. All 0: nothing. */
struct keep {
        FILE *files[KEEP_FILES];
        size_t n_files;
        FILE *state;       /* the file that is in force; NULL: there is none, or none that this program understands */
        uint64_t number;   /* of the save that wrote this file; 0: none */
        uint64_t sequence; /* of the last publication before that save */
        struct collect_kept kernel;
        bool has_kernel;
        struct keep_objects objects;
};

/* name: the one under which the service manager has the descriptor. True: the descriptor is of the store, and the keep
 * closes it. False: it is still the caller's. */
bool keep_accept_descriptor(struct keep *keep, const char *name, int fd);
/* Fills in state and the members after it. state is then open at the place where the totals begin. */
void keep_choose_file(struct keep *keep);
/* Counting begins anew: the kernel's rows are worth nothing without the totals that belong to them. */
void keep_forget_kernel(struct keep *keep);
/* Closes this process's copies. The service manager's stay until this daemon has saved something newer. */
void keep_close(struct keep *keep);

/* NULL is a keeper that keeps nothing: every function but keeper_new() takes it. */
struct keeper;

/* The file that is in force is not written before the other one is. counting: operations of the collectors that
 * keeper_save() gets. -ENOMEM. */
int keeper_new(struct keeper **ret_keeper, const struct keep *keep, const struct collect_operations *counting);
struct keeper *keeper_free(struct keeper *keeper);
/* sequence: of the last publication. On error what was saved before stays in force. */
int keeper_save(struct keeper *keeper, struct collect *collect, const struct totals *totals,
                const struct identities *identities, uint64_t sequence);
/* Returns when the service manager has all that was sent to it, or after two seconds. */
void keeper_wait_for_manager(struct keeper *keeper);

#endif
