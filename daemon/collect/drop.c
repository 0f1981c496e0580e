/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whoever closes the last descriptor of a trampoline's link waits for the tasks' RCU, a tenth of a second for each. The
 * daemon has one thread and callers who wait for it, so a child closes them last: cat(1), which has these descriptors
 * and no others, and ends when its standard input does.
 *
 * The service manager may have the links too (daemon/keep.c). It gets the other end of that input with its barrier, and
 * lets go of it after it has let go of the links.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/collect/drop.h"

static void reap(struct drop *drop) {
        if (drop->child > 0 && waitpid(drop->child, NULL, WNOHANG) != 0)
                drop->child = 0;
}

/* A descriptor that is copied onto itself stays open in the program that is spawned. */
static int spawn(struct drop *drop, int input, const int *links, size_t n) {
        char name[] = "cat", *const arguments[] = { name, NULL }, *const environment[] = { NULL };
        posix_spawn_file_actions_t actions;
        int r;

        r = posix_spawn_file_actions_init(&actions);
        if (r != 0)
                return -r;
        r = posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
        if (r == 0)
                r = posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
        for (size_t i = 0; i < n && r == 0; i++)
                r = posix_spawn_file_actions_adddup2(&actions, links[i], links[i]);
        if (r == 0)
                r = posix_spawn(&drop->child, "/bin/cat", &actions, NULL, arguments, environment);
        posix_spawn_file_actions_destroy(&actions);
        if (r != 0)
                drop->child = 0;
        return -r;
}

void drop_links(struct drop *drop, const int *links, size_t n) {
        int pair[2];

        reap(drop);
        if (n > 0 && drop->child == 0 && pipe2(pair, O_CLOEXEC) == 0) {
                drop_end(drop);
                if (spawn(drop, pair[0], links, n) == 0)
                        drop->fd = pair[1];
                else
                        close(pair[1]);
                close(pair[0]);
        }
        for (size_t i = 0; i < n; i++)
                close(links[i]);
}

void drop_end(struct drop *drop) {
        if (drop->fd >= 0)
                close(drop->fd);
        drop->fd = -1;
        reap(drop);
}

void drop_wait(struct drop *drop, int timeout_ms) {
        struct pollfd poller = { .fd = -1, .events = POLLIN };

        drop_end(drop);
        if (drop->child > 0)
                poller.fd = pidfd_open(drop->child, 0);
        (void) poll(&poller, 1, timeout_ms);
        if (poller.fd >= 0)
                close(poller.fd);
        reap(drop);
}
