/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_LIVE_ALLOWANCE_H
#define SOCKTALLY_LIVE_ALLOWANCE_H
/*
 * What rows may lack, because the daemon itself says that the kernel skipped calls: so many calls over all rows, with
 * their errors, UDP bytes in a row that lacks a UDP call of that direction, and bytes of other protocols. Nothing else,
 * and never more than was moved; but where processes share a TCP connection, the bytes of a skipped call are the
 * owner's in the end.
 */
#include <stdbool.h>
#include <stdint.h>

#include "libclient/metrics.h"

/* Calls that send, calls that receive. */
struct allowance {
        uint64_t missed[2];  /* the daemon says */
        uint64_t lacking[2]; /* rows lack so far */
        bool shares_tcp;     /* of the scene */
};

/* Is it allowed that a row has seen[metric] where moved[metric] is another number? Notes what the row lacks. */
bool allowance_excuses(struct allowance *allowance, enum socktally_metric metric, const uint64_t *moved,
                       const uint64_t *seen);
/* Do all rows together lack more than was missed? */
bool allowance_is_exceeded(const struct allowance *allowance);
bool allowance_is_used(const struct allowance *allowance);

#endif
