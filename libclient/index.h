/* SPDX-License-Identifier: MIT */
#ifndef SOCKTALLY_INDEX_H
#define SOCKTALLY_INDEX_H
/*
 * The hash that both sides use for the index tables in a slot: linear probing from index_place(), half full at most.
 * The writer inserts, the reader searches its private copy; a reader never trusts an entry further than its row number
 * allows.
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "libclient/frame.h"

/* Multiplying by 2^32 divided by the golden ratio spreads neighbouring PIDs; the upper bits are the good ones. */
static inline uint32_t index_place(uint32_t key, uint32_t size) {
        return (uint32_t) ((uint64_t) (uint32_t) (key * UINT32_C(2654435769)) * size >> 32);
}

/* A column that an index goes by. */
struct index_column {
        uint32_t field_id;
        uint32_t offset, bytes; /* in the row */
        bool is_text;
};

#define INDEX_HASH_START UINT32_C(2166136261)

/* Goes on with the value of one column: FNV-1a over the bytes of a text, without its NUL; a number is one step, because
 * byte by byte neighbouring PIDs come to lie in clusters. */
static inline uint32_t index_hash_text(uint32_t hash, const char *text, uint32_t room) {
        for (uint32_t i = 0; i < room && text[i]; i++)
                hash = (hash ^ (uint8_t) text[i]) * UINT32_C(16777619);
        return hash;
}

static inline uint32_t index_hash_number(uint32_t hash, uint64_t number) {
        return (hash ^ (uint32_t) number ^ (uint32_t) (number >> 32)) * UINT32_C(16777619);
}

static inline uint64_t index_number(const unsigned char *row, const struct index_column *column) {
        uint64_t number = 0;

        if (column->bytes == 8)
                memcpy(&number, row + column->offset, 8);
        else
                memcpy(&number, row + column->offset, 4);
        return number;
}

/* The key of a row. False: its first column is 0 or empty, and the row is not in the index. */
static inline bool index_key(const unsigned char *row, const struct index_column *columns, uint32_t n,
                             uint32_t *ret_key) {
        uint32_t key = INDEX_HASH_START;

        for (uint32_t i = 0; i < n; i++)
                key = columns[i].is_text
                              ? index_hash_text(key, (const char *) row + columns[i].offset, columns[i].bytes)
                              : index_hash_number(key, index_number(row, &columns[i]));
        *ret_key = key;
        return columns[0].is_text ? row[columns[0].offset] != 0 : index_number(row, &columns[0]) != 0;
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
