/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Segments that are broken, cut short or made by an enemy: a reader gets an error or data from inside the segment, and
 * never faults. The corruptions come from a fixed seed, so a failure repeats.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "libclient/frame.h"
#include "libclient/inspect.h"
#include "libclient/schema.h"
#include "tests/unit/fixture.h"

#define N_CORRUPTIONS 10000

struct image {
        unsigned char *bytes, *original;
        size_t size;
        char path[128];
};

/* A valid segment, as a file holds it. */
static struct image image_of(struct fixture *f) {
        struct image image = { .bytes = NULL };
        char path[128];
        struct stat st;
        int fd;

        f->config.capacity[LAYOUT_TABLE_SERVICES] = f->config.capacity[LAYOUT_TABLE_PROCESSES] = 8;
        segment_free(f->segment, false);
        assert_int_equal(segment_new(&f->segment, &f->config), 0);
        for (uint32_t i = 0; i < 4; i++)
                fixture_publish(f, 4 + i);
        fd = open(fixture_path(f, path), O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(fstat(fd, &st), 0);
        image.size = (size_t) st.st_size;
        image.bytes = malloc(image.size);
        image.original = malloc(image.size);
        assert_non_null(image.bytes);
        assert_non_null(image.original);
        assert_int_equal(pread(fd, image.original, image.size, 0), image.size);
        memcpy(image.bytes, image.original, image.size);
        close(fd);
        snprintf(image.path, sizeof(image.path), "%s/hostile", f->directory);
        return image;
}

static void image_done(struct image *image) {
        (void) unlink(image->path);
        free(image->bytes);
        free(image->original);
}

static void image_write(const struct image *image, size_t size) {
        int fd;

        (void) unlink(image->path);
        fd = open(image->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, image->bytes, size), size);
        close(fd);
}

static int image_open(const struct image *image, struct socktally **ret_reader) {
        struct socktally_options options = { .size = sizeof(options), .file_path = image->path };

        return socktally_open(ret_reader, &options);
}

static uint64_t next_random(uint64_t *state) {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        return *state;
}

/* So that changed descriptors are looked at instead of being refused for their sum. */
static void repair_hash(struct image *image) {
        const struct layout_header *header = (const void *) image->original;
        struct layout_header *changed = (void *) image->bytes;
        const struct layout_table *tables = (const void *) (image->bytes + header->tables_offset);
        const struct layout_column *column = (const void *) (image->bytes + header->columns_offset);
        uint64_t hash = SCHEMA_HASH_START;

        for (uint32_t i = 0; i < header->n_tables; i++) {
                uint32_t n = ((const struct layout_table *) (image->original + header->tables_offset))[i].n_columns;

                hash = stly_schema_hash_table(hash, &tables[i]);
                for (uint32_t c = 0; c < n; c++)
                        hash = stly_schema_hash_column(hash, column++);
        }
        changed->schema_hash = hash;
}

/* Where a byte that somebody believes is likelier: header and tables, columns, changing words, heads of slots. */
static size_t pick_place(const struct image *image, uint64_t *random) {
        const struct layout_header *header = (const void *) image->original;
        uint64_t r = next_random(random) >> 8;

        switch (next_random(random) >> 20 & 7) {
        case 0:
        case 1: return r % (sizeof(struct layout_header) + 3 * sizeof(struct layout_table));
        case 2: return header->columns_offset + r % (header->n_columns * sizeof(struct layout_column));
        case 3: return header->dynamic_offset + r % (3 * LAYOUT_LINE);
        case 4: return header->slots_offset + header->slot_stride * (r % 3) + (r >> 4) % sizeof(struct layout_slot);
        case 5: return header->slots_offset + r % (3 * header->slot_stride);
        }
        return r % image->size;
}

static void corrupt(struct image *image, uint64_t *random) {
        static const uint64_t values[] = { 0, 1, 2, 3, 7, 8, 127, 255, 4096, 65535, 65536, 0x7fffffff, 0x80000000,
                                           0xffffffff, 0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffff,
                                           0xfffffffffffff000 };
        uint64_t n = 1 + (next_random(random) >> 10) % 6;

        memcpy(image->bytes, image->original, image->size);
        while (n-- > 0) {
                size_t place = pick_place(image, random), width = (size_t) 1 << ((next_random(random) >> 9) & 3);
                uint64_t value = values[(next_random(random) >> 9) % (sizeof(values) / sizeof(values[0]))];

                if ((next_random(random) >> 7) & 1)
                        value = next_random(random);
                place &= ~(width - 1);
                if (place + width <= image->size)
                        memcpy(image->bytes + place, &value, width);
        }
        if ((next_random(random) >> 11) & 1)
                repair_hash(image);
        /* The magic and the version would end most attempts before they begin. */
        if ((next_random(random) >> 13) & 7)
                memcpy(image->bytes, image->original, 32);
}

