/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_WATCHER_H
#define SOCKTALLYD_WATCHER_H
/* Who is told of each publication, and of each change of what the control line can see. */
#include <stddef.h>

struct watcher {
        void (*changed)(void *userdata); /* NULL: nobody */
        void *userdata;
};

static inline void watcher_tell(const struct watcher *watcher) {
        if (watcher->changed)
                watcher->changed(watcher->userdata);
}

#endif
