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
        bool is_restored; /* and not updated since */
};

/* A process row ends: its totals and what still feeds it go to a special row. */
void totals_merge_process(struct totals *totals, uint32_t number, uint32_t into);
/* How many rows of each table the host row tells of. */
void totals_count_rows(struct totals *totals);

#endif
