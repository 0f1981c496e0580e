/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where everything was in the rows of layout 2.0, written down once: readers may have compiled it in. Only additions
 * are for this list, never a change.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "libclient/schema.h"
#include "libclient/socktally.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))
#define N_METRICS 63

static const struct {
        uint32_t table, id, offset, bytes, type;
        const char *name;
} columns[] = {
        { 0, 1002, 0, 8, SOCKTALLY_ID, "start_time" },    { 0, 1003, 8, 8, SOCKTALLY_GAUGE, "changed" },
        { 0, 1006, 16, 4, SOCKTALLY_ID, "kind" },         { 0, 1012, 20, 4, SOCKTALLY_GAUGE, "processes" },
        { 0, 1013, 24, 4, SOCKTALLY_GAUGE, "services" },  { 1, 1002, 0, 8, SOCKTALLY_ID, "start_time" },
        { 1, 1003, 8, 8, SOCKTALLY_GAUGE, "changed" },    { 1, 1005, 16, 4, SOCKTALLY_ID, "uid" },
        { 1, 1006, 20, 4, SOCKTALLY_ID, "kind" },         { 1, 1012, 24, 4, SOCKTALLY_GAUGE, "processes" },
        { 1, 1009, 32, 256, SOCKTALLY_TEXT, "service" },  { 2, 1002, 0, 8, SOCKTALLY_ID, "start_time" },
        { 2, 1003, 8, 8, SOCKTALLY_GAUGE, "changed" },    { 2, 1004, 16, 8, SOCKTALLY_ID, "cgroup_id" },
        { 2, 1001, 24, 4, SOCKTALLY_ID, "pid" },          { 2, 1005, 28, 4, SOCKTALLY_ID, "uid" },
        { 2, 1006, 32, 4, SOCKTALLY_ID, "kind" },         { 2, 1007, 36, 4, SOCKTALLY_GAUGE, "exited" },
        { 2, 1008, 40, 16, SOCKTALLY_TEXT, "comm" },      { 2, 1009, 56, 128, SOCKTALLY_TEXT, "service" },
        { 2, 1010, 184, 96, SOCKTALLY_TEXT, "app" },      { 2, 1011, 280, 80, SOCKTALLY_TEXT, "container" },
        { 2, 1018, 360, 192, SOCKTALLY_TEXT, "command_line" }, { 3, 1010, 32, 256, SOCKTALLY_TEXT, "app" },
        { 3, 1014, 288, 128, SOCKTALLY_TEXT, "display_name" }, { 3, 1015, 416, 32, SOCKTALLY_TEXT, "app_kind" },
        { 4, 1011, 32, 256, SOCKTALLY_TEXT, "container" }, { 4, 1014, 288, 128, SOCKTALLY_TEXT, "display_name" },
        { 4, 1016, 416, 32, SOCKTALLY_TEXT, "container_runtime" }, { 4, 1017, 448, 80, SOCKTALLY_TEXT, "pod" },
        { 5, 1005, 16, 4, SOCKTALLY_ID, "uid" },
};

/* Of each table: where metric 1 is, and those up to N_METRICS behind it. */
static const uint32_t metrics[] = { 56, 312, 568, 480, 560, 64 };
static const char *const names[] = { "host", "services", "processes", "apps", "containers", "users" };

static bool find(uint32_t table, uint32_t field_id, struct schema_column *ret_column) {
        for (uint32_t c = 0; stly_schema_column(stly_schema_table(table), c, ret_column); c++)
                if (ret_column->field_id == field_id)
                        return true;
        return false;
}

static void no_column_has_moved_or_changed(void **state) {
        struct schema_column column;

        for (size_t i = 0; i < N(columns); i++) {
                assert_true(find(columns[i].table, columns[i].id, &column));
                assert_string_equal(column.name, columns[i].name);
                assert_int_equal(column.offset, columns[i].offset);
                assert_int_equal(column.bytes, columns[i].bytes);
                assert_int_equal(column.type, columns[i].type);
        }
}

static void no_metric_has_moved(void **state) {
        struct schema_column column;

        for (uint32_t t = 0; t < N(metrics); t++) {
                assert_string_equal(stly_schema_table(t)->name, names[t]);
                for (uint32_t id = 1; id <= N_METRICS; id++) {
                        assert_true(find(t, id, &column));
                        assert_int_equal(column.offset, metrics[t] + 8 * (id - 1));
                        assert_int_equal(column.bytes, 8);
                }
        }
}

/* Also of tables that come later. */
static void columns_are_inside_their_row_and_beside_each_other(void **state) {
        for (uint32_t t = 0; t < LAYOUT_N_TABLES; t++) {
                const struct schema_table *table = stly_schema_table(t);
                unsigned char used[LAYOUT_MAX_ROW_SIZE] = { 0 };
                struct schema_column column;
                uint32_t n = 0;

                assert_int_equal(table->id, t);
                assert_int_equal(table->row_size % 8, 0);
                for (; stly_schema_column(table, n, &column); n++) {
                        assert_true(column.offset + column.bytes <= table->row_size);
                        for (uint32_t i = 0; i < column.bytes; i++)
                                assert_int_equal(used[column.offset + i]++, 0);
                }
                assert_int_equal(n, table->n_columns);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(no_column_has_moved_or_changed),
                cmocka_unit_test(no_metric_has_moved),
                cmocka_unit_test(columns_are_inside_their_row_and_beside_each_other),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
