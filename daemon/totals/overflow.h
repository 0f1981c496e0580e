/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_TOTALS_OVERFLOW_H
#define SOCKTALLYD_TOTALS_OVERFLOW_H
/* Tables that had no room for something: what the journal is told of them, once for each. */
#include "daemon/totals/totals.h"

struct overflow_news {
        uint32_t said; /* a bit for each table */
};

/* Is there something to tell a person? To be called until there is not. */
bool overflow_say(const struct totals_result *result, const struct ledger_health *health, struct overflow_news *news,
                  char *ret_line, size_t size);

#endif
