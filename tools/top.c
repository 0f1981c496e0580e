/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Decides between the live screen and plain output, and does the plain output: print a refresh, wait for the next. */
#include <err.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tools/json.h"
#include "tools/listing.h"
#include "tools/live.h"
#include "tools/missed.h"
#include "tools/source.h"
#include "tools/table.h"
#include "tools/top.h"

static void print_rate(const struct listing *host, const char *label, const char *field, bool is_exact) {
        const struct field *f = field_find(field);
        struct amount amount = host->n > 0 ? listing_amount(host, &host->entries[0], f, true) : (struct amount){ 0 };
        char text[UNITS_SIZE] = "-";

        if (amount.is_known)
                (void)(is_exact ? units_exact(text, amount.value) : units_readable(text, amount.value, f->unit));
        (void)printf("%s %s%s", label, text, amount.is_known ? "/s" : "");
}

/* What the live screen has in its first lines. */
static void print_summary(const struct socktally *reader, const struct options *options) {
        const struct order order = { field_find("traffic"), true, false };
        const struct socktally_info info = source_info(reader);
        time_t seconds = (time_t)(info.realtime_ns / 1000000000);
        struct listing host = { .scope = options->scope };
        char when[64] = "-", interval[UNITS_SIZE], late[UNITS_SIZE];
        struct tm tm;

        if (localtime_r(&seconds, &tm))
                (void)strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
        (void)printf("%s  %s  every %s  ", when, info.freshness == SOCKTALLY_FRESH ? "fresh" : "stale",
                     units_duration(interval, info.interval_ns));
        if (source_lateness(&info) > 0)
                (void)printf("late by up to %s  ", units_duration(late, source_lateness(&info)));
        (void)printf("%s view  host ", source_view_name(info.view));
        (void)listing_take(&host, reader, SOCKTALLY_TABLE_HOST, &order);
        print_rate(&host, "TX", "tx", options->is_exact);
        print_rate(&host, "  RX", "rx", options->is_exact);
        (void)puts("");
        listing_done(&host);
}

static enum exit_status print_refresh(struct listing *listing, const struct socktally *reader,
                                      enum socktally_table table, const struct options *options,
                                      struct users *users) {
        const struct order order = { options->sort, true, options->is_reverse };
        struct choice choice;
        enum exit_status status;
        int r = listing_take(listing, reader, table, &order);

        if (r < 0) {
                warnx("cannot list the rows: %s", strerror(-r));
                return STATUS_FAILED;
        }
        filter_apply(&options->filter, listing, users);
        if (options->is_json)
                return json_print(json_listing(listing, options->limit, true), true);
        if (options->has_legend)
                print_summary(reader, options);
        (void)choice_make(&choice, table, options->columns, true, true, NULL);
        status = table_print(listing, &choice, options, users);
        if (options->has_legend) {
                missed_print(reader, true);
                missed_print_scope(reader, options->scope, true);
        }
        return status;
}

static enum exit_status run_plain(struct socktally *reader, enum socktally_table table,
                                  const struct options *options) {
        uint64_t count = options->count ? options->count : options->is_json && !options->is_once ? UINT64_MAX : 1;
        struct listing listing = { .hides_empty = !options->is_json, .scope = options->scope };
        struct users users = { .n = 0 };
        enum exit_status status = STATUS_DONE, next;

        for (uint64_t i = 0; i < count && status == STATUS_DONE; i++) {
                next = source_next(reader, options->interval_usec);
                if (next == STATUS_NO_DAEMON)
                        next = source_require_fresh(reader);
                if (next != STATUS_DONE) {
                        status = next;
                        break;
                }
                if (i > 0 && !options->is_json && options->has_legend)
                        (void)puts("");
                status = print_refresh(&listing, reader, table, options, &users);
                if (fflush(stdout) != 0)
                        status = STATUS_FAILED;
        }
        listing_done(&listing);
        return status;
}

static bool wants_screen(const struct options *options) {
        const char *terminal = getenv("TERM");

        return !options->is_json && !options->is_once && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && terminal &&
               *terminal && strcmp(terminal, "dumb") != 0;
}

enum exit_status top_run(const struct options *options) {
        struct socktally *reader = NULL;
        enum exit_status status = source_open(&reader, options);
        enum socktally_table table;

        if (status != STATUS_DONE)
                return status;
        if (options->top)
                table = options->top->table;
        else
                table = source_has_table(reader, SOCKTALLY_TABLE_PROCESSES) ? SOCKTALLY_TABLE_PROCESSES
                                                                            : SOCKTALLY_TABLE_SERVICES;
        status = source_require_fresh(reader);
        if (status == STATUS_DONE)
                status = source_require_table(reader, table);
        if (status == STATUS_DONE)
                status = wants_screen(options) ? live_run(reader, table, options) : run_plain(reader, table, options);
        (void)socktally_close(reader);
        return status;
}
