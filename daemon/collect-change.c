/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Changes on the running collector. What a load mode or a module observes is one word of switches that the programs
 * read with each call, so it changes between two calls and no program is loaded. The process table lies behind a
 * pointer in the kernel: a new one is filled with the processes of the old and takes its place, and what the old one
 * counted is handed out as final rows. The kernel returns from the exchange when no program can see the old table any
 * more.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "daemon/collect-private.h"

#define CARGO_ROWS 256

static int refuse(char *reason, size_t size, int error, const char *what) {
        if (reason)
                snprintf(reason, size, "%s: %s", what, strerror(-error));
        return error;
}

enum load_mode collect_mode(const struct collect *collect) {
        return collect->missing[MODULE_UDP][0] ? LOAD_PASSIVE : collect->config.load_mode;
}

void collect_apply(struct collect *collect) {
        const struct collect_config *config = &collect->config;
        bool sees_calls = !config->is_tcp_off && collect_mode(collect) != LOAD_PASSIVE;
        uint64_t switches = 0;

        if (!config->is_tcp_off)
                switches |= SWITCH_TCP;
        if (!config->is_udp_off)
                switches |= SWITCH_UDP;
        if (sees_calls)
                switches |= SWITCH_TCP_CALLS;
        if (config->load_mode == LOAD_RETURN)
                switches |= SWITCH_ERRORS;
        if (!sees_calls || config->is_udp_off)
                switches |= SWITCH_PARTIAL;
        if (config->is_per_core)
                switches |= SWITCH_PER_CORE;
        if (!(collect->attached & (SET(SET_SOCK_RELEASE) | SET(SET_INET_RELEASE))))
                switches |= SWITCH_UNSEEN_RELEASE;
        if (!(collect->attached & SET(SET_FILES)))
                switches |= SWITCH_DIRECT;
        if (collect->copies)
                switches |= collect->copies | (uint64_t) collect->skeleton->bss->copies_epoch << SWITCH_EPOCH_SHIFT;
        __atomic_store_n(&collect->skeleton->data->switches, switches, __ATOMIC_SEQ_CST);
        collect->generation++;
}

/* Hooks that are needed come before the programs are told, others go after it. */
static int reconfigure(struct collect *collect, const struct collect_config *config, char *reason, size_t size) {
        unsigned wanted = collect_wanted_sets(collect->method, config) & SETS_CALLS;
        int r;

        if (collect->missing[MODULE_UDP][0])
                wanted &= ~SET(SET_TRACEPOINT);
        r = collect_attach_sets(collect, wanted, reason, size);
        if (r < 0)
                return r;
        collect->config = *config;
        if (config->is_udp_off && collect->attached & SET(SET_UDP_COPIES))
                copies_end(collect);
        collect_apply(collect);
        collect_detach_sets(collect, collect->attached & SETS_CALLS & ~wanted);
        collect_refresh_reports(collect);
        return 0;
}

int collect_set_load_mode(struct collect *collect, enum load_mode mode, char *ret_reason, size_t size) {
        struct collect_config config = collect->config;

        config.load_mode = mode;
        if (collect->skeleton)
                return reconfigure(collect, &config, ret_reason, size);
        collect->config = config;
        return 0;
}

/* Sockets that were opened while the module was off have no ledger; they get one that starts from now. */
static int find_unknown_sockets(struct collect *collect, bool is_tcp) {
        struct socktally_bpf__bss *bss = collect->skeleton->bss;
        int r;

        /* What is noted of sockets that no walk reaches says nothing of what they moved meanwhile. */
        if (is_tcp)
                memset(bss->births, 0, sizeof(bss->births));
        bss->is_scanned = false;
        *(is_tcp ? &bss->is_forgetting_tcp : &bss->is_forgetting_others) = true;
        r = collect_walk(collect, "scan_files");
        if (r == 0)
                r = collect_walk(collect, "fold_tcp");
        bss->is_forgetting_tcp = bss->is_forgetting_others = false;
        bss->is_scanned = true;
        collect_note_inodes(collect);
        return r;
}

