/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Why it keeps a copy of the rows: a counter that goes back for one publication is right again in the next, so only
 * whoever looks at each of them sees it. Rows are told apart by kind, PID and start time; a row that is gone has left
 * its counts in the row of exited processes, which the sum checks.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "libclient/socktally.h"
#include "tests/live/compare.h"
#include "tests/live/watch.h"

/* Longest silence of a daemon that is asked for ten publications a second; generous because of slow guests. */
#define PATIENCE_USEC 120000000

struct row_key {
        uint64_t start_time;
        uint32_t pid, kind;
};

struct row_copy {
        struct row_key key;
        uint64_t counters[SOCKTALLY_N_METRICS];
};

struct columns {
        struct socktally_column metric[SOCKTALLY_N_METRICS];
        struct socktally_column pid, start_time, kind, exited, comm;
};

struct rows {
        struct row_copy *rows;
        size_t n, room;
};

struct watch {
        struct socktally *reader;
        struct columns process;
        struct socktally_column host[SOCKTALLY_N_METRICS];
        struct rows now, before; /* sorted by key */
        uint64_t known, incarnation, sequence, time_ns, complete_ns, cost_ns, sockets;
        uint64_t missed[2];
        char problem[400];
};

static int __attribute__((format(printf, 2, 3))) complain(struct watch *watch, const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        vsnprintf(watch->problem, sizeof(watch->problem), format, arguments);
        va_end(arguments);
        return -1;
}

const char *watch_problem(const struct watch *watch) {
        return watch->problem;
}

uint64_t watch_known(const struct watch *watch) {
        return watch->known;
}

int watch_fd(const struct watch *watch) {
        return socktally_fd(watch->reader);
}

static int find_columns(struct watch *watch) {
        struct { const char *name; struct socktally_column *column; } wanted[] = {
                { "pid", &watch->process.pid },
                { "start_time", &watch->process.start_time },
                { "kind", &watch->process.kind },
                { "exited", &watch->process.exited },
                { "comm", &watch->process.comm },
        };

        for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
                if (socktally_column(watch->reader, SOCKTALLY_TABLE_PROCESSES, wanted[i].name, wanted[i].column) < 0)
                        return complain(watch, "the process table has no column %s", wanted[i].name);
        for (unsigned int m = 0; m < SOCKTALLY_N_METRICS; m++) {
                const char *name = metric_name(m);

                if (socktally_column(watch->reader, SOCKTALLY_TABLE_PROCESSES, name, &watch->process.metric[m]) < 0)
                        return complain(watch, "the process table has no column %s", name);
                if (socktally_column(watch->reader, SOCKTALLY_TABLE_HOST, name, &watch->host[m]) < 0)
                        return complain(watch, "the host table has no column %s", name);
        }
        return 0;
}

static uint64_t number(const struct socktally_row *row, const struct socktally_column *column) {
        uint64_t value = 0;

        return socktally_value(row, column, &value) == SOCKTALLY_VALUE ? value : 0;
}

static int compare_rows(const void *a, const void *b) {
        const struct row_key *x = &((const struct row_copy *) a)->key, *y = &((const struct row_copy *) b)->key;

        if (x->kind != y->kind)
                return x->kind < y->kind ? -1 : 1;
        if (x->pid != y->pid)
                return x->pid < y->pid ? -1 : 1;
        if (x->start_time != y->start_time)
                return x->start_time < y->start_time ? -1 : 1;
        return 0;
}

/* Copies the snapshot's process table into watch->now. */
static int copy_rows(struct watch *watch) {
        size_t n = socktally_count(watch->reader, SOCKTALLY_TABLE_PROCESSES);

        if (n > watch->now.room) {
                struct row_copy *rows = realloc(watch->now.rows, 2 * n * sizeof(*rows));

                if (!rows)
                        return complain(watch, "no memory for %zu rows", n);
                watch->now.rows = rows;
                watch->now.room = 2 * n;
        }
        for (size_t i = 0; i < n; i++) {
                struct row_copy *copy = &watch->now.rows[i];
                struct socktally_row row;

                if (socktally_row(watch->reader, SOCKTALLY_TABLE_PROCESSES, i, &row) != 0)
                        return complain(watch, "row %zu of %zu cannot be read", i, n);
                copy->key = (struct row_key) { .start_time = number(&row, &watch->process.start_time),
                                               .pid = (uint32_t) number(&row, &watch->process.pid),
                                               .kind = (uint32_t) number(&row, &watch->process.kind) };
                for (unsigned int m = 0; m < SOCKTALLY_N_METRICS; m++)
                        copy->counters[m] = number(&row, &watch->process.metric[m]);
        }
        watch->now.n = n;
        qsort(watch->now.rows, n, sizeof(*watch->now.rows), compare_rows);
        return 0;
}

