/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_LIVE_THREADS_H
#define SOCKTALLY_LIVE_THREADS_H
/*
 * Threads of one player, all started at the same moment.
 */
#include "tests/live/scene.h"

struct thread {
        struct player *player;
        unsigned int index;
        int fd; /* what the player gave to all of them */
};

typedef void (*thread_role)(const struct thread *thread);

/* Runs role in n threads, which have names of their own, and returns when all have ended. */
void threads_run(struct player *player, unsigned int n, int fd, thread_role role);

#endif
