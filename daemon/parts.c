/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Slots in an array with a free list, found through a lookup by key. Grows with use; no allocation for a known key. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/parts.h"

#define SLOTS_MIN 64

static bool match_key(const void *owner, uint32_t number, const void *key) {
        const struct parts *parts = owner;

        return memcmp(&parts->slots[number].key, key, sizeof(struct process_key)) == 0;
}

void parts_done(struct parts *parts) {
        free(parts->slots);
        lookup_done(&parts->by_key);
        *parts = PARTS_NULL;
}

int parts_index(struct parts *parts) {
        int r;

        r = lookup_reserve_all(&parts->by_key, parts->n_slots);
        for (uint32_t i = 0; r == 0 && i < parts->n_slots; i++)
                if (parts->slots[i].is_used)
                        lookup_add(&parts->by_key, lookup_hash(&parts->slots[i].key, sizeof parts->slots[i].key), i);
        return r;
}

struct part *parts_find(const struct parts *parts, const struct process_key *key) {
        uint32_t number = lookup_find(&parts->by_key, lookup_hash(key, sizeof *key), match_key, parts, key);

        return number == LOOKUP_NONE ? NULL : &parts->slots[number];
}

static int grow(struct parts *parts) {
        uint32_t n = parts->n_allocated ? parts->n_allocated * 2 : SLOTS_MIN;
        struct part *slots;

        if (parts->first_free != LOOKUP_NONE || parts->n_slots < parts->n_allocated)
                return 0;
        slots = reallocarray(parts->slots, n, sizeof *slots);
        if (!slots)
                return -ENOMEM;
        parts->slots = slots;
        parts->n_allocated = n;
        return 0;
}

int parts_add(struct parts *parts, const struct process_key *key, struct part **ret_part) {
        uint32_t number;
        int r;

        r = lookup_reserve(&parts->by_key);
        if (r < 0)
                return r;
        r = grow(parts);
        if (r < 0)
                return r;
        number = parts->first_free;
        if (number != LOOKUP_NONE)
                parts->first_free = parts->slots[number].next;
        else
                number = parts->n_slots++;
        parts->slots[number] = (struct part) { .key = *key, .next = LOOKUP_NONE, .is_used = true };
        parts->n_used++;
        lookup_add(&parts->by_key, lookup_hash(key, sizeof *key), number);
        *ret_part = &parts->slots[number];
        return 0;
}

void parts_remove(struct parts *parts, struct part *part) {
        uint32_t number = (uint32_t) (part - parts->slots);

        lookup_remove(&parts->by_key, lookup_hash(&part->key, sizeof part->key), number);
        parts->n_orphans -= part->is_orphan;
        part->is_used = part->is_orphan = false;
        part->next = parts->first_free;
        parts->first_free = number;
        parts->n_used--;
}
