/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_STORM_SERVER_H
#define TESTS_STORM_SERVER_H
/*
 * The readers' socket of a writer in the storm: no event loop, only what a hello needs. The listening socket outlives
 * each writer, as one that systemd holds does.
 */
#include "daemon/publish/segment.h"

#define STORM_CONNECTIONS 32

struct storm_server {
        int listen_fd;
        int fds[STORM_CONNECTIONS]; /* that have not said hello, or that hold a grant: closed by this process's death */
        int n;
};

/* A listening socket for everybody, or negative errno. */
int storm_listen(const char *path);
/* Takes what connections there are and answers what hellos there are; never waits. */
void storm_serve(struct storm_server *server, const struct segment *segment);

#endif