/* The rows of every other table add up to the host as well. One that is not kept has none. */
static int check_table(struct watch *watch, enum socktally_table table, unsigned int metric, uint64_t total) {
        size_t n = socktally_count(watch->reader, table);
        struct socktally_column column;
        uint64_t sum = 0;

        if (n == 0)
                return 0;
        if (socktally_column(watch->reader, table, metric_name(metric), &column) < 0)
                return complain(watch, "table %u has no column %s", (unsigned int) table, metric_name(metric));
        for (size_t i = 0; i < n; i++) {
                struct socktally_row row;

                if (socktally_row(watch->reader, table, i, &row) != 0)
                        return complain(watch, "row %zu of table %u cannot be read", i, (unsigned int) table);
                sum += number(&row, &column);
        }
        return sum == total ? 0
                            : complain(watch, "publication %llu: %s of table %u add up to %llu, the host row says %llu",
                                       (unsigned long long) watch->sequence, metric_name(metric), (unsigned int) table,
                                       (unsigned long long) sum, (unsigned long long) total);
}

static int check_sums(struct watch *watch) {
        struct socktally_row host;

        if (socktally_row(watch->reader, SOCKTALLY_TABLE_HOST, 0, &host) != 0)
                return complain(watch, "there is no host row");
        watch->known = 0;
        for (unsigned int m = 0; m < SOCKTALLY_N_METRICS; m++) {
                uint64_t total, sum = 0;

                if (socktally_value(&host, &watch->host[m], &total) != SOCKTALLY_VALUE)
                        continue;
                watch->known |= UINT64_C(1) << m;
                if (watch->host[m].type != SOCKTALLY_COUNTER)
                        continue;
                for (size_t i = 0; i < watch->now.n; i++)
                        sum += watch->now.rows[i].counters[m];
                if (sum != total)
                        return complain(watch, "publication %llu: the rows' %s add up to %llu, the host row says %llu",
                                        (unsigned long long) watch->sequence, metric_name(m), (unsigned long long) sum,
                                        (unsigned long long) total);
                for (unsigned int table = 0; table <= SOCKTALLY_TABLE_USERS; table++)
                        if (check_table(watch, (enum socktally_table) table, m, total) < 0)
                                return -1;
        }
        return 0;
}

static int check_row(struct watch *watch, const struct row_copy *now, const struct row_copy *before) {
        for (unsigned int m = 0; m < SOCKTALLY_N_METRICS; m++)
                if (watch->process.metric[m].type == SOCKTALLY_COUNTER && now->counters[m] < before->counters[m])
                        return complain(watch, "publication %llu: %s of pid %u (kind %u) went back from %llu to %llu",
                                        (unsigned long long) watch->sequence, metric_name(m), now->key.pid,
                                        now->key.kind, (unsigned long long) before->counters[m],
                                        (unsigned long long) now->counters[m]);
        return 0;
}

static int check_growth(struct watch *watch) {
        for (size_t i = 0; i < watch->now.n; i++) {
                const struct row_copy *now = &watch->now.rows[i], *before = NULL;

                if (i > 0 && compare_rows(now, now - 1) == 0)
                        return complain(watch, "publication %llu: two rows of kind %u, pid %u, start time %llu",
                                        (unsigned long long) watch->sequence, now->key.kind, now->key.pid,
                                        (unsigned long long) now->key.start_time);
                if (watch->before.n > 0)
                        before = bsearch(now, watch->before.rows, watch->before.n, sizeof(*now), compare_rows);
                if (before && check_row(watch, now, before) < 0)
                        return -1;
        }
        return 0;
}

static int check_missed(struct watch *watch, const struct socktally_info *info) {
        const uint64_t now[2] = { info->missed_tx_calls, info->missed_rx_calls };
        const uint64_t interval[2] = { info->interval_missed_tx_calls, info->interval_missed_rx_calls };
        bool is_next = info->sequence == watch->sequence + 1;

        for (int dir = 0; dir < 2; dir++) {
                if (now[dir] < watch->missed[dir] || (is_next && now[dir] - watch->missed[dir] > interval[dir]))
                        return complain(watch, "publication %llu: %llu missed calls after %llu, %llu in the interval",
                                        (unsigned long long) info->sequence, (unsigned long long) now[dir],
                                        (unsigned long long) watch->missed[dir], (unsigned long long) interval[dir]);
                watch->missed[dir] = now[dir];
        }
        return 0;
}

/* Looks at the reader's current snapshot. */
static int examine(struct watch *watch) {
        struct socktally_info info = { .size = sizeof(info) };
        struct rows spare = watch->before;

        if (socktally_get_info(watch->reader, &info) < 0)
                return complain(watch, "no facts about the snapshot");
        if (info.sequence == 0 || (info.sequence == watch->sequence && info.incarnation == watch->incarnation))
                return 0;
        if (info.incarnation != watch->incarnation) {
                if (find_columns(watch) < 0)
                        return -1;
                watch->incarnation = info.incarnation;
                memset(watch->missed, 0, sizeof(watch->missed));
                watch->sequence = 0;
        }
        if (check_missed(watch, &info) < 0)
                return -1;
        watch->sequence = info.sequence;
        watch->time_ns = info.time_ns;
        watch->complete_ns = info.complete_ns;
        watch->cost_ns = info.cost_ns;
        watch->sockets = info.sockets_tracked;
        watch->before = watch->now;
        watch->now = spare;
        if (copy_rows(watch) < 0 || check_sums(watch) < 0)
                return -1;
        return check_growth(watch);
}

