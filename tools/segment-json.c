/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers stay numbers here, also where the text of the dump has words: this is for programs. */
#include <stdio.h>

#include "libclient/inspect.h"
#include "tools/json.h"
#include "tools/segment-json.h"
#include "tools/segment-words.h"

static void add_number(struct json_object *object, const char *key, uint64_t value) {
        (void)json_object_object_add(object, key, json_object_new_uint64(value));
}

static void add_text(struct json_object *object, const char *key, const char *text) {
        (void)json_object_object_add(object, key, text && *text ? json_object_new_string(text) : NULL);
}

static struct json_object *header_object(const struct layout_header *header) {
        struct json_object *object = json_object_new_object();
        const struct {
                const char *key;
                uint64_t value;
        } members[] = {
                { "major", header->major }, { "minor", header->minor }, { "incompatible", header->incompatible },
                { "compatible", header->compatible }, { "size", header->size },
                { "header_size", header->header_size }, { "table_size", header->table_size },
                { "column_size", header->column_size }, { "dynamic_size", header->dynamic_size },
                { "slot_size", header->slot_size }, { "facts_size", header->facts_size },
                { "facts_offset", header->facts_offset }, { "contents_offset", header->contents_offset },
                { "index_entry_size", header->index_entry_size }, { "n_slots", header->n_slots },
                { "n_tables", header->n_tables }, { "n_columns", header->n_columns },
                { "tables_offset", header->tables_offset }, { "columns_offset", header->columns_offset },
                { "dynamic_offset", header->dynamic_offset }, { "slots_offset", header->slots_offset },
                { "slot_stride", header->slot_stride }, { "owner_offset", header->owner_offset },
                { "incarnation", header->incarnation }, { "schema_hash", header->schema_hash },
                { "created_ns", header->created_ns }, { "view", header->view },
                { "writer_pid", header->writer_pid }, { "writer_start", header->writer_start },
        };
        char boot_id[33] = "";

        for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
                add_number(object, members[i].key, members[i].value);
        for (size_t i = 0; i < sizeof(header->boot_id); i++)
                (void)snprintf(boot_id + 2 * i, 3, "%02x", header->boot_id[i]);
        add_text(object, "boot_id", boot_id);
        add_text(object, "version", header->version);
        return object;
}

static struct json_object *words_object(const struct inspection *inspection) {
        struct json_object *object = json_object_new_object();
        struct inspect_words words;

        stly_inspect_words(inspection, &words);
        add_number(object, "published", words.published);
        add_number(object, "wake", words.wake);
        add_text(object, "state", segment_state_name(words.state));
        add_number(object, "owner", words.owner);
        (void)json_object_object_add(object, "is_owner_dead", json_object_new_boolean(words.is_owner_dead));
        (void)json_object_object_add(object, "is_same_boot", json_object_new_boolean(words.is_same_boot));
        return object;
}

static struct json_object *column_object(const struct layout_column *column) {
        struct json_object *object = json_object_new_object();

        add_number(object, "field_id", column->field_id);
        add_text(object, "name", column->name);
        add_text(object, "type", segment_type_name(column->type));
        add_text(object, "unit", column->unit);
        add_number(object, "offset", column->offset);
        add_number(object, "bytes", column->bytes);
        add_text(object, "help", column->help);
        return object;
}

static struct json_object *row_object(const struct inspection *inspection, uint32_t table, const unsigned char *row,
                                      uint64_t known) {
        struct json_object *object = json_object_new_object();
        const struct layout_column *column;

        for (uint32_t i = 0; (column = stly_inspect_column(inspection, table, i)); i++) {
                if (!segment_is_known(column->field_id, known))
                        (void)json_object_object_add(object, column->name, NULL);
                else if (column->type == SOCKTALLY_TEXT)
                        add_text(object, column->name, stly_inspect_text(row, column));
                else
                        add_number(object, column->name, stly_inspect_number(row, column));
        }
        return object;
}

