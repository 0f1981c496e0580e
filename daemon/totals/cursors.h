/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_TOTALS_CURSORS_H
#define SOCKTALLYD_TOTALS_CURSORS_H
/*
 * What was already taken from each row of the kernel. A process has one cursor per cgroup it moved data in. There are
 * as many as the kernel has rows, and those of live processes that had one before its table became smaller.
 */
#include "daemon/lookup.h"
#include "daemon/sample.h"
#include "daemon/totals/groups.h"

struct cursor {
        struct process_key key;
        uint64_t taken[SOCKTALLY_N_METRICS]; /* largest value seen of each counter */
        char comm[LEDGER_COMM_SIZE];         /* as the kernel had it last, like uid */
        uint64_t orphan_ns;                  /* since when it is an orphan */
        uint32_t process, groups[N_GROUPINGS]; /* rows that it feeds */
        uint32_t update;                     /* the last that had it */
        uint32_t next;                       /* in its process's list, or in that of free slots */
        uint32_t uid;
        uint32_t pid;                        /* as /proc here has it; 0: it does not */
        /* These are independent of each other, but that an orphan's process has not exited. */
        bool is_used;    /* false: the slot is free */
        bool has_exited; /* the kernel row says that its process is gone */
        bool stays;      /* its process row was merged into a special row, which it feeds for good */
        /* Its process lives, and the kernel's table that had its row was replaced: the next row begins at 0. */
        bool is_orphan;
};

struct cursors {
        struct cursor *slots;
        uint32_t n_slots, n_allocated, n_used;
        uint32_t n_orphans, next_orphan; /* next_orphan: the slot to look at next */
        uint32_t first_free;
        struct lookup by_key;
};

#define CURSORS_NULL ((struct cursors) { .first_free = LOOKUP_NONE, .by_key = LOOKUP_NULL })

void cursors_done(struct cursors *cursors);
/* After the slots were filled from elsewhere: makes them found by key. -ENOMEM. */
int cursors_index(struct cursors *cursors);
struct cursor *cursors_find(const struct cursors *cursors, const struct process_key *key);
/* -ENOMEM. Pointers to cursors that were handed out before are void afterwards. */
int cursors_add(struct cursors *cursors, const struct process_key *key, struct cursor **ret_cursor);
void cursors_remove(struct cursors *cursors, struct cursor *cursor);
/* Gives room back behind the last slot that is used; those in front are used first from now on. Pointers are void. */
void cursors_shrink(struct cursors *cursors);

#endif
