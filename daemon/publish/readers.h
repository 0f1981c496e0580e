/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_PUBLISH_READERS_H
#define SOCKTALLYD_PUBLISH_READERS_H
/*
 * The daemon's end of the readers' socket: says hello back, decides by credentials which view a reader gets and hands
 * out its descriptor. Whatever a peer does costs a bounded amount of memory and never makes the daemon wait.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "daemon/publish/publication.h"

struct readers;

struct readers_config {
        int listen_fd;           /* taken over, also on error; SOCK_SEQPACKET, listening, non-blocking */
        gid_t gid;               /* members may read everything, like root and the daemon's own user */
        uint32_t max;            /* connections */
        uint32_t max_per_uid;
        uint64_t timeout_usec;   /* until the hello; 0: as the protocol says */
        /* A reader is about to be granted a view: the moment to publish if the last publication is old. */
        void (*arrived)(void *userdata);
        /* There is one more or one less that holds a view; NULL: nobody wants to know. */
        void (*counted)(void *userdata);
        /* The descriptor of a view, or -1. */
        int (*view_fd)(void *userdata, enum publish_view view);
        void *userdata;
};

/* A listening socket at path, 0666. A dead one of that name is replaced; -EADDRINUSE: somebody answers there. */
int readers_listen(const char *path, int *ret_fd);

int readers_new(struct readers **ret_readers, sd_event *event, const struct readers_config *config);
struct readers *readers_free(struct readers *readers);

/* Readers that hold a view. */
size_t readers_granted(const struct readers *readers);
/* After a publication: tells those who subscribed, and sends the new descriptor of each view in replaced. */
void readers_published(struct readers *readers, unsigned replaced);

#endif
