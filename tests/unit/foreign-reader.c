/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Written from socktally-segment(5) alone, as somebody would who has only the manual page: no header of the project is
 * included, every offset is a number of the page. If this and libsocktally see the same, the page is whole and right.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/foreign-reader.h"

#define MAX_TABLES 16

struct foreign {
        const unsigned char *map;
        size_t size;
        unsigned char header[256]; /* private copy */
        unsigned char *slot;       /* private copy of a slot */
        uint64_t sequence;
        const char *why;           /* what is wrong with it */
};

/* Little endian, as the machine. */
static uint64_t get(const unsigned char *from, size_t offset, size_t bytes) {
        uint64_t value = 0;

        memcpy(&value, from + offset, bytes);
        return value;
}

static uint32_t h32(const struct foreign *f, size_t offset) {
        return (uint32_t) get(f->header, offset, 4);
}

static uint64_t h64(const struct foreign *f, size_t offset) {
        return get(f->header, offset, 8);
}

static const unsigned char *table_at(const struct foreign *f, uint32_t index) {
        return f->map + h64(f, 88) + (size_t) index * h32(f, 44);
}

static const unsigned char *column_at(const struct foreign *f, const unsigned char *table, uint32_t index) {
        return f->map + h64(f, 96) + (get(table, 44, 4) + index) * h32(f, 48);
}

static const unsigned char *table_by_id(const struct foreign *f, uint32_t id) {
        for (uint32_t i = 0; i < h32(f, 80); i++)
                if (get(table_at(f, i), 32, 4) == id)
                        return table_at(f, i);
        return NULL;
}

static bool fits(uint64_t offset, uint64_t count, uint64_t size, uint64_t limit) {
        return offset <= limit && count * size <= limit - offset && offset % 8 == 0;
}

static bool refuse(struct foreign *f, const char *why) {
        f->why = why;
        return false;
}

static bool is_header_sound(struct foreign *f) {
        static const struct {
                size_t offset;
                uint32_t least;
        } sizes[] = { { 40, 256 }, { 44, 128 }, { 48, 192 }, { 52, 512 }, { 56, 768 }, { 60, 128 } };
        uint64_t size = h64(f, 32);

        if (h64(f, 0) != 0x31594c544b434f53 || h32(f, 8) != 0x01020304)
                return refuse(f, "magic or byte order");
        if (get(f->header, 12, 2) != 2 || h64(f, 16) != 0)
                return refuse(f, "another layout");
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
                if (h32(f, sizes[i].offset) < sizes[i].least)
                        return refuse(f, "a structure is too small");
        if (h32(f, 72) != 8 || h32(f, 76) < 2 || h32(f, 76) > 16 || h32(f, 80) < 1 || h32(f, 80) > MAX_TABLES ||
            h32(f, 84) > 1024)
                return refuse(f, "numbers out of range");
        if (size > f->size || !fits(h64(f, 88), h32(f, 80), h32(f, 44), size) ||
            !fits(h64(f, 96), h32(f, 84), h32(f, 48), size) || !fits(h64(f, 104), 1, h32(f, 52), size) ||
            !fits(h64(f, 112), h32(f, 76), h64(f, 120), size) || h64(f, 128) > size - 4 || h64(f, 128) % 4)
                return refuse(f, "something is past the end");
        if (!fits(h32(f, 64), 1, h32(f, 60), h32(f, 56)) || !fits(h32(f, 68), 16, 32, h32(f, 56)))
                return refuse(f, "facts or contents are outside the slot's head");
        return true;
}

static bool is_column_sound(struct foreign *f, const unsigned char *column, uint64_t row_size) {
        uint64_t type = get(column, 4, 4), offset = get(column, 8, 4), bytes = get(column, 12, 4);

        if (type > 3 || (type != 2 && bytes != 4 && bytes != 8) || bytes == 0 || bytes > row_size ||
            offset > row_size - bytes)
                return refuse(f, "a column is not inside its row");
        return memchr(column + 16, 0, 32) && memchr(column + 48, 0, 16) && memchr(column + 64, 0, 112);
}

static bool are_tables_sound(struct foreign *f) {
        for (uint32_t i = 0; i < h32(f, 80); i++) {
                const unsigned char *t = table_at(f, i);
                uint64_t row_size = get(t, 36, 4), index_size = get(t, 52, 4);

                if (!memchr(t, 0, 32) || row_size > 65536 || row_size % 8 || get(t, 40, 4) > 16777216)
                        return refuse(f, "a table is out of range");
                if (get(t, 44, 4) + get(t, 48, 4) > h32(f, 84))
                        return refuse(f, "a table's columns are not there");
                if (!fits(get(t, 64, 8), get(t, 40, 4), row_size, h64(f, 120)) || (index_size & (index_size - 1)) ||
                    !fits(get(t, 72, 8), index_size, 8, h64(f, 120)))
                        return refuse(f, "a table is past the slot's end");
                for (uint32_t c = 0; c < get(t, 48, 4); c++)
                        if (!is_column_sound(f, column_at(f, t, c), row_size))
                                return false;
        }
        return true;
}

