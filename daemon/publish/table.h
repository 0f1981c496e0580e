/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_PUBLISH_TABLE_H
#define SOCKTALLYD_PUBLISH_TABLE_H
/*
 * How the daemon fills a table: each table of libclient/tables.h has a publish_NAME in one of the files table-*.c.
 */
#include <string.h>

#include "daemon/publish/publication.h"
#include "daemon/publish/segment.h"

struct publish_table {
        unsigned views; /* that have it: a bit per enum publish_view */
        /* Rows that there are to publish, and the most that there may ever be. */
        uint32_t (*count)(const struct totals_result *result);
        uint32_t (*max)(const struct publish_config *config);
        /* Writes the table's rows and their number into fill, which has room for count() rows. Clears the bits in
         * fill->known of metrics that are not known of this table. */
        void (*fill)(struct segment_fill *fill, const struct totals_result *result, enum publish_view view);
};

#define X(id, name, ...) extern const struct publish_table publish_##name;
LAYOUT_TABLES(X)
#undef X

/* Everything in a group's row but what its table alone has. */
#define PUBLISH_GROUP(row, group)                                                                                      \
        do {                                                                                                           \
                *(row) = (typeof(*(row))) {                                                                            \
                        .start_time = (group)->start_time,                                                             \
                        .changed = (group)->changed,                                                                   \
                        .uid = (group)->uid,                                                                           \
                        .kind = (group)->kind,                                                                         \
                        .processes = (group)->processes,                                                               \
                };                                                                                                     \
                memcpy((row)->counters, (group)->counters, sizeof (row)->counters);                                    \
        } while (0)

/* Units that have a row in this view. */
uint32_t publish_count_units(const struct totals_result *result, enum publish_view view);

#endif
