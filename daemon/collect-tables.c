/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tables of processes, many entries with each call of the kernel's. A policy can refuse calls for many entries; then
 * each entry is a call of its own.
 *
 * A table that was replaced stays open until it was read once: nothing is added to it any more, and what it holds is
 * handed out as last rows. Until then a read that fails is only made again.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "daemon/collect-private.h"

#define ENOTSUPP 524 /* the kernel's own, for operations that a kind of map does not have */

static bool is_refused(int error) {
        return error == EPERM || error == EINVAL || error == EOPNOTSUPP || error == ENOTSUPP;
}

/* Nobody but the collector deletes entries, so none is met twice. */
static int read_singly(int fd, struct table_cursor *cursor, struct process_key *keys, char *values, size_t size,
                       uint32_t *n) {
        uint32_t max = *n;

        for (*n = 0; *n < max; ++*n) {
                if (bpf_map_get_next_key(fd, cursor->is_begun ? &cursor->key : NULL, &keys[*n]) < 0)
                        return -errno; /* ENOENT after the last */
                if (bpf_map_lookup_elem(fd, &keys[*n], values + *n * size) < 0)
                        return errno == ENOENT ? -EAGAIN : -errno;
                cursor->key = keys[*n];
                cursor->is_begun = true;
        }
        return 0;
}

int table_read(int fd, struct table_cursor *cursor, struct process_key *keys, void *values, size_t size,
               uint32_t *n) {
        uint32_t max = *n;

        if (cursor->is_single)
                return read_singly(fd, cursor, keys, values, size, n);
        if (bpf_map_lookup_batch(fd, cursor->is_begun ? &cursor->token : NULL, &cursor->token, keys, values, n,
                                 NULL) == 0) {
                cursor->is_begun = true;
                return 0;
        }
        if (cursor->is_begun || !is_refused(errno))
                return -errno;
        cursor->is_single = true;
        *n = max;
        return read_singly(fd, cursor, keys, values, size, n);
}

int table_write(int fd, const struct process_key *keys, const struct process_row *rows, uint32_t n) {
        uint32_t n_written = n;

        if (n == 0 || bpf_map_update_batch(fd, keys, rows, &n_written, NULL) == 0)
                return 0;
        if (!is_refused(errno))
                return -errno;
        for (uint32_t i = 0; i < n; i++)
                if (bpf_map_update_elem(fd, &keys[i], &rows[i], BPF_ANY) < 0)
                        return -errno;
        return 0;
}

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

/* What the CPUs counted for a process whose row was made after the exchange is its last in the old table; the row is in
 * the next one. */
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
                for (uint32_t j = 0; r == 0 && j < n; j++)
                        collect->rows[(*n_rows)++] = (struct sample_row) {
                                .key = collect->keys[j],
                                .row = collect->values[j],
                                .is_last = true,
                        };
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
