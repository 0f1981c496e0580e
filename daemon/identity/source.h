/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_IDENTITY_SOURCE_H
#define SOCKTALLYD_IDENTITY_SOURCE_H
/*
 * A source of names: for processes in certain cgroups it knows one member of struct identity. All that it is asked by
 * is the cgroup's path, so its answers are the same for each process in there. No operation blocks. A source that has
 * to ask somebody else, say a socket, answers later: look_up() sends the question and leaves the member as it is, and
 * when its descriptor is readable, follow() takes the answer in. Then everything is looked up once more.
 */
#include <stdbool.h>

#include "daemon/identity/identity.h"

struct identity_source {
        const char *name;
        /* Does it know names of what is in such a cgroup? Pure text. NULL: of all. */
        bool (*matches)(const char *path);
        /* Fills in its member, if there is an answer by now. Names from strangers are made safe to print. */
        void (*look_up)(void *state, const char *path, struct identity *identity);
        /* NULL for a source that always knows at once. An error of open() keeps the daemon from starting. */
        int (*open)(void **ret_state);
        void (*close)(void *state);
        int (*fd)(const void *state); /* the same as long as it is open; the source's own */
        bool (*follow)(void *state);  /* true if an answer is another than before; may be called at any time */
        const char *(*complaint)(void *state); /* what is wrong, in words; once, then NULL. Or NULL: nothing ever is */
};

/* All that there are, with one that has no name at the end. A new one is a line there. */
extern const struct identity_source identity_sources[];

#endif
