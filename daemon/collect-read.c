/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One interval: let the iterator fold all sockets, then read the rows in batches. A row leaves the kernel when its
 * process has exited and two whole passes have met no socket of it: nobody can reach the row any more, so what is read
 * while deleting is final.
 */
#include <errno.h>
#include <signal.h>
#include <time.h>

#include <bpf/bpf.h>

#include "daemon/collect-private.h"

/* Exits that the hook missed (a process that changed its cgroup has rows that none finds) are looked for by turns. */
#define CHECKS_PER_READ 64
#define EXCESS_PASSES 8

static uint64_t now_ns(clockid_t clock) {
        struct timespec t;

        clock_gettime(clock, &t);
        return t.tv_sec * UINT64_C(1000000000) + t.tv_nsec;
}

/* Sockets whose end no hook saw (outside the part of the cgroup tree that we can attach to) must not fill the cap.
 * Only what eight passes in a row did not meet is taken off: sockets come and go while a pass runs. Some are met
 * again, those that no descriptor led to meanwhile. */
static void correct_tracked(struct collect *collect, uint64_t before) {
        struct socktally_bpf__bss *bss = collect->skeleton->bss;
        int64_t excess = (int64_t) (before - bss->pass_sockets);

        if (collect->n_excess == 0 || excess < collect->least_excess)
                collect->least_excess = excess;
        if (++collect->n_excess < EXCESS_PASSES)
                return;
        __atomic_fetch_sub(&bss->health.sockets_tracked, (uint64_t) collect->least_excess, __ATOMIC_RELAXED);
        collect->n_excess = 0;
}

/* The owner of a socket does not ask for a row with each call. Who lost his because the table was too small gets one
 * again from this look at the open files, when there is room. */
static int scan(struct collect *collect) {
        struct socktally_bpf__bss *bss = collect->skeleton->bss;
        uint64_t before = __atomic_load_n(&bss->health.rows_overflowed, __ATOMIC_RELAXED);
        int r;

        bss->is_row_wanted = bss->is_table_short && collect->n_used < collect->config.max_processes;
        r = collect_walk(collect, "scan_files");
        if (r == 0 && bss->is_row_wanted && __atomic_load_n(&bss->health.rows_overflowed, __ATOMIC_RELAXED) == before)
                bss->is_table_short = false;
        bss->is_row_wanted = false;
        return r;
}

static int fold_all(struct collect *collect) {
        struct socktally_bpf__bss *bss = collect->skeleton->bss;
        uint64_t tracked = __atomic_load_n(&bss->health.sockets_tracked, __ATOMIC_RELAXED);
        int r;

        bss->pass_number++;
        bss->pass_msec = now_ns(CLOCK_BOOTTIME) / 1000000 | 1;
        bss->pass_sockets = 0;
        bss->last_seen = bss->last_named = (struct process_key) { 0 };
        bss->health.passes++;
        r = scan(collect);
        if (r == 0)
                r = collect_walk(collect, "fold_files");
        if (r == 0)
                r = collect_walk(collect, "fold_tcp");
        if (r == 0)
                r = collect_walk(collect, "fold_udp");
        if (r < 0)
                return r;
        if (collect->attached & SET(SET_FILES))
                correct_tracked(collect, tracked);
        return 0;
}

int collect_read_table(struct collect *collect, int fd, uint32_t capacity, uint32_t *ret_n) {
        uint32_t token, count, n = 0;
        bool is_first = true;
        int r;

        do {
                count = capacity - n;
                if (count == 0)
                        break;
                r = bpf_map_lookup_batch(fd, is_first ? NULL : &token, &token, collect->keys + n, collect->values + n,
                                         &count, NULL);
                if (r < 0 && errno != ENOENT)
                        return -errno;
                n += count;
                is_first = false;
        } while (r == 0);
        *ret_n = n;
        return 0;
}

static bool is_over(const struct collect *collect, const struct process_row *row) {
        return row->exited && collect->skeleton->bss->pass_number - row->seen_pass >= 2;
}

/* Deletes a row whose process is over; its value is final. */
static void take_last(struct collect *collect, struct sample_row *row) {
        int fd = collect->table_fd;

        if (bpf_map_lookup_and_delete_elem(fd, &row->key, &row->row) == 0)
                cores_take(&collect->cores, &row->key, &row->row);
        else if (bpf_map_delete_elem(fd, &row->key) == 0)
                cores_take(&collect->cores, &row->key, NULL);
        else
                return;
        row->is_last = true;
}

