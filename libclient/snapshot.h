/* SPDX-License-Identifier: MIT */
#ifndef SOCKTALLY_SNAPSHOT_H
#define SOCKTALLY_SNAPSHOT_H
/*
 * A reader's private copy of one publication: facts, the rows in use and the index tables. Sized by the segment's
 * capacities when it is made, so taking a publication never allocates.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libclient/attach.h"
#include "libclient/layout.h"

struct snapshot {
        struct attachment *attachment; /* a reference: says where things are, mapped or not */
        bool is_whole;                 /* false until a publication was taken, and after an attempt that failed */
        struct layout_facts facts;
        uint32_t count[LAYOUT_N_TABLES]; /* rows by table id, never more than the capacity */
        uint64_t known[LAYOUT_N_TABLES]; /* metrics that were counted, by table id */
        unsigned char *memory;
};

int stly_snapshot_new(struct snapshot **ret_snapshot, struct attachment *attachment);
struct snapshot *stly_snapshot_free(struct snapshot *snapshot);

/* 0: publication number was taken. 1: the writer overtook the copy. -EPROTO: the slot holds nonsense. */
int stly_snapshot_take(struct snapshot *snapshot, uint64_t number);

static inline const struct attached_table *snapshot_table(const struct snapshot *snapshot, uint32_t id) {
        return &snapshot->attachment->tables[id];
}

static inline const unsigned char *snapshot_row(const struct snapshot *snapshot, uint32_t id, uint32_t index) {
        const struct attached_table *table = snapshot_table(snapshot, id);

        return snapshot->memory + table->snapshot_rows_offset + (size_t) index * table->row_size;
}

#endif
