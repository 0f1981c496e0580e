/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Facts of the snapshot and of the host row. A metric is known when the host's row has a value for it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tools/json.h"
#include "tools/missed.h"
#include "tools/source.h"
#include "tools/status.h"
#include "tools/table.h"
#include "tools/untrusted.h"

static const char *const metric_names[] = {
#define X(id, name, kind, unit, module, mode, help) #name,
        SOCKTALLY_METRICS(X)
#undef X
};

struct status {
        struct socktally_info info;
        struct amount start_time, processes, services;
        uint64_t known; /* bit per metric */
        struct amount tx, rx;
};

static struct amount host_value(const struct socktally_row *row, const char *name) {
        struct socktally_column column;
        struct amount amount = { .is_known = false };

        if (socktally_column(row->reader, SOCKTALLY_TABLE_HOST, name, &column) >= 0)
                amount.is_known = socktally_value(row, &column, &amount.value) == SOCKTALLY_VALUE;
        return amount;
}

static void gather(struct status *ret_status, const struct socktally *reader) {
        const struct order order = { field_find("traffic"), false, false };
        struct listing listing = { .n = 0 };

        *ret_status = (struct status){ .info = source_info(reader) };
        if (listing_take(&listing, reader, SOCKTALLY_TABLE_HOST, &order) >= 0 && listing.n > 0) {
                const struct entry *host = &listing.entries[0];

                ret_status->start_time = host_value(&host->row, "start_time");
                ret_status->processes = host_value(&host->row, "processes");
                ret_status->services = host_value(&host->row, "services");
                ret_status->tx = listing_amount(&listing, host, field_find("tx"), false);
                ret_status->rx = listing_amount(&listing, host, field_find("rx"), false);
                for (size_t i = 0; i < SOCKTALLY_N_METRICS; i++)
                        if (host_value(&host->row, metric_names[i]).is_known)
                                ret_status->known |= UINT64_C(1) << i;
        }
        listing_done(&listing);
}

static struct json_object *amount_object(struct amount amount) {
        return amount.is_known ? json_object_new_uint64(amount.value) : NULL;
}

static struct json_object *metrics_object(uint64_t metrics) {
        struct json_object *array = json_object_new_array();

        for (size_t i = 0; i < SOCKTALLY_N_METRICS; i++)
                if (metrics & UINT64_C(1) << i)
                        (void)json_object_array_add(array, json_object_new_string(metric_names[i]));
        return array;
}

static struct json_object *health_object(const struct socktally_info *info) {
        struct json_object *health = json_object_new_object();

        (void)json_object_object_add(health, "sockets_tracked", json_object_new_uint64(info->sockets_tracked));
        (void)json_object_object_add(health, "sockets_overflowed", json_object_new_uint64(info->sockets_overflowed));
        (void)json_object_object_add(health, "rows_overflowed", json_object_new_uint64(info->rows_overflowed));
        (void)json_object_object_add(health, "missed_tx_calls", json_object_new_uint64(info->missed_tx_calls));
        (void)json_object_object_add(health, "missed_rx_calls", json_object_new_uint64(info->missed_rx_calls));
        return health;
}

static struct json_object *text_object(const char *text) {
        return text && *text ? json_object_new_string(text) : NULL;
}

static enum exit_status print_json(const struct status *status, const struct socktally *reader) {
        const struct socktally_info *info = &status->info;
        struct json_object *object = json_object_new_object();
        const struct {
                const char *key;
                struct json_object *value;
        } members[] = {
                { "version", json_object_new_string(socktally_version()) },
                { "daemon_version", text_object(info->daemon_version) },
                { "pid", info->daemon_pid ? json_object_new_uint64(info->daemon_pid) : NULL },
                { "view", json_object_new_string(source_view_name(info->view)) },
                { "freshness", json_object_new_string(info->freshness == SOCKTALLY_FRESH ? "fresh" : "stale") },
                { "sequence", json_object_new_uint64(info->sequence) },
                { "time_ns", json_object_new_uint64(info->time_ns) },
                { "realtime_ns", json_object_new_uint64(info->realtime_ns) },
                { "age_ns", json_object_new_uint64(source_age(info)) },
                { "interval_ns", json_object_new_uint64(info->interval_ns) },
                { "incarnation", json_object_new_uint64(info->incarnation) },
                { "layout_major", json_object_new_uint64(info->layout_major) },
                { "layout_minor", json_object_new_uint64(info->layout_minor) },
                { "counting_since_ns", amount_object(status->start_time) },
                { "processes", amount_object(status->processes) },
                { "services", amount_object(status->services) },
                { "missed_tx_calls", json_object_new_uint64(info->interval_missed_tx_calls) },
                { "missed_rx_calls", json_object_new_uint64(info->interval_missed_rx_calls) },
                { "missed_is_exact", json_object_new_boolean(info->missed_is_exact != 0) },
                { "late_ns", json_object_new_uint64(source_lateness(info)) },
                { "health", health_object(info) },
                { "cost_ns", json_object_new_uint64(info->cost_ns) },
                { "known", metrics_object(status->known) },
                { "unknown", metrics_object(~status->known) },
                { "host", json_host(reader, false) },
        };

        for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
                (void)json_object_object_add(object, members[i].key, members[i].value);
        return json_print(object, false);
}

static void print_label(const char *label) {
        (void)printf("%12s: ", label);
}

static const char *format_time(char *buffer, size_t size, uint64_t realtime_ns) {
        time_t seconds = (time_t)(realtime_ns / 1000000000);
        struct tm tm;

        if (!localtime_r(&seconds, &tm) || strftime(buffer, size, "%Y-%m-%d %H:%M:%S", &tm) == 0)
                (void)snprintf(buffer, size, "unknown");
        return buffer;
}

