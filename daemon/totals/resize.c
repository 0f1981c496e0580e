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

/* Services beyond n are the overflow row from now on. */
static void leave_services(struct totals *a, uint32_t n) {
        for (uint32_t i = 0; i < a->cursors.n_slots; i++)
                if (a->cursors.slots[i].is_used && a->cursors.slots[i].service >= n) {
                        a->cursors.slots[i].service = SERVICE_OVERFLOW;
                        services_ref(&a->services, SERVICE_OVERFLOW);
                }
        for (uint32_t i = N_PROCESS_SPECIALS; i < a->processes.n_slots; i++)
                if (a->processes.slots[i].service >= n)
                        a->processes.slots[i].service = SERVICE_OVERFLOW;
}

static void shrink_services(struct totals *a, uint32_t n) {
        if (a->services.n_rows <= n)
                return;
        leave_services(a, n);
        services_shrink(&a->services, n, a->sequence);
}

void totals_shrink(struct totals *a, uint32_t n_processes, uint32_t n_services, uint64_t sequence) {
        a->sequence = sequence;
        shrink_processes(a, n_processes);
        shrink_services(a, n_services < N_SERVICE_SPECIALS ? N_SERVICE_SPECIALS : n_services);
        totals_count_rows(a);
}

static void process_hide(struct totals *a, uint32_t number) {
        struct process *process = &a->processes.slots[number], *overflow = &a->processes.slots[PROCESS_OVERFLOW];

        counters_add(overflow->counters, process->counters);
        overflow->changed = a->sequence;
        memset(process->counters, 0, sizeof process->counters);
        services_leave(&a->services, process->service);
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

int totals_resize(struct totals *a, uint32_t max_processes, uint32_t max_services, uint64_t sequence) {
        struct candidate *candidates = NULL;
        int r;

        if (a->processes.n_used > max_processes) {
                candidates = reallocarray(NULL, a->processes.n_used, sizeof *candidates);
                if (!candidates)
                        return -ENOMEM;
        }
        r = services_close(&a->services, max_services, sequence);
        if (r < 0) {
                free(candidates);
                return r;
        }
        a->sequence = sequence;
        a->processes.max = max_processes;
        a->services.max = max_services;
        leave_services(a, max_services);
        while (a->processes.n_used > max_processes && a->processes.first_gone != LOOKUP_NONE)
                totals_merge_process(a, a->processes.first_gone, PROCESS_EXITED);
        if (candidates)
                hide_quietest(a, candidates, max_processes);
        free(candidates);
        totals_count_rows(a);
        return 0;
}