static uint64_t use_row(const struct socktally *reader, const struct socktally_row *row) {
        uint64_t sum = 0, value;
        const char *text;
        double rate;

        for (size_t c = 0; c < socktally_column_count(reader, row->table); c++) {
                struct socktally_column column;

                assert_int_equal(socktally_column_at(reader, row->table, c, &column), 0);
                sum += strlen(column.name) + strlen(column.unit) + strlen(column.help);
                if (column.type == SOCKTALLY_TEXT && socktally_text(row, &column, &text) == SOCKTALLY_VALUE)
                        sum += strlen(text);
                else if (socktally_value(row, &column, &value) == SOCKTALLY_VALUE)
                        sum += value;
                if (socktally_rate(row, &column, &rate) == SOCKTALLY_VALUE)
                        sum += rate >= 0;
        }
        return sum;
}

static uint64_t use_everything(struct socktally *reader) {
        static unsigned char copy[8 * 65536];
        struct socktally_info info = { .size = sizeof(info) };
        uint64_t sum = 0;
        size_t row_size;

        assert_int_equal(socktally_get_info(reader, &info), 0);
        sum += strlen(info.daemon_version);
        for (enum socktally_table t = SOCKTALLY_TABLE_HOST; t <= SOCKTALLY_TABLE_PROCESSES; t++) {
                struct socktally_row row;
                size_t n = socktally_count(reader, t);

                for (size_t i = 0; i < n; i++) {
                        assert_int_equal(socktally_row(reader, t, i, &row), SOCKTALLY_VALUE);
                        sum += use_row(reader, &row);
                }
                if (socktally_copy_rows(reader, t, copy, sizeof(copy), &row_size) > 0)
                        sum += copy[0];
        }
        for (uint32_t i = 0; i < 10; i++) {
                struct socktally_row row;
                char unit[32];

                if (socktally_find_process(reader, FIXTURE_PID + i, i & 1 ? i * 10 : 0, &row) == SOCKTALLY_VALUE)
                        sum += use_row(reader, &row);
                snprintf(unit, sizeof(unit), "service%u.service", i);
                if (socktally_find_service(reader, unit, i & 1 ? UINT32_MAX : 1000, &row) == SOCKTALLY_VALUE)
                        sum += use_row(reader, &row);
        }
        return sum;
}

static bool is_documented_error(int r) {
        return r == -EPROTO || r == -EPROTONOSUPPORT;
}

static int use_file(const struct image *image, uint64_t *sum) {
        struct socktally *reader;
        int r = image_open(image, &reader);

        if (r < 0) {
                assert_true(is_documented_error(r));
                return r;
        }
        for (int i = 0; i < 2; i++) {
                r = socktally_refresh(reader);
                assert_true(r >= 0 || is_documented_error(r));
                *sum += use_everything(reader);
        }
        socktally_close(reader);
        return r;
}

static void count_fault(void *userdata, const char *line) {
        *(size_t *) userdata += strlen(line);
}

static void inspect_file(const struct image *image, uint64_t *sum) {
        char reason[INSPECT_REASON_SIZE] = "";
        struct inspection *inspection;
        size_t letters = 0;

        if (stly_inspect_open(&inspection, image->path, reason) < 0) {
                assert_true(strlen(reason) > 0);
                return;
        }
        (void) stly_inspect_verify(inspection, count_fault, &letters);
        stly_inspect_close(inspection);
        *sum += letters;
}

static void ten_thousand_corruptions_cost_an_error_and_never_a_fault(void **state) {
        struct fixture *f = *state;
        struct image image = image_of(f);
        uint64_t random = UINT64_C(0x9e3779b97f4a7c15), sum = 0;
        unsigned int n_opened = 0;

        for (int i = 0; i < N_CORRUPTIONS; i++) {
                size_t size = image.size;

                corrupt(&image, &random);
                if (i % 10 == 0)
                        size = (next_random(&random) >> 9) % image.size;
                image_write(&image, size);
                n_opened += use_file(&image, &sum) >= 0;
                inspect_file(&image, &sum);
        }
        /* Enough of them get past the door for the rest to be tried. */
        print_message("# %u of %u could be read, sum %llx\n", n_opened, N_CORRUPTIONS, (unsigned long long) sum);
        assert_in_range(n_opened, N_CORRUPTIONS / 10, N_CORRUPTIONS * 9 / 10);
        image_done(&image);
}

