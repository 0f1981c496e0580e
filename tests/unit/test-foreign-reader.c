/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A reader that was written from socktally-segment(5) alone: every number here is one of the page, and no name of the
 * layout's headers is used. test-man-segment.c compares the page's tables; this tries what the page tells in words:
 * which slot is read, what the words around the slots say, and how the hashes are made.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/fixture.h"

#define CAPACITY 32

/* Little endian, as the machine. */
static uint64_t get(const unsigned char *from, size_t offset, size_t bytes) {
        uint64_t value = 0;

        memcpy(&value, from + offset, bytes);
        return value;
}

static const unsigned char *map(const struct fixture *f) {
        const unsigned char *base;
        struct stat st;

        assert_int_equal(fstat(segment_fd(f->segment), &st), 0);
        base = mmap(NULL, (size_t) st.st_size, PROT_READ, MAP_SHARED, segment_fd(f->segment), 0);
        assert_ptr_not_equal(base, MAP_FAILED);
        return base;
}

static const unsigned char *slot_of(const unsigned char *base, uint64_t number) {
        return base + get(base, 112, 8) + number % get(base, 76, 4) * get(base, 120, 8);
}

static uint64_t published(const unsigned char *base) {
        return get(base + get(base, 104, 8), 0, 8);
}

static const unsigned char *table_at(const unsigned char *base, uint32_t index) {
        return base + get(base, 88, 8) + index * get(base, 44, 4);
}

static void a_publication_is_in_the_slot_that_its_number_says(void **state) {
        struct fixture *f = *state;
        const unsigned char *base = map(f), *slot;

        assert_int_equal(published(base), 0);
        for (uint64_t number = 1; number < 8; number++) {
                fixture_publish(f, CAPACITY);
                slot = slot_of(base, number);
                assert_int_equal(published(base), number);
                assert_int_equal(get(slot, 0, 8), 2 * number + 2);
                assert_int_equal(get(slot + get(base, 64, 4), 0, 8), number);
                for (uint32_t table = 0; table < 3; table++)
                        assert_int_equal(get(slot + get(base, 68, 4) + 32 * table, 8, 4), table ? CAPACITY : 1);
                fixture_fill(f, CAPACITY);
                assert_int_equal(get(slot_of(base, number + 1), 0, 8), 2 * number + 3);
        }
}

static void a_bit_for_each_metric_says_whether_it_is_known(void **state) {
        struct fixture *f = *state;
        const unsigned char *base = map(f), *contents;
        struct socktally_column column;

        fixture_fill(f, CAPACITY);
        f->fill.known[SOCKTALLY_TABLE_PROCESSES] &= ~(UINT64_C(1) << SOCKTALLY_METRIC_udp_rx_drops);
        assert_int_equal(segment_publish(f->segment, &f->fill), 0);
        fixture_take(f);
        contents = slot_of(base, 1) + get(base, 68, 4);
        for (size_t c = 0; socktally_column_at(f->reader, SOCKTALLY_TABLE_PROCESSES, c, &column) == 0; c++)
                if (column.field_id <= 64)
                        assert_int_equal(get(contents + 64, 0, 8) >> (column.field_id - 1) & 1,
                                         strcmp(column.name, "udp_rx_drops") != 0);
}

/* Row number, or -1. The key alone is compared: those of the fixture differ. */
static int64_t find(const unsigned char *base, uint32_t table, uint32_t key) {
        const unsigned char *descriptor = table_at(base, table);
        const unsigned char *index = slot_of(base, published(base)) + get(descriptor, 72, 8);
        uint64_t size = get(descriptor, 52, 4), place = (uint64_t) (uint32_t) (key * 2654435769u) * size / 4294967296u;

        for (; get(index, 8 * place + 4, 4) != 0; place = (place + 1) % size)
                if (get(index, 8 * place, 4) == key)
                        return (int64_t) get(index, 8 * place + 4, 4) - 1;
        return -1;
}

static uint32_t with_number(uint32_t hash, uint32_t number) {
        return (hash ^ number) * 16777619u;
}

static uint32_t with_text(uint32_t hash, const char *text) {
        while (*text)
                hash = with_number(hash, (unsigned char) *text++);
        return hash;
}

