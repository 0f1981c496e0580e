/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/unit/script-collect.h"

struct collect {
        struct sample sample;
        struct sample_row rows[2 * SCRIPT_MAX_ROWS];
        uint64_t base; /* bytes that were in the table before this one */
        uint32_t n_pending;
        struct collect_report reports[N_MODULES];
};

static struct script *script;

void script_use(struct script *used) {
        script = used;
}

static int start(struct collect **ret_collect, const struct collect_config *config) {
        bool is_counting = !script->reason;
        int error = atomic_load(&script->start_error);
        struct collect *collect;

        script->config = *config;
        if (error < 0)
                return error;
        collect = calloc(1, sizeof *collect);
        if (!collect)
                return -ENOMEM;
        collect->reports[0] = (struct collect_report) { ATTACH_TRACEPOINT, is_counting, "" };
        collect->reports[MODULE_CONNECT] = collect->reports[0];
        collect->reports[1] = (struct collect_report) { ATTACH_TRACEPOINT, false, "the script has none" };
        for (size_t i = 0; i < N_MODULES && !is_counting; i++) {
                collect->reports[i].method = ATTACH_AUTO;
                snprintf(collect->reports[i].reason, COLLECT_REASON_SIZE, "%s", script->reason);
        }
        *ret_collect = collect;
        return 0;
}

static bool is_counting(const struct collect *collect) {
        return !script->reason;
}

static const char *reason(const struct collect *collect) {
        return script->reason ? script->reason : "";
}

static int change_fd(const struct collect *collect) {
        return -1;
}

static void end_change(struct collect *collect) {
}

static int keep(struct collect *collect, struct collect_kept *ret_kept, int *ret_fds, uint64_t *ret_numbers,
                 size_t max) {
        return -EBUSY;
}

static uint64_t generation(const struct collect *collect) {
        return 1;
}

static int adopt(struct collect **ret_collect, const struct collect_config *config, const struct collect_kept *kept,
                  const int *fds, const uint64_t *numbers, size_t n_fds) {
        return -ESTALE;
}

static struct collect *stop(struct collect *collect) {
        if (collect)
                atomic_store(&script->is_stopped, true);
        free(collect);
        return NULL;
}

static void add_rows(struct collect *collect, uint64_t bytes, bool is_last) {
        uint32_t n = atomic_load(&script->n_rows);

        for (uint32_t i = 0; i < n; i++) {
                struct sample_row *row = &collect->rows[collect->n_pending + i];

                *row = (struct sample_row) { .is_last = is_last };
                row->key = (struct process_key) { .tgid = i + 1, .start_time = 1, .cgroup_id = 98765432198 };
                row->row.counters[SOCKTALLY_METRIC_tcp_tx_bytes_unknown] = (bytes - collect->base) * (i + 1);
                strcpy(row->row.comm, "scripted");
        }
        collect->sample.n_rows = collect->n_pending + n;
        collect->n_pending = is_last ? n : 0;
}

static int change(char *ret_reason, size_t size) {
        int error = atomic_load(&script->change_error);

        if (error < 0)
                snprintf(ret_reason, size, "the script refuses");
        else
                atomic_fetch_add(&script->n_changes, 1);
        return error;
}

static void saved(struct collect *collect) {
}

static void want_pass(struct collect *collect) {
        atomic_fetch_add(&script->n_passes_wanted, 1);
}

static int read_sample(struct collect *collect, const struct sample **ret_sample) {
        int error = atomic_load(&script->read_error);
        struct timespec now;

        atomic_fetch_add(&script->n_reads, 1);
        if (error < 0)
                return error;
        clock_gettime(CLOCK_BOOTTIME, &now);
        collect->sample.time_ns = (uint64_t) now.tv_sec * UINT64_C(1000000000) + (uint64_t) now.tv_nsec;
        collect->sample.complete_ns = collect->sample.time_ns;
        collect->sample.known = script->config.modules & MODULE(MODULE_TCP) && !script->reason;
        for (int dir = 0; dir < 2; dir++)
                collect->sample.missed[dir] = atomic_load(&script->missed[dir]);
        collect->sample.rows = collect->rows;
        add_rows(collect, atomic_load(&script->bytes), false);
        *ret_sample = &collect->sample;
        return 0;
}

/* As the kernel does it: what the old table counted comes once more, as last rows, and the new one begins at 0. */
static int set_max_processes(struct collect *collect, uint32_t n, char *ret_reason, size_t size) {
        int r = change(ret_reason, size);

        if (r < 0 || n == script->config.max_processes)
                return r;
        script->config.max_processes = n;
        collect->n_pending = 0;
        add_rows(collect, atomic_load(&script->bytes), true);
        collect->base = atomic_load(&script->bytes);
        return 0;
}

static int set_load_mode(struct collect *collect, enum load_mode mode, char *ret_reason, size_t size) {
        int r = change(ret_reason, size);

        if (r >= 0)
                script->config.load_mode = mode;
        return r;
}

static int set_module(struct collect *collect, size_t module, bool is_on, char *ret_reason, size_t size) {
        int r = change(ret_reason, size);

        if (r >= 0)
                script->config.modules = is_on ? script->config.modules | MODULE(module) :
                                                 script->config.modules & ~MODULE(module);
        return r;
}

static void statistics(const struct collect *collect, size_t module, struct collect_statistics *ret_statistics) {
        *ret_statistics = (struct collect_statistics) { 0 };
        if (module == MODULE_TCP)
                *ret_statistics = (struct collect_statistics) { .n_runs = 10, .time_ns = 425, .n_misses = 3 };
}

static void report(const struct collect *collect, size_t module, struct collect_report *ret_report) {
        *ret_report = collect->reports[module];
}

static void memory(const struct collect *collect, uint64_t *ret_maps, uint64_t *ret_per_socket) {
        *ret_maps = *ret_per_socket = 0;
}

const struct collect_operations script_operations = {
        .start = start,
        .adopt = adopt,
        .stop = stop,
        .is_counting = is_counting,
        .reason = reason,
        .set_load_mode = set_load_mode,
        .set_max_processes = set_max_processes,
        .set_module = set_module,
        .change_fd = change_fd,
        .end_change = end_change,
        .read = read_sample,
        .want_pass = want_pass,
        .saved = saved,
        .statistics = statistics,
        .report = report,
        .memory = memory,
        .generation = generation,
        .keep = keep,
};
