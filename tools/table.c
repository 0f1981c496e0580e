/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libsmartcols measures, aligns, cuts to the width of the terminal and adds colours. It gets text that is clean. */
#include <err.h>
#include <errno.h>
#include <libsmartcols.h>
#include <string.h>
#include <stdlib.h>
#include <unistd.h>

#include "tools/cell.h"
#include "tools/table.h"

bool table_has_color(const struct options *options) {
        const char *terminal = getenv("TERM"), *no_color = getenv("NO_COLOR");

        if (options->color != COLOR_AUTO)
                return options->color == COLOR_ALWAYS;
        return isatty(STDOUT_FILENO) && terminal && strcmp(terminal, "dumb") != 0 && (!no_color || *no_color == '\0');
}

static int add_column(struct libscols_table *table, const struct shown *shown, bool has_color) {
        bool is_right = cell_is_right(shown->field);
        struct libscols_column *column;
        char title[CELL_SIZE];

        column = scols_table_new_column(table, cell_title(title, shown), 0,
                                        is_right ? SCOLS_FL_RIGHT : SCOLS_FL_TRUNC);
        if (!column)
                return -ENOMEM;
        if (has_color)
                return scols_cell_set_color(scols_column_get_header(column), "bold");
        return 0;
}

static int add_row(struct libscols_table *table, const struct listing *listing, const struct entry *entry,
                   const struct choice *choice, struct users *users, bool is_exact) {
        struct libscols_line *line = scols_table_new_line(table, NULL);
        char text[CELL_SIZE];
        int r = line ? 0 : -ENOMEM;

        for (size_t i = 0; i < choice->n && r == 0; i++)
                r = scols_line_set_data(line, i,
                                        cell_text(text, listing, entry, &choice->shown[i], users, is_exact));
        return r;
}

enum exit_status table_print(const struct listing *listing, const struct choice *choice,
                             const struct options *options, struct users *users) {
        struct libscols_table *table;
        bool has_color = table_has_color(options);
        int r;

        scols_init_debug(0);
        table = scols_new_table();
        r = table ? 0 : -ENOMEM;
        if (r == 0) /* cells are safe to print, see cell.c; a second time would escape the backslashes */
                r = scols_table_enable_noencoding(table, 1);
        if (r == 0 && has_color)
                r = scols_table_enable_colors(table, 1);
        if (r == 0)
                r = scols_table_enable_noheadings(table, !options->has_legend);
        for (size_t i = 0; i < choice->n && r == 0; i++)
                r = add_column(table, &choice->shown[i], has_color);
        for (size_t i = 0; i < listing->n && i < options->limit && r == 0; i++)
                r = add_row(table, listing, &listing->entries[i], choice, users, options->is_exact);
        /* Without a line the library prints not even the titles. */
        if (r == 0 && listing->n > 0)
                r = scols_print_table(table);
        scols_unref_table(table);
        if (r < 0)
                warnx("cannot print the table: %s", strerror(-r));
        return r < 0 ? STATUS_FAILED : STATUS_DONE;
}
