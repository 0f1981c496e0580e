/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_TOTALS_TOTALS_PRIVATE_H
#define SOCKTALLYD_TOTALS_TOTALS_PRIVATE_H
/* The inside of the totals, for the files of this folder only. */
#include "daemon/totals/cursors.h"
#include "daemon/totals/missed.h"
#include "daemon/totals/totals.h"

struct totals {
        struct totals_config config;
        struct layout_host_row host;
        struct processes processes;
        struct groups groups[N_GROUPINGS];
        struct cursors cursors;
        uint64_t specials_taken[N_SPECIALS][SOCKTALLY_N_METRICS];
        struct missed missed;
        uint64_t rows_overflowed;
        uint64_t now_ns;   /* of the sample that is being taken in */
        uint64_t sequence;
        uint32_t update;
        uint32_t generation; /* of identities: the last that rows were asked for in */
        uint32_t next_asked; /* the slot of the cursor that comes next; LOOKUP_NONE: all were asked for */
        uint32_t n_sparse; /* updates in a row in which most slots were free */
        bool is_restored; /* and not updated since */
};

/* Adds what a kernel row grew to the rows that it feeds. Returns whether anything moved. taken: of the row's cursor. */
bool totals_take_growth(struct totals *totals, uint64_t taken[], const __u64 counters[], uint32_t process,
                        const uint32_t groups[]);
/* The same of what no process has: one special row of each grouping. */
void totals_take_special(struct totals *totals, uint64_t taken[], const __u64 counters[], uint32_t process,
                         uint32_t group);
/* A gauge is of the moment and has no sum: a row shows the largest of what feeds it. */
void totals_take_gauges(struct totals *totals, const struct sample_row *row, uint32_t process,
                        const uint32_t groups[]);
void totals_clear_gauges(struct totals *totals, uint64_t known);
/* A process row ends: its totals and what still feeds it go to a special row. */
void totals_merge_process(struct totals *totals, uint32_t number, uint32_t into);
/* Finds the groups of a cursor that has none yet. */
void totals_find_groups(struct totals *totals, struct cursor *cursor);
/* Adds to the row of its group what a cursor has taken, or takes it out again. */
void totals_set_share_in(struct totals *totals, const struct cursor *cursor, enum grouping grouping, bool is_in);
/* The same in all groupings that are not kept. Their rows lack what live cursors have taken: each cursor's share is
 * added when the cursor ends, or they are kept again. */
void totals_set_share(struct totals *totals, const struct cursor *cursor, bool is_in);
/* From now on the process is shown as one of the groups that the cursor feeds; the second, too, if it was of others. */
void totals_enter_groups(struct totals *totals, struct process *process, const struct cursor *cursor);
void totals_change_groups(struct totals *totals, struct process *process, const struct cursor *cursor);
void totals_leave_groups(struct totals *totals, struct process *process);
/* Asks for the identity of a process once more, as its name or user has changed. */
void totals_ask(struct totals *totals, struct cursor *cursor);
/* The same of rows that were met before a source of names had another answer. */
void totals_ask_again(struct totals *totals);
/* Gives memory back that a burst of processes took, when it was not needed for a while. */
void totals_give_back(struct totals *totals);
/* How many rows of each table the host row tells of. */
void totals_count_rows(struct totals *totals);

#endif
