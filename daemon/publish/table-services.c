/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The public view has the services of the system's manager. What users' own managers run is part of its no-unit row, so
 * that it adds up as well without telling who moved what.
 */
#include <string.h>

#include "daemon/publish/table.h"
#include "daemon/totals/counters.h"
#include "libclient/socktally.h"

static uint32_t count(const struct totals_result *result) {
        return result->n_services;
}

static uint32_t max(const struct publish_config *config) {
        return config->max_services;
}

static bool is_hidden(const struct layout_service_row *row, enum publish_view view) {
        return view == PUBLISH_PUBLIC && row->kind == SOCKTALLY_ROW_SERVICE && row->uid != UNIT_SYSTEM;
}

uint32_t publish_count_units(const struct totals_result *result, enum publish_view view) {
        uint32_t n = 0;

        for (uint32_t i = N_SERVICE_SPECIALS; result->has_services && i < result->n_services; i++)
                n += !is_hidden(&result->services[i], view);
        return n;
}

static void add_service(struct layout_service_row *sum, const struct layout_service_row *row) {
        counters_add(sum->counters, row->counters);
        sum->processes += row->processes;
        if (row->changed > sum->changed)
                sum->changed = row->changed;
}

/* Rows of users' units that were merged into a special row have been part of the no-unit row in this view. Their share
 * must stay there, as no counter goes backwards. */
static void move_users_share(struct layout_service_row *rows, uint32_t from, const uint64_t *share) {
        for (unsigned m = 0; m < SOCKTALLY_N_METRICS; m++)
                if (!counter_is_gauge(m)) {
                        rows[SERVICE_NO_UNIT].counters[m] += share[m];
                        rows[from].counters[m] -= share[m];
                }
}

/* The rows that are no unit come first (services.h), so the sum that hidden rows go to is already there. */
static void fill_table(struct segment_fill *fill, const struct totals_result *result, enum publish_view view) {
        uint32_t n = 0;

        for (uint32_t i = 0; result->has_services && i < result->n_services; i++) {
                const struct layout_service_row *row = &result->services[i];

                if (is_hidden(row, view))
                        add_service(&fill->services[SERVICE_NO_UNIT], row);
                else
                        fill->services[n++] = *row;
        }
        if (n > 0 && view == PUBLISH_PUBLIC) {
                move_users_share(fill->services, SERVICE_ENDED, result->users_ended);
                move_users_share(fill->services, SERVICE_OVERFLOW, result->users_overflowed);
        }
        fill->count[LAYOUT_TABLE_SERVICES] = n;
}

const struct publish_table publish_services = {
        .views = 1U << PUBLISH_PUBLIC | 1U << PUBLISH_FULL,
        .count = count,
        .max = max,
        .fill = fill_table,
};
