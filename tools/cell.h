/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_CELL_H
#define SOCKTALLY_CELL_H
/* The text of one cell of a table, and of its title. Clean for any terminal: names are escaped here. */
#include <stdbool.h>
#include <stddef.h>

#include "tools/listing.h"
#include "tools/users.h"

#define CELL_SIZE 1024 /* the longest name, every byte of it escaped as \xNN */
#define CELL_UNKNOWN "-"

/* Both fill buffer, which has CELL_SIZE bytes, and return it. */
const char *cell_text(char *buffer, const struct listing *listing, const struct entry *entry,
                      const struct shown *shown, struct users *users, bool is_exact);
const char *cell_title(char *buffer, const struct shown *shown);
bool cell_is_right(const struct field *field);

#endif