/* A pass before the switch: what was moved until now is charged when the module goes off, dropped when it comes on. */
int collect_set_module(struct collect *collect, const char *module, bool is_on, char *ret_reason, size_t size) {
        struct collect_config config = collect->config;
        bool *is_off = strcmp(module, "tcp") == 0 ? &config.is_tcp_off :
                       strcmp(module, "udp") == 0 ? &config.is_udp_off : NULL;
        int r;

        if (!is_off)
                return refuse(ret_reason, size, -ENOENT, module);
        if (*is_off == !is_on)
                return 0;
        *is_off = !is_on;
        if (!collect->skeleton) {
                collect->config = config;
                return 0;
        }
        r = collect_fold(collect);
        if (r == 0 && is_on)
                r = find_unknown_sockets(collect, is_off == &config.is_tcp_off);
        if (r < 0)
                return refuse(ret_reason, size, r, "cannot walk the sockets");
        return reconfigure(collect, &config, ret_reason, size);
}

/* Puts a process into a table, without what it moved, unless it is there. One whose row was just being made has no name
 * yet: it gets a row like those that are left out. */
static int put(int fd, const struct process_key *key, const struct process_row *row) {
        struct process_row empty = *row;

        if (!row->is_process)
                return -EAGAIN;
        memset(empty.counters, 0, sizeof(empty.counters));
        return bpf_map_update_elem(fd, key, &empty, BPF_NOEXIST) < 0 && errno != EEXIST ? -errno : 0;
}

/* Rows on their way into a table that no program sees yet, many with each call. */
struct cargo {
        int fd;
        uint32_t n;
        struct process_key keys[CARGO_ROWS];
        struct process_row rows[CARGO_ROWS];
};

static int deliver(struct cargo *cargo) {
        uint32_t n = cargo->n;

        cargo->n = 0;
        return table_write(cargo->fd, cargo->keys, cargo->rows, n);
}

static int load(struct cargo *cargo, const struct process_key *key, const struct process_row *row) {
        cargo->keys[cargo->n] = *key;
        cargo->rows[cargo->n] = *row;
        memset(cargo->rows[cargo->n].counters, 0, sizeof(row->counters));
        return ++cargo->n == CARGO_ROWS ? deliver(cargo) : 0;
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

/* Not all can have a row: those that move most come first, those that are gone last. What they moved until now is on
 * the sockets and must be folded. From here on who has no row is charged to the overflow row, not to that of processes
 * that are gone. */
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
                r = load(cargo, &collect->keys[number], &collect->values[number]);
                n_seeded++;
        }
        free(candidates);
        if (r == 0)
                r = deliver(cargo);
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
                r = load(cargo, key, &collect->values[i]);
        }
        return r < 0 ? r : deliver(cargo);
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

/* Also for those that were made while the table was filled; what of that fails only costs rows. Returns how many
 * processes have none. */
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

/* Only what the kernel has dropped is still to be told: the rest comes with its table. */
static void forget_over(struct collect *collect) {
        uint32_t n = 0;

        for (uint32_t i = 0; i < collect->n_over; i++)
                if (collect->over[i].is_last)
                        collect->over[n++] = collect->over[i];
        collect->n_over = n;
}

/* Of all that the next sample can tell, n_rows of them from a new table. Those of maps per core can be processes that
 * have no row beside them. */
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
                return refuse(ret_reason, size, -EAGAIN, "the tables before this one are not read yet");
        forget_over(collect);
        r = collect_reserve(collect, rows_to_come(collect, n_rows));
        if (r < 0)
                return refuse(ret_reason, size, r, "cannot make room for the rows");
        r = create_successors(collect, n_rows, is_per_core, &next);
        if (r < 0)
                return refuse(ret_reason, size, r, "the kernel refused a table of that size");
        r = exchange_tables(collect, &next);
        if (r == 0)
                return 0;
        close_successors(&next);
        collect->cores.n_entries = old_entries;
        collect->skeleton->bss->is_table_short = was_short;
        return refuse(ret_reason, size, r, "cannot exchange the tables");
}

int collect_set_max_processes(struct collect *collect, uint32_t n, char *ret_reason, size_t size) {
        if (n == collect->config.max_processes)
                return 0;
        if (collect->skeleton)
                return replace_tables(collect, n, collect->config.is_per_core, ret_reason, size);
        collect->config.max_processes = n;
        return 0;
}
