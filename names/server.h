/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_NAMES_SERVER_H
#define SOCKTALLY_NAMES_SERVER_H
/* Answers questions about names on a listening socket; who may connect is decided by the socket's mode. */
#include "names/places.h"

struct server_config {
        const struct places *places;
        int listen_fd;        /* SOCK_SEQPACKET, non-blocking; the caller's */
        int idle_msec;        /* ends when nothing has come for so long */
        unsigned limit_sec;   /* a question that takes longer ends the process by SIGALRM */
};

/* Returns 0 when it was idle, a negative errno when it cannot go on. */
int server_run(const struct server_config *config);

#endif
