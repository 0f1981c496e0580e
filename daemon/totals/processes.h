/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_TOTALS_PROCESSES_H
#define SOCKTALLYD_TOTALS_PROCESSES_H
/*
 * The rows of processes: one per PID and start time, in slots that stay where they are. The first slots are no process.
 * Processes that are gone stand in a queue, the one that was quiet for longest in front.
 */
#include "daemon/lookup.h"
#include "daemon/totals/groups.h"

enum { PROCESS_KERNEL, PROCESS_OVERFLOW, PROCESS_EXITED, N_PROCESS_SPECIALS };

struct process {
        uint64_t counters[SOCKTALLY_N_METRICS];
        uint64_t start_time;
        uint64_t changed;      /* sequence in which a counter last moved */
        uint64_t cgroup_id;
        uint64_t quiet_ns;     /* since when it is in the queue of those that are gone */
        uint32_t quiet_update; /* the same, as the number of an update */
        uint32_t born;         /* number of the update that made it */
        uint32_t pid;
        uint32_t uid;
        uint32_t kind;         /* enum socktally_row_kind */
        uint32_t groups[N_GROUPINGS]; /* numbers of rows */
        uint32_t first_cursor;   /* kernel rows that feed this one: a list */
        uint32_t n_cursors, n_exited; /* n_exited: of these, known to be of a process that is gone */
        uint32_t previous, next;    /* in the queue, or in the list of free slots */
        bool is_used, is_queued;
        bool is_hidden; /* the process lives, but the table got too small: its row is not published any more, and what
                         * it moves goes to the overflow row */
        char comm[LAYOUT_COMM_SIZE];
        char command_line[LAYOUT_COMMAND_SIZE]; /* empty: not known */
};

struct processes {
        struct process *slots;
        uint32_t n_slots, n_allocated, n_used;
        uint32_t peak; /* most slots ever used */
        uint32_t max;  /* used slots, specials included */
        uint32_t first_free;
        uint32_t first_gone, last_gone;
        struct lookup by_pid;
};

int processes_init(struct processes *processes, uint32_t max);
void processes_done(struct processes *processes);
/* After the slots were filled from elsewhere: makes them found by key. -ENOMEM. */
int processes_index(struct processes *processes);
/* LOOKUP_NONE when there is none. */
uint32_t processes_find(const struct processes *processes, uint32_t pid, uint64_t start_time);
/* LOOKUP_NONE when there is no room. Pointers to slots are void afterwards. */
uint32_t processes_add(struct processes *processes, uint32_t pid, uint64_t start_time);
/* Gives up a row, but remembers the process until it is removed: it must not come again with less than it had. */
void processes_hide(struct processes *processes, uint32_t number);
void processes_remove(struct processes *processes, uint32_t number);
/* Gives room back behind the last slot that is used, as numbers stay. The slots in front are used first from now on. */
void processes_shrink(struct processes *processes);
/* Puts a process at the end of the queue of those that are gone, or takes it out. */
void processes_queue(struct processes *processes, uint32_t number, uint64_t now_ns, uint32_t update);
void processes_unqueue(struct processes *processes, uint32_t number);

#endif
