/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The size of the process table changes while counting goes on. The programs find their table through a map of maps, in
 * these steps:
 *
 *   1. A new table is made and seeded: the processes that have a row get one in the new table, with counters of 0.
 *   2. The new table is put into the map of maps. The kernel returns from that when no program uses the old one any
 *      more.
 *   3. Processes that got a row in the old table between 1 and 2 get one in the new table.
 *   4. The old one is a former table now: the next read hands out its rows as final.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "daemon/collect/collector-private.h"

#define BATCH_ROWS 256

/* Puts a process into a table, with counters of 0, unless it is there. -EAGAIN: the row was just being made and has no
 * name yet. Such a process is one of those that the new table lacks, and gets a row by a pass (is_row_wanted in
 * pass.c). */
static int put_row(int fd, const struct process_key *key, const struct process_row *row) {
        struct process_row empty = *row;

        if (!row->is_process)
                return -EAGAIN;
        memset(empty.counters, 0, sizeof(empty.counters));
        return bpf_map_update_elem(fd, key, &empty, BPF_NOEXIST) < 0 && errno != EEXIST ? -errno : 0;
}

/* Rows on their way into a table that no program sees yet. The kernel takes many of them with one call. */
struct batch {
        int fd;
        uint32_t n;
        struct process_key keys[BATCH_ROWS];
        struct process_row rows[BATCH_ROWS];
};

static int batch_write(struct batch *batch) {
        uint32_t n = batch->n;

        batch->n = 0;
        return table_write(batch->fd, batch->keys, batch->rows, n);
}

static int batch_add(struct batch *batch, const struct process_key *key, const struct process_row *row) {
        batch->keys[batch->n] = *key;
        batch->rows[batch->n] = *row;
        memset(batch->rows[batch->n].counters, 0, sizeof(row->counters));
        return ++batch->n == BATCH_ROWS ? batch_write(batch) : 0;
}

struct candidate {
        uint64_t rank;
        uint32_t number;
};

static int compare_candidates(const void *a, const void *b) {
        const struct candidate *one = a, *other = b;

        return one->rank == other->rank ? 0 : one->rank > other->rank ? -1 : 1;
}

/* The bytes that a process has moved, and 1 so that it comes before all that have exited. */
static uint64_t rank_of(const struct process_row *row) {
        uint64_t rank = 1;

        if (row->exited)
                return 0;
        for (unsigned m = SOCKTALLY_METRIC_tcp_tx_bytes_unknown; m <= SOCKTALLY_METRIC_other_rx_bytes_internet; m++)
                rank += row->counters[m];
        return rank;
}

static int read_rows(struct collect *collect, int table_fd, uint32_t *ret_n) {
        int r = collect_read_table(collect, collect->table_fd, collect->config.max_processes, ret_n);

        return r < 0 ? r : cores_add(collect, table_fd, ret_n);
}

/* The tables that are to take the place of those in force. */
struct successors {
        int table_fd, cores_fd; /* cores_fd: -1 if there are no maps per core */
        uint32_t n_rows;
};

/* Seeds a new table that has not room for all processes. Those that moved most get a row first, exited ones last. All
 * ledgers are folded before that, as a part of what a process moved is still in them. is_table_short tells the programs
 * that an owner without a row is not gone: what it moves is charged to the overflow row. */
static int seed_busiest(struct collect *collect, struct batch *batch, uint32_t n_rows) {
        struct candidate *candidates;
        uint32_t n, n_seeded = 0;
        int r;

        r = collect_fold(collect);
        if (r == 0)
                r = read_rows(collect, -1, &n);
        if (r < 0)
                return r;
        candidates = reallocarray(NULL, n + 1, sizeof(*candidates));
        if (!candidates)
                return -ENOMEM;
        for (uint32_t i = 0; i < n; i++)
                candidates[i] = (struct candidate) { rank_of(&collect->values[i]), i };
        qsort(candidates, n, sizeof(*candidates), compare_candidates);
        for (uint32_t i = 0; r == 0 && i < n && n_seeded < n_rows; i++) {
                uint32_t number = candidates[i].number;

                if (!collect->values[number].is_process)
                        continue;
                r = batch_add(batch, &collect->keys[number], &collect->values[number]);
                n_seeded++;
        }
        free(candidates);
        if (r == 0)
                r = batch_write(batch);
        if (r == 0)
                collect->skeleton->bss->is_table_short = true;
        return r;
}

