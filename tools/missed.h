/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_MISSED_H
#define SOCKTALLY_MISSED_H
/*
 * Words for what is not in what is shown. Calls are in no row if the kernel skipped the daemon's programs for them:
 * numbers of calls and UDP bytes are lower bounds then. TCP bytes never are. Where one scope was asked for, bytes of
 * unknown scope are left out.
 */
#include <stdbool.h>

#include "libclient/socktally.h"
#include "tools/scope.h"

#define MISSED_SIZE 256

/* "none", or how many in the last interval and since counting began. Fills buffer, which has MISSED_SIZE bytes. */
const char *missed_describe(char *buffer, const struct socktally_info *info);
/* Calls that are not in what is shown: growth of the last interval, or totals. */
uint64_t missed_count(const struct socktally_info *info, bool is_rate);
/* One line below a table, if there are any. */
void missed_print(const struct socktally *reader, bool is_rate);
/* The same of bytes whose scope is not known. */
void missed_print_scope(const struct socktally *reader, enum scope scope, bool is_rate);

#endif
