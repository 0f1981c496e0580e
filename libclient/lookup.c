/* SPDX-License-Identifier: MIT */
/*
 * Finding rows in the snapshot. An entry of the index is a hint from the writer: it counts only when its row number is
 * in range and the row itself has the key. A search looks at each entry once at most.
 */
#include <errno.h>
#include <string.h>

#include "libclient/index.h"
#include "libclient/lookup.h"
#include "libclient/reader.h"

/* What a column that the index goes by must hold: a text that ends here or with the column's room, or a number. */
struct key_value {
        uint32_t field_id;
        const char *text;
        uint64_t number;
};

struct search {
        const struct attached_table *table;
        const struct key_value *values; /* one for each of the index's columns */
        const unsigned char *rows;
        const struct layout_index_entry *index;
        uint32_t count, key, place, left;
};

/* Finds nothing where the index goes by other columns. */
static inline struct search search_start(const struct snapshot *snapshot, uint32_t id, const struct key_value *values,
                                  uint32_t n_values) {
        const struct attached_table *table = snapshot_table(snapshot, id);
        struct search search = {
                .table = table,
                .values = values,
                .rows = snapshot->memory + table->snapshot_rows_offset,
                .index = (const void *) (snapshot->memory + table->snapshot_index_offset),
                .count = snapshot->count[id],
                .key = INDEX_HASH_START,
        };

        if (table->n_keys != n_values || search.count == 0)
                return search;
        for (uint32_t i = 0; i < n_values; i++) {
                bool is_text = table->keys[i].is_text;

                if (table->keys[i].field_id != values[i].field_id || (is_text && !values[i].text))
                        return search;
                search.key = is_text ? index_hash_text(search.key, values[i].text, table->keys[i].bytes)
                                     : index_hash_number(search.key, values[i].number);
        }
        search.place = index_place(search.key, table->index_size);
        search.left = table->index_size;
        return search;
}

static bool is_equal(const unsigned char *row, const struct index_column *column, const struct key_value *value) {
        if (!column->is_text)
                return index_number(row, column) == value->number;
        return strnlen(value->text, column->bytes) < column->bytes &&
               strncmp((const char *) row + column->offset, value->text, column->bytes) == 0;
}

static inline const unsigned char *row_if_equal(const struct search *search, uint32_t number) {
        const unsigned char *row;

        if (number > search->count)
                return NULL;
        row = search->rows + (size_t) (number - 1) * search->table->row_size;
        for (uint32_t i = 0; i < search->table->n_keys; i++)
                if (!is_equal(row, &search->table->keys[i], &search->values[i]))
                        return NULL;
        return row;
}

/* The next row with these values, or NULL. */
static inline const unsigned char *search_next(struct search *search) {
        while (search->left > 0) {
                const struct layout_index_entry *entry = &search->index[search->place];
                const unsigned char *row;

                search->left--;
                search->place = (search->place + 1) & (search->table->index_size - 1);
                if (entry->row == 0)
                        break;
                row = entry->key == search->key ? row_if_equal(search, entry->row) : NULL;
                if (row)
                        return row;
        }
        search->left = 0;
        return NULL;
}

/* Is a the better answer than b for a caller who said no more? The one that lives, else the one that started last. */
static bool is_preferred(const struct snapshot *snapshot, const unsigned char *a, const unsigned char *b) {
        const struct attached_table *table = snapshot_table(snapshot, LAYOUT_TABLE_PROCESSES);
        bool is_a_gone = field_read(a, table->exited) != 0, is_b_gone = field_read(b, table->exited) != 0;

        if (is_a_gone != is_b_gone)
                return is_b_gone;
        return field_read(a, table->start_time) > field_read(b, table->start_time);
}

const unsigned char *stly_lookup_process(const struct snapshot *snapshot, uint32_t pid, uint64_t start_time,
                                         uint64_t cgroup_id) {
        const struct attached_table *table = snapshot_table(snapshot, LAYOUT_TABLE_PROCESSES);
        const struct key_value value = { .field_id = FIELD_PID, .number = pid };
        struct search search = search_start(snapshot, LAYOUT_TABLE_PROCESSES, &value, 1);
        const unsigned char *best = NULL, *data;

        while ((data = search_next(&search))) {
                if (start_time && field_read(data, table->start_time) != start_time)
                        continue;
                if (cgroup_id && field_read(data, table->cgroup_id) == cgroup_id)
                        return data;
                if (!best || is_preferred(snapshot, data, best))
                        best = data;
        }
        return best;
}

/* In a table that is indexed by a name and a user. */
static const unsigned char *lookup_named(const struct snapshot *snapshot, uint32_t id, uint32_t field_id,
                                         const char *name, uint32_t uid) {
        const struct key_value values[] = {
                { .field_id = field_id, .text = name },
                { .field_id = FIELD_UID, .number = uid },
        };
        struct search search = search_start(snapshot, id, values, 2);

        return search_next(&search);
}

bool stly_lookup_like(const struct snapshot *snapshot, uint32_t id, const unsigned char *row,
                      const unsigned char **ret_row) {
        const struct attached_table *table = snapshot_table(snapshot, id);
        struct key_value values[LAYOUT_MAX_KEYS];
        struct search search;
        uint32_t key;

        if (table->n_keys == 0 || !index_key(row, table->keys, table->n_keys, &key))
                return false;
        for (uint32_t i = 0; i < table->n_keys; i++)
                values[i] = (struct key_value){
                        .field_id = table->keys[i].field_id,
                        .text = (const char *) row + table->keys[i].offset,
                        .number = table->keys[i].is_text ? 0 : index_number(row, &table->keys[i]),
                };
        search = search_start(snapshot, id, values, table->n_keys);
        *ret_row = search_next(&search);
        return true;
}