/* The processes that were put into the new table in step 1. With is_full the table has no room left, and they are not
 * remembered. */
struct seeds {
        struct process_key *keys;
        struct lookup lookup;
        bool is_full;
};

static void seeds_done(struct seeds *seeds) {
        free(seeds->keys);
        lookup_done(&seeds->lookup);
}

/* Seeds a new table with the processes of the n rows that were just read. */
static int seed_all(const struct collect *collect, struct batch *batch, uint32_t n, struct seeds *seeds) {
        uint32_t n_seeded = 0;
        int r;

        seeds->keys = reallocarray(NULL, n + 1, sizeof(*seeds->keys));
        r = seeds->keys ? lookup_reserve_all(&seeds->lookup, n) : -ENOMEM;
        for (uint32_t i = 0; r == 0 && i < n; i++) {
                const struct process_key *key = &collect->keys[i];

                if (!collect->values[i].is_process)
                        continue;
                seeds->keys[n_seeded] = *key;
                lookup_add(&seeds->lookup, lookup_hash(key, sizeof(*key)), n_seeded++);
                r = batch_add(batch, key, &collect->values[i]);
        }
        return r < 0 ? r : batch_write(batch);
}

static bool match_seed(const void *owner, uint32_t number, const void *key) {
        const struct seeds *seeds = owner;

        return memcmp(&seeds->keys[number], key, sizeof(*seeds->keys)) == 0;
}

/* Step 3, for the n rows of the old table, which were read after step 2. Returns how many processes did not fit. */
static uint32_t seed_rest(const struct collect *collect, int fd, uint32_t n, const struct seeds *seeds) {
        uint32_t n_left_out = 0;

        for (uint32_t i = 0; i < n && !seeds->is_full; i++) {
                const struct process_key *key = &collect->keys[i];

                if (lookup_find(&seeds->lookup, lookup_hash(key, sizeof(*key)), match_seed, seeds, key) == LOOKUP_NONE)
                        n_left_out += put_row(fd, key, &collect->values[i]) < 0;
        }
        return n_left_out;
}

static int seed(struct collect *collect, const struct successors *next, struct seeds *seeds) {
        struct batch *batch;
        uint32_t n;
        int r;

        r = collect_read_table(collect, collect->table_fd, collect->config.max_processes, &n);
        if (r < 0)
                return r;
        batch = malloc(sizeof(*batch));
        if (!batch)
                return -ENOMEM;
        batch->fd = next->table_fd;
        batch->n = 0;
        seeds->is_full = n > next->n_rows;
        r = seeds->is_full ? seed_busiest(collect, batch, next->n_rows) : seed_all(collect, batch, n, seeds);
        free(batch);
        return r;
}

static void close_successors(const struct successors *next) {
        if (next->table_fd >= 0)
                close(next->table_fd);
        if (next->cores_fd >= 0)
                close(next->cores_fd);
}

static int create_successors(struct collect *collect, uint32_t n_rows, bool is_per_core, struct successors *ret_next) {
        struct successors next = { .table_fd = -1, .cores_fd = -1, .n_rows = n_rows };
        int r;

        r = next.table_fd = collect_create_table(collect, false, n_rows);
        if (r >= 0 && is_per_core)
                r = next.cores_fd = cores_create(collect, n_rows);
        if (r < 0) {
                close_successors(&next);
                return r;
        }
        *ret_next = next;
        return 0;
}

