/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_CATALOG_H
#define SOCKTALLY_CATALOG_H
/* The tables that can be listed, once: what each is called, and what its rows begin and end with. */
#include <stdbool.h>
#include <stddef.h>

#include "libclient/socktally.h"

struct catalog {
        enum socktally_table table;
        enum socktally_row_kind kind; /* of a row that is no special one */
        const char *name;             /* as in commands and JSON: "processes" */
        const char *title;
        const char *own;              /* the field that names a row */
        const char *first, *last;     /* fields before and after the numbers, separated by commas */
        const char *setting;          /* that switches the table off; NULL: none does */
};

/* In the order in which people go through them; NULL past the end. */
const struct catalog *catalog_at(size_t index);
/* NULL: it is not listed, as that of the host. */
const struct catalog *catalog_of(enum socktally_table table);
const struct catalog *catalog_find(const char *name);

#endif
