/* SPDX-License-Identifier: MIT */
/*
 * Rates: what a counter grew between the two snapshots that a reader has, over the time between their samples. Whenever
 * growth cannot be known the answer is NOT_TRACKED, never a guess: a counter that went down, another daemon's totals, a
 * metric that one of the two does not know.
 */
#include <errno.h>
#include <string.h>

#include "libclient/lookup.h"
#include "libclient/reader.h"
#include "libclient/schema.h"

static bool is_earlier(const struct snapshot *before, const struct snapshot *now) {
        return before->facts.sequence < now->facts.sequence && before->facts.time_ns < now->facts.time_ns;
}

/* Do the totals of the second snapshot provably go on from the first? In one segment they do. In two segments they do
 * if the same process wrote both, went on numbering its publications, and has the same columns. */
static bool is_continued(const struct snapshot *before, const struct snapshot *now) {
        if (!before || !before->is_whole || !now->is_whole || !is_earlier(before, now))
                return false;
        return before->attachment == now->attachment ||
               stly_attachment_is_same_writer(before->attachment, now->attachment);
}

/* Rows are looked at from both ends in turn: of 6 rows, number 0, 5, 1, 4, 2, 3. */
static uint32_t from_both_ends(uint32_t i, uint32_t n) {
        return i % 2 == 0 ? i / 2 : n - 1 - i / 2;
}

/* Rows that are no process and no service have no key, but there are only a few, and they stand at one end. */
static const unsigned char *find_special(const struct snapshot *snapshot, uint32_t id, const unsigned char *like) {
        const struct attached_table *table = snapshot_table(snapshot, id);

        for (uint32_t i = 0, n = snapshot->count[id]; i < n; i++) {
                const unsigned char *row = snapshot_row(snapshot, id, from_both_ends(i, n));

                if (field_read(row, table->pid) == 0 && field_read(row, table->kind) == field_read(like, table->kind) &&
                    field_read(row, table->uid) == field_read(like, table->uid))
                        return row;
        }
        return NULL;
}

/* A process that moves to another cgroup may get a second row beside the first. */
static const unsigned char *find_process(const struct snapshot *before, const struct snapshot *now,
                                         const unsigned char *data) {
        const struct attached_table *table = snapshot_table(before, LAYOUT_TABLE_PROCESSES);
        uint64_t start_time = field_read(data, table->start_time), cgroup_id = field_read(data, table->cgroup_id);
        uint32_t pid = (uint32_t) field_read(data, table->pid);
        const unsigned char *found = stly_lookup_process(before, pid, start_time, cgroup_id), *heir;
        uint64_t found_cgroup_id;

        if (!found)
                return NULL;
        found_cgroup_id = field_read(found, table->cgroup_id);
        if (found_cgroup_id == cgroup_id)
                return found;
        /* Another cgroup's row: ours under a new cgroup, unless it goes on beside ours. */
        heir = stly_lookup_process(now, pid, start_time, found_cgroup_id);
        return heir && field_read(heir, table->cgroup_id) == found_cgroup_id ? NULL : found;
}

/* The same row in the snapshot before. Both have the same schema, so one table describes them. */
static const unsigned char *find_before(const struct snapshot *before, const struct socktally_row *row) {
        const struct attached_table *table = snapshot_table(before, row->table);
        const unsigned char *data = row->data, *found;

        if (row->table == LAYOUT_TABLE_PROCESSES && field_read(data, table->pid) != 0)
                return find_process(before, row->reader->current, data);
        return stly_lookup_like(before, row->table, data, &found) ? found : find_special(before, row->table, data);
}

int socktally_rate(const struct socktally_row *row, const struct socktally_column *column, double *ret_per_second) {
        const struct snapshot *before;
        const unsigned char *data;
        uint64_t value, value_before = 0;
        int r;

        if (!column || column->type != SOCKTALLY_COUNTER || !ret_per_second)
                return -EINVAL;
        r = socktally_value(row, column, &value);
        if (r != SOCKTALLY_VALUE)
                return r;
        before = row->reader->previous;
        if (!is_continued(before, row->reader->current) || !stly_column_is_known(before, column))
                return SOCKTALLY_NOT_TRACKED;
        /* A table that was not kept: its rows are not new, whatever they had. */
        if (before->count[row->table] == 0)
                return SOCKTALLY_NOT_TRACKED;
        data = find_before(before, row);
        if (data)
                value_before = field_read(data, (struct attached_field){ column->offset, column->bytes });
        if (value < value_before)
                return SOCKTALLY_NOT_TRACKED;
        *ret_per_second = (double) (value - value_before) * 1e9 /
                          (double) (row->reader->current->facts.time_ns - before->facts.time_ns);
        return SOCKTALLY_VALUE;
}
