/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Everything is taken from the segment's own description, so a column that a newer daemon adds is printed as well. */
#include <stdio.h>
#include <string.h>

#include "tools/catalog.h"
#include "tools/json.h"
#include "tools/source.h"

static const char *const metric_names[] = {
#define X(id, name, kind, unit, module, mode, help) #name,
        SOCKTALLY_METRICS(X)
#undef X
};

static bool is_number(const struct socktally_column *column) {
        return column->type == SOCKTALLY_COUNTER || column->type == SOCKTALLY_GAUGE;
}

/* Identifying numbers have values that mean none. */
static struct json_object *identity(const struct socktally_column *column, uint64_t value) {
        const char *kind;

        if (strcmp(column->name, "kind") == 0) {
                kind = row_kind_name(value);
                return kind ? json_object_new_string(kind) : NULL;
        }
        if (strcmp(column->name, "exited") == 0)
                return json_object_new_boolean(value != 0);
        if (strcmp(column->name, "pid") == 0 || strcmp(column->name, "cgroup_id") == 0 ||
            strcmp(column->name, "start_time") == 0)
                return value == 0 ? NULL : json_object_new_uint64(value);
        if (strcmp(column->name, "uid") == 0)
                return value == UINT32_MAX ? NULL : json_object_new_uint64(value);
        return json_object_new_uint64(value);
}

static struct json_object *column_value(const struct socktally_row *row, const struct socktally_column *column) {
        const char *text;
        uint64_t value;

        if (column->type == SOCKTALLY_TEXT) {
                if (socktally_text(row, column, &text) != SOCKTALLY_VALUE || *text == '\0')
                        return NULL;
                return json_object_new_string(text);
        }
        if (socktally_value(row, column, &value) != SOCKTALLY_VALUE)
                return NULL;
        return is_number(column) ? json_object_new_uint64(value) : identity(column, value);
}

static void add_columns(struct json_object *object, const struct socktally_row *row, bool want_numbers) {
        size_t n = socktally_column_count(row->reader, (enum socktally_table)row->table);

        for (size_t i = 0; i < n; i++) {
                struct socktally_column column;

                if (socktally_column_at(row->reader, (enum socktally_table)row->table, i, &column) >= 0 &&
                    is_number(&column) == want_numbers)
                        (void)json_object_object_add(object, column.name, column_value(row, &column));
        }
}

/* The row of those that exited grows whenever a row goes into it; that is no traffic. */
static bool has_rate(const struct socktally_row *row) {
        struct socktally_column column;
        uint64_t kind;

        return socktally_column(row->reader, (enum socktally_table)row->table, "kind", &column) < 0 ||
               socktally_value(row, &column, &kind) != SOCKTALLY_VALUE || kind != SOCKTALLY_ROW_EXITED;
}

static struct json_object *row_rates(const struct socktally_row *row) {
        size_t n = socktally_column_count(row->reader, (enum socktally_table)row->table);
        bool is_rated = has_rate(row);
        struct json_object *rates = json_object_new_object();

        for (size_t i = 0; i < n; i++) {
                struct socktally_column column;
                struct json_object *rate = NULL;
                double per_second;

                if (socktally_column_at(row->reader, (enum socktally_table)row->table, i, &column) < 0 ||
                    column.type != SOCKTALLY_COUNTER)
                        continue;
                if (is_rated && socktally_rate(row, &column, &per_second) == SOCKTALLY_VALUE) {
                        rate = json_object_new_double(per_second);
                        json_object_set_serializer(rate, json_object_double_to_json_string, (void *)"%.3f", NULL);
                }
                (void)json_object_object_add(rates, column.name, rate);
        }
        return rates;
}

static struct json_object *row_object(const struct socktally_row *row, bool has_rates) {
        struct json_object *object = json_object_new_object();

        add_columns(object, row, false);
        add_columns(object, row, true);
        /* A segment without a column does not know it, and says so like any other unknown. */
        for (size_t i = 0; i < SOCKTALLY_N_METRICS; i++)
                if (!json_object_object_get_ex(object, metric_names[i], NULL))
                        (void)json_object_object_add(object, metric_names[i], NULL);
        if (has_rates)
                (void)json_object_object_add(object, "rates", row_rates(row));
        return object;
}

struct json_object *json_host(const struct socktally *reader, bool has_rates) {
        struct socktally_row row;

        if (socktally_count(reader, SOCKTALLY_TABLE_HOST) == 0 ||
            socktally_row(reader, SOCKTALLY_TABLE_HOST, 0, &row) != SOCKTALLY_VALUE)
                return NULL;
        return row_object(&row, has_rates);
}

struct json_object *json_listing(const struct listing *listing, size_t limit, bool has_rates) {
        const struct socktally_info info = source_info(listing->reader);
        struct json_object *object = json_object_new_object(), *rows = json_object_new_array();

        (void)json_object_object_add(object, "sequence", json_object_new_uint64(info.sequence));
        (void)json_object_object_add(object, "time_ns", json_object_new_uint64(info.time_ns));
        (void)json_object_object_add(object, "interval_ns", json_object_new_uint64(info.interval_ns));
        (void)json_object_object_add(object, "late_ns", json_object_new_uint64(source_lateness(&info)));
        (void)json_object_object_add(object, "view", json_object_new_string(source_view_name(info.view)));
        (void)json_object_object_add(object, "freshness",
                                     json_object_new_string(info.freshness == SOCKTALLY_FRESH ? "fresh" : "stale"));
        (void)json_object_object_add(object, "missed_tx_calls", json_object_new_uint64(info.interval_missed_tx_calls));
        (void)json_object_object_add(object, "missed_rx_calls", json_object_new_uint64(info.interval_missed_rx_calls));
        (void)json_object_object_add(object, "missed_is_exact", json_object_new_boolean(info.missed_is_exact != 0));
        (void)json_object_object_add(object, "host", json_host(listing->reader, has_rates));
        for (size_t i = 0; i < listing->n && i < limit; i++)
                (void)json_object_array_add(rows, row_object(&listing->entries[i].row, has_rates));
        (void)json_object_object_add(
                object, catalog_of(listing->table)->name, rows);
        return object;
}

enum exit_status json_print(struct json_object *object, bool is_line) {
        int flags = JSON_C_TO_STRING_NOSLASHESCAPE |
                    (is_line ? JSON_C_TO_STRING_PLAIN : JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED);
        const char *text = json_object_to_json_string_ext(object, flags);
        bool is_done = text && puts(text) >= 0;

        (void)json_object_put(object);
        return is_done ? STATUS_DONE : STATUS_FAILED;
}
