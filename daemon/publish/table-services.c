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
        return result->groups[BY_SERVICE].n_rows;
}

static uint32_t max(const struct publish_config *config) {
        return config->max.groups[BY_SERVICE];
}

static bool is_hidden(const struct group_row *group, enum publish_view view) {
        return view == PUBLISH_PUBLIC && group->kind == SOCKTALLY_ROW_SERVICE && group->uid != LAYOUT_NO_UID;
}

uint32_t publish_count_units(const struct totals_result *result, enum publish_view view) {
        const struct groups *services = &result->groups[BY_SERVICE];
        uint32_t n = 0;

        for (uint32_t i = N_GROUP_SPECIALS; !result->is_without[BY_SERVICE] && i < services->n_rows; i++)
                n += !is_hidden(&services->rows[i], view);
        return n;
}

static void add_service(struct layout_service_row *sum, const struct group_row *group) {
        counters_add(sum->counters, group->counters);
        sum->processes += group->processes;
        if (group->changed > sum->changed)
                sum->changed = group->changed;
}

static void fill_row(struct layout_service_row *row, const struct group_row *group) {
        PUBLISH_GROUP(row, group);
        memcpy(row->service, group->name, sizeof row->service);
}

/* Rows of users' units that were merged into a special row have been part of the no-unit row in this view. Their share
 * must stay there, as no counter goes backwards. */
static void move_users_share(struct layout_service_row *rows, uint32_t from, const uint64_t *share) {
        for (unsigned m = 0; m < SOCKTALLY_N_METRICS; m++)
                if (!counter_is_gauge(m)) {
                        rows[GROUP_NONE].counters[m] += share[m];
                        rows[from].counters[m] -= share[m];
                }
}

/* The rows that are no unit come first (groups.h), so the sum that hidden rows go to is already there. */
static void fill_table(struct segment_fill *fill, const struct totals_result *result, enum publish_view view) {
        const struct groups *services = &result->groups[BY_SERVICE];
        uint32_t n = 0;

        for (uint32_t i = 0; !result->is_without[BY_SERVICE] && i < services->n_rows; i++) {
                const struct group_row *group = &services->rows[i];

                if (is_hidden(group, view))
                        add_service(&fill->services[GROUP_NONE], group);
                else
                        fill_row(&fill->services[n++], group);
        }
        if (n > 0 && view == PUBLISH_PUBLIC) {
                move_users_share(fill->services, GROUP_ENDED, services->users_ended);
                move_users_share(fill->services, GROUP_OVERFLOW, services->users_overflowed);
        }
        fill->count[LAYOUT_TABLE_SERVICES] = n;
}

const struct publish_table publish_services = {
        .views = 1U << PUBLISH_PUBLIC | 1U << PUBLISH_FULL,
        .count = count,
        .max = max,
        .fill = fill_table,
};
