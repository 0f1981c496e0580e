/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the text and the JSON of a segment's dump have in common. */
#include <errno.h>
#include <stddef.h>

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

const char *segment_index_name(uint32_t kind) {
        static const char *const names[] = { "none", "pid", "service" };

        return name_of(names, 3, kind);
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
