/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Slots in an array with a free list, found through a lookup by key. Grows with use; no allocation for a known key. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/totals/cursors.h"

#define SLOTS_MIN 64

static bool match_key(const void *owner, uint32_t number, const void *key) {
        const struct cursors *cursors = owner;

        return memcmp(&cursors->slots[number].key, key, sizeof(struct process_key)) == 0;
}

void cursors_done(struct cursors *cursors) {
        free(cursors->slots);
        lookup_done(&cursors->by_key);
        *cursors = CURSORS_NULL;
}

int cursors_index(struct cursors *cursors) {
        int r;

        r = lookup_reserve_all(&cursors->by_key, cursors->n_slots);
        for (uint32_t i = 0; r == 0 && i < cursors->n_slots; i++) {
                const struct process_key *key = &cursors->slots[i].key;

                if (cursors->slots[i].is_used)
                        lookup_add(&cursors->by_key, lookup_hash(key, sizeof *key), i);
        }
        return r;
}

struct cursor *cursors_find(const struct cursors *cursors, const struct process_key *key) {
        uint32_t number = lookup_find(&cursors->by_key, lookup_hash(key, sizeof *key), match_key, cursors, key);

        return number == LOOKUP_NONE ? NULL : &cursors->slots[number];
}

static int grow(struct cursors *cursors) {
        uint32_t n = cursors->n_allocated ? cursors->n_allocated * 2 : SLOTS_MIN;
        struct cursor *slots;

        if (cursors->first_free != LOOKUP_NONE || cursors->n_slots < cursors->n_allocated)
                return 0;
        slots = reallocarray(cursors->slots, n, sizeof *slots);
        if (!slots)
                return -ENOMEM;
        cursors->slots = slots;
        cursors->n_allocated = n;
        return 0;
}

int cursors_add(struct cursors *cursors, const struct process_key *key, struct cursor **ret_cursor) {
        uint32_t number;
        int r;

        r = lookup_reserve(&cursors->by_key);
        if (r < 0)
                return r;
        r = grow(cursors);
        if (r < 0)
                return r;
        number = cursors->first_free;
        if (number != LOOKUP_NONE)
                cursors->first_free = cursors->slots[number].next;
        else
                number = cursors->n_slots++;
        cursors->slots[number] = (struct cursor) { .key = *key, .next = LOOKUP_NONE, .is_used = true };
        cursors->n_used++;
        lookup_add(&cursors->by_key, lookup_hash(key, sizeof *key), number);
        *ret_cursor = &cursors->slots[number];
        return 0;
}

void cursors_shrink(struct cursors *cursors) {
        struct cursor *slots;
        uint32_t n;

        while (cursors->n_slots > 0 && !cursors->slots[cursors->n_slots - 1].is_used)
                cursors->n_slots--;
        cursors->first_free = LOOKUP_NONE;
        for (uint32_t i = cursors->n_slots; i-- > 0;)
                if (!cursors->slots[i].is_used) {
                        cursors->slots[i].next = cursors->first_free;
                        cursors->first_free = i;
                }
        lookup_shrink(&cursors->by_key);
        n = cursors->n_allocated;
        while (n > SLOTS_MIN && cursors->n_slots < n / 4)
                n /= 2;
        slots = n < cursors->n_allocated ? reallocarray(cursors->slots, n, sizeof *slots) : NULL;
        if (!slots)
                return;
        cursors->slots = slots;
        cursors->n_allocated = n;
}

void cursors_remove(struct cursors *cursors, struct cursor *cursor) {
        uint32_t number = (uint32_t) (cursor - cursors->slots);

        lookup_remove(&cursors->by_key, lookup_hash(&cursor->key, sizeof cursor->key), number);
        cursors->n_orphans -= cursor->is_orphan;
        cursor->is_used = cursor->is_orphan = false;
        cursor->next = cursors->first_free;
        cursors->first_free = number;
        cursors->n_used--;
}
