/* SPDX-License-Identifier: MIT */
#ifndef SOCKTALLY_SCHEMA_H
#define SOCKTALLY_SCHEMA_H
/*
 * Every table and column of this version, as constant arrays: the writer puts them into the segment, tests and the
 * manual are compared with them. Nothing here knows memory mappings or the daemon.
 */
#include <stddef.h>
#include <stdint.h>

#include "libclient/frame.h"

/* Field ids of the columns that are no metric. Permanent. */
enum {
        FIELD_LAST_METRIC = 64,
        FIELD_PID = 1001,
        FIELD_START_TIME = 1002,
        FIELD_CHANGED = 1003,
        FIELD_CGROUP_ID = 1004,
        FIELD_UID = 1005,
        FIELD_KIND = 1006,
        FIELD_EXITED = 1007,
        FIELD_COMM = 1008,
        FIELD_SERVICE = 1009,
        FIELD_APP = 1010,
        FIELD_CONTAINER = 1011,
        FIELD_PROCESSES = 1012,
        FIELD_SERVICES = 1013
};

struct schema_column {
        uint32_t field_id, type, offset, bytes;
        const char *name, *unit, *help;
};

struct schema_table {
        const char *name;
        uint32_t id, row_size, index_kind, n_columns;
        const struct schema_column *columns;
};

/* By table id, LAYOUT_N_TABLES of them. */
const struct schema_table *stly_schema_table(uint32_t id);

#define SCHEMA_HASH_START UINT64_C(14695981039346656037)
/* Goes on hashing with one table's or column's descriptor: FNV-1a over the fields that fix where things are and what
 * they mean. Capacities and offsets inside the slot are not part of it. */
uint64_t stly_schema_hash_table(uint64_t hash, const struct layout_table *table);
uint64_t stly_schema_hash_column(uint64_t hash, const struct layout_column *column);

#endif
