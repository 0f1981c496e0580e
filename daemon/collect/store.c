/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counting can outlive the daemon. A process that has a descriptor of a link keeps the link's program attached, and the
 * program keeps its maps. collect_keep() hands out these descriptors, and describes by the kernel's own numbers which
 * is which. collect_adopt() makes a collector of them.
 *
 * Three things are not handed out: a collector with a former table that is not read to its end, one with maps per core,
 * and the iterators of the walks, which each daemon attaches anew. Programs are taken over only if they are the very
 * ones that this daemon would load (build_of()).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "daemon/collect/collector-private.h"
#include "daemon/collect/store.h"

/* What the kernel numbers a map, a program or a link with, from the descriptor's fdinfo; 0: the descriptor is
 * something else. The three kinds are numbered apart, so the upper half of the result says which kind it is. */
static uint64_t kernel_id(int fd) {
        static const char *const kinds[] = { "map_id:", "link_id:", "prog_id:" }; /* a link's has its program's, too */
        unsigned long long numbers[3] = { 0 };
        char path[64], line[128];
        FILE *file;

        snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
        file = fopen(path, "re");
        if (!file)
                return 0;
        while (fgets(line, sizeof(line), file))
                for (size_t i = 0; i < 3; i++)
                        if (strncmp(line, kinds[i], strlen(kinds[i])) == 0)
                                numbers[i] = strtoull(line + strlen(kinds[i]), NULL, 10);
        fclose(file);
        for (size_t i = 0; i < 3; i++)
                if (numbers[i])
                        return (uint64_t) (i + 1) << 32 | numbers[i];
        return 0;
}

/* A hash of the programs' bytes, and one of the table of hooks and the size of struct collect_kept. Only a daemon for
 * which both are the same can take over what this one leaves. */
static uint64_t build_of(void) {
        const struct hook *hooks;
        size_t n = collect_hook_table(&hooks), size;
        const void *bytes = socktally_bpf__elf_bytes(&size);
        uint32_t order = (uint32_t) sizeof(struct collect_kept);

        for (size_t i = 0; i < n; i++)
                order = order * 31 + lookup_hash(hooks[i].program, strlen(hooks[i].program)) + hooks[i].set;
        return (uint64_t) lookup_hash(bytes, size) << 32 | order;
}

uint64_t collect_generation(const struct collect *collect) {
        return collect->generation + 1;
}

struct handing {
        int *fds;
        uint64_t *numbers;
        size_t n, max;
        bool is_short;
};

static uint64_t hand_out(struct handing *out, int fd) {
        uint64_t number = fd < 0 ? 0 : kernel_id(fd);

        if (number == 0 || out->n == out->max)
                out->is_short = true;
        else {
                out->numbers[out->n] = number;
                out->fds[out->n++] = fd;
        }
        return number;
}

int collect_keep(struct collect *collect, struct collect_kept *ret_kept, int *ret_fds, uint64_t *ret_numbers,
                 size_t max) {
        struct handing out = { .fds = ret_fds, .numbers = ret_numbers, .max = max };
        const struct hook *hooks;
        size_t n_hooks = collect_hook_table(&hooks), n = 0;
        struct bpf_map *map;

        if (!collect->skeleton || collect->n_former > 0 || collect->cores.fd >= 0)
                return -EBUSY;
        *ret_kept = (struct collect_kept) {
                .build = build_of(),
                .config = collect->config,
                .method = collect->method,
                .attached = collect->attached & ~SETS_WALKS,
                .walks = collect->attached & SETS_WALKS,
        };
        snprintf(ret_kept->reason, sizeof(ret_kept->reason), "%s", collect->reason);
        memcpy(ret_kept->missing, collect->missing, sizeof(collect->missing));
        bpf_object__for_each_map(map, collect->skeleton->obj)
                if (n == COLLECT_KEPT_MAPS)
                        out.is_short = true;
                else
                        ret_kept->maps[n++] = bpf_map__autocreate(map) ? hand_out(&out, bpf_map__fd(map)) : 0;
        if (collect->owns_table)
                ret_kept->table = hand_out(&out, collect->table_fd);
        for (size_t i = 0; i < n_hooks; i++) {
                if (collect->programs[i] < 0 || SET(hooks[i].set) & SETS_WALKS)
                        continue;
                ret_kept->programs[i] = hand_out(&out, collect->programs[i]);
                if (collect->links[i] >= 0)
                        ret_kept->links[i] = hand_out(&out, collect->links[i]);
        }
        return out.is_short ? -ENOBUFS : (int) out.n;
}

struct passed {
        const int *fds;
        const uint64_t *numbers;
        size_t n;
};

/* A descriptor of the caller's own, or -ENOENT. */
static int find(uint64_t number, const struct passed *passed) {
        for (size_t i = 0; i < passed->n; i++)
                if (number && passed->numbers[i] == number) {
                        int fd = fcntl(passed->fds[i], F_DUPFD_CLOEXEC, 3);

                        return fd < 0 ? -errno : fd;
                }
        return -ENOENT;
}

