/* SPDX-License-Identifier: MIT */
/*
 * Columns, and reading one field of one row. A column may be older than the snapshot (the caller has not looked it up
 * again), so its place is checked against the row each time.
 */
#include <errno.h>
#include <string.h>

#include "libclient/lookup.h"
#include "libclient/reader.h"
#include "libclient/schema.h"
#include "libclient/text.h"

size_t socktally_column_count(const struct socktally *reader, enum socktally_table table) {
        return reader && reader_has_table(reader, table) ? reader_schema(reader)->tables[table].n_columns : 0;
}

int socktally_column_at(const struct socktally *reader, enum socktally_table table, size_t index,
                        struct socktally_column *ret_column) {
        if (!reader || !ret_column)
                return -EINVAL;
        if (index >= socktally_column_count(reader, table))
                return -ENOENT;
        *ret_column = reader_schema(reader)->tables[table].columns[index];
        return 0;
}

int socktally_column(const struct socktally *reader, enum socktally_table table, const char *name,
                     struct socktally_column *ret_column) {
        size_t n = socktally_column_count(reader, table);

        if (!reader || !name || !ret_column)
                return -EINVAL;
        for (size_t i = 0; i < n; i++) {
                const struct socktally_column *column = &reader_schema(reader)->tables[table].columns[i];

                if (strcmp(column->name, name) == 0) {
                        *ret_column = *column;
                        return 0;
                }
        }
        return -ENOENT;
}

bool stly_column_is_known(const struct snapshot *snapshot, const struct socktally_column *column) {
        if (column->field_id == 0 || column->field_id > FIELD_LAST_METRIC)
                return true;
        return column->table < LAYOUT_N_TABLES && snapshot->known[column->table] >> (column->field_id - 1) & 1;
}

static bool is_row(const struct socktally_row *row) {
        return row && row->reader && row->reader->current && row->data && row->table < LAYOUT_N_TABLES;
}

/* Is the row one of a snapshot, and this column one of its table and inside the row? */
static bool fits(const struct socktally_row *row, const struct socktally_column *column) {
        uint32_t row_size;

        if (!is_row(row) || !column || row->table != column->table)
                return false;
        row_size = snapshot_table(row->reader->current, row->table)->row_size;
        return column->bytes <= row_size && column->offset <= row_size - column->bytes;
}

int socktally_value(const struct socktally_row *row, const struct socktally_column *column, uint64_t *ret_value) {
        uint64_t value;

        if (!ret_value || !fits(row, column) || column->type == SOCKTALLY_TEXT)
                return -EINVAL;
        if (!stly_column_is_known(row->reader->current, column))
                return SOCKTALLY_NOT_TRACKED;
        value = field_read(row->data, (struct attached_field){ column->offset, column->bytes });
        if (column->field_id == FIELD_UID && value == LAYOUT_NO_UID && row->table == LAYOUT_TABLE_PROCESSES)
                return SOCKTALLY_NOT_TRACKED;
        /* A table that is kept has rows that are no unit, always: without one, nobody counts services. */
        if (column->field_id == FIELD_SERVICES && row->reader->current->count[LAYOUT_TABLE_SERVICES] == 0)
                return SOCKTALLY_NOT_TRACKED;
        *ret_value = value;
        return SOCKTALLY_VALUE;
}

int socktally_text(const struct socktally_row *row, const struct socktally_column *column, const char **ret_text) {
        char *text;

        if (!ret_text || !fits(row, column) || column->type != SOCKTALLY_TEXT || column->bytes == 0)
                return -EINVAL;
        /* The snapshot is this reader's own memory, and a reader belongs to one thread. */
        text = (char *) (uintptr_t) row->data + column->offset;
        stly_text_make_safe(text, column->bytes);
        if (text[0] == 0)
                return SOCKTALLY_NOT_TRACKED;
        *ret_text = text;
        return SOCKTALLY_VALUE;
}
