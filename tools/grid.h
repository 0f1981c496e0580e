/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_GRID_H
#define SOCKTALLY_GRID_H
/* A small table of text, put together cell by cell and printed once. */
#include <stdbool.h>
#include <stddef.h>

#include "tools/options.h"

struct grid;

struct grid_column {
        const char *title;
        bool is_right;
};

/* Never NULL: without memory the command ends, as there is nothing else it could say. */
struct grid *grid_new(const struct grid_column *columns, size_t n, const struct options *options);
/* One text per column, cleaned here for the terminal; NULL: unknown. */
void grid_add(struct grid *grid, const char *const cells[]);
/* Prints and frees. */
enum exit_status grid_print(struct grid *grid);

#endif
