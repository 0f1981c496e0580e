/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a row of the kernel grew is added to each row that it feeds, at once. That is why the tables always add up.
 *
 * A kernel row can dip by a few bytes for a moment, when a correction is made on one CPU before what it corrects is
 * on another; it can even start below zero. Growth is counted from the largest value seen, so a published counter
 * stands still until its row has caught up. What is a sum of parts grows by what its parts grow by, so it is their sum
 * in that moment, too.
 */
#include "daemon/totals/counters.h"
#include "daemon/totals/totals-private.h"

/* The process row to which a process's growth is added: its own or, while that is hidden, the overflow row. */
static uint32_t row_for_growth(const struct totals *a, uint32_t process) {
        return a->processes.slots[process].is_hidden ? PROCESS_OVERFLOW : process;
}

static void groups_grow(struct totals *a, const uint32_t groups[], unsigned metric, uint64_t growth) {
        for (unsigned g = 0; g < N_GROUPINGS; g++)
                if (!a->config.is_without[g]) {
                        a->groups[g].rows[groups[g]].counters[metric] += growth;
                        a->groups[g].rows[groups[g]].changed = a->sequence;
                }
}

static void grow(struct totals *a, struct process *p, const uint32_t groups[], unsigned metric, uint64_t growth) {
        p->counters[metric] += growth;
        groups_grow(a, groups, metric, growth);
        a->host.counters[metric] += growth;
}

/* Most rows have not moved since the last sample. */
static bool has_grown(const uint64_t taken[], const __u64 counters[]) {
        uint64_t differences = 0;

        for (unsigned m = 0; m < SOCKTALLY_N_METRICS; m++)
                differences |= counter_is_gauge(m) ? 0 : counters[m] ^ taken[m];
        return differences != 0;
}

bool totals_take_growth(struct totals *a, uint64_t taken[], const __u64 counters[], uint32_t process,
                        const uint32_t groups[]) {
        struct process *p = &a->processes.slots[row_for_growth(a, process)];
        bool has_moved = false;

        if (!has_grown(taken, counters))
                return false;
        for (unsigned m = 0; m < SOCKTALLY_N_METRICS; m++) {
                uint64_t growth = counters[m] - taken[m];
                unsigned whole = counter_whole(m);

                if (counter_is_gauge(m) || counter_is_sum(m) || (int64_t) counters[m] <= (int64_t) taken[m])
                        continue;
                taken[m] = counters[m];
                grow(a, p, groups, m, growth);
                if (whole < SOCKTALLY_N_METRICS) {
                        taken[whole] += growth;
                        grow(a, p, groups, whole, growth);
                }
                has_moved = true;
        }
        if (has_moved)
                p->changed = a->host.changed = a->sequence;
        return has_moved;
}

void totals_take_special(struct totals *a, uint64_t taken[], const __u64 counters[], uint32_t process, uint32_t group) {
        uint32_t groups[N_GROUPINGS];

        for (unsigned g = 0; g < N_GROUPINGS; g++)
                groups[g] = group;
        (void) totals_take_growth(a, taken, counters, process, groups);
}

static void raise_gauge(uint64_t *gauge, uint64_t value) {
        if (value > *gauge)
                *gauge = value;
}

void totals_take_gauges(struct totals *a, const struct sample_row *row, uint32_t process, const uint32_t groups[]) {
        if (row->is_last || row->row.exited)
                return;
        for (uint64_t gauges = counters_gauges; gauges; gauges &= gauges - 1) {
                unsigned m = (unsigned) __builtin_ctzll(gauges);
                uint64_t value = row->row.counters[m];

                if (value == 0)
                        continue;
                raise_gauge(&a->processes.slots[row_for_growth(a, process)].counters[m], value);
                for (unsigned g = 0; g < N_GROUPINGS; g++)
                        if (!a->config.is_without[g])
                                raise_gauge(&a->groups[g].rows[groups[g]].counters[m], value);
                raise_gauge(&a->host.counters[m], value);
        }
}

static void groups_clear_gauge(struct totals *a, unsigned metric) {
        for (unsigned g = 0; g < N_GROUPINGS; g++)
                for (uint32_t i = 0; !a->config.is_without[g] && i < a->groups[g].n_rows; i++)
                        a->groups[g].rows[i].counters[metric] = 0;
}

void totals_clear_gauges(struct totals *a, uint64_t known) {
        for (unsigned m = 0; m < SOCKTALLY_N_METRICS; m++) {
                if (!counter_is_gauge(m) || !(known & UINT64_C(1) << m))
                        continue;
                for (uint32_t i = 0; i < a->processes.n_slots; i++)
                        a->processes.slots[i].counters[m] = 0;
                groups_clear_gauge(a, m);
                a->host.counters[m] = 0;
        }
}
