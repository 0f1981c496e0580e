/* SPDX-License-Identifier: MIT */
#ifndef SOCKTALLY_SCHEMA_H
#define SOCKTALLY_SCHEMA_H
/*
 * Every table and column of this version, made from the lists in tables.h and metrics.h: the writer puts them into the
 * segment, tests and the manual are compared with them. Nothing here knows memory mappings or the daemon.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libclient/frame.h"
#include "libclient/index.h"
#include "libclient/tables.h"

struct schema_column {
        uint32_t field_id, type, offset, bytes;
        const char *name, *unit, *help;
};

struct schema_table {
        const char *name;
        uint32_t id, row_size;
        uint32_t keys[LAYOUT_MAX_KEYS]; /* field ids of the columns that its index goes by; 0: no more */
        uint64_t metrics;  /* that its rows have, a bit per enum socktally_metric */
        uint32_t counters; /* where these begin in a row, in the order of the bits */
        uint32_t n_columns; /* metrics included */
        const struct schema_column *columns; /* that are no metric */
};

/* By table id, LAYOUT_N_TABLES of them. */
const struct schema_table *stly_schema_table(uint32_t id);
/* Column by number: first the metrics, then the others. False past the end. */
bool stly_schema_column(const struct schema_table *table, uint32_t number, struct schema_column *ret_column);

/* What the index of a described table goes by: how many columns, 0 without an index, or -1 if one is not there. columns
 * are those of this table. */
int stly_schema_index(const struct layout_table *table, const struct layout_column *columns,
                      struct index_column ret_columns[LAYOUT_MAX_KEYS]);

#define SCHEMA_HASH_START UINT64_C(14695981039346656037)
/* Goes on hashing with one table's or column's descriptor: FNV-1a over the fields that fix where things are and what
 * they mean. Capacities and offsets inside the slot are not part of it. */
uint64_t stly_schema_hash_table(uint64_t hash, const struct layout_table *table);
uint64_t stly_schema_hash_column(uint64_t hash, const struct layout_column *column);

#endif
