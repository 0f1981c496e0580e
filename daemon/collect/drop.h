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

/* Closes links that nobody but the child needs to wait for. */
void drop_links(struct drop *drop, const int *links, size_t n);
/* The child may end as soon as nobody else has the descriptor. */
void drop_end(struct drop *drop);
/* Waits until it has ended, timeout_ms at most. Without a child, somebody else drops the links: waits that long. */
void drop_wait(struct drop *drop, int timeout_ms);

#endif
