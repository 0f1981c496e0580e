/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The size of the process table changes while counting goes on. The table lies behind a pointer in the kernel: a new
 * one is filled with the processes of the old and takes its place, and what the old one counted is handed out as final
 * rows. The kernel returns from the exchange when no program can see the old table any more.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "daemon/collect/collector-private.h"

#define CARGO_ROWS 256

/* Puts a process into a table, with counters of 0, unless it is there. -EAGAIN: the row was just being made and has no
 * name yet. Such a process counts as left out, and gets a row later as those do. */
static int put(int fd, const struct process_key *key, const struct process_row *row) {
        struct process_row empty = *row;

        if (!row->is_process)
                return -EAGAIN;
        memset(empty.counters, 0, sizeof(empty.counters));
        return bpf_map_update_elem(fd, key, &empty, BPF_NOEXIST) < 0 && errno != EEXIST ? -errno : 0;
}

/* Rows for a table that no program sees yet. They are gathered, as the kernel takes many with one call. */
struct cargo {
        int fd;
        uint32_t n;
        struct process_key keys[CARGO_ROWS];
        struct process_row rows[CARGO_ROWS];
};

static int cargo_write(struct cargo *cargo) {
        uint32_t n = cargo->n;

        cargo->n = 0;
        return table_write(cargo->fd, cargo->keys, cargo->rows, n);
}

static int cargo_add(struct cargo *cargo, const struct process_key *key, const struct process_row *row) {
        cargo->keys[cargo->n] = *key;
        cargo->rows[cargo->n] = *row;
        memset(cargo->rows[cargo->n].counters, 0, sizeof(row->counters));
        return ++cargo->n == CARGO_ROWS ? cargo_write(cargo) : 0;
}

struct candidate {
        uint64_t moved;
        uint32_t number;
};

static int compare_candidates(const void *a, const void *b) {
        const struct candidate *one = a, *other = b;

        return one->moved == other->moved ? 0 : one->moved > other->moved ? -1 : 1;
}

static uint64_t moved(const struct process_row *row) {
        const __u64 *c = row->counters;

        if (row->exited)
                return 0;
        return 1 + c[SOCKTALLY_METRIC_tcp_tx_bytes] + c[SOCKTALLY_METRIC_tcp_rx_bytes] +
               c[SOCKTALLY_METRIC_udp_tx_bytes] + c[SOCKTALLY_METRIC_udp_rx_bytes] +
               c[SOCKTALLY_METRIC_other_tx_bytes] + c[SOCKTALLY_METRIC_other_rx_bytes];
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

/* Fills a new table that has not room for all processes: those that moved most get a row first, exited ones last.
 * All ledgers are folded before, as part of what a process moved is still there. With is_table_short what an owner
 * without a row moves goes to the overflow row; else it would be taken for a process that is gone. */
static int seed_busiest(struct collect *collect, struct cargo *cargo, uint32_t n_rows) {
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
                candidates[i] = (struct candidate) { moved(&collect->values[i]), i };
        qsort(candidates, n, sizeof(*candidates), compare_candidates);
        for (uint32_t i = 0; r == 0 && i < n && n_seeded < n_rows; i++) {
                uint32_t number = candidates[i].number;

                if (!collect->values[number].is_process)
                        continue;
                r = cargo_add(cargo, &collect->keys[number], &collect->values[number]);
                n_seeded++;
        }
        free(candidates);
        if (r == 0)
                r = cargo_write(cargo);
        if (r == 0)
                collect->skeleton->bss->is_table_short = true;
        return r;
}

/* The processes that a new table has already; all that it has room for when it is full. */
struct seeds {
        struct process_key *keys;
        struct lookup lookup;
        bool is_full;
};

static void seeds_done(struct seeds *seeds) {
        free(seeds->keys);
        lookup_done(&seeds->lookup);
}

/* The processes of the n rows that were just read. */
static int seed_all(const struct collect *collect, struct cargo *cargo, uint32_t n, struct seeds *seeds) {
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
                r = cargo_add(cargo, key, &collect->values[i]);
        }
        return r < 0 ? r : cargo_write(cargo);
}

static bool match_seed(const void *owner, uint32_t number, const void *key) {
        const struct seeds *seeds = owner;

        return memcmp(&seeds->keys[number], key, sizeof(*seeds->keys)) == 0;
}

/* The table is in force; the n rows were read after that. Returns how many processes did not fit. */
static uint32_t seed_rest(const struct collect *collect, int fd, uint32_t n, const struct seeds *seeds) {
        uint32_t n_left_out = 0;

        for (uint32_t i = 0; i < n && !seeds->is_full; i++) {
                const struct process_key *key = &collect->keys[i];

                if (lookup_find(&seeds->lookup, lookup_hash(key, sizeof(*key)), match_seed, seeds, key) == LOOKUP_NONE)
                        n_left_out += put(fd, key, &collect->values[i]) < 0;
        }
        return n_left_out;
}

static int seed(struct collect *collect, const struct successors *next, struct seeds *seeds) {
        struct cargo *cargo;
        uint32_t n;
        int r;

        r = collect_read_table(collect, collect->table_fd, collect->config.max_processes, &n);
        if (r < 0)
                return r;
        cargo = malloc(sizeof(*cargo));
        if (!cargo)
                return -ENOMEM;
        cargo->fd = next->table_fd;
        cargo->n = 0;
        seeds->is_full = n > next->n_rows;
        r = seeds->is_full ? seed_busiest(collect, cargo, next->n_rows) : seed_all(collect, cargo, n, seeds);
        free(cargo);
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

/* Gives rows to processes that got theirs in the former table while the new one was being filled. Returns how many have
 * none in the end; those are charged to the overflow row. */
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
                tables_retire(collect, next->n_rows, next->table_fd, next->cores_fd);
                (void) tables_follow(collect); /* else the next read does it */
                if (seed_late(collect, &collect->former[collect->n_former - 1], &seeds) > 0)
                        collect->skeleton->bss->is_table_short = true;
        }
        seeds_done(&seeds);
        return r;
}

/* Of the rows that are over, keeps those that are deleted in the kernel and only here. The others are still in the
 * table that is being replaced, which is read once more. */
static void forget_over(struct collect *collect) {
        uint32_t n = 0;

        for (uint32_t i = 0; i < collect->n_over; i++)
                if (collect->over[i].is_last)
                        collect->over[n++] = collect->over[i];
        collect->n_over = n;
}

/* The most rows that the next sample can have: of the new table (n_rows), of the tables before it, and in over. With
 * maps per core a table can have counters of as many processes again that have no row in it. */
static uint32_t rows_to_come(const struct collect *collect, uint32_t n_rows) {
        uint32_t n = collect->config.max_processes;

        for (uint32_t i = 0; i < collect->n_former; i++)
                n += collect->former[i].n_rows;
        return n_rows + n * (collect->cores.fd >= 0 ? 2 : 1) + collect->n_over;
}

static int replace_tables(struct collect *collect, uint32_t n_rows, bool is_per_core, char *ret_reason, size_t size) {
        uint32_t old_entries = collect->cores.n_entries;
        bool was_short = collect->skeleton->bss->is_table_short;
        struct successors next;
        int r;

        if (collect->n_former == FORMER_MAX)
                return collect_say(ret_reason, size, -EAGAIN, "the tables before this one are not read yet", "");
        forget_over(collect);
        r = collect_reserve(collect, rows_to_come(collect, n_rows));
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
