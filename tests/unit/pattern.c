/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Goes by the schema, so that a column that is added later is covered without a change here. The PID differs from the
 * pattern, because the index wants it small and unique, and so do the kind of a row and a service's uid.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "libclient/schema.h"
#include "tests/unit/pattern.h"

/* Odd factors: the low 32 bits alone still tell any two sequences apart. */
static uint64_t number_of(uint64_t sequence, uint32_t table, uint32_t row, uint32_t field_id) {
        return sequence * UINT64_C(0x9e3779b97f4a7c15) + row * UINT64_C(0xc2b2ae3d27d4eb4f) +
               field_id * UINT64_C(0x165667b19e3779f9) + table;
}

static void text_of(char text[static 16], uint64_t number) {
        static const char digits[] = "0123456789abcdef";

        for (int i = 0; i < 14; i++, number >>= 4)
                text[i] = digits[number & 15];
        text[14] = 0;
        text[15] = 0;
}

static uint32_t pid_of(uint64_t sequence, uint32_t row) {
        return (uint32_t) (sequence % 1000000) + 1 + row;
}

static uint32_t kind_of(uint32_t table) {
        switch (table) {
        case LAYOUT_TABLE_HOST:
                return SOCKTALLY_ROW_HOST;
        case LAYOUT_TABLE_SERVICES:
                return SOCKTALLY_ROW_SERVICE;
        }
        return SOCKTALLY_ROW_PROCESS;
}

static uint64_t expected_of(uint64_t sequence, uint32_t table, uint32_t row, uint32_t field_id, uint32_t bytes) {
        uint64_t number = number_of(sequence, table, row, field_id);

        if (field_id == FIELD_PID)
                return pid_of(sequence, row);
        if (field_id == FIELD_KIND)
                return kind_of(table);
        if (field_id == FIELD_UID && table == LAYOUT_TABLE_SERVICES)
                return LAYOUT_NO_UID;
        if (field_id == FIELD_EXITED)
                return number & 1;
        return bytes == 4 ? (uint32_t) number : number;
}

/* The host has its one row; the others are between half full and full. */
static uint32_t count_of(uint64_t sequence, uint32_t table, uint32_t capacity) {
        if (table == LAYOUT_TABLE_HOST || capacity < 2)
                return capacity ? 1 : 0;
        return capacity - (uint32_t) ((sequence * 7 + table) % (capacity / 2 + 1));
}

static void fill_row(uint8_t *row, uint64_t sequence, const struct schema_table *table, uint32_t index) {
        struct schema_column column;

        for (uint32_t c = 0; stly_schema_column(table, c, &column); c++) {
                uint64_t number;

                if (column.type == SOCKTALLY_TEXT) {
                        text_of((char *) row + column.offset, number_of(sequence, table->id, index, column.field_id));
                        continue;
                }
                number = expected_of(sequence, table->id, index, column.field_id, column.bytes);
                memcpy(row + column.offset, &number, column.bytes);
        }
}

void pattern_fill(struct segment_fill *fill, uint64_t sequence) {
        for (uint32_t t = 0; t < LAYOUT_N_TABLES; t++) {
                const struct schema_table *table = stly_schema_table(t);

                fill->count[t] = count_of(sequence, t, fill->capacity[t]);
                for (uint32_t i = 0; i < fill->count[t]; i++)
                        fill_row((uint8_t *) fill->rows[t] + (size_t) i * table->row_size, sequence, table, i);
        }
        memset(fill->known, 0xff, sizeof fill->known);
        *fill->facts = (struct layout_facts){
                .time_ns = number_of(sequence, 100, 0, 0),
                .realtime_ns = number_of(sequence, 101, 0, 0),
                .interval_ns = UINT64_C(2000000000) + sequence % 1000,
                .sockets_tracked = fill->count[LAYOUT_TABLE_PROCESSES],
                .sockets_overflowed = fill->count[LAYOUT_TABLE_SERVICES],
                .rows_overflowed = fill->count[LAYOUT_TABLE_HOST],
                .cost_ns = number_of(sequence, 102, 0, 0),
                .missed_tx_calls = number_of(sequence, 103, 0, 0),
                .missed_rx_calls = number_of(sequence, 104, 0, 0),
                .interval_missed_tx_calls = number_of(sequence, 105, 0, 0),
                .interval_missed_rx_calls = number_of(sequence, 106, 0, 0),
                .missed_is_exact = sequence & 1,
                .complete_ns = number_of(sequence, 107, 0, 0),
        };
}