static int answer(const struct socktally *reader, uint32_t id, const unsigned char *data,
                  struct socktally_row *ret_row) {
        const struct snapshot *snapshot = reader->current;
        size_t distance;

        if (!data)
                return SOCKTALLY_NOT_TRACKED;
        distance = (size_t) (data - snapshot_row(snapshot, id, 0));
        *ret_row = (struct socktally_row){
                .reader = reader,
                .table = id,
                .index = (uint32_t) (distance / snapshot_table(snapshot, id)->row_size),
                .data = data,
        };
        return SOCKTALLY_VALUE;
}

int socktally_find_process(const struct socktally *reader, uint32_t pid, uint64_t start_time,
                           struct socktally_row *ret_row) {
        if (!reader || !ret_row)
                return -EINVAL;
        if (!reader_has_table(reader, LAYOUT_TABLE_PROCESSES))
                return SOCKTALLY_NOT_PERMITTED;
        if (!reader->current || pid == 0)
                return SOCKTALLY_NOT_TRACKED;
        return answer(reader, LAYOUT_TABLE_PROCESSES, stly_lookup_process(reader->current, pid, start_time, 0),
                      ret_row);
}

static int find_named(const struct socktally *reader, uint32_t id, uint32_t field_id, const char *name, uint32_t uid,
                      struct socktally_row *ret_row) {
        const unsigned char *data;

        if (!reader || !name || !ret_row)
                return -EINVAL;
        if (!reader_has_table(reader, id))
                return SOCKTALLY_NOT_PERMITTED;
        if (!reader->current || !*name)
                return SOCKTALLY_NOT_TRACKED;
        data = lookup_named(reader->current, id, field_id, name, uid);
        /* The public view leaves out what runs under users' managers; whether this one does is not for everybody. */
        if (!data && uid != LAYOUT_NO_UID && reader_schema(reader)->header.view == SOCKTALLY_VIEW_PUBLIC)
                return SOCKTALLY_NOT_PERMITTED;
        return answer(reader, id, data, ret_row);
}

int socktally_find_service(const struct socktally *reader, const char *unit, uint32_t uid,
                           struct socktally_row *ret_row) {
        return find_named(reader, LAYOUT_TABLE_SERVICES, FIELD_SERVICE, unit, uid, ret_row);
}

int socktally_find_app(const struct socktally *reader, const char *app, uint32_t uid, struct socktally_row *ret_row) {
        return find_named(reader, LAYOUT_TABLE_APPS, FIELD_APP, app, uid, ret_row);
}

int socktally_find_container(const struct socktally *reader, const char *container, uint32_t uid,
                             struct socktally_row *ret_row) {
        return find_named(reader, LAYOUT_TABLE_CONTAINERS, FIELD_CONTAINER, container, uid, ret_row);
}

int socktally_find_user(const struct socktally *reader, uint32_t uid, struct socktally_row *ret_row) {
        const struct key_value values[] = {
                { .field_id = FIELD_KIND, .number = SOCKTALLY_ROW_USER },
                { .field_id = FIELD_UID, .number = uid },
        };
        struct search search;

        if (!reader || !ret_row)
                return -EINVAL;
        if (!reader_has_table(reader, LAYOUT_TABLE_USERS))
                return SOCKTALLY_NOT_PERMITTED;
        if (!reader->current)
                return SOCKTALLY_NOT_TRACKED;
        search = search_start(reader->current, LAYOUT_TABLE_USERS, values, 2);
        return answer(reader, LAYOUT_TABLE_USERS, search_next(&search), ret_row);
}

size_t socktally_count(const struct socktally *reader, enum socktally_table table) {
        if (!reader || !reader->current || !reader_has_table(reader, table))
                return 0;
        return reader->current->count[table];
}

int socktally_row(const struct socktally *reader, enum socktally_table table, size_t index,
                  struct socktally_row *ret_row) {
        if (!reader || !ret_row || (unsigned int) table >= LAYOUT_N_TABLES)
                return -EINVAL;
        if (!reader_has_table(reader, table))
                return SOCKTALLY_NOT_PERMITTED;
        if (index >= socktally_count(reader, table))
                return -ENOENT;
        *ret_row = (struct socktally_row){
                .reader = reader,
                .table = table,
                .index = (uint32_t) index,
                .data = snapshot_row(reader->current, table, (uint32_t) index),
        };
        return SOCKTALLY_VALUE;
}

long socktally_copy_rows(const struct socktally *reader, enum socktally_table table, void *buffer, size_t size,
                         size_t *ret_row_size) {
        size_t count = socktally_count(reader, table), row_size;

        if (!reader || (unsigned int) table >= LAYOUT_N_TABLES)
                return -EINVAL;
        row_size = reader_schema(reader)->tables[table].row_size;
        if (ret_row_size)
                *ret_row_size = row_size;
        if (count == 0)
                return 0;
        if (!buffer || count * row_size > size)
                return -ENOBUFS;
        memcpy(buffer, snapshot_row(reader->current, table, 0), count * row_size);
        return (long) count;
}
