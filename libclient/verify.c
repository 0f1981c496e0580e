/* SPDX-License-Identifier: MIT */
/*
 * What must be true of the contents of a segment beyond what a reader needs for its safety: the writer's promises.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "libclient/index.h"
#include "libclient/inspect.h"
#include "libclient/lookup.h"
#include "libclient/schema.h"
#include "libclient/text.h"

struct verification {
        struct inspection *inspection;
        inspect_complain complain;
        void *userdata;
        struct inspect_slot slot;
        uint32_t slot_index;
        int n_faults;
};

__attribute__((format(printf, 2, 3))) static void fault(struct verification *v, const char *format, ...) {
        char line[256];
        va_list arguments;

        va_start(arguments, format);
        vsnprintf(line, sizeof(line), format, arguments);
        va_end(arguments);
        if (v->complain)
                v->complain(v->userdata, line);
        v->n_faults++;
}

static const struct layout_column *find_column(const struct verification *v, uint32_t table, uint32_t field_id) {
        const struct layout_column *column;

        for (uint32_t i = 0; (column = stly_inspect_column(v->inspection, table, i)); i++)
                if (column->field_id == field_id)
                        return column;
        return NULL;
}

static void verify_texts(struct verification *v, uint32_t t) {
        const struct layout_table *table = stly_inspect_table(v->inspection, t);
        const struct layout_column *column;

        for (uint32_t c = 0; (column = stly_inspect_column(v->inspection, t, c)); c++) {
                if (column->type != SOCKTALLY_TEXT)
                        continue;
                for (uint32_t i = 0; i < stly_inspect_count(v->inspection, t); i++)
                        if (!stly_text_is_safe((const char *) stly_inspect_row(v->inspection, t, i) + column->offset,
                                               column->bytes))
                                fault(v, "slot %" PRIu32 ": %s row %" PRIu32 ": %s is not clean text", v->slot_index,
                                      table->name, i, column->name);
        }
}

static bool is_in_index(const struct layout_index_entry *index, uint32_t size, uint32_t key, uint32_t row) {
        uint32_t place = index_place(key, size);

        for (uint32_t left = size; left > 0 && index[place].row; left--) {
                if (index[place].key == key && index[place].row == row + 1)
                        return true;
                place = (place + 1) & (size - 1);
        }
        return false;
}

static void verify_index(struct verification *v, uint32_t t) {
        const struct layout_table *table = stly_inspect_table(v->inspection, t);
        const struct layout_index_entry *index = stly_inspect_index(v->inspection, t);
        uint32_t n_expected = 0, n_entries = 0, key;
        struct index_column keys[LAYOUT_MAX_KEYS];
        int n_keys = stly_schema_index(table, stly_inspect_column(v->inspection, t, 0), keys);

        if (!index || n_keys <= 0)
                return;
        for (uint32_t i = 0; i < stly_inspect_count(v->inspection, t); i++) {
                if (!index_key(stly_inspect_row(v->inspection, t, i), keys, (uint32_t) n_keys, &key))
                        continue;
                n_expected++;
                if (!is_in_index(index, table->index_size, key, i))
                        fault(v, "slot %" PRIu32 ": %s row %" PRIu32 " is not in the index", v->slot_index, table->name,
                              i);
        }
        for (uint32_t i = 0; i < table->index_size; i++)
                n_entries += index[i].row != 0;
        if (n_entries != n_expected)
                fault(v, "slot %" PRIu32 ": the index of %s has %" PRIu32 " entries for %" PRIu32 " rows",
                      v->slot_index, table->name, n_entries, n_expected);
}

static bool is_summed(const struct verification *v, uint32_t table, const struct layout_column *column) {
        return column->field_id >= 1 && column->field_id <= FIELD_LAST_METRIC && column->type == SOCKTALLY_COUNTER &&
               (v->slot.contents[stly_inspect_table(v->inspection, table)->id].known >> (column->field_id - 1) & 1);
}

/* Promise of the whole: every byte is in one row, so each table's rows add up to the host's. */
static void verify_sums(struct verification *v, uint32_t t, uint32_t host) {
        const struct layout_table *table = stly_inspect_table(v->inspection, t);
        const struct layout_column *column, *total;

        for (uint32_t c = 0; (column = stly_inspect_column(v->inspection, t, c)); c++) {
                uint64_t sum = 0, expected;

                total = find_column(v, host, column->field_id);
                if (!total || !is_summed(v, t, column) || !is_summed(v, host, total))
                        continue;
                for (uint32_t i = 0; i < stly_inspect_count(v->inspection, t); i++)
                        sum += stly_inspect_number(stly_inspect_row(v->inspection, t, i), column);
                expected = stly_inspect_number(stly_inspect_row(v->inspection, host, 0), total);
                if (sum != expected)
                        fault(v, "slot %" PRIu32 ": %s of %s add up to %" PRIu64 ", the host has %" PRIu64,
                              v->slot_index, column->name, table->name, sum, expected);
        }
}

