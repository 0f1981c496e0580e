/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Apps, containers and users: for those who may see everything, as each row tells what some user does. */
#include <string.h>

#include "daemon/publish/table.h"

static void fill_app(struct layout_app_row *row, const struct group_row *group) {
        PUBLISH_GROUP(row, group);
        memcpy(row->app, group->name, sizeof row->app);
        memcpy(row->display_name, group->label.title, sizeof row->display_name);
        memcpy(row->app_kind, group->label.type, sizeof row->app_kind);
}

static void fill_container(struct layout_container_row *row, const struct group_row *group) {
        PUBLISH_GROUP(row, group);
        memcpy(row->container, group->name, sizeof row->container);
        memcpy(row->display_name, group->label.title, sizeof row->display_name);
        memcpy(row->container_runtime, group->label.type, sizeof row->container_runtime);
        memcpy(row->pod, group->label.pod, sizeof row->pod);
}

static void fill_user(struct layout_user_row *row, const struct group_row *group) {
        PUBLISH_GROUP(row, group);
}

#define TABLE(table, TABLE_ID, grouping, fill_row)                                                                     \
        static uint32_t count_##table(const struct totals_result *result) {                                            \
                return result->groups[grouping].n_rows;                                                                \
        }                                                                                                              \
                                                                                                                       \
        static uint32_t max_##table(const struct publish_config *config) {                                             \
                return config->max.groups[grouping];                                                                   \
        }                                                                                                              \
                                                                                                                       \
        static void fill_##table(struct segment_fill *fill, const struct totals_result *result,                        \
                                 enum publish_view view) {                                                             \
                const struct groups *groups = &result->groups[grouping];                                               \
                uint32_t n = result->is_without[grouping] ? 0 : groups->n_rows;                                        \
                                                                                                                       \
                for (uint32_t i = 0; i < n; i++)                                                                       \
                        fill_row(&fill->table[i], &groups->rows[i]);                                                   \
                fill->count[TABLE_ID] = n;                                                                             \
        }                                                                                                              \
                                                                                                                       \
        const struct publish_table publish_##table = {                                                                 \
                .views = 1U << PUBLISH_FULL,                                                                           \
                .count = count_##table,                                                                                \
                .max = max_##table,                                                                                    \
                .fill = fill_##table,                                                                                  \
        };

TABLE(apps, LAYOUT_TABLE_APPS, BY_APP, fill_app)
TABLE(containers, LAYOUT_TABLE_CONTAINERS, BY_CONTAINER, fill_container)
TABLE(users, LAYOUT_TABLE_USERS, BY_USER, fill_user)
