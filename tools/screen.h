/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_SCREEN_H
#define SOCKTALLY_SCREEN_H
/*
 * What the live table looks like. A screen is drawn whole from a struct that the loop fills; curses sends the terminal
 * only what changed.
 */
#include <stdbool.h>
#include <stddef.h>

#include "tools/lines.h"
#include "tools/users.h"

struct screen {
        const struct listing *listing, *host; /* listing: the table, whose rows are among the lines */
        const struct lines *lines;
        const struct choice *choice;
        const struct order *order;
        struct users *users;
        struct socktally_info info;
        bool is_paused, has_help, is_exact, is_tree;
        const char *next_table; /* what Tab shows, or NULL */
        const char *typed;      /* the filter that is being typed, or NULL */
        const char *part;       /* the filter that was typed; "": none */
        bool is_filtered;       /* by that or by options */
        size_t first;       /* line at the top */
        size_t limit;
        const char *notice; /* one line for the person, or NULL */
};

void screen_init(bool has_color);
void screen_draw(const struct screen *screen);
/* Rows that fit between the titles and the line of keys. */
size_t screen_rows(void);

#endif