int watch_open(struct watch **ret_watch, const char *runtime_directory) {
        char path[256];
        struct socktally_options options = { .size = sizeof(options), .view = SOCKTALLY_VIEW_FULL,
                                             .socket_path = path };
        struct watch *watch = calloc(1, sizeof(*watch));
        int r;

        if (!watch)
                return -1;
        snprintf(path, sizeof(path), "%s/readers", runtime_directory);
        r = socktally_open(&watch->reader, &options);
        if (r < 0) {
                watch_close(watch);
                errno = -r;
                return -1;
        }
        *ret_watch = watch;
        return 0;
}

struct watch *watch_close(struct watch *watch) {
        if (!watch)
                return NULL;
        socktally_close(watch->reader);
        free(watch->now.rows);
        free(watch->before.rows);
        free(watch);
        return NULL;
}

int watch_take(struct watch *watch) {
        int r = socktally_refresh(watch->reader);

        if (r < 0)
                return complain(watch, "refresh: %s", strerror(-r));
        return examine(watch);
}

int watch_next(struct watch *watch) {
        int r;

        do
                r = socktally_wait(watch->reader, PATIENCE_USEC);
        while (r == -EINTR);
        if (r < 0)
                return complain(watch, "waiting for a publication: %s", strerror(-r));
        if (r == SOCKTALLY_UNCHANGED)
                return complain(watch, "no publication in %d seconds", PATIENCE_USEC / 1000000);
        return examine(watch);
}

/* The daemon reads the clock beside the fold, not for each socket in it: the publication after the first one that is
 * late enough is the first whose whole fold is. */
int watch_until(struct watch *watch, uint64_t boottime_ns) {
        if (watch_take(watch) < 0)
                return -1;
        while (watch->complete_ns <= boottime_ns)
                if (watch_next(watch) < 0)
                        return -1;
        return watch_next(watch);
}

static void sight(const struct watch *watch, const struct socktally_row *row, struct sighting *seen) {
        for (unsigned int m = 0; m < SOCKTALLY_N_METRICS; m++)
                seen->counters[m] = number(row, &watch->process.metric[m]);
        seen->start_time = number(row, &watch->process.start_time);
        seen->has_exited = number(row, &watch->process.exited) != 0;
        seen->has_row = true;
}

/* Constant-time lookup must give the row that the scan found. */
static int check_lookup(struct watch *watch, const struct socktally_row *row, uint32_t pid, uint64_t start_time) {
        struct socktally_row found;

        if (socktally_find_process(watch->reader, pid, start_time, &found) != SOCKTALLY_VALUE)
                return complain(watch, "is in the table, but the lookup does not find it");
        if (found.index != row->index)
                return complain(watch, "is row %u in the table and row %u by lookup", row->index, found.index);
        return 0;
}

int watch_find(const struct watch *watch, uint32_t pid, const char *comm, struct sighting *ret_seen) {
        struct watch *owner = (struct watch *) watch; /* only to leave a complaint */
        size_t n = socktally_count(watch->reader, SOCKTALLY_TABLE_PROCESSES);
        struct socktally_row row, newest = { 0 };
        const char *name = "";

        *ret_seen = (struct sighting) { 0 };
        for (size_t i = 0; i < n; i++) {
                if (socktally_row(watch->reader, SOCKTALLY_TABLE_PROCESSES, i, &row) != 0)
                        return complain(owner, "row %zu cannot be read", i);
                if (number(&row, &watch->process.pid) != pid ||
                    number(&row, &watch->process.kind) != SOCKTALLY_ROW_PROCESS ||
                    number(&row, &watch->process.start_time) < ret_seen->start_time)
                        continue;
                sight(watch, &row, ret_seen);
                newest = row;
        }
        if (!ret_seen->has_row)
                return 0;
        if (socktally_text(&newest, &watch->process.comm, &name) != SOCKTALLY_VALUE || strcmp(name, comm) != 0)
                return complain(owner, "the daemon calls it \"%s\"", name);
        return check_lookup(owner, &newest, pid, ret_seen->start_time);
}

void watch_special(const struct watch *watch, uint32_t kind, struct sighting *ret_seen) {
        *ret_seen = (struct sighting) { 0 };
        for (size_t i = 0; i < watch->now.n; i++) {
                if (watch->now.rows[i].key.kind != kind)
                        continue;
                ret_seen->has_row = true;
                for (unsigned int m = 0; m < SOCKTALLY_N_METRICS; m++)
                        ret_seen->counters[m] += watch->now.rows[i].counters[m];
        }
}

void watch_missed(const struct watch *watch, uint64_t ret_missed[2]) {
        memcpy(ret_missed, watch->missed, sizeof(watch->missed));
}

void watch_facts(const struct watch *watch, uint64_t *ret_cost_ns, uint64_t *ret_sockets, uint64_t *ret_sequence) {
        *ret_cost_ns = watch->cost_ns;
        *ret_sockets = watch->sockets;
        *ret_sequence = watch->sequence;
}
