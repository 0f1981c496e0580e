/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_COLLECT_DROP_H
#define SOCKTALLYD_COLLECT_DROP_H
/* Links are dropped without waiting for the kernel. For the collector only. */
#include <stddef.h>
#include <sys/types.h>

struct drop {
        pid_t child; /* has links open and nothing else; 0: none */
        int fd;      /* when the last copy of it is closed, the child ends; -1: none */
};

#define DROP_NULL { .fd = -1 }

/* Closes links. The kernel keeps the process that closes a link last waiting. That will be a child, which gets a copy
 * of each link before they are closed here. */
void drop_links(struct drop *drop, const int *links, size_t n);
/* Closes our copy of fd. The child ends, and drops the links, when the service manager has closed its copy, too. */
void drop_end(struct drop *drop);
/* Waits until the child has ended, timeout_ms at most. Without a child another process drops the links, and nothing
 * tells when: waits for all of timeout_ms. */
void drop_wait(struct drop *drop, int timeout_ms);

#endif
