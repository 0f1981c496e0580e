/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one row of the host. */
#include "daemon/publish/table.h"

static uint32_t count(const struct totals_result *result) {
        return 1;
}

static uint32_t max(const struct publish_config *config) {
        return 1;
}

static void fill_table(struct segment_fill *fill, const struct totals_result *result, enum publish_view view) {
        *fill->host = *result->host;
        fill->host->services = publish_count_units(result, view);
        fill->count[LAYOUT_TABLE_HOST] = 1;
}

const struct publish_table publish_host = {
        .views = 1U << PUBLISH_PUBLIC | 1U << PUBLISH_FULL,
        .count = count,
        .max = max,
        .fill = fill_table,
};
