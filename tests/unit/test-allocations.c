/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An interval takes no memory: what grows with the tables was taken when they grew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "daemon/interval.h"
#include "tests/unit/allocations.h"
#include "tests/unit/control-stage.h"

static void blocks_are_counted(void **state) {
        unsigned long before = allocations();
        FILE *file;

        if (!allocations_are_counted())
                skip();
        file = fopen("/dev/null", "re"); /* the C library's own block */
        assert_int_equal(allocations() - before, 1);
        assert_non_null(file);
        fclose(file);
}

static void an_interval_takes_no_memory(void **state) {
        struct stage *stage;
        unsigned long before;

        if (!allocations_are_counted())
                skip();
        stage = control_start(state, NULL);
        atomic_store(&stage->script.n_rows, SCRIPT_MAX_ROWS);
        atomic_store(&stage->script.bytes, 1);
        assert_int_equal(interval_run(stage->control->interval), 0); /* all rows are new */
        before = allocations();
        for (unsigned i = 0; i < 10; i++) {
                atomic_store(&stage->script.bytes, 2 + i);
                assert_int_equal(interval_run(stage->control->interval), 0);
        }
        assert_int_equal(allocations() - before, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(blocks_are_counted),
                cmocka_unit_test_setup_teardown(an_interval_takes_no_memory, control_setup, control_teardown),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
