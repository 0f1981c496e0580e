/* SPDX-License-Identifier: MIT */
#ifndef SOCKTALLY_INDEX_H
#define SOCKTALLY_INDEX_H
/*
 * The hash that both sides use for the index tables in a slot: linear probing from index_place(), half full at most.
 * The writer inserts, the reader searches its private copy; a reader never trusts an entry further than its row number
 * allows.
 */
#include <stdint.h>

#include "libclient/frame.h"

/* Multiplying by 2^32 divided by the golden ratio spreads neighbouring PIDs; the upper bits are the good ones. */
static inline uint32_t index_place(uint32_t key, uint32_t size) {
        return (uint32_t) ((uint64_t) (uint32_t) (key * UINT32_C(2654435769)) * size >> 32);
}

/* FNV-1a over the unit's name and then the four bytes of the uid, lowest first. */
static inline uint32_t index_service_key(const char *unit, uint32_t uid) {
        uint32_t hash = UINT32_C(2166136261);

        for (; *unit; unit++)
                hash = (hash ^ (uint8_t) *unit) * UINT32_C(16777619);
        for (int i = 0; i < 4; i++)
                hash = (hash ^ (uint8_t) (uid >> (8 * i))) * UINT32_C(16777619);
        return hash;
}

/* Entries for a table of this capacity: the power of two from twice of it on. */
static inline uint32_t index_size_for(uint32_t capacity) {
        uint32_t size = 8;

        while (size < 2 * capacity)
                size *= 2;
        return size;
}

static inline void index_insert(struct layout_index_entry *index, uint32_t size, uint32_t key, uint32_t row) {
        uint32_t place = index_place(key, size);

        while (index[place].row)
                place = (place + 1) & (size - 1);
        index[place] = (struct layout_index_entry){ .key = key, .row = row + 1 };
}

#endif
