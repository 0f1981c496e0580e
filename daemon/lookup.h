/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_LOOKUP_H
#define SOCKTALLYD_LOOKUP_H
/*
 * Finds the number of a record in its owner's array by a key that only the owner understands. Grows by doubling with
 * what is in it; once the records are known, nothing allocates.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOOKUP_NONE UINT32_MAX

struct lookup {
        uint64_t *entries; /* hash << 32 | number + 1; 0 is empty */
        uint32_t size;     /* a power of two, or 0 */
        uint32_t used;
};

#define LOOKUP_NULL ((struct lookup) { NULL, 0, 0 })

/* True if record number `number` has the key. */
typedef bool lookup_match(const void *owner, uint32_t number, const void *key);

uint32_t lookup_hash(const void *key, size_t size);
uint32_t lookup_find(const struct lookup *lookup, uint32_t hash, lookup_match *match, const void *owner,
                     const void *key);
/* Makes room for one more; after it lookup_add() cannot fail. */
int lookup_reserve(struct lookup *lookup);
/* The same for n in all. */
int lookup_reserve_all(struct lookup *lookup, uint32_t n);
/* Gives room back that the present records do not need. */
void lookup_shrink(struct lookup *lookup);
void lookup_clear(struct lookup *lookup);
void lookup_add(struct lookup *lookup, uint32_t hash, uint32_t number);
void lookup_remove(struct lookup *lookup, uint32_t hash, uint32_t number);
void lookup_done(struct lookup *lookup);

#endif
