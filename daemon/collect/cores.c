/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Maps per core: beside the process table a second one, in which each CPU has counters of its own for each process. A
 * process has moved what its row and all its counters say together, wherever the programs added it. So the second table
 * may lack entries when there is no memory: only the price differs.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "daemon/collect/collector-private.h"

/* Read in pieces: with hundreds of CPUs a whole table would take hundreds of megabytes. */
#define READ_BYTES (1U << 20)
#define READ_ENTRIES_MIN 64
#define SEEDS_PER_READ 2048
/* Where the kernel cannot make entries as programs need them, this many are made in advance: a table of a million takes
 * it ten seconds and gigabytes. Further processes do without. */
#define ADVANCE_ENTRIES_MAX 16384

void cores_init(struct cores *cores) {
        *cores = (struct cores) { .fd = -1, .lookup = LOOKUP_NULL };
}

void cores_done(struct cores *cores) {
        if (cores->fd >= 0)
                close(cores->fd);
        free(cores->keys);
        free(cores->values);
        lookup_done(&cores->lookup);
        cores_init(cores);
}

/* Room for one piece, n entries of each CPU. */
static int reserve(struct cores *cores, uint32_t n) {
        struct core_counters *values = reallocarray(cores->values, (size_t) n * cores->n_cpus, sizeof *values);
        struct process_key *keys;

        if (!values)
                return -ENOMEM;
        cores->values = values;
        keys = reallocarray(cores->keys, n, sizeof *keys);
        if (!keys)
                return -ENOMEM;
        cores->keys = keys;
        cores->n_reserved = n;
        return 0;
}

int cores_create(struct collect *collect, uint32_t n_rows) {
        struct cores *cores = &collect->cores;
        int n_cpus = libbpf_num_possible_cpus(), r;
        uint32_t n;

        if (n_cpus < 0)
                return n_cpus;
        cores->n_cpus = (uint32_t) n_cpus;
        n = READ_BYTES / (cores->n_cpus * sizeof(struct core_counters));
        r = cores->n_reserved ? 0 : reserve(cores, n < READ_ENTRIES_MIN ? READ_ENTRIES_MIN : n);
        if (r == 0)
                r = lookup_reserve_all(&cores->lookup, n_rows);
        if (r < 0)
                return r;
        if (!(cores->flags & BPF_F_NO_PREALLOC) && n_rows > ADVANCE_ENTRIES_MAX)
                n_rows = ADVANCE_ENTRIES_MAX;
        r = collect_create_table(collect, true, n_rows);
        if (r >= 0)
                cores->n_entries = n_rows;
        return r;
}

int cores_start(struct collect *collect) {
        int outer = bpf_map__fd(collect->skeleton->maps.cores), r;
        uint32_t zero = 0;

        r = cores_create(collect, collect->config.max_processes);
        if (r < 0)
                return r;
        collect->cores.fd = r;
        return bpf_map_update_elem(outer, &zero, &collect->cores.fd, BPF_ANY) < 0 ? -errno : 0;
}

int cores_exchange(const struct collect *collect, int fd) {
        int outer = bpf_map__fd(collect->skeleton->maps.cores);
        uint32_t zero = 0;

        return bpf_map_update_elem(outer, &zero, &fd, BPF_ANY) < 0 ? -errno : 0;
}

void cores_close(struct cores *cores) {
        if (cores->fd >= 0)
                close(cores->fd);
        cores->fd = -1;
}

/* Adds the counters of all CPUs, of which values has one after the other, to a row. */
static void add_counters(const struct cores *cores, const struct core_counters *values, struct process_row *row) {
        for (uint32_t cpu = 0; cpu < cores->n_cpus; cpu++)
                for (unsigned m = 0; m < SOCKTALLY_N_METRICS; m++)
                        row->counters[m] += values[cpu].counters[m];
}

static bool match_key(const void *owner, uint32_t number, const void *key) {
        const struct process_key *keys = owner;

        return memcmp(&keys[number], key, sizeof *keys) == 0;
}

/* cores_create() made room for all of them. */
static void index_rows(struct cores *cores, const struct process_key *keys, uint32_t n) {
        lookup_clear(&cores->lookup);
        for (uint32_t i = 0; i < n; i++)
                lookup_add(&cores->lookup, lookup_hash(&keys[i], sizeof keys[i]), i);
}

