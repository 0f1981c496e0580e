/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The writer, seen through the library: what is put into a segment comes out again.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "libclient/schema.h"
#include "libclient/socktally.h"
#include "tests/unit/fixture.h"

static void check_field(const struct fixture *f, const struct socktally_row *row,
                        const struct schema_column *expected) {
        const unsigned char *written = fixture_row(f, row->table, row->index) + expected->offset;
        struct socktally_column column;
        uint64_t value, is = 0;
        const char *text;

        assert_int_equal(socktally_column(f->reader, row->table, expected->name, &column), 0);
        assert_string_equal(column.unit, expected->unit);
        assert_string_equal(column.help, expected->help);
        assert_int_equal(column.field_id, expected->field_id);
        assert_int_equal(column.type, expected->type);
        if (expected->type == SOCKTALLY_TEXT) {
                assert_int_equal(socktally_text(row, &column, &text), SOCKTALLY_VALUE);
                assert_string_equal(text, written);
                assert_int_equal(socktally_value(row, &column, &value), -EINVAL);
                return;
        }
        memcpy(&is, written, expected->bytes);
        assert_int_equal(socktally_value(row, &column, &value), SOCKTALLY_VALUE);
        assert_true(value == is);
        assert_int_equal(socktally_text(row, &column, &text), -EINVAL);
}

static void every_column_of_every_table_comes_out_as_it_went_in(void **state) {
        struct fixture *f = *state;
        struct schema_column column;
        struct socktally_row row;

        fixture_publish(f, 4);
        fixture_take(f);
        for (uint32_t t = 0; t < LAYOUT_N_TABLES; t++) {
                const struct schema_table *table = stly_schema_table(t);

                assert_int_equal(socktally_column_count(f->reader, t), table->n_columns);
                assert_int_equal(socktally_count(f->reader, t), f->fill.count[t]);
                for (uint32_t i = 0; i < f->fill.count[t]; i++) {
                        assert_int_equal(socktally_row(f->reader, t, i, &row), SOCKTALLY_VALUE);
                        for (uint32_t c = 0; stly_schema_column(table, c, &column); c++)
                                check_field(f, &row, &column);
                }
        }
}

static void the_file_has_its_name_only_when_something_was_published(void **state) {
        struct fixture *f = *state;
        char path[128];
        struct stat st;

        assert_int_equal(access(fixture_path(f, path), F_OK), -1);
        assert_int_equal(fixture_open(f), -ENOENT);
        fixture_publish(f, 1);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode, S_IFREG | 0440);
        /* Nothing is left to allocate. */
        assert_true((uint64_t) st.st_blocks * 512 >= (uint64_t) st.st_size);
}

static void closing_takes_the_name_away_but_not_a_successors(void **state) {
        struct fixture *f = *state;
        struct segment *old = f->segment;
        char path[128];

        fixture_publish(f, 1);
        assert_int_equal(segment_new(&f->segment, &f->config), 0);
        fixture_publish(f, 1);
        segment_free(old, false);
        assert_int_equal(access(fixture_path(f, path), F_OK), 0);
        f->segment = segment_free(f->segment, false);
        assert_int_equal(access(path, F_OK), -1);
        assert_int_equal(rmdir(f->directory), 0);
}

static void a_fill_that_is_never_published_leaves_the_published_slot_alone(void **state) {
        struct fixture *f = *state;
        struct socktally_column column;
        struct socktally_row row;
        uint64_t value;

        fixture_publish(f, 3);
        for (int i = 0; i < 10; i++) {
                fixture_fill(f, 32);
                memset(f->fill.processes, 0xff, 32 * sizeof(*f->fill.processes));
        }
        fixture_take(f);
        assert_int_equal(socktally_count(f->reader, SOCKTALLY_TABLE_PROCESSES), 3);
        assert_int_equal(socktally_column(f->reader, SOCKTALLY_TABLE_PROCESSES, "tcp_rx_bytes", &column), 0);
        assert_int_equal(socktally_find_process(f->reader, FIXTURE_PID + 2, 20, &row), SOCKTALLY_VALUE);
        assert_int_equal(socktally_value(&row, &column, &value), SOCKTALLY_VALUE);
        assert_int_equal(value, fixture_counter(1, 2, SOCKTALLY_METRIC_tcp_rx_bytes));
        /* And the next one works as if nothing had been. */
        fixture_publish(f, 5);
        assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_NEW);
        assert_int_equal(socktally_count(f->reader, SOCKTALLY_TABLE_PROCESSES), 5);
}

