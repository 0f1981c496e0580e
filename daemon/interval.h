/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_INTERVAL_H
#define SOCKTALLYD_INTERVAL_H
/*
 * One turn of the data line, and when the next one is due. The service manager's watchdog hears of it, too: only a
 * daemon that publishes is alive.
 */
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "daemon/control/settings.h"
#include "daemon/data-line.h"
#include "daemon/totals/missed.h"
#include "daemon/totals/overflow.h"
#include "daemon/watcher.h"

/* Written by interval.c alone. */
struct interval {
        const struct data_line *line;
        const struct settings *settings;
        const struct watcher *watcher;
        sd_event_source *timer, *watchdog;
        uint64_t interval_usec;      /* in force now */
        uint64_t due_usec;           /* next publication, CLOCK_MONOTONIC */
        uint64_t published_usec;     /* last one */
        uint64_t last_reader_usec;   /* when somebody was last connected */
        uint64_t watchdog_usec;
        uint64_t cost_ns, cpu_ns;    /* of the last turn; CPU time at its end */
        int read_error, fit_error, publish_error, keep_error; /* what was said already */
        bool is_healthy;             /* the last turn published */
        char status[160];            /* what the service manager shows */
        struct ledger_health health; /* of the last sample */
        struct missed_news missed_news;
        struct overflow_news overflow_news;
};

/* The parts of the line may still be missing; all are there before the first turn, and until interval_stop(). The
 * settings are read at each turn. */
void interval_init(struct interval *interval, const struct data_line *line, const struct settings *settings,
                   const struct watcher *watcher);
/* Makes the timers. The first turn is interval_run(), the next one is due after interval_reschedule(). */
int interval_start(struct interval *interval, sd_event *event);
void interval_stop(struct interval *interval);

/* One turn, at once; the next one stays due when it was. What is wrong was logged. */
int interval_run(struct interval *interval);
/* With the loop's next turn. */
void interval_publish_soon(struct interval *interval);
/* After a change of the settings Interval and IdleInterval. */
void interval_reschedule(struct interval *interval);
/* A reader comes: while the daemon idles it gets a publication that is not older than an interval. */
void interval_on_reader(struct interval *interval);

#endif
