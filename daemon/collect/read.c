/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One interval: let the walks fold all sockets, then read the rows in batches. A row is over when its process has
 * exited and two whole passes have met no socket of it: nobody can reach the row any more. It leaves the kernel after
 * it was told in a sample and what that sample told was kept, so whatever happens to the daemon its total is in the
 * kernel or in what is kept.
 *
 * All that can fail comes first: a read that fails has changed nothing, and can be made again.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include <bpf/bpf.h>

#include "daemon/clock.h"
#include "daemon/collect/collector-private.h"

/* Exits that the hook missed (a process that changed its cgroup has rows that none finds) are looked for by turns. */
#define CHECKS_PER_READ 64

/* Passes that were walked to the end since one that has met a socket of the process. */
static uint32_t passes_since(const struct collect *collect, const struct process_row *row) {
        return collect->skeleton->bss->pass_number - 1 - row->seen_pass;
}

/* seen_pass can be that of the pass which comes next: the process has just exited. */
static bool is_over(const struct collect *collect, const struct process_row *row) {
        return row->exited && (int32_t) passes_since(collect, row) >= GRACE_PASSES;
}

static void note_over(struct collect *collect, const struct sample_row *row) {
        collect->over[collect->n_over++] = *row;
}

/* Deletes a row in the kernel. Where the kernel can, its counters are read by the same call, so they are the
 * last ones even if something was added since the sample. False: it could not be deleted and stays. */
static bool take_last(struct collect *collect, struct sample_row *row) {
        struct process_row last;
        int fd = collect->table_fd;

        if (bpf_map_lookup_and_delete_elem(fd, &row->key, &last) == 0) {
                if (cores_take(&collect->cores, &row->key, &last)) { /* else those of the sample are nearer */
                        collect_add_up(&last);
                        memcpy(row->row.counters, last.counters, sizeof(last.counters));
                }
        } else if (bpf_map_delete_elem(fd, &row->key) == 0)
                (void) cores_take(&collect->cores, &row->key, NULL);
        else
                return false;
        row->is_last = true;
        return true;
}

void collect_saved(struct collect *collect) {
        uint32_t n = 0;

        if (!collect->skeleton)
                return;
        for (uint32_t i = 0; i < collect->n_over; i++)
                if (collect->over[i].is_last || take_last(collect, &collect->over[i]))
                        collect->over[n++] = collect->over[i];
        collect->n_over = n;
}

static int read_specials(struct collect *collect) {
        int fd = bpf_map__fd(collect->skeleton->maps.specials);

        for (uint32_t i = 0; i < N_SPECIALS; i++) {
                if (bpf_map_lookup_elem(fd, &i, &collect->sample.specials[i]) < 0)
                        return -errno;
                collect_add_up(&collect->sample.specials[i]);
        }
        return 0;
}

static const struct {
        const char *module; /* which this version may not have */
        enum load_mode mode; /* the least in which it is known */
} metrics[SOCKTALLY_N_METRICS] = {
#define X(id, name, kind, unit, module, mode, help) { #module, LOAD_##mode },
        SOCKTALLY_METRICS(X)
#undef X
};

/* Metrics that only one hook knows, which is not attached. */
static uint64_t lacking_metrics(const struct collect *collect) {
        uint64_t lacking = 0;

        if (!(collect->attached & (SET(SET_SOCK_RELEASE) | SET(SET_INET_RELEASE))))
                lacking |= UINT64_C(1) << SOCKTALLY_METRIC_tcp_closes | UINT64_C(1) << SOCKTALLY_METRIC_tcp_accepts_v4 |
                           UINT64_C(1) << SOCKTALLY_METRIC_tcp_accepts_v6;
        if (!(collect->attached & SET(SET_SOCK_CREATE)))
                lacking |= UINT64_C(1) << SOCKTALLY_METRIC_udp_rx_drops;
        return lacking;
}

static bool is_module_counted(const struct collect *collect, const char *name) {
        size_t module = module_find(name, strlen(name));

        return module < N_MODULES && collect->config.modules & MODULE(module) && !collect->missing[module][0];
}

