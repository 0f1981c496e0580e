/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_TABLE_H
#define SOCKTALLY_TABLE_H
/* A listing as a table of text, once, for lists and for top without a terminal. */
#include "tools/exit-status.h"
#include "tools/listing.h"
#include "tools/options.h"
#include "tools/users.h"

/* Whether colours go to standard output. */
bool table_has_color(const struct options *options);
enum exit_status table_print(const struct listing *listing, const struct choice *choice,
                             const struct options *options, struct users *users);

#endif
