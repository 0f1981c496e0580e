/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tables get another size, or had no room to grow in. Rows that do not fit any more become part of the overflow row
 * with all that they ever counted, the quietest first, so the sums stay what they are.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/totals/counters.h"
#include "daemon/totals/totals-private.h"

static void shrink_processes(struct totals *a, uint32_t n) {
        for (uint32_t i = N_PROCESS_SPECIALS; i < a->processes.n_slots && a->processes.n_used > n; i++)
                if (a->processes.slots[i].is_used && a->processes.slots[i].born == a->update) {
                        totals_merge_process(a, i, PROCESS_OVERFLOW);
                        a->rows_overflowed++;
                }
}

/* Groups beyond n are the overflow row from now on. */
static void leave_groups(struct totals *a, enum grouping g, uint32_t n) {
        for (uint32_t i = 0; i < a->cursors.n_slots; i++)
                if (a->cursors.slots[i].is_used && a->cursors.slots[i].groups[g] >= n) {
                        a->cursors.slots[i].groups[g] = GROUP_OVERFLOW;
                        groups_ref(&a->groups[g], GROUP_OVERFLOW);
                }
        for (uint32_t i = N_PROCESS_SPECIALS; i < a->processes.n_slots; i++)
                if (a->processes.slots[i].groups[g] >= n)
                        a->processes.slots[i].groups[g] = GROUP_OVERFLOW;
}

static void shrink_groups(struct totals *a, enum grouping g, uint32_t n) {
        if (n < N_GROUP_SPECIALS)
                n = N_GROUP_SPECIALS;
        if (a->groups[g].n_rows <= n)
                return;
        leave_groups(a, g, n);
        groups_shrink(&a->groups[g], n, a->sequence);
}

void totals_shrink(struct totals *a, const struct totals_rows *room, uint64_t sequence) {
        a->sequence = sequence;
        shrink_processes(a, room->processes);
        for (unsigned g = 0; g < N_GROUPINGS; g++)
                shrink_groups(a, g, room->groups[g]);
        totals_count_rows(a);
}

static void process_hide(struct totals *a, uint32_t number) {
        struct process *process = &a->processes.slots[number], *overflow = &a->processes.slots[PROCESS_OVERFLOW];

        counters_add(overflow->counters, process->counters);
        overflow->changed = a->sequence;
        memset(process->counters, 0, sizeof process->counters);
        totals_leave_groups(a, process);
        processes_hide(&a->processes, number);
        a->rows_overflowed++;
}

/* When a row last moved, and which it is. */
struct candidate {
        uint64_t changed;
        uint32_t number;
};

static int compare_candidates(const void *a, const void *b) {
        const struct candidate *one = a, *other = b;

        if (one->changed != other->changed)
                return one->changed < other->changed ? -1 : 1;
        return one->number < other->number ? 1 : -1; /* of equals, the newer ones go */
}

static void hide_quietest(struct totals *a, struct candidate candidates[], uint32_t max) {
        uint32_t n = 0;

        for (uint32_t i = N_PROCESS_SPECIALS; i < a->processes.n_slots; i++)
                if (a->processes.slots[i].is_used)
                        candidates[n++] = (struct candidate) { a->processes.slots[i].changed, i };
        qsort(candidates, n, sizeof *candidates, compare_candidates);
        for (uint32_t i = 0; i < n && a->processes.n_used > max; i++)
                process_hide(a, candidates[i].number);
}

static void close_groups(struct totals *a, const struct totals_rows *max) {
        for (unsigned g = 0; g < N_GROUPINGS; g++) {
                leave_groups(a, g, max->groups[g]);
                groups_close(&a->groups[g], max->groups[g], a->sequence);
                a->groups[g].max = max->groups[g];
        }
}

int totals_resize(struct totals *a, const struct totals_rows *max, uint64_t sequence) {
        struct candidate *candidates = NULL;
        int r = 0;

        if (a->processes.n_used > max->processes) {
                candidates = reallocarray(NULL, a->processes.n_used, sizeof *candidates);
                if (!candidates)
                        return -ENOMEM;
        }
        for (unsigned g = 0; g < N_GROUPINGS && r >= 0; g++)
                r = groups_prepare_close(&a->groups[g], max->groups[g]);
        if (r < 0) {
                free(candidates);
                return r;
        }
        a->sequence = sequence;
        a->processes.max = max->processes;
        close_groups(a, max);
        while (a->processes.n_used > max->processes && a->processes.first_gone != LOOKUP_NONE)
                totals_merge_process(a, a->processes.first_gone, PROCESS_EXITED);
        if (candidates)
                hide_quietest(a, candidates, max->processes);
        free(candidates);
        totals_count_rows(a);
        return 0;
}
