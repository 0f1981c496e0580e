/* SPDX-License-Identifier: MIT */
/*
 * The tables and columns of this version. Append only: field ids, names, units and meanings never change.
 */
#include <stddef.h>
#include <string.h>

#include "libclient/schema.h"
#include "libclient/socktally.h"

/* A metric's bit in a mask is its field id less one; tables have the numbers that the library's users know. */
#define X(id, name, ...)                                                                                               \
        static_assert((id) == SOCKTALLY_METRIC_##name + 1 && (id) <= (int) FIELD_LAST_METRIC, "bit of a metric");
SOCKTALLY_METRICS(X)
#undef X
#define X(id, ...) static_assert((int) LAYOUT_TABLE_##id == SOCKTALLY_TABLE_##id, "number of a table");
LAYOUT_TABLES(X)
#undef X

static const struct schema_column metrics[] = {
#define X(number, metric, metric_type, metric_unit, module, mode, text)                                                \
        { .field_id = number, .type = SOCKTALLY_##metric_type, .bytes = 8, .name = #metric, .unit = metric_unit,       \
          .help = text },
        SOCKTALLY_METRICS(X)
#undef X
};

#define FIELD(row, id, field_type, member, field_unit, text)                                                           \
        { .field_id = FIELD_##id, .type = SOCKTALLY_##field_type, .offset = offsetof(struct row, member),              \
          .bytes = sizeof(((struct row *) 0)->member), .name = #member, .unit = field_unit, .help = text },
#define X(id, name, row, ...)                                                                                          \
        static const struct schema_column name##_columns[] = { LAYOUT_##id##_COLUMNS(FIELD, layout_##row##_row) };
LAYOUT_TABLES(X)
#undef X

#define N(array) (sizeof(array) / sizeof((array)[0]))

static const struct schema_table tables[LAYOUT_N_TABLES] = {
#define X(number, table, row, mask, ...)                                                                               \
        {                                                                                                              \
                .name = #table,                                                                                        \
                .id = LAYOUT_TABLE_##number,                                                                           \
                .row_size = sizeof(struct layout_##row##_row),                                                         \
                .keys = { __VA_ARGS__ },                                                                               \
                .metrics = mask,                                                                                       \
                .counters = offsetof(struct layout_##row##_row, counters),                                             \
                .n_columns = __builtin_popcountll(mask) + N(table##_columns),                                          \
                .columns = table##_columns,                                                                            \
        },
        LAYOUT_TABLES(X)
#undef X
};

const struct schema_table *stly_schema_table(uint32_t id) {
        return id < LAYOUT_N_TABLES ? &tables[id] : NULL;
}

bool stly_schema_column(const struct schema_table *table, uint32_t number, struct schema_column *ret_column) {
        uint32_t n = 0;

        if (number >= table->n_columns)
                return false;
        for (uint32_t m = 0; m < SOCKTALLY_N_METRICS; m++)
                if (table->metrics >> m & 1 && n++ == number) {
                        *ret_column = metrics[m];
                        ret_column->offset = table->counters + 8 * number;
                        return true;
                }
        *ret_column = table->columns[number - n];
        return true;
}

static const struct layout_column *find_column(const struct layout_table *table, const struct layout_column *columns,
                                               uint32_t field_id) {
        for (uint32_t i = 0; i < table->n_columns; i++)
                if (columns[i].field_id == field_id)
                        return &columns[i];
        return NULL;
}

int stly_schema_index(const struct layout_table *table, const struct layout_column *columns,
                      struct index_column ret_columns[LAYOUT_MAX_KEYS]) {
        int n = 0;

        for (; table->index_size > 0 && n < LAYOUT_MAX_KEYS && table->keys[n]; n++) {
                const struct layout_column *column = find_column(table, columns, table->keys[n]);

                if (!column)
                        return -1;
                ret_columns[n] = (struct index_column){
                        .field_id = column->field_id,
                        .offset = column->offset,
                        .bytes = column->bytes,
                        .is_text = column->type == SOCKTALLY_TEXT,
                };
        }
        return n == 0 && table->index_size > 0 ? -1 : n;
}

static uint64_t hash_bytes(uint64_t hash, const void *data, size_t size) {
        const uint8_t *bytes = data;

        for (size_t i = 0; i < size; i++)
                hash = (hash ^ bytes[i]) * UINT64_C(1099511628211);
        return hash;
}

uint64_t stly_schema_hash_table(uint64_t hash, const struct layout_table *table) {
        hash = hash_bytes(hash, table->name, sizeof(table->name));
        hash = hash_bytes(hash, &table->id, sizeof(table->id));
        return hash_bytes(hash, &table->row_size, sizeof(table->row_size));
}

uint64_t stly_schema_hash_column(uint64_t hash, const struct layout_column *column) {
        /* field_id, type, offset, bytes, name and unit follow each other. */
        return hash_bytes(hash, column, offsetof(struct layout_column, help));
}
