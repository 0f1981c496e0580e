/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One turn of the data line: collect reads the kernel's rows, identity names what is new, totals adds up, publish
 * writes, readers are told, and what the next daemon goes on with is kept. And when the next turn is.
 */
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "daemon/clock.h"
#include "daemon/control/timespan.h"
#include "daemon/identity/identities.h"
#include "daemon/interval.h"
#include "daemon/keep.h"
#include "daemon/log.h"
#include "daemon/module.h"
#include "daemon/publish/readers.h"

#define IDLE_AFTER_USEC UINT64_C(10000000) /* without a reader */
#define RETRY_USEC UINT64_C(1000000)       /* after an interval that failed, if that is sooner */

static uint64_t now_usec(void) {
        return clock_usec(CLOCK_MONOTONIC);
}

/* Says an error once, and again when it is another; what came back is said too. */
static void log_change(int *known, int error, const char *what, const char *consequence) {
        if (error == *known)
                return;
        if (error < 0)
                log_line(LOG_ERR, "Cannot %s: %s; %s", what, strerror(-error), consequence);
        else
                log_line(LOG_NOTICE, "Can %s again", what);
        *known = error;
}

static void choose_interval(struct interval *interval) {
        uint64_t now = now_usec(), idle = interval->settings->idle_interval_usec;

        if (readers_granted(interval->line->readers) > 0)
                interval->last_reader_usec = now;
        interval->interval_usec = interval->settings->interval_usec;
        if (now - interval->last_reader_usec >= IDLE_AFTER_USEC && idle > interval->interval_usec)
                interval->interval_usec = idle;
}

static struct layout_facts make_facts(const struct interval *interval, const struct sample *sample) {
        return (struct layout_facts) {
                .time_ns = sample->time_ns,
                .complete_ns = sample->complete_ns,
                .realtime_ns = clock_ns(CLOCK_REALTIME) - (clock_ns(CLOCK_BOOTTIME) - sample->time_ns),
                .interval_ns = interval->interval_usec * 1000,
                .sockets_tracked = sample->health.sockets_tracked,
                .sockets_overflowed = sample->health.sockets_overflowed,
                .rows_overflowed = sample->health.rows_overflowed,
                .cost_ns = interval->cost_ns,
        };
}

static int publish_sample(struct interval *interval, const struct sample *sample) {
        const struct data_line *line = interval->line;
        struct layout_facts facts = make_facts(interval, sample);
        struct totals_result result;
        unsigned replaced = 0;
        char text[256];
        int r;

        totals_update(line->totals, sample, publish_next(line->publish));
        r = publish_fit(line->publish, line->totals);
        if (r != 0)
                log_change(&interval->fit_error, r < 0 ? r : 0, "make room for more rows in the runtime directory",
                           "what is new is part of the overflow rows");
        r = publish_write(line->publish, line->totals, &facts, sample->known, &replaced);
        log_change(&interval->publish_error, r, "publish", "readers keep what was published before");
        readers_published(line->readers, replaced);
        totals_get(line->totals, &result);
        while (overflow_say(&result, &sample->health, &interval->overflow_news, text, sizeof text))
                log_line(LOG_WARNING, "%s", text);
        if (missed_say(result.missed, &interval->missed_news, now_usec(), text, sizeof text))
                log_line(LOG_WARNING, "%s", text);
        return r;
}

/* For `systemctl status`. Said again only when it has changed. */
static void show_status(struct interval *interval) {
        const struct data_line *line = interval->line;
        struct collect_report report;
        char status[sizeof interval->status], span[64];
        size_t n_readers = readers_granted(line->readers);

        line->counting->report(line->collect, MODULE_TCP, &report);
        timespan_format(span, sizeof span, interval->interval_usec);
        if (interval->is_healthy && !line->counting->is_counting(line->collect))
                snprintf(status, sizeof status, "Counting nothing: %s", line->counting->reason(line->collect));
        else if (interval->is_healthy)
                snprintf(status, sizeof status, "Counting by %s in %s mode, publishing every %s to %zu reader%s.",
                         attach_method_name(report.method), load_mode_name(interval->settings->load_mode), span,
                         n_readers, n_readers == 1 ? "" : "s");
        else
                snprintf(status, sizeof status, "Not publishing, trying again every %s; the journal says why.", span);
        if (strcmp(status, interval->status) == 0)
                return;
        strcpy(interval->status, status);
        sd_notifyf(false, "STATUS=%s", status);
}

