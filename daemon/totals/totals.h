/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_TOTALS_TOTALS_H
#define SOCKTALLYD_TOTALS_TOTALS_H
/*
 * From the rows of the kernel to the rows that are published: one per process, one per group, one for the host.
 * Invariant after every call, for every counter: the rows of processes add up to the host row, and so do the rows of
 * each grouping that is kept; no counter ever goes backwards.
 */
#include <stdio.h>

#include "daemon/identity/identity.h"
#include "daemon/sample.h"
#include "daemon/totals/processes.h"

struct totals;
struct missed;

/* Finds out whose traffic a kernel row has. pid: the process's number in /proc here; 0: /proc does not show it. comm:
 * its name. Returns whether the identity is known. */
typedef bool totals_identify(void *userdata, const struct process_key *key, uint32_t pid, const char *comm,
                             struct identity *ret_identity);

/* Begins at 0. Another number than before: kernel rows that were asked for may have another identity now. */
typedef uint32_t totals_generation(void *userdata);

/* The command line of a process, safe to print, cut to size; empty: nobody can tell any more. */
typedef void totals_get_command_line(void *userdata, uint32_t pid, uint64_t start_time, char *ret_line, size_t size);

/* False once that process is known to be gone. pid 0: not known here. */
typedef bool totals_is_alive(void *userdata, uint32_t pid, uint64_t start_time);

/* Rows of each table, specials included. */
struct totals_rows {
        uint32_t processes, groups[N_GROUPINGS];
};

struct totals_config {
        struct totals_rows max;      /* that are published */
        bool is_without[N_GROUPINGS]; /* rows of such groups are not kept */
        totals_identify *identity;
        totals_generation *generation; /* NULL: an identity never changes */
        totals_get_command_line *command_line; /* NULL: nobody can tell */
        totals_is_alive *is_alive; /* NULL: ends are known from the rows alone */
        void *userdata;
};

/* How long the row of a process is kept after its end, or after the last movement of its counters if that is later.
 * Under pressure (the table is more than three quarters full) rows go sooner, the oldest first. */
#define TOTALS_VISIBLE_NS UINT64_C(10000000000)
#define TOTALS_VISIBLE_PUBLICATIONS 3

/* A process that /proc here does not have (it is in another PID namespace) cannot be asked for. When the kernel's table
 * was replaced, and it has not moved anything for so long since, it counts as gone; under pressure, sooner. */
#define TOTALS_UNSEEN_NS UINT64_C(600000000000)

/* What there is to publish; valid until the next call. Slots of processes that are not used are holes. */
struct totals_result {
        const struct layout_host_row *host;
        const struct process *processes;
        uint32_t n_slots, n_processes; /* n_processes: used slots, specials included */
        const struct groups *groups; /* of each grouping; there also when they are not kept, for their names */
        const bool *is_without;      /* of each grouping: none of its rows is to be published */
        uint32_t peak_processes;     /* most that there ever were */
        uint64_t rows_overflowed;    /* processes that got no row of their own here */
        const struct missed *missed; /* calls that no row has */
};

/* Times that something got no row of its own in one of the tables. */
uint64_t totals_overflowed(const struct totals_result *result);

int totals_new(struct totals **ret_totals, const struct totals_config *config);
struct totals *totals_free(struct totals *totals);

/* Takes a sample in; sequence is the publication that it is for. Memory that is short delays or merges rows, never
 * loses a count. */
void totals_update(struct totals *totals, const struct sample *sample, uint64_t sequence);
/* The publication has room for this many rows only. Processes and groups beyond that, which the last update has added,
 * are merged into the overflow rows for good. Later updates may add again. */
void totals_shrink(struct totals *totals, const struct totals_rows *room, uint64_t sequence);
/* Changes the bounds. If more rows are in use than a new bound allows, rows go to the overflow rows for good: processes
 * that are gone first, then those that were quiet for longest, and the newest groups. None of them comes again with
 * smaller counters. -ENOMEM with nothing changed. */
int totals_resize(struct totals *totals, const struct totals_rows *max, uint64_t sequence);
/* Rows of such groups are kept from now on, or no longer. What processes moved meanwhile is not lost to them: with the
 * first sample after they are kept again, all is as if they had been kept all the time. */
void totals_keep_groups(struct totals *totals, enum grouping grouping, bool is_kept, uint64_t sequence);
/* The totals as bytes, and totals made of them. -ESTALE: of another program. */
int totals_keep(const struct totals *totals, FILE *file);
int totals_restore(struct totals **ret_totals, const struct totals_config *config, FILE *file);
/* The kernel's rows are gone, and what processes move from now on comes with rows that begin at 0. */
void totals_forget_rows(struct totals *totals);
void totals_get(const struct totals *totals, struct totals_result *ret_result);

#endif
