/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks for each view as any reader does; where systemd listens for readers, that starts the daemon. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/doctor.h"
#include "tools/missed.h"
#include "tools/source.h"

#define PATIENCE_USEC UINT64_C(3000000)
#define STEP_NS INT64_C(1000000000) /* of the wall clock: less is what clocks do */

static int64_t now_ns(clockid_t clock) {
        struct timespec now;

        (void)clock_gettime(clock, &now);
        return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void check_freshness(struct findings *findings, const struct socktally *reader) {
        struct socktally_info info = source_info(reader);
        char age[UNITS_SIZE], interval[UNITS_SIZE];
        uint64_t limit_ns = info.interval_ns * 3 + PATIENCE_USEC * 1000;

        (void)units_duration(age, source_age(&info));
        if (info.sequence == 0)
                finding_add(findings, FINDING_PROBLEM, "publication", "see 'journalctl -u socktally'",
                            "the daemon has published nothing yet");
        else if (info.freshness != SOCKTALLY_FRESH)
                finding_add(findings, FINDING_PROBLEM, "publication", "start it with 'systemctl start socktally'",
                            "stale: the daemon that wrote it %s ago is gone", age);
        else if (source_age(&info) > limit_ns)
                finding_add(findings, FINDING_WARNING, "publication", "see 'journalctl -u socktally'",
                            "%s old, though one is due every %s", age, units_duration(interval, info.interval_ns));
        else
                finding_add(findings, FINDING_OK, "publication", NULL, "%s old, one every %s", age,
                            units_duration(interval, info.interval_ns));
}

/* A daemon that may not count publishes all the same, and says that the numbers are unknown. */
static void check_counting(struct findings *findings, const struct socktally *reader) {
        size_t n_known = 0, n = 0;
        struct socktally_column column;
        struct socktally_row row;
        uint64_t value;

        if (socktally_row(reader, SOCKTALLY_TABLE_HOST, 0, &row) != 0)
                return;
        for (size_t i = 0; socktally_column_at(reader, SOCKTALLY_TABLE_HOST, i, &column) >= 0; i++) {
                if (column.type != SOCKTALLY_COUNTER)
                        continue;
                n++;
                n_known += socktally_value(&row, &column, &value) == SOCKTALLY_VALUE;
        }
        if (n_known == 0)
                finding_add(findings, FINDING_PROBLEM, "counting",
                            "see 'socktally modules', the attach methods and 'journalctl -u socktally'",
                            "the daemon counts nothing, every number is unknown");
        else
                finding_add(findings, FINDING_OK, "counting", NULL, "%zu of %zu counters are known", n_known, n);
}

static void check_missed(struct findings *findings, const struct socktally *reader) {
        struct socktally_info info = source_info(reader);
        char text[MISSED_SIZE];

        (void)missed_describe(text, &info);
        if (missed_count(&info, false) == 0)
                finding_add(findings, FINDING_OK, "missed calls", NULL, "%s", text);
        else
                finding_add(findings, FINDING_WARNING, "missed calls", "see WHAT THE KERNEL SKIPS in socktallyd(8)",
                            "%s; this kernel preempts tracing programs and skips them for others on the same processor",
                            text);
}

/* Publications carry both clocks: if they have moved against each other since, somebody has set one. */
static void check_wall_clock(struct findings *findings, const struct socktally *reader) {
        struct socktally_info info = source_info(reader);
        int64_t step_ns = now_ns(CLOCK_REALTIME) - now_ns(CLOCK_BOOTTIME) - (int64_t)info.realtime_ns +
                          (int64_t)info.time_ns;
        char step[UNITS_SIZE];

        if (info.sequence == 0)
                return;
        if (llabs(step_ns) > STEP_NS)
                finding_add(findings, FINDING_WARNING, "clock", "the next publication takes it into account",
                            "the wall clock was set %s by %s since the last publication",
                            step_ns < 0 ? "back" : "forward", units_duration(step, (uint64_t)llabs(step_ns)));
        else
                finding_add(findings, FINDING_OK, "clock", NULL, "wall clock and boot clock agree with the daemon's");
}

/* In a time namespace the boot clock is another one than the daemon's. */
static void check_time_namespace(struct findings *findings) {
        FILE *file = fopen("/proc/self/timens_offsets", "re");
        long long seconds = 0, nanoseconds = 0;
        char line[128];

        while (file && fgets(line, sizeof(line), file))
                if (sscanf(line, "boottime %lld %lld", &seconds, &nanoseconds) == 2)
                        break;
        if (file)
                (void)fclose(file);
        if (seconds != 0 || nanoseconds != 0)
                finding_add(findings, FINDING_WARNING, "time namespace",
                            "run it outside that namespace, as with 'nsenter --time -t 1'",
                            "the boot clock is shifted by %lld s here: ages and start times are wrong by that",
                            seconds);
        else
                finding_add(findings, FINDING_OK, "time namespace", NULL, "the boot clock is not shifted");
}

static void explain(struct findings *findings, const char *what, enum socktally_view view, int error) {
        switch (error) {
        case ENOENT:
        case ECONNREFUSED:
        case ENOTDIR:
        case ESTALE:
                finding_add(findings, FINDING_PROBLEM, what, "start it with 'systemctl start socktally'",
                            "no daemon answers in the runtime directory");
                return;
        case ECONNRESET:
                finding_add(findings, FINDING_PROBLEM, what, "see 'systemctl status socktally'",
                            "the daemon failed to start, or has just ended");
                return;
        case EAGAIN:
        case ETIMEDOUT:
                finding_add(findings, FINDING_PROBLEM, what, "see 'systemctl status socktally'",
                            "the daemon is not ready after 30 s");
                return;
        case EACCES:
        case EPERM:
                if (view == SOCKTALLY_VIEW_FULL)
                        finding_add(findings, FINDING_INFO, what,
                                    "'usermod --append --groups socktally USER' lets a user see all processes",
                                    "not for this user, who is neither root nor in group socktally");
                else
                        finding_add(findings, FINDING_PROBLEM, what, "see the rights of the runtime directory",
                                    "not permitted");
                return;
        case EUSERS:
                finding_add(findings, FINDING_WARNING, what, "close some of them", "too many readers are connected");
                return;
        case EPROTO:
        case EPROTONOSUPPORT:
                finding_add(findings, FINDING_PROBLEM, what, "install daemon and command from one release",
                            "what is published is not understood: %s", strerror(error));
                return;
        default:
                finding_add(findings, FINDING_PROBLEM, what, "see 'journalctl -u socktally'", "cannot be read: %s",
                            strerror(error));
        }
}

/* The reader that was granted, or NULL. */
static struct socktally *check_view(struct findings *findings, const struct options *options,
                                    enum socktally_view view) {
        struct socktally *reader = NULL;
        char what[32];
        int r = source_try(&reader, options, view);

        (void)snprintf(what, sizeof(what), "view %s", source_view_name(view));
        if (r < 0) {
                explain(findings, what, view, -r);
                return NULL;
        }
        if (source_info(reader).sequence == 0)
                (void)socktally_wait(reader, PATIENCE_USEC);
        finding_add(findings, FINDING_OK, what, NULL, "granted to this user");
        return reader;
}

/* The public view comes first: anybody may ask for it, and who does not get it need not wait for the other. */
void doctor_reader(struct findings *findings, const struct options *options) {
        struct socktally *public = check_view(findings, options, SOCKTALLY_VIEW_PUBLIC);
        struct socktally *full = public ? check_view(findings, options, SOCKTALLY_VIEW_FULL) : NULL;

        if (public) {
                check_freshness(findings, public);
                check_counting(findings, public);
                check_missed(findings, public);
                check_wall_clock(findings, public);
        }
        check_time_namespace(findings);
        (void)socktally_close(full);
        (void)socktally_close(public);
}
