/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_SOURCE_H
#define SOCKTALLY_SOURCE_H
/*
 * Where the numbers come from: a reader of libsocktally, opened as the options say, and the words for a person when
 * that does not work. Functions that return an enum exit_status have said on stderr what was wrong.
 */
#include <stdbool.h>
#include <stdint.h>

#include "libclient/socktally.h"
#include "tools/exit-status.h"
#include "tools/options.h"

/* Opens a reader that has a first snapshot. It may be stale; source_require_fresh() is for those who mind. */
enum exit_status source_open(struct socktally **ret_reader, const struct options *options);
/* Opens a reader for one view and says nothing: 0 or a negative errno. */
int source_try(struct socktally **ret_reader, const struct options *options, enum socktally_view view);
/* What a daemon that is gone left behind is no data. */
enum exit_status source_require_fresh(const struct socktally *reader);
/* Whether this view has the table. */
bool source_has_table(const struct socktally *reader, enum socktally_table table);
enum exit_status source_require_table(const struct socktally *reader, enum socktally_table table);
/* Takes the next publication; with interval_usec not 0 one that comes at least that much later. Returns
 * STATUS_NO_DAEMON without a word when none came and the snapshot is stale. */
enum exit_status source_next(struct socktally *reader, uint64_t interval_usec);

struct socktally_info source_info(const struct socktally *reader);
const char *source_view_name(enum socktally_view view);
/* How long ago the snapshot was sampled, nanoseconds. */
uint64_t source_age(const struct socktally_info *info);
/* By how much what no finished call tells may be late in the snapshot, nanoseconds; see WHAT MAY BE LATE in
 * socktallyd(8). 0: nothing is late. */
uint64_t source_lateness(const struct socktally_info *info);

#endif
