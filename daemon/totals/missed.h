/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_TOTALS_MISSED_H
#define SOCKTALLYD_TOTALS_MISSED_H
/*
 * Calls that are in no row, because the kernel skipped the programs for them. Directions are as in struct sample:
 * sending, receiving. Plain data, which may be kept for the next process.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/sample.h"

struct missed {
        uint64_t calls[2];    /* since counting began; never fewer than before */
        uint64_t interval[2]; /* between the last two samples */
        uint64_t before[2];   /* of calls, what collectors before this one missed */
        uint64_t seen[2];     /* the collector's number in the last sample */
        bool is_bound;        /* calls may be more than were missed */
};

/* What the journal was told. */
struct missed_news {
        bool is_going_on;   /* the last interval missed calls, too */
        uint64_t said_usec; /* time of the last line; 0: there was none yet */
};

void missed_take(struct missed *missed, const struct sample *sample);
/* The next sample is another collector's, whose number begins at 0. */
void missed_forget(struct missed *missed);
/* Is there something to tell a person? A line when the last interval is the first that missed calls, and when it is the
 * first again after one that missed none; not more than one in an hour of that clock. */
bool missed_say(const struct missed *missed, struct missed_news *news, uint64_t now_usec, char *ret_line, size_t size);

#endif
