/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_SAMPLE_H
#define SOCKTALLYD_SAMPLE_H
/*
 * What the collector hands over each interval: the rows of the kernel, unchanged, and what is known of the bookkeeping.
 * Memory belongs to the collector and stays valid until its next read.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/ledger.h"

struct sample_row {
        struct process_key key;
        struct process_row row; /* counters since the row was made; they can be behind by what a socket still holds */
        bool is_last;           /* the kernel has dropped the row: these are the final totals */
};

struct sample {
        uint64_t time_ns;       /* CLOCK_BOOTTIME before the fold: all that happened until then is included */
        uint64_t complete_ns;   /* until then all is included, not finished calls alone; time_ns at most */
        uint64_t known;         /* bit per enum socktally_metric: this is being counted now */
        const struct sample_row *rows;
        size_t n_rows;
        struct process_row specials[N_SPECIALS]; /* indexed by enum special_row */
        uint64_t missed[2];     /* calls sending and receiving that are in no row, at the most; since counting began. It
                                 * can fall by those that were under way when it was read. */
        bool is_missed_exact;   /* missed is no upper bound, but their number */
        struct ledger_health health;
};

#endif
