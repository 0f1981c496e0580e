/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Former tables: process tables that were replaced. Nothing is added to a former table any more. It stays open until
 * one read has succeeded, which hands out what it holds as last rows. If a read fails the next one reads it again.
 */
#include <unistd.h>

#include <bpf/bpf.h>

#include "daemon/collect/collector-private.h"

void tables_retire(struct collect *collect, uint32_t n_rows, int fd, int cores_fd) {
        collect->former[collect->n_former++] = (struct former) {
                .fd = collect->table_fd,
                .is_owned = collect->owns_table,
                .n_rows = collect->config.max_processes,
                .cores_fd = collect->cores.fd,
        };
        collect->table_fd = fd;
        collect->owns_table = true;
        collect->config.max_processes = n_rows;
        collect->cores.fd = cores_fd;
        collect->is_cores_behind = cores_fd >= 0;
        collect->generation++;
}

int tables_follow(struct collect *collect) {
        int r;

        if (!collect->is_cores_behind)
                return 0;
        r = cores_exchange(collect, collect->cores.fd);
        collect->is_cores_behind = r < 0;
        return r;
}

/* A process can have counters per CPU beside this table and its row in the next one, which then has its name. */
static int read_former(struct collect *collect, uint32_t number, uint32_t *ret_n) {
        const struct former *former = &collect->former[number];
        int next = number + 1 < collect->n_former ? collect->former[number + 1].fd : collect->table_fd;
        int cores_fd = collect->cores.fd, r;

        r = collect_read_table(collect, former->fd, former->n_rows, ret_n);
        if (r < 0)
                return r;
        collect->cores.fd = former->cores_fd;
        r = cores_add(collect, next, ret_n);
        collect->cores.fd = cores_fd;
        return r;
}

int tables_read_former(struct collect *collect, uint32_t *n_rows) {
        uint32_t n = 0;
        int r;

        r = tables_follow(collect);
        for (uint32_t i = 0; r == 0 && i < collect->n_former; i++) {
                r = read_former(collect, i, &n);
                for (uint32_t j = 0; r == 0 && j < n; j++) {
                        collect_add_up(&collect->values[j]);
                        collect->rows[(*n_rows)++] = (struct sample_row) {
                                .key = collect->keys[j],
                                .row = collect->values[j],
                                .is_last = true,
                        };
                }
        }
        return r;
}

void tables_close_former(struct collect *collect) {
        for (uint32_t i = 0; i < collect->n_former; i++) {
                if (collect->former[i].is_owned)
                        close(collect->former[i].fd);
                if (collect->former[i].cores_fd >= 0)
                        close(collect->former[i].cores_fd);
        }
        collect->n_former = 0;
}
