/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A change of load mode or attach method can make the collector load programs in a child; this follows it. Most daemons
 * never have one: who changes nothing is spared the second or two of a processor that it takes, and the memory.
 */
#include <string.h>
#include <syslog.h>

#include "daemon/daemon-private.h"
#include "daemon/log.h"

static int on_loaded(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        struct daemon *d = userdata;

        if (collect_take_loaded(d->collect))
                return 0;
        loader_stop(d);
        collect_end_loader(d->collect);
        log_line(LOG_DEBUG, "Loaded what other modes and methods need, as far as the kernel takes it");
        if (collect_is_changing(d->collect)) /* it may have waited for that */
                daemon_publish_soon(d);
        return 0;
}

void loader_follow(struct daemon *d) {
        int fd = collect_loader_fd(d->collect), r;

        if (fd < 0 || d->loader_source)
                return;
        log_line(LOG_DEBUG, "Loading what other load modes and attach methods need");
        r = sd_event_add_io(d->event, &d->loader_source, fd, EPOLLIN, on_loaded, d);
        if (r < 0)
                log_line(LOG_DEBUG, "Cannot watch what is loaded, taking it with the next interval: %s", strerror(-r));
}

void loader_report(struct daemon *d) {
        const struct collect_report *reports;
        struct collect_config config;
        const char *reason;

        if (collect_take_refusal(d->collect, &config, &reason))
                change_take_back(d, &config, reason);
        if (collect_reports(d->collect, &reports) > 0 && reports[0].method != d->method)
                control_modules_log(d);
}

void loader_stop(struct daemon *d) {
        d->loader_source = sd_event_source_disable_unref(d->loader_source);
}
