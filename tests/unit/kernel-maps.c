/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An object is known by the inode of its file, which all copies of a descriptor share. Numbers count from 1. */
#include <dlfcn.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>

#include "tests/unit/kernel-maps.h"

#define MAX_OBJECTS 4096
#define N_KNOWN 64
#define FILE_BYTES (1 << 20) /* enough for the programs' variables */

struct object {
        const char *kind;
        ino_t inode;
        bool is_outer;
        uint32_t key_size, value_size, max, n;
        unsigned char *entries; /* key and value, one after the other */
};

struct kernel kernel;
static struct object objects[MAX_OBJECTS];
static uint32_t n_objects;
static struct {
        const struct bpf_map *map;
        int fd;
} known[N_KNOWN];

static struct object *object_of(int fd) {
        struct stat st;

        if (fstat(fd, &st) == 0)
                for (uint32_t i = 0; i < n_objects; i++)
                        if (objects[i].inode == st.st_ino)
                                return &objects[i];
        fail_msg("descriptor %d is no object of the kernel", fd);
        return NULL;
}

uint32_t kernel_number(int fd) {
        return (uint32_t) (object_of(fd) - objects) + 1;
}

int kernel_object_new(const char *kind) {
        int fd = memfd_create(kind, MFD_CLOEXEC);
        struct stat st;

        assert_true(fd >= 0 && n_objects < MAX_OBJECTS);
        assert_int_equal(ftruncate(fd, FILE_BYTES), 0);
        assert_int_equal(fstat(fd, &st), 0);
        objects[n_objects++] = (struct object) { .kind = kind, .inode = st.st_ino };
        return fd;
}

bool kernel_fails(void) {
        if (kernel.fail_at == 0 || --kernel.fail_at > 0)
                return false;
        errno = kernel.error;
        return true;
}

static int refuse(int error) {
        errno = error;
        return -error;
}

static size_t entry_size(const struct object *map) {
        return map->key_size + map->value_size;
}

static unsigned char *find(const struct object *map, const void *key) {
        for (uint32_t i = 0; i < map->n; i++)
                if (memcmp(map->entries + i * entry_size(map), key, map->key_size) == 0)
                        return map->entries + i * entry_size(map);
        return NULL;
}

int bpf_map_create(enum bpf_map_type type, const char *name, __u32 key_size, __u32 value_size, __u32 max,
                   const struct bpf_map_create_opts *opts) {
        struct object *map;
        int fd;

        if (kernel_fails())
                return -errno;
        fd = kernel_object_new("map");
        map = object_of(fd);
        map->is_outer = type == BPF_MAP_TYPE_ARRAY_OF_MAPS;
        map->key_size = key_size;
        map->value_size = value_size * (type == BPF_MAP_TYPE_PERCPU_HASH ? KERNEL_CPUS : 1);
        map->max = max;
        map->entries = calloc(max + 1, entry_size(map));
        assert_non_null(map->entries);
        /* An array has all its entries from the beginning. */
        for (uint32_t i = 0; i < max && (type == BPF_MAP_TYPE_ARRAY || map->is_outer); i++, map->n++)
                memcpy(map->entries + i * entry_size(map), &i, sizeof(i));
        return fd;
}

static int update(struct object *map, const void *key, const void *value, uint64_t flags) {
        unsigned char *entry = find(map, key);

        if (entry && flags == BPF_NOEXIST)
                return refuse(EEXIST);
        if (!entry && map->n == map->max)
                return refuse(E2BIG);
        if (!entry)
                entry = map->entries + map->n++ * entry_size(map);
        memcpy(entry, key, map->key_size);
        memcpy(entry + map->key_size, value, map->value_size);
        return 0;
}

int bpf_map_update_elem(int fd, const void *key, const void *value, __u64 flags) {
        struct object *map = object_of(fd);
        uint32_t number;
        unsigned fail_at;

        if (kernel_fails())
                return -errno;
        if (!map->is_outer)
                return update(map, key, value, flags);
        number = kernel_number(*(const int *) value);
        fail_at = kernel.fail_at;
        kernel.fail_at = 0;
        if (kernel.on_exchange)
                kernel.on_exchange(fd);
        kernel.fail_at = fail_at;
        return update(map, key, &number, flags);
}

int bpf_map_update_batch(int fd, const void *keys, const void *values, __u32 *count,
                         const struct bpf_map_batch_opts *opts) {
        struct object *map = object_of(fd);
        int r = 0;

        if (kernel.is_single)
                return refuse(EPERM);
        if (kernel_fails())
                return -errno;
        for (uint32_t i = 0; i < *count && r == 0; i++)
                r = update(map, (const char *) keys + i * map->key_size, (const char *) values + i * map->value_size,
                           BPF_ANY);
        return r;
}

int bpf_map_lookup_elem(int fd, const void *key, void *value) {
        const struct object *map = object_of(fd);
        const unsigned char *entry = find(map, key);

        if (kernel_fails())
                return -errno;
        if (!entry)
                return refuse(ENOENT);
        memcpy(value, entry + map->key_size, map->value_size);
        return 0;
}