static int take_maps(struct collect *collect, const struct collect_kept *kept, const struct passed *passed) {
        struct bpf_map *map;
        size_t n = 0;

        bpf_object__for_each_map(map, collect->skeleton->obj) {
                int fd, r;

                if (map == collect->skeleton->maps.task_marks && n < COLLECT_KEPT_MAPS && !kept->maps[n]) {
                        collect->lacks_marks = true;
                        bpf_map__set_autocreate(map, false);
                        n++;
                        continue;
                }
                fd = n < COLLECT_KEPT_MAPS ? find(kept->maps[n++], passed) : -E2BIG;
                if (fd < 0)
                        return fd;
                r = bpf_map__reuse_fd(map, fd); /* which takes another one */
                close(fd);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Maps the programs' global variables into the skeleton. libbpf 1.5 and later do this only for maps that they made. */
static int share_images(struct collect *collect) {
        struct bpf_map *map;

        bpf_object__for_each_map(map, collect->skeleton->obj) {
                int protection = bpf_map__map_flags(map) & BPF_F_RDONLY_PROG ? PROT_READ : PROT_READ | PROT_WRITE;
                size_t size, page = (size_t) sysconf(_SC_PAGESIZE);
                void *image;

                if (!bpf_map__is_internal(map) || !(bpf_map__map_flags(map) & BPF_F_MMAPABLE))
                        continue;
                image = (void *) bpf_map__initial_value(map, &size);
                if (!image)
                        return -EINVAL;
                size = (size + page - 1) / page * page;
                if (mmap(image, size, protection, MAP_SHARED | MAP_FIXED, bpf_map__fd(map), 0) == MAP_FAILED)
                        return -errno;
        }
        return 0;
}

static int take_hooks(struct collect *collect, const struct collect_kept *kept, const struct passed *passed) {
        int r = 0;

        for (size_t i = 0; i < COLLECT_MAX_HOOKS && r >= 0; i++) {
                if (kept->programs[i])
                        r = collect->programs[i] = find(kept->programs[i], passed);
                if (r >= 0 && kept->links[i])
                        r = collect->links[i] = find(kept->links[i], passed);
        }
        collect->attached = kept->attached;
        return r < 0 ? r : 0;
}

/* Is this the table that the programs use? Not if the daemon before ended between an exchange of tables and the next
 * save: then what it left tells of the former table. */
static bool is_in_force(const struct collect *collect, int table_fd) {
        uint32_t zero = 0, id;

        return bpf_map_lookup_elem(bpf_map__fd(collect->skeleton->maps.table), &zero, &id) == 0 &&
               id == (uint32_t) kernel_id(table_fd);
}

static int take_table(struct collect *collect, const struct collect_kept *kept, const struct passed *passed) {
        int fd;

        collect->table_fd = bpf_map__fd(collect->skeleton->maps.processes);
        if (kept->table) {
                fd = find(kept->table, passed);
                if (fd < 0)
                        return fd;
                collect->table_fd = fd;
                collect->owns_table = true;
        }
        return is_in_force(collect, collect->table_fd) ? 0 : -ESTALE;
}

static void take_state(struct collect *collect, const struct collect_kept *kept) {
        collect->method = kept->method;
        snprintf(collect->reason, sizeof(collect->reason), "%s", kept->reason);
        memcpy(collect->missing, kept->missing, sizeof(collect->missing));
}

static bool is_same_config(const struct collect_config *a, const struct collect_config *b) {
        return a->load_mode == b->load_mode && a->attach_method == b->attach_method &&
               a->max_processes == b->max_processes && a->max_sockets == b->max_sockets &&
               a->is_per_core == b->is_per_core && a->modules == b->modules;
}

/* Makes a collector of what an earlier daemon left. Its hooks are attached and have counted all the time. Only the
 * iterators, which the collector runs itself, are loaded and attached anew. */
static int take_over(struct collect *collect, const struct collect_kept *kept, const struct passed *passed) {
        int r;

        r = collect_open_object(kept->walks, 0, &collect->skeleton, NULL, 0);
        if (r < 0)
                return r;
        r = take_maps(collect, kept, passed);
        if (r == 0)
                r = socktally_bpf__load(collect->skeleton);
        if (r == 0)
                r = share_images(collect);
        if (r == 0)
                r = take_table(collect, kept, passed);
        if (r == 0)
                r = collect_keep_programs(collect, collect->skeleton);
        if (r == 0)
                r = take_hooks(collect, kept, passed);
        if (r == 0)
                r = collect_attach_sets(collect, kept->walks, NULL, 0);
        if (r < 0)
                return r;
        take_state(collect, kept);
        copies_adopt(collect);
        collect_apply(collect);
        return 0;
}

int collect_adopt(struct collect **ret_collect, const struct collect_config *config, const struct collect_kept *kept,
                  const int *fds, const uint64_t *numbers, size_t n_fds) {
        const struct passed passed = { fds, numbers, n_fds };
        struct collect *collect;
        int r;

        if (kept->build != build_of() || !is_same_config(&kept->config, config))
                return -ESTALE;
        r = collect_make(&collect, config);
        if (r < 0)
                return r;
        r = take_over(collect, kept, &passed);
        if (r < 0) {
                collect_stop(collect);
                return r;
        }
        *ret_collect = collect;
        return 0;
}
