/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_LINES_H
#define SOCKTALLY_LINES_H
/* What stands below each other on the screen: the rows of one table, or apps and below each its processes. */
#include "tools/listing.h"

struct line {
        const struct listing *listing; /* that entry is of */
        const struct entry *entry;
        bool is_below; /* it belongs to the app above it */
};

/* Borrows from the listings. */
struct lines {
        struct line *lines;
        size_t n, n_allocated;
};

void lines_done(struct lines *lines);
/* Both: -ENOMEM with no line. */
int lines_list(struct lines *lines, const struct listing *listing);
/* processes: in order. Apps of which none of these is there are left out, unless is_whole. */
int lines_tree(struct lines *lines, const struct listing *apps, const struct listing *processes, bool is_whole);

#endif