/* Step 3. Returns how many processes have no row in the end. What these move is charged to the overflow row. */
static uint32_t seed_late(struct collect *collect, const struct former *former, const struct seeds *seeds) {
        uint32_t n;

        if (collect_read_table(collect, former->fd, former->n_rows, &n) < 0)
                return 1;
        return seed_rest(collect, collect->table_fd, n, seeds);
}

static int exchange_tables(struct collect *collect, const struct successors *next) {
        int outer = bpf_map__fd(collect->skeleton->maps.table), r;
        struct seeds seeds = { 0 };
        uint32_t zero = 0;

        r = seed(collect, next, &seeds);
        if (r == 0 && bpf_map_update_elem(outer, &zero, &next->table_fd, BPF_ANY) < 0)
                r = -errno;
        if (r == 0) {
                memset(collect->skeleton->bss->callers, 0, sizeof(collect->skeleton->bss->callers));
                tables_retire(collect, next->n_rows, next->table_fd, next->cores_fd);
                (void) tables_follow(collect); /* else the next read does it */
                if (seed_late(collect, &collect->former[collect->n_former - 1], &seeds) > 0)
                        collect->skeleton->bss->is_table_short = true;
        }
        seeds_done(&seeds);
        return r;
}

/* Of the rows of processes that are gone, keeps those that are deleted in the kernel: they are nowhere but here. The
 * others are still in the table that is being replaced, and are read from it once more. */
static void forget_over(struct collect *collect) {
        uint32_t n = 0;

        for (uint32_t i = 0; i < collect->n_over; i++)
                if (collect->over[i].is_last)
                        collect->over[n++] = collect->over[i];
        collect->n_over = n;
}

/* The most rows that a sample can have from now on. The next one: those of the new table (n_rows), of the tables before
 * it, and those of processes that are gone (over). With maps per core a table can have counters of as many processes
 * again that have no row in it. */
static uint32_t rows_to_come(const struct collect *collect, uint32_t n_rows, bool is_per_core) {
        uint32_t n = collect->config.max_processes, later = collect_rows_at_most(n_rows, is_per_core);

        for (uint32_t i = 0; i < collect->n_former; i++)
                n += collect->former[i].n_rows;
        n = n_rows + n * (collect->cores.fd >= 0 ? 2 : 1) + collect->n_over;
        return n > later ? n : later;
}

static int replace_tables(struct collect *collect, uint32_t n_rows, bool is_per_core, char *ret_reason, size_t size) {
        uint32_t old_entries = collect->cores.n_entries;
        bool was_short = collect->skeleton->bss->is_table_short;
        struct successors next;
        int r;

        if (collect->n_former == FORMER_MAX)
                return collect_say(ret_reason, size, -EAGAIN, "the tables before this one are not read yet", "");
        forget_over(collect);
        r = collect_reserve(collect, rows_to_come(collect, n_rows, is_per_core));
        if (r < 0)
                return collect_say(ret_reason, size, r, "cannot make room for the rows", "");
        r = create_successors(collect, n_rows, is_per_core, &next);
        if (r < 0)
                return collect_say(ret_reason, size, r, "the kernel refused a table of that size", "");
        r = exchange_tables(collect, &next);
        if (r == 0)
                return 0;
        close_successors(&next);
        collect->cores.n_entries = old_entries;
        collect->skeleton->bss->is_table_short = was_short;
        return collect_say(ret_reason, size, r, "cannot exchange the tables", "");
}

int collect_set_max_processes(struct collect *collect, uint32_t n, char *ret_reason, size_t size) {
        if (n == collect->config.max_processes)
                return 0;
        collect_want_pass(collect);
        if (collect->skeleton)
                return replace_tables(collect, n, collect->config.is_per_core, ret_reason, size);
        collect->config.max_processes = n;
        return 0;
}
