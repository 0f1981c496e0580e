/* SPDX-License-Identifier: MIT */
/*
 * Takes publications out of the segment. Nothing that was copied is used before the sequence number has been seen
 * unchanged, except the row counts, and those are clamped first: a torn count costs time, never memory.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libclient/copy.h"
#include "libclient/protocol.h"
#include "libclient/snapshot.h"

#define MEMORY_ALIGNMENT 64

int stly_snapshot_new(struct snapshot **ret_snapshot, struct attachment *attachment) {
        struct snapshot *snapshot = calloc(1, sizeof(*snapshot));
        void *memory = NULL;

        if (!snapshot)
                return -ENOMEM;
        if (posix_memalign(&memory, MEMORY_ALIGNMENT, attachment->snapshot_size + MEMORY_ALIGNMENT) != 0) {
                free(snapshot);
                return -ENOMEM;
        }
        snapshot->memory = memory;
        snapshot->attachment = stly_attachment_ref(attachment);
        *ret_snapshot = snapshot;
        return 0;
}

struct snapshot *stly_snapshot_free(struct snapshot *snapshot) {
        if (!snapshot)
                return NULL;
        stly_attachment_unref(snapshot->attachment);
        free(snapshot->memory);
        free(snapshot);
        return NULL;
}

/* Returns whether the slot's own words make sense; only to be asked once the copy is known to be whole. */
static bool copy_head(struct snapshot *snapshot, const unsigned char *slot, uint64_t number) {
        const struct attachment *attachment = snapshot->attachment;
        struct layout_content contents[LAYOUT_MAX_TABLES];
        bool is_sane = true;

        copy_from_slot(&snapshot->facts, slot + attachment->header.facts_offset, sizeof(snapshot->facts));
        copy_from_slot(contents, slot + attachment->header.contents_offset, sizeof(contents));
        for (uint32_t id = 0; id < LAYOUT_N_TABLES; id++) {
                uint32_t capacity = attachment->tables[id].capacity, count = contents[id].count;

                snapshot->count[id] = count < capacity ? count : capacity;
                snapshot->known[id] = contents[id].known;
                is_sane = is_sane && count <= capacity;
        }
        return is_sane && snapshot->facts.sequence == number;
}

static void copy_table(struct snapshot *snapshot, const unsigned char *slot, uint32_t id) {
        const struct attached_table *table = snapshot_table(snapshot, id);

        if (snapshot->count[id] == 0)
                return;
        copy_from_slot(snapshot->memory + table->snapshot_rows_offset, slot + table->rows_offset,
                       (size_t) snapshot->count[id] * table->row_size);
        if (table->index_size > 0)
                copy_from_slot(snapshot->memory + table->snapshot_index_offset, slot + table->index_offset,
                               (size_t) table->index_size * sizeof(struct layout_index_entry));
}

int stly_snapshot_take(struct snapshot *snapshot, uint64_t number) {
        const struct layout_slot *slot = stly_attachment_slot(snapshot->attachment, number);
        bool is_sane;

        snapshot->is_whole = false;
        if (!protocol_read_begin(&slot->seq, number))
                return 1;
        is_sane = copy_head(snapshot, (const unsigned char *) slot, number);
        for (uint32_t id = 0; id < LAYOUT_N_TABLES; id++)
                copy_table(snapshot, (const unsigned char *) slot, id);
        if (!protocol_read_end(&slot->seq, number))
                return 1;
        if (!is_sane)
                return -EPROTO;
        snapshot->is_whole = true;
        return 0;
}