/* Up to as many entries as there is room for. 0: more may follow. -ENOENT: these are the last. */
static int read_piece(struct cores *cores, struct table_cursor *cursor, uint32_t *ret_n) {
        int r;

        do {
                *ret_n = cores->n_reserved;
                r = table_read(cores->fd, cursor, cores->keys, cores->values, cores->n_cpus * sizeof *cores->values,
                               ret_n);
                if (r != -ENOSPC)
                        return r;
                r = reserve(cores, 2 * cores->n_reserved); /* what shares a hash bucket comes together */
        } while (r == 0);
        return r;
}

/* Makes entries for processes that have none. Looks at SEEDS_PER_READ rows. The next read goes on behind them, so that
 * no interval takes long. */
static void make_entries(struct cores *cores, const struct process_key *keys, uint32_t n) {
        memset(cores->values, 0, cores->n_cpus * sizeof *cores->values);
        for (uint32_t i = 0; i < SEEDS_PER_READ && i < n; i++)
                (void) bpf_map_update_elem(cores->fd, &keys[cores->next_seed++ % n], cores->values, BPF_NOEXIST);
}

/* For counters of a process whose row is not among the rows that were read: the process got its row after that. In the
 * last read of the counters they become a row of their own, with the name that the process has in table_fd. 1: there is
 * one. 0: none. */
static int make_row(struct collect *collect, int table_fd, const struct process_key *key, uint32_t number) {
        struct process_row *row = &collect->values[number];

        if (table_fd < 0 || number >= collect->n_reserved)
                return 0;
        if (bpf_map_lookup_elem(table_fd, key, row) < 0)
                return errno == ENOENT ? 0 : -errno;
        memset(row->counters, 0, sizeof row->counters);
        collect->keys[number] = *key;
        return 1;
}

/* Adds to ret_found how many of the rows that were known before have an entry in the piece. */
static int add_piece(struct collect *collect, int table_fd, uint32_t n_piece, uint32_t *n, uint32_t *ret_found) {
        const struct cores *cores = &collect->cores;
        uint32_t number;
        int r;

        for (uint32_t i = 0; i < n_piece; i++) {
                const struct process_key *key = &cores->keys[i];

                number = lookup_find(&cores->lookup, lookup_hash(key, sizeof *key), match_key, collect->keys, key);
                if (number != LOOKUP_NONE)
                        ++*ret_found;
                else {
                        r = make_row(collect, table_fd, key, *n);
                        if (r < 0)
                                return r;
                        if (r == 0)
                                continue;
                        number = (*n)++;
                }
                add_counters(cores, &cores->values[(size_t) i * cores->n_cpus], &collect->values[number]);
        }
        return 0;
}

int cores_add(struct collect *collect, int table_fd, uint32_t *n) {
        struct cores *cores = &collect->cores;
        uint32_t n_piece, n_found = 0, n_known = *n;
        struct table_cursor cursor = { 0 };
        int r, added;

        if (cores->fd < 0)
                return 0;
        index_rows(cores, collect->keys, n_known);
        do {
                r = read_piece(cores, &cursor, &n_piece);
                if (r < 0 && r != -ENOENT)
                        return r;
                added = add_piece(collect, table_fd, n_piece, n, &n_found);
                if (added < 0)
                        return added;
        } while (r == 0);
        if (table_fd < 0 && n_found < n_known && n_found < cores->n_entries)
                make_entries(cores, collect->keys, n_known);
        return 0;
}

bool cores_take(struct cores *cores, const struct process_key *key, struct process_row *row) {
        bool is_known = true;

        if (cores->fd < 0)
                return true;
        if (row && bpf_map_lookup_elem(cores->fd, key, cores->values) == 0)
                add_counters(cores, cores->values, row);
        else if (row)
                is_known = errno == ENOENT;
        (void) bpf_map_delete_elem(cores->fd, key);
        return is_known;
}

uint64_t cores_bytes(const struct cores *cores, uint32_t n_used) {
        uint32_t n = cores->flags & BPF_F_NO_PREALLOC && n_used < cores->n_entries ? n_used : cores->n_entries;

        return cores->fd < 0 ? 0 : (uint64_t) n * cores->n_cpus * sizeof(struct core_counters);
}