static int check_facts(const struct socktally *reader, const struct socktally_info *info, char *ret_text, size_t size) {
        uint64_t sequence = info->sequence;
        bool is_whole = info->time_ns == number_of(sequence, 100, 0, 0) &&
                        info->realtime_ns == number_of(sequence, 101, 0, 0) &&
                        info->interval_ns == UINT64_C(2000000000) + sequence % 1000 &&
                        info->cost_ns == number_of(sequence, 102, 0, 0) &&
                        info->missed_tx_calls == number_of(sequence, 103, 0, 0) &&
                        info->missed_rx_calls == number_of(sequence, 104, 0, 0) &&
                        info->interval_missed_tx_calls == number_of(sequence, 105, 0, 0) &&
                        info->interval_missed_rx_calls == number_of(sequence, 106, 0, 0) &&
                        info->missed_is_exact == (sequence & 1) &&
                        info->complete_ns == number_of(sequence, 107, 0, 0) &&
                        info->sockets_tracked == socktally_count(reader, SOCKTALLY_TABLE_PROCESSES) &&
                        info->sockets_overflowed == socktally_count(reader, SOCKTALLY_TABLE_SERVICES) &&
                        info->rows_overflowed == socktally_count(reader, SOCKTALLY_TABLE_HOST);

        if (is_whole)
                return 0;
        snprintf(ret_text, size, "the facts or the counts are not those of %" PRIu64, sequence);
        return -EBADMSG;
}

static bool has_pattern(const struct socktally_row *row, const struct socktally_column *column, uint64_t sequence) {
        uint64_t number = 0;
        const char *text;
        char expected[16];

        if (column->type != SOCKTALLY_TEXT)
                return socktally_value(row, column, &number) == SOCKTALLY_VALUE &&
                       number == expected_of(sequence, row->table, row->index, column->field_id, column->bytes);
        text_of(expected, number_of(sequence, row->table, row->index, column->field_id));
        return socktally_text(row, column, &text) == SOCKTALLY_VALUE && !strcmp(text, expected);
}

/* The row must also be where the index says. */
static bool is_found(const struct socktally *reader, const struct socktally_row *row, uint64_t sequence) {
        struct socktally_row found;
        char unit[16];
        int r;

        if (row->table == SOCKTALLY_TABLE_PROCESSES)
                r = socktally_find_process(reader, pid_of(sequence, row->index), 0, &found);
        else if (row->table == SOCKTALLY_TABLE_SERVICES) {
                text_of(unit, number_of(sequence, row->table, row->index, FIELD_SERVICE));
                r = socktally_find_service(reader, unit, UINT32_MAX, &found);
        } else
                return true;
        return r == SOCKTALLY_VALUE && found.table == row->table && found.index == row->index &&
               found.data == row->data;
}

static int check_row(const struct socktally *reader, const struct socktally_row *row, uint64_t sequence, char *ret_text,
                     size_t size) {
        struct socktally_column column = { .name = "(none)" };

        for (size_t c = 0; c < socktally_column_count(reader, row->table); c++) {
                if (socktally_column_at(reader, row->table, c, &column) == 0 && has_pattern(row, &column, sequence))
                        continue;
                snprintf(ret_text, size, "table %u row %u column %s is not of %" PRIu64, row->table, row->index,
                         column.name, sequence);
                return -EBADMSG;
        }
        if (is_found(reader, row, sequence))
                return 0;
        snprintf(ret_text, size, "table %u row %u is not in the index of %" PRIu64, row->table, row->index, sequence);
        return -EBADMSG;
}

int pattern_check(const struct socktally *reader, char *ret_text, size_t size) {
        struct socktally_info info = { .size = sizeof(info) };
        struct socktally_row row;
        int r;

        r = socktally_get_info(reader, &info);
        if (r < 0)
                return r;
        r = check_facts(reader, &info, ret_text, size);
        for (uint32_t t = 0; t < LAYOUT_N_TABLES && r == 0; t++)
                for (size_t i = 0; i < socktally_count(reader, t) && r == 0; i++) {
                        r = socktally_row(reader, t, i, &row);
                        if (r == 0)
                                r = check_row(reader, &row, info.sequence, ret_text, size);
                }
        return r;
}
