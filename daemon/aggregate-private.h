/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_AGGREGATE_PRIVATE_H
#define SOCKTALLYD_AGGREGATE_PRIVATE_H
/* The aggregate's inside, for the aggregate*.c files only. */
#include "daemon/aggregate.h"
#include "daemon/missed.h"
#include "daemon/parts.h"

struct aggregate {
        struct aggregate_config config;
        struct layout_host_row host;
        struct processes processes;
        struct services services;
        struct parts parts;
        uint64_t specials_taken[N_SPECIALS][SOCKTALLY_N_METRICS];
        struct missed missed;
        uint64_t rows_overflowed;
        uint64_t now_ns;   /* of the sample that is being taken in */
        uint64_t sequence;
        uint32_t update;
        bool is_restored; /* and not updated since */
};

/* A process row ends: its totals and what still feeds it go to a special row. */
void aggregate_merge_process(struct aggregate *aggregate, uint32_t number, uint32_t into);
/* How many rows of each table the host row tells of. */
void aggregate_count_rows(struct aggregate *aggregate);

#endif