static int keep_totals(struct interval *interval) {
        const struct data_line *line = interval->line;
        int r;

        r = keeper_save(line->keeper, line->collect, line->totals, line->identities, publish_next(line->publish) - 1);
        log_change(&interval->keep_error, r, "keep the totals for the next start",
                   "what was kept before is still there");
        return r;
}

int interval_run(struct interval *interval) {
        const struct data_line *line = interval->line;
        const struct sample *sample;
        uint64_t cpu_ns;
        int r;

        choose_interval(interval);
        identities_follow(line->identities);
        r = line->counting->read(line->collect, &sample);
        log_change(&interval->read_error, r, "read the counters", "trying again every second or sooner");
        if (r >= 0) {
                interval->health = sample->health;
                r = publish_sample(interval, sample);
                if (keep_totals(interval) >= 0)
                        line->counting->saved(line->collect);
        }
        line->counting->end_change(line->collect);
        interval->is_healthy = r >= 0;
        if (r < 0 && interval->interval_usec > RETRY_USEC)
                interval->interval_usec = RETRY_USEC;
        interval->published_usec = now_usec();
        show_status(interval);
        cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
        interval->cost_ns = cpu_ns - interval->cpu_ns;
        interval->cpu_ns = cpu_ns;
        watcher_tell(interval->watcher);
        return r;
}

/* The next publication is one interval after this one was due; what was missed is not caught up. */
static int schedule(struct interval *interval, uint64_t due_usec) {
        uint64_t now = now_usec();

        interval->due_usec = due_usec > now ? due_usec : now + interval->interval_usec;
        sd_event_source_set_time(interval->timer, interval->due_usec);
        return sd_event_source_set_enabled(interval->timer, SD_EVENT_ONESHOT);
}

/* A time that is past makes the loop publish at once. */
static void publish_at(struct interval *interval, uint64_t due_usec) {
        interval->due_usec = due_usec;
        (void) sd_event_source_set_time(interval->timer, due_usec);
        (void) sd_event_source_set_enabled(interval->timer, SD_EVENT_ONESHOT);
        watcher_tell(interval->watcher);
}

void interval_publish_soon(struct interval *interval) {
        publish_at(interval, now_usec());
}

/* Readers go by the interval that the last publication tells: a longer one is told at once. */
void interval_reschedule(struct interval *interval) {
        uint64_t before = interval->interval_usec;
        bool is_longer;

        choose_interval(interval);
        is_longer = interval->interval_usec > before;
        publish_at(interval, is_longer ? now_usec() : interval->published_usec + interval->interval_usec);
}

void interval_on_reader(struct interval *interval) {
        uint64_t now = now_usec();

        interval->last_reader_usec = now;
        if (now - interval->published_usec >= interval->settings->interval_usec) {
                (void) interval_run(interval);
                schedule(interval, now + interval->interval_usec);
        } else if (interval->due_usec > interval->published_usec + interval->settings->interval_usec)
                schedule(interval, interval->published_usec + interval->settings->interval_usec);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        struct interval *interval = userdata;

        (void) interval_run(interval);
        return schedule(interval, interval->due_usec + interval->interval_usec);
}

/* Only a daemon that publishes is alive. */
static int on_watchdog(sd_event_source *source, uint64_t usec, void *userdata) {
        struct interval *interval = userdata;

        if (interval->is_healthy)
                sd_notify(false, "WATCHDOG=1");
        sd_event_source_set_time(source, now_usec() + interval->watchdog_usec / 3);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

void interval_init(struct interval *interval, const struct data_line *line, const struct settings *settings,
                   const struct watcher *watcher) {
        *interval = (struct interval) {
                .line = line,
                .settings = settings,
                .watcher = watcher,
                .last_reader_usec = now_usec(),
        };
}

/* What starting took is no part of an interval's cost. */
int interval_start(struct interval *interval, sd_event *event) {
        int r;

        r = sd_event_add_time(event, &interval->timer, CLOCK_MONOTONIC, UINT64_MAX, 1000, on_timer, interval);
        if (r >= 0)
                r = sd_event_source_set_priority(interval->timer, SD_EVENT_PRIORITY_IMPORTANT);
        if (r >= 0 && sd_watchdog_enabled(false, &interval->watchdog_usec) > 0)
                r = sd_event_add_time_relative(event, &interval->watchdog, CLOCK_MONOTONIC, 0, 0, on_watchdog,
                                               interval);
        interval->cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
        return r;
}

void interval_stop(struct interval *interval) {
        interval->watchdog = sd_event_source_disable_unref(interval->watchdog);
        interval->timer = sd_event_source_disable_unref(interval->timer);
}