static void print_freshness(const struct status *status, const struct options *options) {
        const struct socktally_info *info = &status->info;
        bool is_fresh = info->freshness == SOCKTALLY_FRESH, has_color = table_has_color(options);
        char age[UNITS_SIZE], interval[UNITS_SIZE], when[64];

        print_label("Freshness");
        (void)fputs(has_color ? (is_fresh ? "\033[32m" : "\033[1;31m") : "", stdout);
        (void)fputs(is_fresh ? "fresh" : "stale", stdout);
        (void)fputs(has_color ? "\033[0m" : "", stdout);
        if (is_fresh)
                (void)printf(", published %s ago, every %s\n", units_duration(age, source_age(info)),
                             units_duration(interval, info->interval_ns));
        else
                (void)printf(" since %s (%s ago)\n", format_time(when, sizeof(when), info->realtime_ns),
                             units_duration(age, source_age(info)));
}

static void print_view(const struct status *status) {
        static const char *const meanings[] = {
                [SOCKTALLY_VIEW_BEST] = "",
                [SOCKTALLY_VIEW_PUBLIC] = " (host and services)",
                [SOCKTALLY_VIEW_USER] = " (host, services and your processes)",
                [SOCKTALLY_VIEW_FULL] = " (everything)",
        };
        size_t view = (size_t)status->info.view;

        print_label("View");
        (void)printf("%s%s\n", source_view_name(status->info.view),
                     view < sizeof(meanings) / sizeof(meanings[0]) ? meanings[view] : "");
}

static void print_since(const struct status *status) {
        const struct socktally_info *info = &status->info;
        char age[UNITS_SIZE], when[64];
        uint64_t running;

        print_label("Counting");
        if (!status->start_time.is_known || status->start_time.value > info->time_ns) {
                (void)puts("since an unknown time");
                return;
        }
        running = info->time_ns - status->start_time.value;
        (void)printf("since %s (%s)\n", format_time(when, sizeof(when), info->realtime_ns - running),
                     units_duration(age, running));
}

static const char *number(char *buffer, struct amount amount, enum quantity unit, bool is_exact) {
        if (!amount.is_known)
                return "-";
        return is_exact ? units_exact(buffer, amount.value) : units_readable(buffer, amount.value, unit);
}

static void print_numbers(const struct status *status, bool is_exact) {
        const struct socktally_info *info = &status->info;
        char a[UNITS_SIZE], b[UNITS_SIZE], missed[MISSED_SIZE];
        uint64_t ppm = info->interval_ns ? info->cost_ns / 1000 * 1000000 / (info->interval_ns / 1000 + 1) : 0;

        print_label("Traffic");
        (void)printf("TX %s, RX %s\n", number(a, status->tx, UNIT_BYTES, is_exact),
                     number(b, status->rx, UNIT_BYTES, is_exact));
        print_label("Rows");
        (void)printf("%s processes, %s services\n", number(a, status->processes, UNIT_COUNT, true),
                     number(b, status->services, UNIT_COUNT, true));
        print_label("Sockets");
        (void)printf("%" PRIu64 " tracked\n", info->sockets_tracked);
        print_label("Overflow");
        if (info->sockets_overflowed == 0 && info->rows_overflowed == 0)
                (void)puts("none");
        else
                (void)printf("%" PRIu64 " calls on sockets beyond the cap, %" PRIu64
                             " times no room for a process or unit\n",
                             info->sockets_overflowed, info->rows_overflowed);
        print_label("Missed");
        (void)puts(missed_describe(missed, info));
        print_label("Late");
        if (source_lateness(info) == 0)
                (void)puts("nothing");
        else
                (void)printf("calls are complete; splice, drops, names and the like are as of %s before\n",
                             units_duration(a, source_lateness(info)));
        print_label("Cost");
        (void)printf("%s of CPU time per interval, %" PRIu64 ".%02" PRIu64 " %% of one CPU\n",
                     units_duration(a, info->cost_ns), ppm / 10000, ppm / 100 % 100);
}

static void print_metrics(const char *label, uint64_t metrics) {
        size_t column = 0;

        print_label(label);
        for (size_t i = 0; i < SOCKTALLY_N_METRICS; i++) {
                if (!(metrics & UINT64_C(1) << i))
                        continue;
                if (column > 0 && column + strlen(metric_names[i]) > 64) {
                        (void)printf("\n%14s", "");
                        column = 0;
                }
                column += (size_t)printf("%s%s", column ? " " : "", metric_names[i]);
        }
        (void)puts(column ? "" : "none");
}

static void print_text(const struct status *status, const struct options *options) {
        const struct socktally_info *info = &status->info;
        char version[128];

        print_label("Daemon");
        (void)printf("socktallyd %s, PID %u\n",
                     untrusted_printable(version, sizeof(version), info->daemon_version ? info->daemon_version : "-"),
                     info->daemon_pid);
        print_freshness(status, options);
        print_label("Publication");
        (void)printf("%" PRIu64 " of incarnation %" PRIx64 "\n", info->sequence, info->incarnation);
        print_view(status);
        print_since(status);
        print_numbers(status, options->is_exact);
        print_metrics("Counted", status->known);
        print_metrics("Not counted", ~status->known);
}

enum exit_status status_run(const struct options *options) {
        struct socktally *reader = NULL;
        enum exit_status result = source_open(&reader, options);
        struct status status;

        if (result != STATUS_DONE)
                return result;
        gather(&status, reader);
        if (options->is_json)
                result = print_json(&status, reader);
        else
                print_text(&status, options);
        if (status.info.freshness != SOCKTALLY_FRESH && result == STATUS_DONE)
                result = source_require_fresh(reader);
        (void)socktally_close(reader);
        return result;
}
