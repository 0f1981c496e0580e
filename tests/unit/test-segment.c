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
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "libclient/schema.h"
#include "libclient/socktally.h"
#include "tests/unit/fixture.h"

static void check_field(const struct fixture *f, const struct socktally_row *row, const struct schema_column *expected) {
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
        struct socktally_row row;

        fixture_publish(f, 4);
        assert_int_equal(fixture_open(f), 0);
        assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_NEW);
        for (uint32_t t = 0; t < LAYOUT_N_TABLES; t++) {
                const struct schema_table *table = schema_table(t);

                assert_int_equal(socktally_column_count(f->reader, t), table->n_columns);
                assert_int_equal(socktally_count(f->reader, t), f->fill.count[t]);
                for (uint32_t i = 0; i < f->fill.count[t]; i++) {
                        assert_int_equal(socktally_row(f->reader, t, i, &row), SOCKTALLY_VALUE);
                        for (uint32_t c = 0; c < table->n_columns; c++)
                                check_field(f, &row, &table->columns[c]);
                }
        }
}

static void a_process_is_found_by_its_pid(void **state) {
        struct fixture *f = *state;
        struct socktally_column pid;
        struct socktally_row row;
        uint64_t value;

        fixture_publish(f, 16);
        assert_int_equal(fixture_open(f), 0);
        assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_NEW);
        assert_int_equal(socktally_column(f->reader, SOCKTALLY_TABLE_PROCESSES, "pid", &pid), 0);
        for (uint32_t i = 1; i < 16; i++) {
                assert_int_equal(socktally_find_process(f->reader, FIXTURE_PID + i, 0, &row), SOCKTALLY_VALUE);
                assert_int_equal(row.index, i);
                assert_int_equal(socktally_value(&row, &pid, &value), SOCKTALLY_VALUE);
                assert_int_equal(value, FIXTURE_PID + i);
        }
        assert_int_equal(socktally_find_process(f->reader, 7, 0, &row), SOCKTALLY_NOT_TRACKED);
        assert_int_equal(socktally_find_process(f->reader, 0, 0, &row), SOCKTALLY_NOT_TRACKED);
        assert_int_equal(socktally_find_process(f->reader, FIXTURE_PID + 1, 12345, &row), SOCKTALLY_NOT_TRACKED);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(every_column_of_every_table_comes_out_as_it_went_in, fixture_setup,
                                                fixture_teardown),
                cmocka_unit_test_setup_teardown(a_process_is_found_by_its_pid, fixture_setup, fixture_teardown),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
