/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_TOOLS_NAMER_H
#define SOCKTALLY_TOOLS_NAMER_H
/* Asks for names as the daemon does, but waits for the answer. Without the right to ask, or without the service of
 * names, it knows what the desktop files of the system tell. */
#include "daemon/identity/question.h"

struct namer {
        const char *socket;
        int fd;          /* -1: no connection */
        bool is_useless; /* nobody answers */
        uint32_t number;
};

#define NAMER_NULL ((struct namer) { .socket = QUESTION_SOCKET, .fd = -1 })

/* userdata is a struct namer. */
question_ask namer_ask;
void namer_done(struct namer *namer);

#endif