static bool map_file(struct foreign *f, const char *path) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        struct stat st;
        void *map;

        if (fd < 0)
                return refuse(f, "cannot open it");
        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (st.st_mode & 022) ||
            (st.st_uid != 0 && st.st_uid != geteuid()) || st.st_size < 256) {
                close(fd);
                return refuse(f, "not a file to trust");
        }
        f->size = (size_t) st.st_size;
        map = mmap(NULL, f->size, PROT_READ, MAP_SHARED, fd, 0);
        close(fd);
        if (map == MAP_FAILED)
                return refuse(f, "cannot map it");
        f->map = map;
        return true;
}

static bool is_sound(struct foreign *f) {
        if (atomic_load_explicit((const _Atomic uint64_t *) f->map, memory_order_acquire) != 0x31594c544b434f53)
                return refuse(f, "magic");
        memcpy(f->header, f->map, sizeof(f->header));
        return is_header_sound(f) && are_tables_sound(f);
}

struct foreign *foreign_open(const char *path, const char **ret_why) {
        struct foreign *f = calloc(1, sizeof(*f));

        if (!f)
                return NULL;
        if (map_file(f, path) && is_sound(f)) {
                f->slot = malloc(h64(f, 120));
                if (f->slot)
                        return f;
        }
        *ret_why = f->why ? f->why : "no memory";
        return foreign_close(f);
}

struct foreign *foreign_close(struct foreign *f) {
        if (f->map)
                (void) munmap((void *) (uintptr_t) f->map, f->size);
        free(f->slot);
        free(f);
        return NULL;
}

int foreign_take(struct foreign *f) {
        const _Atomic uint64_t *published = (const void *) (f->map + h64(f, 104));

        for (int attempt = 0; attempt < 3; attempt++) {
                uint64_t k = atomic_load_explicit(published, memory_order_acquire);
                const unsigned char *slot = f->map + h64(f, 112) + k % h32(f, 76) * h64(f, 120);
                const _Atomic uint64_t *seq = (const void *) slot;

                if (k == 0)
                        return -1;
                if (atomic_load_explicit(seq, memory_order_acquire) != 2 * k + 2)
                        continue;
                memcpy(f->slot, slot, h64(f, 120)); /* the whole slot: simple, and more than needed */
                atomic_thread_fence(memory_order_acquire);
                if (atomic_load_explicit(seq, memory_order_relaxed) != 2 * k + 2)
                        continue;
                f->sequence = k;
                return 0;
        }
        return -1;
}

uint64_t foreign_sequence(const struct foreign *f) {
        return f->sequence;
}

static const unsigned char *facts(const struct foreign *f) {
        return f->slot + h32(f, 64);
}

static const unsigned char *content_of(const struct foreign *f, const unsigned char *table) {
        return f->slot + h32(f, 68) + 32 * get(table, 32, 4);
}

static uint32_t count_of(const struct foreign *f, const unsigned char *table) {
        uint32_t count = (uint32_t) get(content_of(f, table), 8, 4);
        uint32_t capacity = (uint32_t) get(table, 40, 4);

        return count < capacity ? count : capacity;
}

static const unsigned char *row_at(const struct foreign *f, const unsigned char *table, uint32_t index) {
        return f->slot + get(table, 64, 8) + (size_t) index * get(table, 36, 4);
}

static void print_value(const struct foreign *f, const unsigned char *table, const unsigned char *row,
                        const unsigned char *column, FILE *file) {
        uint64_t field = get(column, 0, 4), type = get(column, 4, 4), offset = get(column, 8, 4);
        uint64_t bytes = get(column, 12, 4), value;

        if (type == 2) {
                if (row[offset])
                        fprintf(file, "%.*s\n", (int) strnlen((const char *) row + offset, bytes), row + offset);
                else
                        fprintf(file, "?\n");
                return;
        }
        value = get(row, offset, bytes);
        if ((field <= 64 && !(get(content_of(f, table), 0, 8) >> (field - 1) & 1)) ||
            (get(table, 32, 4) == 2 && field == 1005 && value == 4294967295))
                fprintf(file, "?\n");
        else
                fprintf(file, "%" PRIu64 "\n", value);
}

