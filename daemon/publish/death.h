/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_PUBLISH_DEATH_H
#define SOCKTALLYD_PUBLISH_DEATH_H
/*
 * A word in a shared file that the kernel marks when the thread that gave the notice dies, in whatever way. Any number
 * of them at a time; each is taken back by the thread that gave it.
 */
#include <stdint.h>

struct death_list;
struct robust_list;

/* All zero: none was given. */
struct death_notice {
        struct death_list *list; /* of the thread that gave the notice; what the kernel walks */
        struct robust_list *node;
        uint32_t *word;
        void *pages; /* the node's page and, after it, the word's */
};

/* fd: open for writing, and allocated at offset, a multiple of 8. From here on the word there holds the thread's ID and
 * FUTEX_WAITERS. */
int death_notice_init(struct death_notice *notice, int fd, uint64_t offset);
/* Sets the word to 0: nobody died. In a process forked after death_notice_init() it only unmaps. */
void death_notice_done(struct death_notice *notice);

#endif
