/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_PATTERN_H
#define TESTS_PATTERN_H
/*
 * Publications that betray a torn read: the number of rows, every number and every text of every row, the PIDs in the
 * index and the facts all follow from the sequence number. A snapshot mixed from two publications, in any table, row or
 * column, does not check.
 */
#include <stddef.h>
#include <stdint.h>

#include "daemon/publish/segment.h"
#include "libclient/socktally.h"

/* Fills the publication that will get this sequence number. */
void pattern_fill(struct segment_fill *fill, uint64_t sequence);

/* Looks at everything in the snapshot. Returns 0, or -EBADMSG with one line in ret_text that says what does not fit. */
int pattern_check(const struct socktally *reader, char *ret_text, size_t size);

#endif