static void every_length_short_of_the_whole_is_refused(void **state) {
        struct fixture *f = *state;
        struct image image = image_of(f);
        struct socktally *reader;

        for (size_t size = 0; size < image.size; size += size < 1024 ? 13 : 997) {
                image_write(&image, size);
                assert_int_equal(image_open(&image, &reader), -EPROTO);
        }
        image_write(&image, image.size);
        assert_int_equal(image_open(&image, &reader), 0);
        assert_int_equal(socktally_refresh(reader), SOCKTALLY_NEW);
        socktally_close(reader);
        image_done(&image);
}

/* One value in the header or a descriptor, and what the inspector says about it. */
#define HEADER(field) offsetof(struct layout_header, field)
#define TABLE(field) (sizeof(struct layout_header) + offsetof(struct layout_table, field))

static void each_broken_field_is_named(void **state) {
        static const struct {
                size_t offset, width;
                uint64_t value;
                int error;
                const char *says;
        } cases[] = {
                { HEADER(magic), 8, 0, -EPROTO, "magic" },
                { HEADER(byte_order), 4, 0x04030201, -EPROTO, "byte order" },
                { HEADER(major), 2, 1, -EPROTONOSUPPORT, "layout 1." },
                { HEADER(incompatible), 8, 4, -EPROTONOSUPPORT, "feature bits" },
                { HEADER(size), 8, UINT64_MAX, -EPROTO, "the header says" },
                { HEADER(column_size), 4, 8, -EPROTO, "smaller" },
                { HEADER(n_slots), 4, 1, -EPROTO, "1 slots" },
                { HEADER(n_tables), 4, 17, -EPROTO, "17 tables" },
                { HEADER(tables_offset), 8, UINT64_MAX - 7, -EPROTO, "descriptors reach past" },
                { HEADER(dynamic_offset), 8, UINT64_C(1) << 63, -EPROTO, "changing words" },
                { HEADER(owner_offset), 8, UINT64_MAX - 3, -EPROTO, "changing words" },
                { HEADER(slot_stride), 8, UINT64_C(1) << 62, -EPROTO, "slots reach past" },
                { HEADER(facts_offset), 4, 1000, -EPROTO, "facts" },
                { HEADER(schema_hash), 8, 1, -EPROTO, "hash" },
                { TABLE(capacity), 4, 0x7fffffff, -EPROTO, "out of range" },
                { TABLE(capacity), 4, 0x00ffffff, -EPROTO, "rows reach past" },
                { TABLE(rows_offset), 8, UINT64_MAX - 63, -EPROTO, "rows reach past" },
                { TABLE(index_size), 4, 3, -EPROTO, "index of 3" },
                { TABLE(n_columns), 4, 0xffffffff, -EPROTO, "columns" },
                { sizeof(struct layout_table) + TABLE(keys), 4, 77, -EPROTO, "goes by no column" },
                { TABLE(id), 4, 16, -EPROTO, "impossible id" },
                { TABLE(id), 4, 1, -EPROTO, "two tables" },
        };
        struct fixture *f = *state;
        struct image image = image_of(f);

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                char reason[INSPECT_REASON_SIZE] = "";
                struct inspection *inspection;
                struct socktally *reader;

                memcpy(image.bytes, image.original, image.size);
                memcpy(image.bytes + cases[i].offset, &cases[i].value, cases[i].width);
                image_write(&image, image.size);
                assert_int_equal(stly_inspect_open(&inspection, image.path, reason), cases[i].error);
                if (!strstr(reason, cases[i].says))
                        fail_msg("\"%s\" does not say \"%s\"", reason, cases[i].says);
                assert_int_equal(image_open(&image, &reader), cases[i].error);
        }
        image_done(&image);
}

static void what_somebody_else_could_change_is_not_mapped(void **state) {
        struct fixture *f = *state;
        struct image image = image_of(f);
        struct socktally *reader;
        struct socktally_options options = { .size = sizeof(options) };
        char other[140];
        int fd;

        image_write(&image, image.size);
        assert_int_equal(chmod(image.path, 0620), 0);
        assert_int_equal(image_open(&image, &reader), -EACCES);
        assert_int_equal(chmod(image.path, 0602), 0);
        assert_int_equal(image_open(&image, &reader), -EACCES);
        assert_int_equal(chmod(image.path, 0600), 0);
        assert_int_equal(image_open(&image, &reader), 0);
        socktally_close(reader);
        if (geteuid() == 0) {
                assert_int_equal(chown(image.path, 12345, 12345), 0);
                assert_int_equal(image_open(&image, &reader), -EACCES);
        }

        snprintf(other, sizeof(other), "%s.other", image.path);
        options.file_path = other;
        assert_int_equal(symlink(image.path, other), 0);
        assert_int_equal(socktally_open(&reader, &options), -ELOOP);
        assert_int_equal(unlink(other), 0);
        assert_int_equal(mkfifo(other, 0600), 0);
        assert_int_equal(socktally_open(&reader, &options), -EPROTO);
        assert_int_equal(unlink(other), 0);

        /* A memfd that its maker can still cut. */
        fd = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, image.bytes, image.size), image.size);
        assert_int_equal(socktally_open_fd(&reader, dup(fd)), -EACCES);
        assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
        assert_int_equal(socktally_open_fd(&reader, dup(fd)), -EACCES);
        assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), 0);
        assert_int_equal(socktally_open_fd(&reader, dup(fd)), 0);
        assert_int_equal(socktally_refresh(reader), SOCKTALLY_NEW);
        socktally_close(reader);
        close(fd);
        image_done(&image);
}