static uint64_t known_metrics(const struct collect *collect) {
        enum load_mode mode = collect_mode(collect);
        uint64_t known = 0;

        if (collect->is_silenced)
                return 0;
        for (size_t i = 0; i < SOCKTALLY_N_METRICS; i++)
                if (is_module_counted(collect, metrics[i].module) && mode >= metrics[i].mode)
                        known |= UINT64_C(1) << i;
        return known & ~lacking_metrics(collect);
}

/* Can the hook have missed the exit of this process? It is in no pass for a while, and has no exit. Inside a PID
 * namespace its PID would be another one here (pid), or none, so it cannot be asked for. */
static bool may_have_exited(const struct collect *collect, const struct sample_row *row) {
        return !row->is_last && !row->row.exited && row->row.pid == row->key.tgid &&
               (int32_t) passes_since(collect, &row->row) >= GRACE_PASSES;
}

/* Looks at some rows by turns. A process whose PID is free has closed all its files. */
static void check_exits(struct collect *collect, uint32_t n) {
        for (uint32_t i = 0; i < CHECKS_PER_READ && i < n; i++) {
                struct sample_row *row = &collect->rows[collect->next_check++ % n];

                if (!may_have_exited(collect, row) || kill(row->key.tgid, 0) == 0 || errno != ESRCH)
                        continue;
                row->row.exited = 1;
                note_over(collect, row);
        }
}

/* Rows of the present table, behind n_rows others. */
static uint32_t take_rows(struct collect *collect, uint32_t n_rows, uint32_t n) {
        collect->n_over = collect->n_exited = 0;
        for (uint32_t i = 0; i < n; i++) {
                struct sample_row *row = &collect->rows[n_rows + i];

                *row = (struct sample_row) { .key = collect->keys[i], .row = collect->values[i] };
                collect_add_up(&row->row);
                collect->n_exited += row->row.exited;
                if (is_over(collect, &row->row))
                        note_over(collect, row);
        }
        return n_rows + n;
}

/* Those that the kernel has dropped since the last sample. */
static uint32_t tell_over(const struct collect *collect) {
        uint32_t n = 0;

        for (uint32_t i = 0; i < collect->n_over; i++)
                if (collect->over[i].is_last)
                        collect->rows[n++] = collect->over[i];
        return n;
}

/* The administrator can switch trampolines off at any time, and nothing tells of that: it is read each time. */
static void note_silence(struct collect *collect) {
        collect->is_silenced = collect_is_silenced(collect);
}

/* A call on a socket that finds no room for a ledger is charged at once, so what the socket has moved is its past,
 * however young it is. Youth proves nothing then (is_youth_no_proof). When a read has seen no such call since the
 * last one, it is a proof again, for sockets that are made from then on. */
static void follow_youth(struct collect *collect) {
        const struct socktally_bpf__bss *bss = collect->skeleton->bss;
        uint64_t n_overflowed = bss->health.sockets_overflowed;

        if (bss->is_youth_no_proof && n_overflowed == collect->n_overflowed)
                collect_note_inodes(collect);
        collect->n_overflowed = n_overflowed;
}

int collect_read(struct collect *collect, const struct sample **ret_sample) {
        struct sample *sample = &collect->sample;
        uint32_t n = 0, n_others;
        int r;

        sample->known = 0;
        *ret_sample = sample;
        if (!collect->skeleton) {
                sample->time_ns = sample->complete_ns = clock_ns(CLOCK_BOOTTIME);
                sample->n_rows = 0;
                return 0;
        }
        note_silence(collect);
        copies_follow(collect);
        /* Before the fold: what happened until this moment is in the sample, what comes after may be. */
        sample->time_ns = clock_ns(CLOCK_BOOTTIME);
        r = collect_gather(collect);
        n_others = tell_over(collect);
        if (r == 0)
                r = tables_read_former(collect, &n_others);
        if (r == 0)
                r = collect_read_table(collect, collect->table_fd, collect->config.max_processes, &n);
        if (r == 0)
                r = cores_add(collect, -1, &n);
        if (r == 0)
                r = read_specials(collect);
        if (r < 0)
                return r;
        tables_close_former(collect);
        collect->n_used = n;
        n = take_rows(collect, n_others, n);
        check_exits(collect, n);
        follow_youth(collect);
        sample->rows = collect->rows;
        sample->n_rows = n;
        collect_give_back(collect, n);
        sample->known = known_metrics(collect);
        sample->health = collect->skeleton->bss->health;
        return 0;
}