static void verify_tables(struct verification *v) {
        const struct layout_table *table;
        uint32_t host = UINT32_MAX;

        for (uint32_t t = 0; (table = stly_inspect_table(v->inspection, t)); t++) {
                if (v->slot.contents[table->id].count > table->capacity)
                        fault(v, "slot %" PRIu32 ": %s has %" PRIu32 " rows, room for %" PRIu32, v->slot_index,
                              table->name, v->slot.contents[table->id].count, table->capacity);
                if (table->id == LAYOUT_TABLE_HOST && stly_inspect_count(v->inspection, t) != 1)
                        fault(v, "slot %" PRIu32 ": the host has %" PRIu32 " rows instead of one", v->slot_index,
                              stly_inspect_count(v->inspection, t));
                else if (table->id == LAYOUT_TABLE_HOST)
                        host = t;
                verify_texts(v, t);
                verify_index(v, t);
        }
        for (uint32_t t = 0; host != UINT32_MAX && (table = stly_inspect_table(v->inspection, t)); t++)
                if (t != host && stly_inspect_count(v->inspection, t) > 0) /* none: the table is not kept */
                        verify_sums(v, t, host);
}

static void verify_slot(struct verification *v, uint64_t published) {
        uint32_t n_slots = stly_inspect_header(v->inspection)->n_slots;

        if (v->slot.state == INSPECT_SLOT_EMPTY)
                return;
        if (v->slot.number % n_slots != v->slot_index)
                fault(v, "slot %" PRIu32 ": publication %" PRIu64 " does not belong there", v->slot_index,
                      v->slot.number);
        if (v->slot.number > published + 1 || (v->slot.state == INSPECT_SLOT_WRITING && v->slot.number <= published))
                fault(v, "slot %" PRIu32 ": publication %" PRIu64 ", while %" PRIu64 " is the newest", v->slot_index,
                      v->slot.number, published);
        if (v->slot.state == INSPECT_SLOT_WRITING)
                return;
        if (v->slot.facts.sequence != v->slot.number)
                fault(v, "slot %" PRIu32 ": publication %" PRIu64 " says it is %" PRIu64, v->slot_index, v->slot.number,
                      v->slot.facts.sequence);
        verify_tables(v);
}

int stly_inspect_verify(struct inspection *inspection, inspect_complain complain, void *userdata) {
        struct verification v = { .inspection = inspection, .complain = complain, .userdata = userdata };
        struct inspect_words words;
        bool is_found = false;

        stly_inspect_words(inspection, &words);
        if (words.state > LAYOUT_STATE_CLOSED)
                fault(&v, "the state is %" PRIu32 ", which means nothing", words.state);
        for (v.slot_index = 0; v.slot_index < stly_inspect_header(inspection)->n_slots; v.slot_index++) {
                int r = stly_inspect_read_slot(inspection, v.slot_index, &v.slot);

                if (r < 0)
                        return r;
                /* The writer goes on meanwhile: compare with the newest number as it is now. */
                stly_inspect_words(inspection, &words);
                is_found = is_found || (v.slot.state == INSPECT_SLOT_WHOLE && v.slot.number == words.published);
                verify_slot(&v, words.published);
        }
        /* A live writer may have published into a slot that was looked at before. */
        stly_inspect_read_slot(inspection, (uint32_t) (words.published % stly_inspect_header(inspection)->n_slots),
                               &v.slot);
        if (words.published > 0 && !is_found && (v.slot.state != INSPECT_SLOT_WHOLE || v.slot.number < words.published))
                fault(&v, "publication %" PRIu64 " is the newest, but in no slot", words.published);
        return v.n_faults;
}
