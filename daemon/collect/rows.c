/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rows of processes: the room that they are read into, and tables of them, many entries with each call of the kernel's.
 * A policy can refuse calls for many entries; then each entry is a call of its own.
 */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include "daemon/collect/collector-private.h"

#define SPARSE_READS 16
#define ENOTSUPP 524 /* the kernel's own, for operations that a kind of map does not have */

static void *reserve(size_t size) {
        void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        return memory == MAP_FAILED ? NULL : memory;
}

uint32_t collect_rows_at_most(uint32_t n_rows, bool is_per_core) {
        return 2 * n_rows * (is_per_core ? 2 : 1);
}

int collect_reserve(struct collect *collect, uint32_t n_rows) {
        struct process_key *keys = reserve(n_rows * sizeof(*keys));
        struct process_row *values = reserve(n_rows * sizeof(*values));
        struct sample_row *rows = reserve(n_rows * sizeof(*rows));
        struct sample_row *over = reserve(n_rows * sizeof(*over));

        if (keys && values && rows && over) {
                for (uint32_t i = 0; i < collect->n_over; i++)
                        over[i] = collect->over[i];
                collect_release(collect);
                collect->keys = keys;
                collect->values = values;
                collect->rows = rows;
                collect->over = over;
                collect->n_reserved = n_rows;
                return 0;
        }
        if (keys)
                munmap(keys, n_rows * sizeof(*keys));
        if (values)
                munmap(values, n_rows * sizeof(*values));
        if (rows)
                munmap(rows, n_rows * sizeof(*rows));
        if (over)
                munmap(over, n_rows * sizeof(*over));
        return -ENOMEM;
}

static void give_back(void *memory, size_t size, size_t used) {
        size_t page = (size_t) sysconf(_SC_PAGESIZE), begin = (used + page - 1) / page * page;

        if (begin < size)
                (void) madvise((char *) memory + begin, size - begin, MADV_DONTNEED);
}

void collect_give_back(struct collect *collect, uint32_t n_rows) {
        uint32_t n = n_rows > collect->n_over ? n_rows : collect->n_over;
        size_t total = collect->n_reserved;

        if (n > collect->n_touched)
                collect->n_touched = n;
        collect->n_sparse = n < collect->n_touched / 8 ? collect->n_sparse + 1 : 0;
        if (collect->n_sparse < SPARSE_READS)
                return;
        give_back(collect->keys, total * sizeof(*collect->keys), n * sizeof(*collect->keys));
        give_back(collect->values, total * sizeof(*collect->values), n * sizeof(*collect->values));
        give_back(collect->rows, total * sizeof(*collect->rows), n * sizeof(*collect->rows));
        give_back(collect->over, total * sizeof(*collect->over), n * sizeof(*collect->over));
        collect->n_touched = n;
        collect->n_sparse = 0;
}

void collect_release(struct collect *collect) {
        size_t n = collect->n_reserved;

        if (n == 0)
                return;
        munmap(collect->keys, n * sizeof(*collect->keys));
        munmap(collect->values, n * sizeof(*collect->values));
        munmap(collect->rows, n * sizeof(*collect->rows));
        munmap(collect->over, n * sizeof(*collect->over));
        collect->n_reserved = 0;
}

void collect_add_up(struct process_row *row) {
        static const struct {
                uint32_t sum, first;
        } scoped[] = {
#define X(name) { SOCKTALLY_METRIC_##name, SOCKTALLY_METRIC_##name##_unknown },
                SOCKTALLY_SCOPED(X)
#undef X
        };

        for (size_t i = 0; i < sizeof(scoped) / sizeof(scoped[0]); i++) {
                const __u64 *parts = &row->counters[scoped[i].first];

                row->counters[scoped[i].sum] = parts[0] + parts[1] + parts[2] + parts[3];
        }
}

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

int collect_read_table(struct collect *collect, int fd, uint32_t capacity, uint32_t *ret_n) {
        struct table_cursor cursor = { 0 };
        uint32_t count, n = 0;
        int r;

        do {
                count = capacity - n;
                if (count == 0)
                        break;
                r = table_read(fd, &cursor, collect->keys + n, collect->values + n, sizeof(*collect->values), &count);
                if (r < 0 && r != -ENOENT)
                        return r;
                n += count;
        } while (r == 0);
        *ret_n = n;
        return 0;
}

int collect_create_table(const struct collect *collect, bool is_per_core, uint32_t n_rows) {
        struct bpf_object *object = collect->skeleton->obj;
        const struct btf *btf = bpf_object__btf(object);
        enum bpf_map_type type = is_per_core ? BPF_MAP_TYPE_PERCPU_HASH : BPF_MAP_TYPE_HASH;
        size_t size = is_per_core ? sizeof(struct core_counters) : sizeof(struct process_row);
        LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = is_per_core ? collect->cores.flags : 0);
        int fd, key, value;

        /* Linux 5.15 to 6.1 only take one that is described as its predecessor was. */
        key = btf__find_by_name_kind(btf, "process_key", BTF_KIND_STRUCT);
        value = btf__find_by_name_kind(btf, is_per_core ? "core_counters" : "process_row", BTF_KIND_STRUCT);
        if (bpf_object__btf_fd(object) >= 0 && key > 0 && value > 0) {
                options.btf_fd = (uint32_t) bpf_object__btf_fd(object);
                options.btf_key_type_id = (uint32_t) key;
                options.btf_value_type_id = (uint32_t) value;
        }
        fd = bpf_map_create(type, is_per_core ? "cores" : "processes", sizeof(struct process_key), size, n_rows,
                            &options);
        return fd < 0 ? -errno : fd;
}
