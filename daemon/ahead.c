/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When the daemon has run for a while it lets the collector load what a change may need. Not at once: whoever starts it
 * for a short time, or while the machine has enough to do, is spared the second or two of a processor that this takes.
 * A change that comes earlier makes the collector begin with it, which is followed here, too.
 */
#include <string.h>
#include <syslog.h>

#include "daemon/daemon-private.h"
#include "daemon/log.h"

#define DELAY_USEC (60 * UINT64_C(1000000))

static int on_loaded(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        struct daemon *d = userdata;

        if (!collect_take_ahead(d->collect)) {
                ahead_stop(d);
                collect_end_ahead(d->collect);
                log_line(LOG_DEBUG, "Loaded what other modes and methods need, as far as the kernel takes it");
        }
        return 0;
}

void ahead_follow(struct daemon *d) {
        int fd = collect_ahead_fd(d->collect), r;

        if (fd < 0 || (d->ahead_source && sd_event_source_get_io_fd(d->ahead_source) == fd))
                return;
        ahead_stop(d);
        log_line(LOG_DEBUG, "Loading what other load modes and attach methods need");
        r = sd_event_add_io(d->event, &d->ahead_source, fd, EPOLLIN, on_loaded, d);
        if (r < 0)
                log_line(LOG_DEBUG, "Cannot watch what is loaded ahead, taking it with the next interval: %s",
                         strerror(-r));
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata) {
        struct daemon *d = userdata;

        ahead_stop(d);
        collect_load_ahead(d->collect);
        ahead_follow(d);
        return 0;
}

int ahead_start(struct daemon *d) {
        return sd_event_add_time_relative(d->event, &d->ahead_source, CLOCK_MONOTONIC, DELAY_USEC, 0, on_time, d);
}

void ahead_stop(struct daemon *d) {
        d->ahead_source = sd_event_source_disable_unref(d->ahead_source);
}