static int read_specials(struct collect *collect) {
        int fd = bpf_map__fd(collect->skeleton->maps.specials);

        for (uint32_t i = 0; i < N_SPECIALS; i++)
                if (bpf_map_lookup_elem(fd, &i, &collect->sample.specials[i]) < 0)
                        return -errno;
        return 0;
}

static uint64_t known_metrics(const struct collect *collect) {
        enum load_mode mode = collect->config.load_mode;
        uint64_t known = 0;

        if (collect->is_silenced)
                return 0;
#define KNOWN(name) known |= UINT64_C(1) << SOCKTALLY_METRIC_##name
        if (!collect->config.is_tcp_off && !collect->missing[MODULE_TCP][0]) {
                KNOWN(tcp_tx_bytes);
                KNOWN(tcp_rx_bytes);
                KNOWN(tcp_closes);
                KNOWN(tcp_retransmits);
                if (mode != LOAD_PASSIVE) {
                        KNOWN(tcp_tx_calls);
                        KNOWN(tcp_rx_calls);
                }
                if (mode == LOAD_RETURN) {
                        KNOWN(tcp_tx_errors);
                        KNOWN(tcp_rx_errors);
                }
        }
        if (!collect->config.is_udp_off) {
                KNOWN(udp_tx_bytes);
                KNOWN(udp_rx_bytes);
                KNOWN(udp_tx_calls);
                KNOWN(udp_rx_calls);
                KNOWN(udp_rx_drops);
                KNOWN(other_tx_bytes);
                KNOWN(other_rx_bytes);
                if (mode == LOAD_RETURN) {
                        KNOWN(udp_tx_errors);
                        KNOWN(udp_rx_errors);
                }
        }
#undef KNOWN
        return known;
}

/* A look at some rows that no exit was seen for. A PID that is free again has closed all its files. Not from inside a
 * PID namespace, where the PIDs mean nothing. */
static void check_exits(struct collect *collect, uint32_t n) {
        uint32_t pass = collect->skeleton->bss->pass_number;

        for (uint32_t i = 0; i < CHECKS_PER_READ && i < n; i++) {
                struct sample_row *row = &collect->rows[collect->next_check++ % n];

                if (row->is_last || row->row.exited || row->row.pid != row->key.tgid || pass - row->row.seen_pass < 2)
                        continue;
                if (kill(row->key.tgid, 0) == 0 || errno != ESRCH)
                        continue;
                take_last(collect, row);
                row->row.exited = 1;
        }
}

/* It is a switch of the administrator's, and nothing else tells that it was turned. */
static void note_silence(struct collect *collect) {
        bool is_silenced = collect_is_silenced(collect);

        if (is_silenced == collect->is_silenced)
                return;
        collect->is_silenced = is_silenced;
        collect_refresh_reports(collect);
}

int collect_read(struct collect *collect, const struct sample **ret_sample) {
        struct sample *sample = &collect->sample;
        uint32_t n = 0;
        int r;

        sample->known = 0;
        *ret_sample = sample;
        if (!collect->skeleton) {
                sample->time_ns = now_ns(CLOCK_BOOTTIME);
                sample->n_rows = 0;
                return 0;
        }
        note_silence(collect);
        copies_follow(collect);
        /* Before the fold: what happened until this moment is in the sample, what comes after may be. */
        sample->time_ns = now_ns(CLOCK_BOOTTIME);
        r = fold_all(collect);
        if (r < 0)
                return r;
        r = collect_read_table(collect, collect->table_fd, collect->config.max_processes, &n);
        if (r == 0)
                r = cores_add(collect, -1, &n);
        if (r < 0)
                return r;
        collect->n_used = n;
        for (uint32_t i = 0; i < collect->n_pending; i++)
                collect->rows[i] = collect->pending[i];
        for (uint32_t i = 0; i < n; i++) {
                struct sample_row *row = &collect->rows[collect->n_pending + i];

                *row = (struct sample_row) { .key = collect->keys[i], .row = collect->values[i] };
                if (is_over(collect, &row->row))
                        take_last(collect, row);
        }
        n += collect->n_pending;
        collect->n_pending = 0;
        check_exits(collect, n);
        r = read_specials(collect);
        if (r < 0)
                return r;
        sample->rows = collect->rows;
        sample->n_rows = n;
        sample->known = known_metrics(collect);
        sample->health = collect->skeleton->bss->health;
        return 0;
}
