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
        struct services services;
        struct cursors cursors;
        uint64_t specials_taken[N_SPECIALS][SOCKTALLY_N_METRICS];
        struct missed missed;
        uint64_t rows_overflowed;
        uint64_t now_ns;   /* of the sample that is being taken in */
        uint64_t sequence;
        uint32_t update;
        uint32_t generation; /* of identities: the last that rows were asked for in */
        uint32_t next_asked; /* the slot of the cursor that comes next; LOOKUP_NONE: all were asked for */
        bool is_restored; /* and not updated since */
};

/* A process row ends: its totals and what still feeds it go to a special row. */
void totals_merge_process(struct totals *totals, uint32_t number, uint32_t into);
/* Adds to the row of its service what a cursor has taken, or takes it out again. While services are not kept their rows
 * lack what live cursors have taken: each cursor's share is added when the cursor ends, or services are kept again. */
void totals_set_share(struct totals *totals, const struct cursor *cursor, bool is_in);
void totals_set_process_service(struct totals *totals, struct process *process, uint32_t service);
/* Asks for the identity of rows that were met before a source of names had another answer. */
void totals_ask_again(struct totals *totals);
/* How many rows of each table the host row tells of. */
void totals_count_rows(struct totals *totals);

#endif
