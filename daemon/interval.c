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
#include "daemon/daemon-private.h"
#include "daemon/log.h"

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

static void choose_interval(struct daemon *d) {
        uint64_t now = now_usec(), idle = d->settings.idle_interval_usec;

        if (readers_granted(d->readers) > 0)
                d->last_reader_usec = now;
        d->interval_usec = d->settings.interval_usec;
        if (now - d->last_reader_usec >= IDLE_AFTER_USEC && idle > d->interval_usec)
                d->interval_usec = idle;
}

static struct layout_facts make_facts(const struct daemon *d, const struct sample *sample) {
        return (struct layout_facts) {
                .time_ns = sample->time_ns,
                .realtime_ns = clock_ns(CLOCK_REALTIME) - (clock_ns(CLOCK_BOOTTIME) - sample->time_ns),
                .interval_ns = d->interval_usec * 1000,
                .sockets_tracked = sample->health.sockets_tracked,
                .sockets_overflowed = sample->health.sockets_overflowed,
                .rows_overflowed = sample->health.rows_overflowed,
                .cost_ns = d->cost_ns,
        };
}

static int publish_sample(struct daemon *d, const struct sample *sample) {
        struct layout_facts facts = make_facts(d, sample);
        struct totals_result result;
        unsigned replaced = 0;
        char line[256];
        int r;

        totals_update(d->totals, sample, publish_next(d->publish));
        r = publish_fit(d->publish, d->totals);
        if (r != 0)
                log_change(&d->fit_error, r < 0 ? r : 0, "make room for more rows in the runtime directory",
                           "further processes and services are part of the overflow rows");
        r = publish_write(d->publish, d->totals, &facts, sample->known, &replaced);
        log_change(&d->publish_error, r, "publish", "readers keep what was published before");
        readers_published(d->readers, replaced);
        totals_get(d->totals, &result);
        if (missed_say(result.missed, &d->missed_news, now_usec(), line, sizeof line))
                log_line(LOG_WARNING, "%s", line);
        return r;
}

/* For `systemctl status`. Said again only when it has changed. */
static void show_status(struct daemon *d) {
        struct collect_report report;
        char status[sizeof d->status], span[64];
        size_t n_readers = readers_granted(d->readers);

        d->counting->report(d->collect, MODULE_TCP, &report);
        timespan_format(span, sizeof span, d->interval_usec);
        if (d->is_healthy && !d->counting->is_counting(d->collect))
                snprintf(status, sizeof status, "Counting nothing: %s", d->counting->reason(d->collect));
        else if (d->is_healthy)
                snprintf(status, sizeof status, "Counting by %s in %s mode, publishing every %s to %zu reader%s.",
                         attach_method_name(report.method), load_mode_name(d->settings.load_mode), span, n_readers,
                         n_readers == 1 ? "" : "s");
        else
                snprintf(status, sizeof status, "Not publishing, trying again every %s; the journal says why.", span);
        if (strcmp(status, d->status) == 0)
                return;
        strcpy(d->status, status);
        sd_notifyf(false, "STATUS=%s", status);
}

static int keep_totals(struct daemon *d) {
        int r = keeper_save(d->keeper, d->collect, d->totals, d->identity, publish_next(d->publish) - 1);

        log_change(&d->keep_error, r, "keep the totals for the next start", "what was kept before is still there");
        return r;
}

int daemon_run_interval(struct daemon *d) {
        const struct sample *sample;
        uint64_t cpu_ns;
        int r;

        choose_interval(d);
        identity_follow(d->identity);
        r = d->counting->read(d->collect, &sample);
        log_change(&d->read_error, r, "read the counters", "trying again every second or sooner");
        if (r >= 0) {
                d->health = sample->health;
                r = publish_sample(d, sample);
                if (keep_totals(d) >= 0)
                        d->counting->saved(d->collect);
        }
        d->counting->end_change(d->collect);
        d->is_healthy = r >= 0;
        if (r < 0 && d->interval_usec > RETRY_USEC)
                d->interval_usec = RETRY_USEC;
        d->published_usec = now_usec();
        show_status(d);
        cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
        d->cost_ns = cpu_ns - d->cpu_ns;
        d->cpu_ns = cpu_ns;
        if (d->changed)
                d->changed(d->changed_userdata);
        return r;
}

/* The next publication is one interval after this one was due; what was missed is not caught up. */
static int schedule(struct daemon *d, uint64_t due_usec) {
        uint64_t now = now_usec();

        d->due_usec = due_usec > now ? due_usec : now + d->interval_usec;
        sd_event_source_set_time(d->interval_source, d->due_usec);
        return sd_event_source_set_enabled(d->interval_source, SD_EVENT_ONESHOT);
}

/* A time that is past makes the loop publish at once. */
static void publish_at(struct daemon *d, uint64_t due_usec) {
        d->due_usec = due_usec;
        (void) sd_event_source_set_time(d->interval_source, due_usec);
        (void) sd_event_source_set_enabled(d->interval_source, SD_EVENT_ONESHOT);
        if (d->changed)
                d->changed(d->changed_userdata);
}

void daemon_publish_soon(struct daemon *d) {
        publish_at(d, now_usec());
}

/* Readers go by the interval that the last publication tells: a longer one is told at once. */
void daemon_reschedule(struct daemon *d) {
        uint64_t before = d->interval_usec;

        choose_interval(d);
        publish_at(d, d->interval_usec > before ? now_usec() : d->published_usec + d->interval_usec);
}

int daemon_on_interval(sd_event_source *source, uint64_t usec, void *userdata) {
        struct daemon *d = userdata;

        (void) daemon_run_interval(d);
        return schedule(d, d->due_usec + d->interval_usec);
}

/* A reader that comes while the daemon idles gets a publication that is not older than an interval. */
void daemon_on_reader(void *userdata) {
        struct daemon *d = userdata;
        uint64_t now = now_usec();

        d->last_reader_usec = now;
        if (now - d->published_usec >= d->settings.interval_usec) {
                (void) daemon_run_interval(d);
                schedule(d, now + d->interval_usec);
        } else if (d->due_usec > d->published_usec + d->settings.interval_usec)
                schedule(d, d->published_usec + d->settings.interval_usec);
}
