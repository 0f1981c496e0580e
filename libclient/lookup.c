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

struct search {
        const struct layout_index_entry *index;
        uint32_t key, place, mask, left;
};

static struct search search_start(const struct snapshot *snapshot, uint32_t id, uint32_t key) {
        const struct attached_table *table = snapshot_table(snapshot, id);
        struct search search = { .key = key };

        if (table->index_size == 0 || snapshot->count[id] == 0)
                return search;
        search.index = (const void *) (snapshot->memory + table->snapshot_index_offset);
        search.mask = search.left = table->index_size;
        search.mask--;
        search.place = index_place(key, table->index_size);
        return search;
}

/* Row number plus one of the next entry with the key, or 0. */
static uint32_t search_next(struct search *search) {
        while (search->left > 0) {
                const struct layout_index_entry *entry = &search->index[search->place];

                search->left--;
                search->place = (search->place + 1) & search->mask;
                if (entry->row == 0)
                        break;
                if (entry->key == search->key)
                        return entry->row;
        }
        search->left = 0;
        return 0;
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
        struct search search = search_start(snapshot, LAYOUT_TABLE_PROCESSES, pid);
        const unsigned char *best = NULL;
        uint32_t row;

        while ((row = search_next(&search)) > 0) {
                const unsigned char *data;

                if (row > snapshot->count[LAYOUT_TABLE_PROCESSES])
                        continue;
                data = snapshot_row(snapshot, LAYOUT_TABLE_PROCESSES, row - 1);
                if (field_read(data, table->pid) != pid)
                        continue;
                if (start_time && field_read(data, table->start_time) != start_time)
                        continue;
                if (cgroup_id && field_read(data, table->cgroup_id) == cgroup_id)
                        return data;
                if (!best || is_preferred(snapshot, data, best))
                        best = data;
        }
        return best;
}

const unsigned char *stly_lookup_service(const struct snapshot *snapshot, const char *unit, uint32_t uid) {
        const struct attached_table *table = snapshot_table(snapshot, LAYOUT_TABLE_SERVICES);
        struct search search = search_start(snapshot, LAYOUT_TABLE_SERVICES, index_service_key(unit, uid));
        size_t size = strlen(unit) + 1;
        uint32_t row;

        while ((row = search_next(&search)) > 0) {
                const unsigned char *data;

                if (row > snapshot->count[LAYOUT_TABLE_SERVICES])
                        continue;
                data = snapshot_row(snapshot, LAYOUT_TABLE_SERVICES, row - 1);
                if (size <= table->service.bytes && field_read(data, table->uid) == uid &&
                    memcmp(data + table->service.offset, unit, size) == 0)
                        return data;
        }
        return NULL;
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

int socktally_find_service(const struct socktally *reader, const char *unit, uint32_t uid,
                           struct socktally_row *ret_row) {
        const unsigned char *data;

        if (!reader || !unit || !ret_row)
                return -EINVAL;
        if (!reader_has_table(reader, LAYOUT_TABLE_SERVICES))
                return SOCKTALLY_NOT_PERMITTED;
        if (!reader->current || !*unit)
                return SOCKTALLY_NOT_TRACKED;
        data = stly_lookup_service(reader->current, unit, uid);
        /* The public view leaves out what runs under users' managers; whether this one does is not for everybody. */
        if (!data && uid != LAYOUT_NO_UID && reader_schema(reader)->header.view == SOCKTALLY_VIEW_PUBLIC)
                return SOCKTALLY_NOT_PERMITTED;
        return answer(reader, LAYOUT_TABLE_SERVICES, data, ret_row);
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
