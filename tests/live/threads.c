/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A barrier in front of the roles makes them really run at the same time, which is what these scenarios are about. The
 * threads' own names must not show up anywhere: a process has its leader's.
 */
#include <pthread.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "tests/live/threads.h"

#define MAX_THREADS 128

struct start {
        struct thread thread;
        pthread_barrier_t *barrier;
        thread_role role;
};

static void *thread_main(void *userdata) {
        struct start *start = userdata;
        char name[COMM_SIZE];

        snprintf(name, sizeof(name), "lv-thread-%u", start->thread.index);
        prctl(PR_SET_NAME, name);
        pthread_barrier_wait(start->barrier);
        start->role(&start->thread);
        return NULL;
}

void threads_run(struct player *player, unsigned int n, int fd, thread_role role) {
        static struct start starts[MAX_THREADS];
        static pthread_t threads[MAX_THREADS];
        pthread_barrier_t barrier;

        if (n > MAX_THREADS)
                scene_fail(player->scene, "more than %d threads", MAX_THREADS);
        pthread_barrier_init(&barrier, NULL, n);
        for (unsigned int i = 0; i < n; i++) {
                starts[i] = (struct start) { { player, i, fd }, &barrier, role };
                if (pthread_create(&threads[i], NULL, thread_main, &starts[i]) != 0)
                        scene_fail(player->scene, "%s: cannot start thread %u of %u", player->comm, i + 1, n);
        }
        for (unsigned int i = 0; i < n; i++)
                pthread_join(threads[i], NULL);
        pthread_barrier_destroy(&barrier);
}
