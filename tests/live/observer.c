/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was seen last is kept per metric, not per snapshot: a metric that is unknown for a while goes on from there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libclient/socktally.h"
#include "tests/live/compare.h"
#include "tests/live/observer.h"

#define PATIENCE_USEC 120000000

struct observer {
        struct socktally *reader;
        struct workers *workers;
        struct socktally_column process[SOCKTALLY_N_METRICS], host[SOCKTALLY_N_METRICS];
        uint64_t seen[N_WORKERS + 1][SOCKTALLY_N_METRICS]; /* the last is the host */
        uint64_t known, sequence, incarnation;
};

static int find_columns(struct observer *observer) {
        int r = 0;

        for (unsigned m = 0; r >= 0 && m < SOCKTALLY_N_METRICS; m++) {
                (void) socktally_column(observer->reader, SOCKTALLY_TABLE_PROCESSES, metric_name(m),
                                        &observer->process[m]); /* the public view has none */
                r = socktally_column(observer->reader, SOCKTALLY_TABLE_HOST, metric_name(m), &observer->host[m]);
        }
        return r;
}

struct observer *observer_open(const char *runtime_directory, struct workers *workers) {
        char path[256];
        struct socktally_options options = { .size = sizeof options, .view = SOCKTALLY_VIEW_BEST, .socket_path = path };
        struct observer *observer = calloc(1, sizeof *observer);

        if (!observer)
                return NULL;
        observer->workers = workers;
        snprintf(path, sizeof path, "%s/readers", runtime_directory);
        if (socktally_open(&observer->reader, &options) < 0)
                return observer_close(observer);
        return observer;
}

struct observer *observer_close(struct observer *observer) {
        if (observer)
                socktally_close(observer->reader);
        free(observer);
        return NULL;
}

static void check_row(struct observer *observer, unsigned who, const struct socktally_row *row,
                      const struct socktally_column *columns) {
        for (unsigned m = 0; m < SOCKTALLY_N_METRICS; m++) {
                uint64_t value, *seen = &observer->seen[who][m];

                if (socktally_value(row, &columns[m], &value) != SOCKTALLY_VALUE ||
                    columns[m].type != SOCKTALLY_COUNTER)
                        continue;
                if (value < *seen)
                        workers_complain(observer->workers, "publication %llu: %s of %s %u went back to %llu from %llu",
                                         (unsigned long long) observer->sequence, metric_name(m),
                                         who == N_WORKERS ? "host" : "worker", who, (unsigned long long) value,
                                         (unsigned long long) *seen);
                *seen = value;
        }
}

bool observer_sum(const struct observer *observer, unsigned metric, uint64_t *ret_host, uint64_t *ret_rows) {
        size_t n = socktally_count(observer->reader, SOCKTALLY_TABLE_PROCESSES);
        struct socktally_row row;
        uint64_t value;

        *ret_rows = 0;
        if (socktally_row(observer->reader, SOCKTALLY_TABLE_HOST, 0, &row) != 0 ||
            socktally_value(&row, &observer->host[metric], ret_host) != SOCKTALLY_VALUE)
                return false;
        for (size_t i = 0; i < n; i++)
                if (socktally_row(observer->reader, SOCKTALLY_TABLE_PROCESSES, i, &row) == 0 &&
                    socktally_value(&row, &observer->process[metric], &value) == SOCKTALLY_VALUE)
                        *ret_rows += value;
        return true;
}

static void check_sums(struct observer *observer) {
        uint64_t host, rows;

        observer->known = 0;
        for (unsigned m = 0; m < SOCKTALLY_N_METRICS; m++) {
                if (!observer_sum(observer, m, &host, &rows))
                        continue;
                observer->known |= UINT64_C(1) << m;
                if (observer->host[m].type == SOCKTALLY_COUNTER && host != rows &&
                    socktally_count(observer->reader, SOCKTALLY_TABLE_PROCESSES) > 0)
                        workers_complain(observer->workers, "publication %llu: %s of all rows is %llu, the host's %llu",
                                         (unsigned long long) observer->sequence, metric_name(m),
                                         (unsigned long long) rows, (unsigned long long) host);
        }
}

static void examine(struct observer *observer) {
        struct socktally_info info = { .size = sizeof info };
        struct socktally_row row;

        if (socktally_get_info(observer->reader, &info) < 0 || info.sequence == 0 ||
            info.sequence == observer->sequence)
                return;
        if (info.incarnation != observer->incarnation && find_columns(observer) < 0)
                workers_complain(observer->workers, "a table lacks a column");
        if (info.sequence < observer->sequence)
                workers_complain(observer->workers, "publication %llu comes after %llu",
                                 (unsigned long long) info.sequence, (unsigned long long) observer->sequence);
        observer->incarnation = info.incarnation;
        observer->sequence = info.sequence;
        if (socktally_row(observer->reader, SOCKTALLY_TABLE_HOST, 0, &row) == 0)
                check_row(observer, N_WORKERS, &row, observer->host);
        for (unsigned i = 0; i < N_WORKERS; i++)
                if (socktally_find_process(observer->reader, (uint32_t) observer->workers->workers[i].pid, 0, &row) ==
                    SOCKTALLY_VALUE)
                        check_row(observer, i, &row, observer->process);
        check_sums(observer);
}

void observer_look(struct observer *observer) {
        int r = socktally_refresh(observer->reader);

        if (r < 0)
                workers_complain(observer->workers, "refresh: %s", strerror(-r));
        else
                examine(observer);
}

static void wait_for_next(struct observer *observer) {
        int r = socktally_wait(observer->reader, PATIENCE_USEC);

        if (r < 0 || r == SOCKTALLY_UNCHANGED)
                workers_complain(observer->workers, "no publication: %s", r < 0 ? strerror(-r) : "the time is over");
        else
                examine(observer);
}

void observer_reach(struct observer *observer, uint64_t sequence) {
        observer_look(observer);
        while (observer->sequence < sequence && !observer->workers->problem[0])
                wait_for_next(observer);
}

_Noreturn void observer_stay(struct observer *observer) {
        for (;;) {
                wait_for_next(observer);
                if (observer->workers->problem[0])
                        _Exit(EXIT_FAILURE);
        }
}

uint64_t observer_known(const struct observer *observer) {
        return observer->known;
}

bool observer_find(const struct observer *observer, unsigned worker, unsigned metric, uint64_t *ret_value) {
        struct socktally_row row;

        return socktally_find_process(observer->reader, (uint32_t) observer->workers->workers[worker].pid, 0, &row) ==
                       SOCKTALLY_VALUE &&
               socktally_value(&row, &observer->process[metric], ret_value) == SOCKTALLY_VALUE;
}
