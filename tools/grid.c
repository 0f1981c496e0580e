/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <err.h>
#include <libsmartcols.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cell.h"
#include "tools/grid.h"
#include "tools/table.h"
#include "tools/untrusted.h"

struct grid {
        struct libscols_table *table;
        size_t n_columns;
};

static int add_column(struct libscols_table *table, const struct grid_column *column, bool has_color) {
        struct libscols_column *made = scols_table_new_column(table, column->title, 0,
                                                              column->is_right ? SCOLS_FL_RIGHT : 0);

        if (!made)
                return -1;
        return has_color ? scols_cell_set_color(scols_column_get_header(made), "bold") : 0;
}

struct grid *grid_new(const struct grid_column *columns, size_t n, const struct options *options) {
        struct grid *grid = calloc(1, sizeof(*grid));
        bool has_color = table_has_color(options);
        int r;

        scols_init_debug(0);
        if (!grid || !(grid->table = scols_new_table()))
                err(STATUS_FAILED, "cannot make a table");
        grid->n_columns = n;
        r = scols_table_enable_noheadings(grid->table, !options->has_legend);
        if (r == 0) /* grid_add() escapes */
                r = scols_table_enable_noencoding(grid->table, 1);
        if (r == 0 && has_color)
                r = scols_table_enable_colors(grid->table, 1);
        for (size_t i = 0; i < n && r == 0; i++)
                r = add_column(grid->table, &columns[i], has_color);
        if (r != 0)
                err(STATUS_FAILED, "cannot make a table");
        return grid;
}

void grid_add(struct grid *grid, const char *const cells[]) {
        struct libscols_line *line = scols_table_new_line(grid->table, NULL);
        char text[CELL_SIZE];

        for (size_t i = 0; i < grid->n_columns; i++)
                if (!line || scols_line_set_data(line, i, untrusted_printable(text, sizeof(text),
                                                                             cells[i] ? cells[i] : CELL_UNKNOWN)) != 0)
                        err(STATUS_FAILED, "cannot make a table");
}

enum exit_status grid_print(struct grid *grid) {
        int r = scols_table_is_empty(grid->table) ? 0 : scols_print_table(grid->table);

        scols_unref_table(grid->table);
        free(grid);
        if (r != 0)
                warnx("cannot print the table: %s", strerror(-r));
        return r != 0 ? STATUS_FAILED : STATUS_DONE;
}