void foreign_print(const struct foreign *f, FILE *file) {
        for (size_t offset = 0; offset <= 88; offset += 8)
                fprintf(file, "fact %zu %" PRIu64 "\n", offset / 8, get(facts(f), offset, 8));
        fprintf(file, "fact 12 %" PRIu64 "\nfact 13 %" PRIu64 "\n", get(facts(f), 96, 4), get(facts(f), 104, 8));
        for (uint32_t id = 0; id < 3; id++) {
                const unsigned char *table = table_by_id(f, id);

                if (!table) {
                        fprintf(file, "%" PRIu32 " not permitted\n", id);
                        continue;
                }
                for (uint32_t i = 0; i < count_of(f, table); i++)
                        for (uint32_t c = 0; c < get(table, 48, 4); c++) {
                                const unsigned char *column = column_at(f, table, c);

                                fprintf(file, "%" PRIu32 " %" PRIu32 " %s (%s, %s) = ", id, i,
                                        (const char *) column + 16, (const char *) column + 48,
                                        (const char *) column + 64);
                                print_value(f, table, row_at(f, table, i), column, file);
                        }
        }
}

static const unsigned char *column_by_field(const struct foreign *f, const unsigned char *table, uint32_t field) {
        for (uint32_t c = 0; c < get(table, 48, 4); c++)
                if (get(column_at(f, table, c), 0, 4) == field)
                        return column_at(f, table, c);
        return NULL;
}

static uint64_t number(const struct foreign *f, const unsigned char *table, uint32_t row, uint32_t field) {
        const unsigned char *column = column_by_field(f, table, field);

        return column ? get(row_at(f, table, row), get(column, 8, 4), get(column, 12, 4)) : 0;
}

typedef bool matches_fn(const struct foreign *f, const unsigned char *table, uint32_t row, const void *what,
                        uint32_t uid);

static int64_t find(const struct foreign *f, uint32_t id, uint64_t first_two_keys, uint32_t key, matches_fn *matches,
                    const void *what, uint32_t uid) {
        const unsigned char *table = table_by_id(f, id), *index;
        uint32_t size, place;

        if (!table || get(table, 52, 4) == 0 || get(table, 80, 8) != first_two_keys || get(table, 88, 8) != 0)
                return -1;
        index = f->slot + get(table, 72, 8);
        size = (uint32_t) get(table, 52, 4);
        place = (uint32_t) ((uint64_t) (uint32_t) (key * 2654435769u) * size / 4294967296u);
        for (uint32_t i = 0; i < size; i++) {
                uint32_t row = (uint32_t) get(index, 8 * (size_t) place + 4, 4);

                if (row == 0)
                        return -1;
                if (get(index, 8 * (size_t) place, 4) == key && row - 1 < count_of(f, table) &&
                    matches(f, table, row - 1, what, uid))
                        return row - 1;
                place = place + 1 == size ? 0 : place + 1;
        }
        return -1;
}

static bool is_pid(const struct foreign *f, const unsigned char *table, uint32_t row, const void *what, uint32_t uid) {
        return number(f, table, row, 1001) == *(const uint32_t *) what;
}

static bool is_unit(const struct foreign *f, const unsigned char *table, uint32_t row, const void *what, uint32_t uid) {
        const unsigned char *column = column_by_field(f, table, 1009);

        return column && number(f, table, row, 1005) == uid &&
               strncmp((const char *) row_at(f, table, row) + get(column, 8, 4), what, get(column, 12, 4)) == 0;
}

int64_t foreign_find_pid(const struct foreign *f, uint32_t pid) {
        return find(f, 2, 1001, (2166136261u ^ pid) * 16777619u, is_pid, &pid, 0);
}

int64_t foreign_find_service(const struct foreign *f, const char *unit, uint32_t uid) {
        uint32_t key = 2166136261u;

        for (const char *p = unit; *p; p++)
                key = (key ^ (unsigned char) *p) * 16777619u;
        return find(f, 1, 1009 | UINT64_C(1005) << 32, (key ^ uid) * 16777619u, is_unit, unit, uid);
}

int foreign_state(const struct foreign *f) {
        const _Atomic uint32_t *state = (const void *) (f->map + h64(f, 104) + 256);
        const _Atomic uint32_t *owner = (const void *) (f->map + h64(f, 128));

        if (atomic_load_explicit(owner, memory_order_acquire) & 0x40000000)
                return 3;
        return (int) atomic_load_explicit(state, memory_order_acquire);
}

static uint64_t hash_on(uint64_t hash, const unsigned char *bytes, size_t n) {
        for (size_t i = 0; i < n; i++)
                hash = (hash ^ bytes[i]) * 1099511628211u;
        return hash;
}

uint64_t foreign_schema_hash(const struct foreign *f) {
        uint64_t hash = 14695981039346656037u;

        for (uint32_t i = 0; i < h32(f, 80); i++) {
                const unsigned char *table = table_at(f, i);

                hash = hash_on(hash, table, 32);
                hash = hash_on(hash, table + 32, 4);
                hash = hash_on(hash, table + 36, 4);
                for (uint32_t c = 0; c < get(table, 48, 4); c++)
                        hash = hash_on(hash, column_at(f, table, c), 64);
        }
        return hash;
}

uint64_t foreign_header_hash(const struct foreign *f) {
        return h64(f, 144);
}
