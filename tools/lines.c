/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/lines.h"

static int make_room(struct lines *lines, size_t n) {
        struct line *bigger;

        lines->n = 0;
        if (n <= lines->n_allocated)
                return 0;
        bigger = reallocarray(lines->lines, n, sizeof(*bigger));
        if (!bigger)
                return -ENOMEM;
        lines->lines = bigger;
        lines->n_allocated = n;
        return 0;
}

static void add(struct lines *lines, const struct listing *listing, size_t i, bool is_below) {
        lines->lines[lines->n++] = (struct line){ listing, &listing->entries[i], is_below };
}

void lines_done(struct lines *lines) {
        free(lines->lines);
        *lines = (struct lines){ .n = 0 };
}

int lines_list(struct lines *lines, const struct listing *listing) {
        int r = make_room(lines, listing->n);

        for (size_t i = 0; i < listing->n && r >= 0; i++)
                add(lines, listing, i, false);
        return r;
}

/* A process names its app, but not whose app that is: it is the process's user's, or the system's. A process that runs
 * as another user than the one whose app it is, by setuid, belongs to the first app of that name. */
static bool is_of(const struct entry *process, const struct entry *app) {
        const char *name = process->texts[TEXT_APP];

        return name && app->texts[TEXT_APP] && strcmp(name, app->texts[TEXT_APP]) == 0 &&
               (!app->uid.is_known || !process->uid.is_known || app->uid.value == process->uid.value);
}

int lines_tree(struct lines *lines, const struct listing *apps, const struct listing *processes, bool is_whole) {
        int r = make_room(lines, apps->n + processes->n * (apps->n > 0));
        bool *is_placed = calloc(processes->n + 1, sizeof(*is_placed));

        if (!is_placed)
                r = -ENOMEM;
        for (size_t i = 0; i < apps->n && r >= 0; i++) {
                size_t first = lines->n;

                add(lines, apps, i, false);
                for (size_t j = 0; j < processes->n; j++)
                        if (!is_placed[j] && is_of(&processes->entries[j], &apps->entries[i])) {
                                is_placed[j] = true;
                                add(lines, processes, j, true);
                        }
                if (lines->n == first + 1 && !is_whole)
                        lines->n = first;
        }
        free(is_placed);
        return r;
}