static struct json_object *table_object(const struct inspection *inspection, uint32_t number,
                                        const struct layout_table *table, uint64_t known) {
        struct json_object *object = json_object_new_object(), *columns = json_object_new_array(),
                           *rows = json_object_new_array();
        const struct layout_column *column;
        const unsigned char *row;
        char keys[160];

        add_text(object, "name", table->name);
        add_number(object, "id", table->id);
        add_number(object, "row_size", table->row_size);
        add_number(object, "capacity", table->capacity);
        add_number(object, "rows_offset", table->rows_offset);
        add_number(object, "known", known);
        add_text(object, "index", segment_index_name(inspection, number, keys, sizeof(keys)));
        add_number(object, "index_size", table->index_size);
        add_number(object, "index_offset", table->index_offset);
        for (uint32_t i = 0; (column = stly_inspect_column(inspection, number, i)); i++)
                (void)json_object_array_add(columns, column_object(column));
        for (uint32_t i = 0;
             i < stly_inspect_count(inspection, number) && (row = stly_inspect_row(inspection, number, i)); i++)
                (void)json_object_array_add(rows, row_object(inspection, number, row, known));
        (void)json_object_object_add(object, "columns", columns);
        (void)json_object_object_add(object, "rows", rows);
        return object;
}

static struct json_object *facts_object(const struct layout_facts *facts) {
        struct json_object *object = json_object_new_object();

        add_number(object, "sequence", facts->sequence);
        add_number(object, "time_ns", facts->time_ns);
        add_number(object, "realtime_ns", facts->realtime_ns);
        add_number(object, "interval_ns", facts->interval_ns);
        add_number(object, "sockets_tracked", facts->sockets_tracked);
        add_number(object, "sockets_overflowed", facts->sockets_overflowed);
        add_number(object, "rows_overflowed", facts->rows_overflowed);
        add_number(object, "cost_ns", facts->cost_ns);
        add_number(object, "missed_tx_calls", facts->missed_tx_calls);
        add_number(object, "missed_rx_calls", facts->missed_rx_calls);
        add_number(object, "interval_missed_tx_calls", facts->interval_missed_tx_calls);
        add_number(object, "interval_missed_rx_calls", facts->interval_missed_rx_calls);
        add_number(object, "missed_is_exact", facts->missed_is_exact);
        add_number(object, "complete_ns", facts->complete_ns);
        return object;
}

static struct json_object *slots_array(struct inspection *inspection) {
        struct json_object *array = json_object_new_array();

        for (uint32_t i = 0; i < stly_inspect_header(inspection)->n_slots; i++) {
                struct json_object *object = json_object_new_object();
                struct inspect_slot slot;

                if (stly_inspect_read_slot(inspection, i, &slot) >= 0) {
                        add_text(object, "state", segment_slot_state_name((int)slot.state));
                        add_number(object, "seq", slot.seq);
                        add_number(object, "number", slot.number);
                        (void)json_object_object_add(object, "is_published",
                                                     json_object_new_boolean(slot.is_published));
                        (void)json_object_object_add(object, "facts", facts_object(&slot.facts));
                }
                (void)json_object_array_add(array, object);
        }
        return array;
}

enum exit_status segment_json_print(struct inspection *inspection) {
        struct json_object *object = json_object_new_object(), *tables = json_object_new_array();
        const struct layout_table *table;
        struct inspect_slot slot;

        (void)json_object_object_add(object, "header", header_object(stly_inspect_header(inspection)));
        (void)json_object_object_add(object, "words", words_object(inspection));
        (void)json_object_object_add(object, "slots", slots_array(inspection));
        (void)segment_read_newest(inspection, &slot);
        for (uint32_t i = 0; (table = stly_inspect_table(inspection, i)); i++)
                (void)json_object_array_add(tables, table_object(inspection, i, table, slot.contents[table->id].known));
        (void)json_object_object_add(object, "tables", tables);
        return json_print(object, false);
}