static void every_row_is_found_by_the_hash_of_its_keys(void **state) {
        struct fixture *f = *state;
        const unsigned char *base = map(f);
        char unit[32];

        fixture_publish(f, CAPACITY);
        assert_int_equal(get(table_at(base, 1), 80, 8), 1005ull << 32 | 1009);
        assert_int_equal(get(table_at(base, 2), 80, 8), 1001);
        for (uint32_t i = 0; i < CAPACITY; i++) {
                snprintf(unit, sizeof(unit), "service%u.service", i / 2);
                assert_int_equal(find(base, 1, with_number(with_text(2166136261u, unit), i % 2 ? 4294967295u : 1000)),
                                 i);
                assert_int_equal(find(base, 2, with_number(2166136261u, i ? FIXTURE_PID + i : 0)), i ? (int) i : -1);
        }
        assert_int_equal(find(base, 1, with_number(with_text(2166136261u, "no-such.service"), 4294967295u)), -1);
}

static uint64_t hash_on(uint64_t hash, const unsigned char *bytes, size_t n) {
        for (size_t i = 0; i < n; i++)
                hash = (hash ^ bytes[i]) * 1099511628211u;
        return hash;
}

static void the_schema_hash_is_made_of_the_descriptors(void **state) {
        struct fixture *f = *state;
        const unsigned char *base = map(f), *columns = base + get(base, 96, 8);
        uint64_t hash = 14695981039346656037u;

        for (uint32_t i = 0; i < get(base, 80, 4); i++) {
                const unsigned char *table = table_at(base, i);

                hash = hash_on(hash, table, 40);
                for (uint64_t c = 0; c < get(table, 48, 4); c++)
                        hash = hash_on(hash, columns + (get(table, 44, 4) + c) * get(base, 48, 4), 64);
        }
        assert_true(hash == get(base, 144, 8));
}

static void the_words_tell_whether_there_is_a_writer(void **state) {
        struct fixture *f = *state;

        for (int is_superseded = 0; is_superseded < 2; is_superseded++) {
                const unsigned char *base = map(f), *words = base + get(base, 104, 8);

                assert_int_equal(get(words, 256, 4), 0);
                assert_int_equal(get(base + get(base, 128, 8), 0, 4), 0x80000000u | (uint32_t) getpid());
                segment_free(f->segment, is_superseded);
                assert_int_equal(get(words, 256, 4), is_superseded ? 1 : 2);
                assert_int_equal(get(base + get(base, 128, 8), 0, 4), 0);
                assert_int_equal(segment_new(&f->segment, &f->config), 0);
        }
}

/* Run as it stands but for the name of the file. */
static void the_example_at_the_pages_end_reads_the_right_number(void **state) {
        struct fixture *f = *state;
        const char *srcdir = getenv("srcdir");
        char command[1024], path[128], expected[64], output[256] = "";
        FILE *pipe;

        for (int i = 0; i < 5; i++)
                fixture_publish(f, CAPACITY);
        snprintf(expected, sizeof(expected), "publication 5: %llu\n", (unsigned long long) f->fill.host->counters[0]);
        snprintf(command, sizeof(command),
                 "sed -n '/^\\.\\\\\" example/,/^\\.EE/p' '%s/man/socktally-segment.5' |"
                 " sed -e '/^\\./d' -e 's/\\\\-/-/g' -e 's|^f=.*|f=%s|' | sh 2>&1",
                 srcdir ? srcdir : ".", fixture_path(f, path));
        pipe = popen(command, "r");
        assert_non_null(pipe);
        (void) !fread(output, 1, sizeof(output) - 1, pipe);
        (void) pclose(pipe);
        assert_string_equal(output, expected);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(a_publication_is_in_the_slot_that_its_number_says),
                CASE(a_bit_for_each_metric_says_whether_it_is_known),
                CASE(every_row_is_found_by_the_hash_of_its_keys),
                CASE(the_schema_hash_is_made_of_the_descriptors),
                CASE(the_words_tell_whether_there_is_a_writer),
                CASE(the_example_at_the_pages_end_reads_the_right_number),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
