/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_FOREIGN_READER_H
#define TESTS_FOREIGN_READER_H
/*
 * A reader of the shared segment that knows nothing but socktally-segment(5).
 */
#include <stdint.h>
#include <stdio.h>

struct foreign;

/* NULL if the file is no segment, and ret_why says why. */
struct foreign *foreign_open(const char *path, const char **ret_why);
struct foreign *foreign_close(struct foreign *foreign);

/* Takes the newest publication. 0, or -1 if there is none or the writer was faster three times. */
int foreign_take(struct foreign *foreign);
uint64_t foreign_sequence(const struct foreign *foreign);

/* All facts, rows and columns, one per line: table, row, column, value; a question mark for what is not tracked. */
void foreign_print(const struct foreign *foreign, FILE *file);
/* Row number, or -1. */
int64_t foreign_find_pid(const struct foreign *foreign, uint32_t pid);
int64_t foreign_find_service(const struct foreign *foreign, const char *unit, uint32_t uid);

/* 0 live, 1 superseded, 2 closed, 3 the daemon died. */
int foreign_state(const struct foreign *foreign);
/* The schema's hash, made from the descriptors; and the one that the header holds. */
uint64_t foreign_schema_hash(const struct foreign *foreign);
uint64_t foreign_header_hash(const struct foreign *foreign);

#endif
