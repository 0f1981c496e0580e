/* SPDX-License-Identifier: MIT */
/*
 * The inspector: the reader's own validation, and then slot by slot instead of only the newest publication.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libclient/attach.h"
#include "libclient/copy.h"
#include "libclient/futex.h"
#include "libclient/inspect.h"
#include "libclient/lookup.h"
#include "libclient/protocol.h"
#include "libclient/text.h"

#define TRIES 3

static_assert(INSPECT_REASON_SIZE == ATTACH_REASON_SIZE, "one buffer serves both");

struct inspection {
        struct attachment *attachment;
        uint64_t *slot; /* private copy, slot_stride bytes */
        uint32_t counts[LAYOUT_MAX_TABLES];
};

static int open_file(const char *path, char *reason) {
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

        if (fd >= 0)
                return fd;
        fd = -errno;
        if (reason)
                snprintf(reason, INSPECT_REASON_SIZE, "cannot open it: %s", strerror(errno));
        return fd;
}

int stly_inspect_open(struct inspection **ret_inspection, const char *path, char *reason) {
        struct inspection *inspection;
        int fd, r;

        fd = open_file(path, reason);
        if (fd < 0)
                return fd;
        inspection = calloc(1, sizeof(*inspection));
        r = inspection ? stly_attachment_new(&inspection->attachment, fd, ATTACH_ANY_OWNER, reason) : -ENOMEM;
        close(fd);
        if (r >= 0) {
                inspection->slot = calloc(1, (size_t) inspection->attachment->header.slot_stride);
                r = inspection->slot ? 0 : -ENOMEM;
        }
        if (r < 0) {
                stly_inspect_close(inspection);
                return r;
        }
        *ret_inspection = inspection;
        return 0;
}

struct inspection *stly_inspect_close(struct inspection *inspection) {
        if (!inspection)
                return NULL;
        stly_attachment_unref(inspection->attachment);
        free(inspection->slot);
        free(inspection);
        return NULL;
}

const struct layout_header *stly_inspect_header(const struct inspection *inspection) {
        return &inspection->attachment->header;
}

void stly_inspect_words(const struct inspection *inspection, struct inspect_words *ret_words) {
        const struct attachment *attachment = inspection->attachment;
        uint32_t owner = __atomic_load_n(attachment->owner, __ATOMIC_ACQUIRE);

        *ret_words = (struct inspect_words){
                .published = protocol_read_number(&attachment->dynamic->published),
                .wake = __atomic_load_n(&attachment->dynamic->wake, __ATOMIC_ACQUIRE),
                .state = __atomic_load_n(&attachment->dynamic->state, __ATOMIC_ACQUIRE),
                .owner = owner,
                .is_owner_dead = owner & FUTEX_BIT_OWNER_DIED,
                .is_same_boot = attachment->is_same_boot,
        };
}

const struct layout_table *stly_inspect_table(const struct inspection *inspection, uint32_t table) {
        const struct layout_table *tables = (const void *) inspection->attachment->descriptors;

        return table < inspection->attachment->header.n_tables ? &tables[table] : NULL;
}

const struct layout_column *stly_inspect_column(const struct inspection *inspection, uint32_t table, uint32_t column) {
        const struct layout_table *tables = (const void *) inspection->attachment->descriptors;
        const struct layout_column *columns = (const void *) (tables + inspection->attachment->header.n_tables);

        if (table >= inspection->attachment->header.n_tables || column >= tables[table].n_columns)
                return NULL;
        return &columns[tables[table].first_column + column];
}

static void describe_slot(struct inspection *inspection, uint64_t seq, uint64_t published,
                          struct inspect_slot *ret_slot) {
        const struct layout_header *header = &inspection->attachment->header;
        const unsigned char *copy = (const void *) inspection->slot;
        uint64_t number = seq ? (seq - 1) / 2 : 0;

        *ret_slot = (struct inspect_slot){
                .state = seq == 0 ? INSPECT_SLOT_EMPTY : seq % 2 ? INSPECT_SLOT_WRITING : INSPECT_SLOT_WHOLE,
                .seq = seq,
                .number = number,
                .is_published = number == published && seq == 2 * published + 2,
        };
        memcpy(&ret_slot->facts, copy + header->facts_offset, sizeof(ret_slot->facts));
        memcpy(ret_slot->contents, copy + header->contents_offset, sizeof(ret_slot->contents));
        memset(inspection->counts, 0, sizeof(inspection->counts));
        for (uint32_t i = 0; i < header->n_tables; i++) {
                const struct layout_table *table = stly_inspect_table(inspection, i);
                uint32_t count = ret_slot->contents[table->id].count;

                inspection->counts[i] = count < table->capacity ? count : table->capacity;
        }
}

int stly_inspect_read_slot(struct inspection *inspection, uint32_t slot, struct inspect_slot *ret_slot) {
        const struct attachment *attachment = inspection->attachment;
        const struct layout_slot *from = stly_attachment_slot(attachment, slot);

        if (slot >= attachment->header.n_slots)
                return -ENOENT;
        for (int i = 0; i < TRIES; i++) {
                uint64_t published = protocol_read_number(&attachment->dynamic->published);
                uint64_t seq = __atomic_load_n(&from->seq, __ATOMIC_ACQUIRE);

                copy_from_slot(inspection->slot, from, (size_t) attachment->header.slot_stride);
                __atomic_thread_fence(__ATOMIC_ACQUIRE);
                if (__atomic_load_n(&from->seq, __ATOMIC_RELAXED) == seq) {
                        describe_slot(inspection, seq, published, ret_slot);
                        return 0;
                }
        }
        return -EAGAIN;
}

uint32_t stly_inspect_count(const struct inspection *inspection, uint32_t table) {
        return table < LAYOUT_MAX_TABLES ? inspection->counts[table] : 0;
}

const unsigned char *stly_inspect_row(const struct inspection *inspection, uint32_t table, uint32_t row) {
        const struct layout_table *descriptor = stly_inspect_table(inspection, table);

        if (!descriptor || row >= stly_inspect_count(inspection, table))
                return NULL;
        return (const unsigned char *) inspection->slot + descriptor->rows_offset + (size_t) row * descriptor->row_size;
}

const struct layout_index_entry *stly_inspect_index(const struct inspection *inspection, uint32_t table) {
        const struct layout_table *descriptor = stly_inspect_table(inspection, table);

        if (!descriptor || descriptor->index_size == 0)
                return NULL;
        return (const void *) ((const unsigned char *) inspection->slot + descriptor->index_offset);
}

uint64_t stly_inspect_number(const unsigned char *row, const struct layout_column *column) {
        return field_read(row, (struct attached_field){ column->offset, column->bytes });
}

const char *stly_inspect_text(const unsigned char *row, const struct layout_column *column) {
        char *text = (char *) (uintptr_t) row + column->offset; /* in the inspection's own memory */

        stly_text_make_safe(text, column->bytes);
        return text;
}
