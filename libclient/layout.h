/* SPDX-License-Identifier: MIT */
#ifndef SOCKTALLY_LAYOUT_H
#define SOCKTALLY_LAYOUT_H
/*
 * What the shared segment holds of one publication, byte for byte, as the daemon writes and libsocktally reads it: the
 * rows, which are in tables.h, and the facts. The frame around them is frame.h. Described for people in
 * socktally-segment(5).
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "libclient/tables.h"

/* Per publication, beside the rows. */
struct layout_facts {
        uint64_t sequence;
        uint64_t time_ns;     /* CLOCK_BOOTTIME of the sample */
        uint64_t realtime_ns;
        uint64_t interval_ns;
        uint64_t sockets_tracked;
        uint64_t sockets_overflowed;
        uint64_t rows_overflowed;
        uint64_t cost_ns;     /* the daemon's CPU time for the interval before */
        /* Calls that are in no row, because the kernel skipped the programs for them. */
        uint64_t missed_tx_calls, missed_rx_calls; /* since counting began */
        uint64_t interval_missed_tx_calls, interval_missed_rx_calls; /* of the last interval */
        uint32_t missed_is_exact; /* 0: at most so many */
        uint32_t reserved0;
        uint64_t complete_ns; /* all that happened until then is in here, not finished calls alone */
        uint64_t reserved[2];
};

static_assert(sizeof(struct layout_facts) == 128 && offsetof(struct layout_facts, cost_ns) == 56 &&
                      offsetof(struct layout_facts, missed_is_exact) == 96,
              "the facts are part of the format");

#endif
