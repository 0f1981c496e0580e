/* SPDX-License-Identifier: MIT */
#ifndef SOCKTALLY_LOOKUP_H
#define SOCKTALLY_LOOKUP_H
/*
 * Finding rows in any snapshot, the current or the one before, and reading the fields that identify them.
 */
#include <stdint.h>
#include <string.h>

#include "libclient/snapshot.h"

/* A number of 4 or 8 bytes in a row; 0 when the table does not have the field. */
static inline uint64_t field_read(const unsigned char *row, struct attached_field field) {
        uint64_t value64;
        uint32_t value32;

        if (field.bytes == 8) {
                memcpy(&value64, row + field.offset, sizeof(value64));
                return value64;
        }
        if (field.bytes != 4)
                return 0;
        memcpy(&value32, row + field.offset, sizeof(value32));
        return value32;
}

/* The process's row, or NULL. start_time 0: any; cgroup_id other than 0: that one, if the process has several rows. */
const unsigned char *stly_lookup_process(const struct snapshot *snapshot, uint32_t pid, uint64_t start_time,
                                         uint64_t cgroup_id);
/* The row of a table with the same schema that the same columns find, or NULL. False: this row has no key. */
bool stly_lookup_like(const struct snapshot *snapshot, uint32_t id, const unsigned char *row,
                      const unsigned char **ret_row);

#endif
