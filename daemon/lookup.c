/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Open addressing with linear probing, at most three quarters full, removal by shifting back (no tombstones, so a table
 * that lives for months stays as fast as a new one). The upper half of each entry keeps the hash: most comparisons end
 * there, and growing never looks at a record.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/lookup.h"

#define SIZE_MIN 64

/* FNV-1a with a final mix: names and keys come from processes, but every table is bounded, so that a chosen collision
 * costs time in proportion to the attacker's own rows only. */
uint32_t lookup_hash(const void *key, size_t size) {
        const unsigned char *p = key;
        uint64_t hash = UINT64_C(0xcbf29ce484222325);

        for (size_t i = 0; i < size; i++)
                hash = (hash ^ p[i]) * UINT64_C(0x100000001b3);
        hash ^= hash >> 32;
        hash *= UINT64_C(0x9e3779b97f4a7c15);
        return (uint32_t) (hash >> 32);
}

static uint32_t entry_hash(uint64_t entry) {
        return (uint32_t) (entry >> 32);
}

static uint32_t entry_number(uint64_t entry) {
        return (uint32_t) entry - 1;
}

uint32_t lookup_find(const struct lookup *lookup, uint32_t hash, lookup_match *match, const void *owner,
                     const void *key) {
        uint32_t mask = lookup->size - 1;

        if (lookup->size == 0)
                return LOOKUP_NONE;
        for (uint32_t i = hash & mask; lookup->entries[i]; i = (i + 1) & mask)
                if (entry_hash(lookup->entries[i]) == hash && match(owner, entry_number(lookup->entries[i]), key))
                        return entry_number(lookup->entries[i]);
        return LOOKUP_NONE;
}

static void place(uint64_t *entries, uint32_t size, uint64_t entry) {
        uint32_t i = entry_hash(entry) & (size - 1);

        while (entries[i])
                i = (i + 1) & (size - 1);
        entries[i] = entry;
}

static int resize(struct lookup *lookup, uint32_t size) {
        uint64_t *entries = calloc(size, sizeof *entries);

        if (!entries)
                return -ENOMEM;
        for (uint32_t i = 0; i < lookup->size; i++)
                if (lookup->entries[i])
                        place(entries, size, lookup->entries[i]);
        free(lookup->entries);
        lookup->entries = entries;
        lookup->size = size;
        return 0;
}

int lookup_reserve_all(struct lookup *lookup, uint32_t n) {
        uint32_t size = lookup->size ? lookup->size : SIZE_MIN;

        while (size / 4 * 3 < n) {
                if (size * 2 < size)
                        return -E2BIG;
                size *= 2;
        }
        return size == lookup->size ? 0 : resize(lookup, size);
}

int lookup_reserve(struct lookup *lookup) {
        return lookup_reserve_all(lookup, lookup->used + 1);
}

void lookup_shrink(struct lookup *lookup) {
        uint32_t size = lookup->size;

        while (size > SIZE_MIN && lookup->used < size / 4)
                size /= 2;
        if (size < lookup->size)
                (void) resize(lookup, size);
}

void lookup_clear(struct lookup *lookup) {
        if (lookup->used > 0)
                memset(lookup->entries, 0, lookup->size * sizeof *lookup->entries);
        lookup->used = 0;
}

void lookup_add(struct lookup *lookup, uint32_t hash, uint32_t number) {
        place(lookup->entries, lookup->size, (uint64_t) hash << 32 | (number + 1));
        lookup->used++;
}

void lookup_remove(struct lookup *lookup, uint32_t hash, uint32_t number) {
        uint64_t entry = (uint64_t) hash << 32 | (number + 1);
        uint32_t mask = lookup->size - 1, hole, i;

        if (lookup->size == 0)
                return;
        for (hole = hash & mask; lookup->entries[hole] != entry; hole = (hole + 1) & mask)
                if (lookup->entries[hole] == 0)
                        return;
        /* An entry may move into the hole if the hole is not before the place its hash wants. */
        for (i = (hole + 1) & mask; lookup->entries[i]; i = (i + 1) & mask)
                if (((i - entry_hash(lookup->entries[i])) & mask) >= ((i - hole) & mask)) {
                        lookup->entries[hole] = lookup->entries[i];
                        hole = i;
                }
        lookup->entries[hole] = 0;
        lookup->used--;
}

void lookup_done(struct lookup *lookup) {
        free(lookup->entries);
        *lookup = LOOKUP_NULL;
}
