/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A collector's number can fall, by the calls that were under way when it was read: the first copy of a program had
 * been skipped, a later one had not run yet. What is published as a total does not follow it down. An interval is what
 * the number grew by since it was read before, so that what is missed after a fall is not hidden by it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/totals/missed.h"

#define SILENCE_USEC UINT64_C(3600000000)

void missed_take(struct missed *missed, const struct sample *sample) {
        for (int dir = 0; dir < 2; dir++) {
                uint64_t seen = sample->missed[dir], total = missed->before[dir] + seen;

                missed->interval[dir] = seen > missed->seen[dir] ? seen - missed->seen[dir] : 0;
                missed->seen[dir] = seen;
                if (total <= missed->calls[dir])
                        continue;
                missed->calls[dir] = total;
                missed->is_bound = missed->is_bound || !sample->is_missed_exact;
        }
}

void missed_forget(struct missed *missed) {
        memcpy(missed->before, missed->calls, sizeof missed->before);
        memset(missed->seen, 0, sizeof missed->seen);
}

bool missed_say(const struct missed *missed, struct missed_news *news, uint64_t now_usec, char *ret_line, size_t size) {
        uint64_t n = missed->interval[0] + missed->interval[1];
        bool has_begun = n > 0 && !news->is_going_on;

        news->is_going_on = n > 0;
        if (!has_begun || (news->said_usec > 0 && now_usec - news->said_usec < SILENCE_USEC))
                return false;
        news->said_usec = now_usec;
        snprintf(ret_line, size,
                 "The kernel skipped %" PRIu64 " calls (preemptible kernel)%s; UDP bytes and calls are lower bounds "
                 "by %s",
                 n, missed->is_bound ? ", copies of the programs recover further ones" : "",
                 missed->is_bound ? "at most that many" : "that many");
        return true;
}