int bpf_map_lookup_batch(int fd, void *in, void *out, void *keys, void *values, __u32 *count,
                         const struct bpf_map_batch_opts *opts) {
        const struct object *map = object_of(fd);
        uint32_t start = in ? *(uint32_t *) in : 0, n = map->n - start < *count ? map->n - start : *count;

        if (kernel.is_single)
                return refuse(EPERM);
        if (kernel_fails())
                return -errno;
        for (uint32_t i = 0; i < n; i++) {
                const unsigned char *entry = map->entries + (start + i) * entry_size(map);

                memcpy((char *) keys + i * map->key_size, entry, map->key_size);
                memcpy((char *) values + i * map->value_size, entry + map->key_size, map->value_size);
        }
        *count = n;
        *(uint32_t *) out = start + n;
        return start + n == map->n ? refuse(ENOENT) : 0;
}

int bpf_map_get_next_key(int fd, const void *key, void *next) {
        const struct object *map = object_of(fd);
        const unsigned char *entry = key ? find(map, key) : NULL;

        if (kernel_fails())
                return -errno;
        entry = entry ? entry + entry_size(map) : map->entries;
        if (entry == map->entries + map->n * entry_size(map))
                return refuse(ENOENT);
        memcpy(next, entry, map->key_size);
        return 0;
}

int bpf_map_delete_elem(int fd, const void *key) {
        struct object *map = object_of(fd);
        unsigned char *entry = find(map, key);

        if (kernel_fails())
                return -errno;
        if (!entry)
                return refuse(ENOENT);
        memmove(entry, map->entries + --map->n * entry_size(map), entry_size(map));
        return 0;
}

int bpf_map_lookup_and_delete_elem(int fd, const void *key, void *value) {
        int r = bpf_map_lookup_elem(fd, key, value);

        return r < 0 ? r : bpf_map_delete_elem(fd, key);
}

int libbpf_num_possible_cpus(void) {
        return KERNEL_CPUS;
}

uint32_t kernel_inner(int outer) {
        return *(const uint32_t *) (const void *) (object_of(outer)->entries + sizeof(uint32_t));
}

int bpf_map__fd(const struct bpf_map *map) {
        for (size_t i = 0; i < N_KNOWN; i++)
                if (known[i].map == map)
                        return known[i].fd;
        return -1;
}

static void set_fd(const struct bpf_map *map, int fd) {
        size_t i = 0, place = N_KNOWN;

        for (; i < N_KNOWN && known[i].map != map; i++)
                if (!known[i].map && place == N_KNOWN)
                        place = i;
        if (i < N_KNOWN)
                close(known[i].fd);
        else
                i = place;
        assert_true(i < N_KNOWN);
        known[i].map = map;
        known[i].fd = fd;
}

int kernel_make(const struct bpf_map *map) {
        int fd = bpf_map_create(bpf_map__type(map), bpf_map__name(map), bpf_map__key_size(map),
                                bpf_map__value_size(map), bpf_map__max_entries(map), NULL);

        assert_true(fd >= 0);
        set_fd(map, fd);
        return fd;
}

int bpf_map__reuse_fd(struct bpf_map *map, int fd) {
        if (kernel_fails())
                return -errno;
        if (strcmp(object_of(fd)->kind, "map") != 0)
                return refuse(EINVAL);
        set_fd(map, dup(fd));
        return 0;
}

/* The real one would close the descriptors that it has. */
void bpf_object__destroy_skeleton(struct bpf_object_skeleton *skeleton) {
        static void (*real)(struct bpf_object_skeleton *);

        if (!real)
                real = (void (*)(struct bpf_object_skeleton *)) dlsym(RTLD_NEXT, "bpf_object__destroy_skeleton");
        for (size_t i = 0; i < N_KNOWN; i++)
                for (int k = 0; skeleton && known[i].map && k < skeleton->map_cnt; k++)
                        if (known[i].map == *skeleton->maps[k].map) {
                                close(known[i].fd);
                                known[i].map = NULL;
                        }
        real(skeleton);
}

/* The description that the kernel gives of a descriptor. */
FILE *fopen(const char *path, const char *mode) {
        static FILE *(*real)(const char *, const char *);
        char text[64];
        FILE *file;
        int fd;

        if (!real)
                real = (FILE *(*) (const char *, const char *)) dlsym(RTLD_NEXT, "fopen");
        if (sscanf(path, "/proc/self/fdinfo/%d", &fd) != 1)
                return real(path, mode);
        if (kernel_fails())
                return NULL;
        /* A link's has its program's number, too. */
        snprintf(text, sizeof(text), "pos:\t0\n%s%s_id:\t%u\n",
                 strcmp(object_of(fd)->kind, "link") == 0 ? "prog_id:\t1\n" : "", object_of(fd)->kind,
                 kernel_number(fd));
        file = fmemopen(NULL, sizeof(text), "w+");
        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
        rewind(file);
        return file;
}

void kernel_reset(void) {
        for (uint32_t i = 0; i < n_objects; i++)
                free(objects[i].entries);
        for (size_t i = 0; i < N_KNOWN; i++)
                if (known[i].map)
                        close(known[i].fd);
        n_objects = 0;
        memset(known, 0, sizeof(known));
        kernel = (struct kernel) { 0 };
}
