/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Modules that are switched off, on and on for a while, on a whole daemon whose collector follows a script. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "daemon/clock.h"
#include "tests/unit/control-stage.h"

static void a_module_says_what_its_programs_cost(void **state) {
        struct stage *stage = control_start(state, NULL);
        struct control_module module;

        stage->ops->module_statistics(stage->control, MODULE_TCP, &module);
        assert_int_equal(module.events, 10);
        assert_int_equal(module.misses, 3);
        assert_int_equal(module.ns_per_event, 42);
        stage->ops->module_statistics(stage->control, MODULE_UDP, &module);
        assert_int_equal(module.ns_per_event, 0);
}

static void where_nothing_can_be_counted_all_is_unknown_and_modules_say_why(void **state) {
        struct stage *stage = *state;
        struct control_module module;
        uint64_t bytes;

        if (stage)
                stage->script = (struct script) { .reason = "the script says so", .n_rows = 1, .bytes = 50 };
        stage = control_start(state, NULL);
        assert_int_equal(stage->ops->sync(stage->control, &(uint64_t) { 0 }, &stage->error), 0);
        refresh(stage);
        assert_int_equal(read_bytes(stage, SOCKTALLY_TABLE_HOST, 0, &bytes), SOCKTALLY_NOT_TRACKED);
        for (size_t i = 0; i < N_MODULES; i++) {
                assert_int_equal(stage->ops->module(stage->control, i, &module), 0);
                assert_true(module.is_enabled);
                assert_string_equal(module.state, "failed");
                assert_string_equal(module.method, "");
                assert_string_equal(module.reason, "the script says so");
        }
        assert_int_equal(set_text(stage, SETTING_LOAD_MODE, "passive"), 0);
        assert_row(stage, "LoadMode", "passive", "run time");
}

static void a_module_that_is_off_is_unknown_and_comes_back(void **state) {
        struct stage *stage = control_start(state, NULL);
        struct control_module module;
        uint64_t bytes;

        atomic_store(&stage->script.n_rows, 1);
        atomic_store(&stage->script.bytes, 50);
        assert_int_equal(stage->ops->module_disable(stage->control, MODULE_TCP, &stage->error), 0);
        assert_int_equal(stage->ops->module(stage->control, MODULE_TCP, &module), 0);
        assert_string_equal(module.name, "tcp");
        assert_string_equal(module.state, "off");
        assert_string_equal(module.method, "");
        assert_row(stage, "Modules", "udp connect", "run time");
        refresh(stage);
        assert_int_equal(read_bytes(stage, SOCKTALLY_TABLE_HOST, 0, &bytes), SOCKTALLY_NOT_TRACKED);
        assert_int_equal(stage->ops->module_enable(stage->control, MODULE_TCP, 0, &stage->error), 0);
        assert_int_equal(stage->ops->module(stage->control, MODULE_TCP, &module), 0);
        assert_string_equal(module.state, "running");
        assert_string_equal(module.method, "tracepoint");
        assert_int_equal(module.expires_usec, 0);
        assert_row(stage, "Modules", "tcp udp connect", "run time");
        refresh(stage);
        assert_int_equal(read_bytes(stage, SOCKTALLY_TABLE_HOST, 0, &bytes), SOCKTALLY_VALUE);
        assert_int_equal(bytes, 50);
        assert_int_equal(stage->ops->module(stage->control, MODULE_UDP, &module), 0);
        assert_string_equal(module.state, "failed");
        assert_string_equal(module.reason, "the script has none");
}

static void a_lifetime_ends_by_itself_and_can_be_extended(void **state) {
        struct stage *stage = control_start(state, NULL);
        struct control_module module;
        uint64_t now = clock_usec(CLOCK_REALTIME);

        assert_int_equal(stage->ops->module_enable(stage->control, MODULE_TCP, 1000, &stage->error), 0);
        assert_int_equal(stage->ops->module_enable(stage->control, MODULE_TCP, CONTROL_LIFETIME_MAX_USEC,
                                                   &stage->error), 0);
        assert_int_equal(stage->ops->module(stage->control, MODULE_TCP, &module), 0);
        assert_in_range(module.expires_usec, now + CONTROL_LIFETIME_MAX_USEC,
                        now + CONTROL_LIFETIME_MAX_USEC + 60000000);
        assert_int_equal(stage->ops->module_enable(stage->control, MODULE_TCP, 1, &stage->error), 0);
        while (stage->control->modules->states[MODULE_TCP].is_enabled)
                assert_true(sd_event_run(stage->control->modules->event, UINT64_MAX) >= 0);
        assert_int_equal(stage->script.config.modules, MODULE(MODULE_UDP) | MODULE(MODULE_CONNECT));
        assert_int_equal(stage->ops->module(stage->control, MODULE_TCP, &module), 0);
        assert_int_equal(module.expires_usec, 0);
        assert_row(stage, "Modules", "udp connect", "run time"); /* it was not on for good */
}

static void a_lifetime_that_does_not_fit_is_refused(void **state) {
        static const uint64_t lifetimes[] = { CONTROL_LIFETIME_MAX_USEC + 1, UINT64_MAX / 2, UINT64_MAX };
        struct stage *stage = control_start(state, NULL);
        struct control_module module;

        for (size_t i = 0; i < 3; i++)
                assert_error(stage, stage->ops->module_enable(stage->control, MODULE_TCP, lifetimes[i], &stage->error),
                             CONTROL_INVALID_ARGUMENT, "up to 31536000000000 us (365 days)");
        assert_int_equal(stage->ops->module(stage->control, MODULE_TCP, &module), 0);
        assert_int_equal(module.expires_usec, 0);
        assert_error(stage, stage->ops->module_enable(stage->control, N_MODULES, 0, &stage->error),
                     CONTROL_NO_SUCH_MODULE, "tcp udp");
        assert_error(stage, stage->ops->module_disable(stage->control, SIZE_MAX, &stage->error),
                     CONTROL_NO_SUCH_MODULE, "tcp udp");
        assert_int_equal(stage->ops->module(stage->control, N_MODULES, &module), -ENOENT);
}

static void the_end_of_a_lifetime_is_tried_again_when_the_kernel_refuses(void **state) {
        struct stage *stage = control_start(state, NULL);

        assert_int_equal(stage->ops->module_enable(stage->control, MODULE_TCP, 1, &stage->error), 0);
        atomic_store(&stage->script.change_error, -EIO);
        for (unsigned i = 0; i < 3; i++) /* not longer than it takes to be called once */
                assert_true(sd_event_run(stage->control->modules->event, 100000) >= 0);
        assert_true(stage->control->modules->states[MODULE_TCP].is_enabled);
        assert_int_not_equal(stage->control->modules->states[MODULE_TCP].expires_usec, 0);
        atomic_store(&stage->script.change_error, 0);
        while (stage->control->modules->states[MODULE_TCP].is_enabled)
                assert_true(sd_event_run(stage->control->modules->event, UINT64_MAX) >= 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, control_setup, control_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(a_module_says_what_its_programs_cost),
                CASE(where_nothing_can_be_counted_all_is_unknown_and_modules_say_why),
                CASE(a_module_that_is_off_is_unknown_and_comes_back),
                CASE(a_lifetime_ends_by_itself_and_can_be_extended),
                CASE(a_lifetime_that_does_not_fit_is_refused),
                CASE(the_end_of_a_lifetime_is_tried_again_when_the_kernel_refuses),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