static void more_rows_than_there_is_room_for_are_refused(void **state) {
        struct fixture *f = *state;

        fixture_publish(f, 32);
        fixture_fill(f, 32);
        f->fill.count[LAYOUT_TABLE_PROCESSES] = 33;
        assert_int_equal(segment_publish(f->segment, &f->fill), -ENOBUFS);
        assert_int_equal(segment_sequence(f->segment), 1);
        f->fill.count[LAYOUT_TABLE_PROCESSES] = 32;
        assert_int_equal(segment_publish(f->segment, &f->fill), 0);
        assert_int_equal(segment_publish(f->segment, &f->fill), -EINVAL);
}

static void nonsense_is_no_configuration(void **state) {
        struct fixture *f = *state;
        struct segment_config config = f->config;
        struct segment *segment;

        config.name = "../full";
        assert_int_equal(segment_new(&segment, &config), -EINVAL);
        config = f->config;
        memset(config.capacity, 0, sizeof(config.capacity));
        assert_int_equal(segment_new(&segment, &config), -EINVAL);
        config = f->config;
        config.capacity[LAYOUT_TABLE_PROCESSES] = LAYOUT_MAX_ROWS + 1;
        assert_int_equal(segment_new(&segment, &config), -EINVAL);
        config = f->config;
        config.directory = "/nonexistent/directory";
        assert_int_equal(segment_new(&segment, &config), -ENOENT);
}

static void a_memfd_is_sealed_and_its_descriptor_cannot_write(void **state) {
        struct fixture *f = *state;
        struct segment *file = f->segment;
        int fd, seals;

        f->config.directory = NULL;
        assert_int_equal(segment_new(&f->segment, &f->config), 0);
        fixture_publish(f, 8);
        seals = fcntl(segment_fd(f->segment), F_GET_SEALS);
        assert_true(seals & F_SEAL_SHRINK);
        assert_true(seals & F_SEAL_GROW);
        assert_true(seals & F_SEAL_SEAL);
        assert_int_equal(ftruncate(segment_fd(f->segment), 0), -1);
        assert_ptr_equal(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, segment_fd(f->segment), 0), MAP_FAILED);
        fd = dup(segment_fd(f->segment));
        assert_int_equal(socktally_open_fd(&f->reader, fd), 0);
        assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_NEW);
        assert_int_equal(socktally_count(f->reader, SOCKTALLY_TABLE_PROCESSES), 8);
        fixture_publish(f, 9);
        assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_NEW);
        assert_int_equal(socktally_count(f->reader, SOCKTALLY_TABLE_PROCESSES), 9);
        segment_free(file, false);
}

static void numbering_goes_on_where_a_predecessor_was(void **state) {
        struct fixture *f = *state;
        struct socktally_info info = { .size = sizeof(info) };

        segment_set_sequence(f->segment, 41);
        fixture_publish(f, 1);
        assert_int_equal(segment_sequence(f->segment), 42);
        fixture_take(f);
        assert_int_equal(socktally_get_info(f->reader, &info), 0);
        assert_int_equal(info.sequence, 42);
        for (int i = 0; i < 10; i++) {
                fixture_publish(f, 1);
                assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_NEW);
                assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_UNCHANGED);
        }
        assert_int_equal(socktally_get_info(f->reader, &info), 0);
        assert_int_equal(info.sequence, 52);
}

static void a_full_file_system_is_an_error_and_not_a_crash(void **state) {
        struct fixture *f = *state;
        struct segment_config config = f->config;
        struct segment *segment;

        if (mount("none", f->directory, "tmpfs", 0, "size=64k") < 0) {
                print_message("# cannot mount a tmpfs here: %s\n", strerror(errno));
                skip();
        }
        config.capacity[LAYOUT_TABLE_PROCESSES] = 1000;
        assert_int_equal(segment_new(&segment, &config), -ENOSPC);
        assert_int_equal(umount(f->directory), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(every_column_of_every_table_comes_out_as_it_went_in),
                CASE(the_file_has_its_name_only_when_something_was_published),
                CASE(closing_takes_the_name_away_but_not_a_successors),
                CASE(a_fill_that_is_never_published_leaves_the_published_slot_alone),
                CASE(more_rows_than_there_is_room_for_are_refused),
                CASE(nonsense_is_no_configuration),
                CASE(a_memfd_is_sealed_and_its_descriptor_cannot_write),
                CASE(numbering_goes_on_where_a_predecessor_was),
                CASE(a_full_file_system_is_an_error_and_not_a_crash),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