static void a_segment_with_holes_is_not_mapped(void **state) {
        struct fixture *f = *state;
        struct image image = image_of(f);
        struct socktally *reader;
        int fd;

        fd = memfd_create("holes", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, image.bytes, 4096), 4096);
        assert_int_equal(ftruncate(fd, (off_t) image.size), 0);
        assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
        assert_int_equal(socktally_open_fd(&reader, fd), -EPROTO);
        image_done(&image);
}

static void a_good_segment_has_no_faults_and_a_bad_one_is_told(void **state) {
        struct fixture *f = *state;
        struct image image = image_of(f);
        struct layout_process_row *rows;
        const struct layout_header *header = (const void *) image.bytes;
        const struct layout_table *tables = (const void *) (image.bytes + header->tables_offset);
        struct inspection *inspection;
        size_t letters = 0;

        image_write(&image, image.size);
        assert_int_equal(stly_inspect_open(&inspection, image.path, NULL), 0);
        assert_int_equal(stly_inspect_verify(inspection, count_fault, &letters), 0);
        assert_int_equal(letters, 0);
        stly_inspect_close(inspection);

        /* One more byte for one process, another PID, and a name that is no text. */
        rows = (void *) (image.bytes + header->slots_offset + header->slot_stride + tables[2].rows_offset);
        rows[2].counters[0]++;
        rows[3].pid = 4711;
        memset(rows[1].comm, 'x', sizeof(rows[1].comm));
        image_write(&image, image.size);
        assert_int_equal(stly_inspect_open(&inspection, image.path, NULL), 0);
        assert_int_equal(stly_inspect_verify(inspection, count_fault, &letters), 3);
        assert_true(letters > 0);
        stly_inspect_close(inspection);
        image_done(&image);
}

/* An enemy who owns the segment changes it under the reader's hands, as often as it likes. */
static void words_that_change_under_a_reader_never_lead_outside(void **state) {
        struct fixture *f = *state;
        struct image image = image_of(f);
        const struct layout_header *header = (const void *) image.bytes;
        uint64_t random = 88172645463325252, sum = 0;
        struct layout_dynamic *dynamic;
        struct socktally *reader;
        unsigned char *base;
        int fd;

        image_write(&image, image.size);
        fd = open(image.path, O_RDWR | O_CLOEXEC);
        assert_true(fd >= 0);
        base = mmap(NULL, image.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        assert_ptr_not_equal(base, MAP_FAILED);
        close(fd);
        assert_int_equal(image_open(&image, &reader), 0);
        dynamic = (void *) (base + header->dynamic_offset);
        for (uint64_t k = 10; k < 2010; k++) {
                struct layout_slot *slot = (void *) (base + header->slots_offset + header->slot_stride * (k % 3));
                unsigned char *bytes = (void *) slot;
                int r;

                for (int i = 0; i < 20; i++)
                        bytes[LAYOUT_LINE + (next_random(&random) >> 9) % (header->slot_stride - LAYOUT_LINE)] =
                                (unsigned char) (next_random(&random) >> 20);
                /* Header and descriptors too: the reader has looked at them already. */
                base[(next_random(&random) >> 9) % header->dynamic_offset] = (unsigned char) (random >> 30);
                if (k % 3)
                        slot->facts[0] = k;
                if (k % 5)
                        slot->contents[k % 3].count = (uint32_t) ((next_random(&random) >> 9) % (k % 2 ? 9 : 1u << 31));
                slot->seq = 2 * k + 2;
                dynamic->published = k;
                r = socktally_refresh(reader);
                assert_true(r >= 0 || r == -EPROTO);
                sum += use_everything(reader);
        }
        assert_true(sum != 0);
        socktally_close(reader);
        munmap(base, image.size);
        image_done(&image);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(ten_thousand_corruptions_cost_an_error_and_never_a_fault),
                CASE(every_length_short_of_the_whole_is_refused),
                CASE(each_broken_field_is_named),
                CASE(what_somebody_else_could_change_is_not_mapped),
                CASE(a_segment_with_holes_is_not_mapped),
                CASE(a_good_segment_has_no_faults_and_a_bad_one_is_told),
                CASE(words_that_change_under_a_reader_never_lead_outside),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
