/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the text and the JSON of a segment's dump have in common. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>

#include "libclient/inspect.h"
#include "tools/segment-words.h"

static const char *name_of(const char *const *names, size_t n, size_t number) {
        return number < n ? names[number] : "unknown";
}

const char *segment_state_name(uint32_t state) {
        static const char *const names[] = { "live", "superseded", "closed" };

        return name_of(names, 3, state);
}

const char *segment_type_name(uint32_t type) {
        static const char *const names[] = { "counter", "gauge", "text", "id" };

        return name_of(names, 4, type);
}

const char *segment_index_name(const struct inspection *inspection, uint32_t table, char *buffer, size_t size) {
        const struct layout_table *descriptor = stly_inspect_table(inspection, table);
        const struct layout_column *column;
        size_t n = 0;

        (void)snprintf(buffer, size, "none");
        for (size_t key = 0; descriptor->index_size > 0 && key < LAYOUT_MAX_KEYS && descriptor->keys[key]; key++)
                for (uint32_t i = 0; (column = stly_inspect_column(inspection, table, i)); i++)
                        if (column->field_id == descriptor->keys[key] && n < size)
                                n += (size_t)snprintf(buffer + n, size - n, "%s%s", n > 0 ? ", " : "", column->name);
        return buffer;
}

const char *segment_slot_state_name(int state) {
        static const char *const names[] = { "empty", "writing", "whole" };

        return name_of(names, 3, (size_t)state);
}

bool segment_is_known(uint32_t field_id, uint64_t known) {
        return field_id == 0 || field_id > 64 || known & UINT64_C(1) << (field_id - 1);
}

int segment_read_newest(struct inspection *inspection, struct inspect_slot *ret_slot) {
        /* The writer may go on while we look; then another slot is the newest. */
        for (int tries = 0; tries < 3; tries++)
                for (uint32_t i = 0; i < stly_inspect_header(inspection)->n_slots; i++)
                        if (stly_inspect_read_slot(inspection, i, ret_slot) >= 0 && ret_slot->is_published)
                                return 0;
        *ret_slot = (struct inspect_slot){ .state = INSPECT_SLOT_EMPTY };
        return -ENOENT;
}
