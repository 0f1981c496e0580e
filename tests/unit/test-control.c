/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The operations that the bus calls, on a whole daemon whose collector follows a script. The test turns the daemon's
 * loop itself; what readers see is read with the library from what was published.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <syslog.h>

#include <cmocka.h>

#include "tests/unit/control-stage.h"

static void turn_until_published(struct stage *stage) {
        uint64_t next = publish_next(stage->control->line->publish);

        while (publish_next(stage->control->line->publish) == next)
                assert_true(sd_event_run(stage->control->modules->event, UINT64_MAX) >= 0);
}

static void a_setting_takes_effect_and_says_where_it_came_from(void **state) {
        struct stage *stage = control_start(state, "--idle-interval=5s");

        assert_row(stage, "LoadMode", "entry", "default");
        assert_row(stage, "IdleInterval", "5s", "command line");
        assert_int_equal(set_text(stage, SETTING_LOAD_MODE, "passive"), 0);
        assert_int_equal(stage->script.config.load_mode, LOAD_PASSIVE);
        assert_string_equal(get_text(stage, SETTING_LOAD_MODE), "passive");
        assert_row(stage, "LoadMode", "passive", "run time");
        assert_int_equal(set_number(stage, SETTING_INTERVAL, 123456), 0);
        assert_int_equal(get_number(stage, SETTING_INTERVAL), 123456);
        assert_row(stage, "Interval", "123ms 456us", "run time");
        assert_int_equal(stage->script.n_changes, 1);
        assert_int_equal(set_text(stage, SETTING_LOAD_MODE, "passive"), 0);
        assert_int_equal(stage->script.n_changes, 1); /* nothing to do */
}

static void an_interval_moves_the_next_publication(void **state) {
        struct stage *stage = control_start(state, NULL);
        struct control_facts facts;
        uint64_t before;

        assert_int_equal(set_number(stage, SETTING_IDLE_INTERVAL, UINT64_C(3600000000)), 0);
        assert_int_equal(set_number(stage, SETTING_INTERVAL, UINT64_C(3600000000)), 0);
        turn_until_published(stage); /* at once: readers go by what the last publication says */
        before = stage->control->interval->published_usec;
        assert_int_equal(set_number(stage, SETTING_INTERVAL, 100000), 0);
        assert_int_equal(stage->control->interval->due_usec, before + 100000);
        turn_until_published(stage);
        stage->ops->facts(stage->control, &facts);
        assert_int_equal(facts.interval_usec, 100000);
}

static void bad_values_are_named_with_what_is_allowed_and_change_nothing(void **state) {
        struct stage *stage = control_start(state, NULL);
        char hostile[5000];

        assert_error(stage, set_text(stage, SETTING_LOAD_MODE, "all"), CONTROL_INVALID_ARGUMENT,
                     "LoadMode=all: must be passive, entry or return");
        assert_error(stage, set_text(stage, SETTING_LOAD_MODE, NULL), CONTROL_INVALID_ARGUMENT, "must be passive");
        assert_error(stage, set_text(stage, SETTING_ATTACH_METHOD, ""), CONTROL_INVALID_ARGUMENT, "must be auto");
        assert_error(stage, set_number(stage, SETTING_INTERVAL, 99999), CONTROL_INVALID_ARGUMENT,
                     "Interval=99999us: must be a time span from 100ms to 1h");
        assert_error(stage, set_number(stage, SETTING_INTERVAL, UINT64_MAX), CONTROL_INVALID_ARGUMENT, "1h");
        assert_error(stage, set_number(stage, SETTING_IDLE_INTERVAL, 500000), CONTROL_INVALID_ARGUMENT,
                     "IdleInterval=500ms: must be at least the interval, 1s, and at most 1h");
        assert_error(stage, set_number(stage, SETTING_IDLE_INTERVAL, 0), CONTROL_INVALID_ARGUMENT, "100ms to 1h");
        assert_error(stage, set_number(stage, N_SETTINGS, 1), CONTROL_INVALID_ARGUMENT, "no such setting");
        memset(hostile, '\n', sizeof hostile);
        hostile[sizeof hostile - 1] = '\0';
        assert_error(stage, set_text(stage, SETTING_LOAD_MODE, hostile), CONTROL_INVALID_ARGUMENT, "...: must be");
        assert_null(strchr(stage->error.message, '\n'));
        for (size_t i = 0; i < stage->ops->n_settings; i++) {
                struct control_settings_row row;

                assert_int_equal(stage->ops->settings_row(stage->control, i, &row), 0);
                assert_string_equal(row.source, "default");
        }
        assert_int_equal(stage->script.n_changes, 0);
}

static void a_value_is_judged_before_it_is_applied(void **state) {
        struct stage *stage = control_start(state, NULL);

        assert_error(stage, stage->ops->check(stage->control, SETTING_LOAD_MODE,
                                              &(struct control_value) { .text = "all" }, &stage->error),
                     CONTROL_INVALID_ARGUMENT, "must be passive, entry or return");
        assert_int_equal(stage->ops->check(stage->control, SETTING_INTERVAL, &(struct control_value) { 2000000, NULL },
                                           &stage->error), 0);
        assert_row(stage, "Interval", "1s", "default");
        assert_int_equal(set_number(stage, SETTING_APPS, 0), 0);
        assert_int_equal(stage->script.n_changes, 0);
}

static void an_idle_interval_that_nobody_set_follows_the_interval(void **state) {
        struct stage *stage = control_start(state, NULL);

        assert_int_equal(set_number(stage, SETTING_INTERVAL, 20000000), 0);
        assert_int_equal(get_number(stage, SETTING_IDLE_INTERVAL), 20000000);
        assert_row(stage, "IdleInterval", "20s", "default");
        assert_int_equal(set_number(stage, SETTING_INTERVAL, 1000000), 0);
        assert_row(stage, "IdleInterval", "10s", "default");
}

static void an_interval_that_contradicts_a_set_idle_interval_is_refused(void **state) {
        struct stage *stage = control_start(state, NULL);

        assert_int_equal(set_number(stage, SETTING_IDLE_INTERVAL, 3000000), 0);
        assert_error(stage, set_number(stage, SETTING_INTERVAL, 4000000), CONTROL_INVALID_ARGUMENT,
                     "Interval=4s: must be at least 100ms and at most the idle interval, 3s (run time)");
        assert_error(stage, set_number(stage, SETTING_IDLE_INTERVAL, 999999), CONTROL_INVALID_ARGUMENT,
                     "IdleInterval=999ms 999us: must be at least the interval, 1s, and at most 1h");
        assert_row(stage, "Interval", "1s", "default");
        assert_int_equal(set_number(stage, SETTING_INTERVAL, 3000000), 0);
}

static void what_is_so_already_is_no_change(void **state) {
        struct stage *stage = control_start(state, "--interval=500ms");

        assert_int_equal(set_number(stage, SETTING_INTERVAL, 500000), 0);
        assert_int_equal(set_text(stage, SETTING_LOAD_MODE, "entry"), 0);
        assert_int_equal(set_text(stage, SETTING_ATTACH_METHOD, "auto"), 0);
        assert_int_equal(set_number(stage, SETTING_SERVICES, 1), 0);
        assert_int_equal(stage->ops->table_set_capacity(stage->control, 0, 16384, &stage->error), 0);
        assert_int_equal(stage->ops->module_enable(stage->control, MODULE_TCP, 0, &stage->error), 0);
        assert_int_equal(stage->ops->set_log_level(stage->control, 6, &stage->error), 0);
        assert_row(stage, "Interval", "500ms", "command line");
        assert_row(stage, "LoadMode", "entry", "default");
        assert_row(stage, "Processes", "16384", "default");
        assert_row(stage, "Modules", "tcp udp connect", "default");
        assert_row(stage, "LogLevel", "info", "default");
        assert_int_equal(stage->script.n_changes, 0);
}

static uint64_t read_services(struct stage *stage, int *ret_answer) {
        struct socktally_column column;
        struct socktally_row row;
        uint64_t n = 0;

        refresh(stage);
        assert_int_equal(socktally_row(stage->reader, SOCKTALLY_TABLE_HOST, 0, &row), 0);
        assert_int_equal(socktally_column(stage->reader, SOCKTALLY_TABLE_HOST, "services", &column), 0);
        *ret_answer = socktally_value(&row, &column, &n);
        return socktally_count(stage->reader, SOCKTALLY_TABLE_SERVICES);
}

static void sync_asks_for_all_that_may_be_late(void **state) {
        struct stage *stage = control_start(state, NULL);

        assert_int_equal(atomic_load(&stage->script.n_passes_wanted), 0);
        assert_int_equal(stage->ops->sync(stage->control, &(uint64_t) { 0 }, &stage->error), 0);
        assert_int_equal(atomic_load(&stage->script.n_passes_wanted), 1);
}

static void services_that_are_not_kept_are_unknown_and_come_back_whole(void **state) {
        struct stage *stage = control_start(state, NULL);
        struct socktally_column column;
        struct socktally_row row;
        struct control_table table;
        uint64_t bytes;
        double rate;
        int answer;

        atomic_store(&stage->script.n_rows, 1);
        atomic_store(&stage->script.bytes, 50);
        assert_int_equal(stage->ops->sync(stage->control, &(uint64_t) { 0 }, &stage->error), 0);
        assert_int_equal(set_number(stage, SETTING_SERVICES, 0), 0);
        assert_int_equal(read_services(stage, &answer), 0);
        assert_int_equal(answer, SOCKTALLY_NOT_TRACKED);
        assert_int_equal(stage->ops->table(stage->control, 1, &table), 0);
        assert_int_equal(table.used, 0);
        atomic_store(&stage->script.bytes, 70);
        assert_int_equal(stage->ops->sync(stage->control, &(uint64_t) { 0 }, &stage->error), 0);
        refresh(stage);
        assert_int_equal(read_bytes(stage, SOCKTALLY_TABLE_HOST, 0, &bytes), SOCKTALLY_VALUE);
        assert_int_equal(bytes, 70);
        assert_int_equal(set_number(stage, SETTING_SERVICES, 1), 0);
        assert_int_equal(read_services(stage, &answer), N_GROUP_SPECIALS);
        assert_int_equal(answer, SOCKTALLY_VALUE);
        assert_int_equal(read_bytes(stage, SOCKTALLY_TABLE_SERVICES, GROUP_NONE, &bytes), SOCKTALLY_VALUE);
        assert_int_equal(bytes, 70);
        assert_int_equal(socktally_row(stage->reader, SOCKTALLY_TABLE_SERVICES, GROUP_NONE, &row), 0);
        assert_int_equal(socktally_column(stage->reader, SOCKTALLY_TABLE_SERVICES, "tcp_tx_bytes", &column), 0);
        assert_int_equal(socktally_rate(&row, &column, &rate), SOCKTALLY_NOT_TRACKED); /* not 70 in one interval */
}

static void the_level_of_the_log_changes_and_is_a_setting(void **state) {
        struct stage *stage = control_start(state, NULL);

        assert_int_equal(stage->ops->log_level(stage->control), 6);
        assert_int_equal(stage->ops->set_log_level(stage->control, 3, &stage->error), 0);
        assert_int_equal(stage->ops->log_level(stage->control), 3);
        assert_row(stage, "LogLevel", "err", "run time");
        assert_int_equal(setlogmask(0), LOG_UPTO(LOG_ERR));
        assert_int_equal(stage->ops->set_log_level(stage->control, 7, &stage->error), 0);
        assert_int_equal(setlogmask(0), LOG_UPTO(LOG_DEBUG));
}

static void what_waits_for_the_next_start_is_refused(void **state) {
        struct stage *stage = control_start(state, NULL);

        assert_error(stage, set_text(stage, SETTING_ATTACH_METHOD, "trampoline"), CONTROL_NOT_SUPPORTED,
                     "AttachMethod=trampoline: takes effect when the service starts again");
        assert_error(stage, set_number(stage, SETTING_MAPS_PER_CORE, 1), CONTROL_NOT_SUPPORTED,
                     "MapsPerCore=yes: takes effect when the service starts again");
        assert_row(stage, "AttachMethod", "auto", "default");
        assert_row(stage, "MapsPerCore", "no", "default");
        assert_int_equal(stage->script.n_changes, 0);
}

static void what_the_kernel_refuses_changes_nothing(void **state) {
        struct stage *stage = control_start(state, NULL);
        struct control_module module;

        atomic_store(&stage->script.change_error, -EOPNOTSUPP);
        assert_error(stage, set_text(stage, SETTING_LOAD_MODE, "return"), CONTROL_NOT_SUPPORTED,
                     "LoadMode=return: the script refuses");
        assert_row(stage, "LoadMode", "entry", "default");
        assert_error(stage, stage->ops->module_disable(stage->control, MODULE_UDP, &stage->error),
                     CONTROL_NOT_SUPPORTED, "udp off: the script refuses");
        assert_int_equal(stage->ops->module(stage->control, MODULE_UDP, &module), 0);
        assert_true(module.is_enabled);
        atomic_store(&stage->script.change_error, -EPERM);
        assert_error(stage, set_text(stage, SETTING_LOAD_MODE, "return"), CONTROL_NOT_PERMITTED,
                     "LoadMode=return: the script refuses");
        atomic_store(&stage->script.change_error, -ENOMEM);
        assert_error(stage, stage->ops->table_set_capacity(stage->control, 0, 100, &stage->error), CONTROL_NO_MEMORY,
                     "Processes=100: the script refuses");
        assert_row(stage, "Processes", "16384", "default");
}

static void check_table(struct stage *stage, uint64_t host_bytes) {
        uint64_t sum = 0, bytes;
        uint32_t n = 0;

        refresh(stage);
        assert_int_equal(read_bytes(stage, SOCKTALLY_TABLE_HOST, 0, &bytes), SOCKTALLY_VALUE);
        assert_int_equal(bytes, host_bytes);
        n = (uint32_t) socktally_count(stage->reader, SOCKTALLY_TABLE_PROCESSES);
        for (uint32_t i = 0; i < n; i++) {
                assert_int_equal(read_bytes(stage, SOCKTALLY_TABLE_PROCESSES, i, &bytes), SOCKTALLY_VALUE);
                sum += bytes;
        }
        assert_int_equal(sum, host_bytes);
}

static void a_table_gets_smaller_and_larger_and_readers_follow(void **state) {
        struct stage *stage = control_start(state, NULL);
        struct control_table table;

        atomic_store(&stage->script.n_rows, 60);
        atomic_store(&stage->script.bytes, 10);
        assert_int_equal(stage->ops->sync(stage->control, &(uint64_t) { 0 }, &stage->error), 0);
        check_table(stage, 10 * 60 * 61 / 2);
        atomic_store(&stage->script.bytes, 11);
        assert_int_equal(stage->ops->table_set_capacity(stage->control, 0, 16, &stage->error), 0);
        turn_until_published(stage);
        check_table(stage, 11 * 60 * 61 / 2);
        assert_int_equal(stage->ops->table(stage->control, 0, &table), 0);
        assert_string_equal(table.name, "processes");
        assert_int_equal(table.capacity, 16);
        assert_int_equal(table.used, 16);
        assert_int_equal(table.peak, 60);
        assert_int_equal(table.overflowed, 44);
        assert_int_equal(table.capacity_min, 16);
        assert_int_equal(table.capacity_max, 1048576);
        atomic_store(&stage->script.bytes, 12);
        assert_int_equal(stage->ops->table_set_capacity(stage->control, 0, 1048576, &stage->error), 0);
        turn_until_published(stage);
        check_table(stage, 12 * 60 * 61 / 2);
        assert_row(stage, "Processes", "1048576", "run time");
        assert_int_equal(stage->ops->table_set_capacity(stage->control, 1, 16, &stage->error), 0);
        turn_until_published(stage);
        check_table(stage, 12 * 60 * 61 / 2);
        assert_int_equal(stage->ops->table(stage->control, 1, &table), 0);
        assert_string_equal(table.name, "services");
        assert_int_equal(table.capacity, 16);
}

static void capacities_out_of_range_are_refused(void **state) {
        static const uint32_t capacities[] = { 0, 15, 1048577, UINT32_MAX };
        struct stage *stage = control_start(state, NULL);

        for (size_t number = 0; number < stage->ops->n_tables; number++)
                for (size_t i = 0; i < 4; i++)
                        assert_error(stage, stage->ops->table_set_capacity(stage->control, number, capacities[i],
                                                                           &stage->error),
                                     CONTROL_INVALID_ARGUMENT, "must be a number from 16 to 1048576");
        assert_error(stage, stage->ops->table_set_capacity(stage->control, 5, 100, &stage->error),
                     CONTROL_INVALID_ARGUMENT, "containers and users");
        assert_int_equal(stage->script.n_changes, 0);
}

static void tell(void *userdata) {
        ((struct stage *) userdata)->n_told++;
}

static void sync_publishes_now_and_tells_the_sequence(void **state) {
        struct stage *stage = control_start(state, NULL);
        struct control_facts facts;
        uint64_t first, second, bytes;

        assert_int_equal(stage->ops->sync(stage->control, &first, &stage->error), 0);
        stage->ops->watch(stage->control, tell, stage);
        atomic_store(&stage->script.n_rows, 1);
        atomic_store(&stage->script.bytes, 77);
        atomic_store(&stage->script.missed[0], 5);
        atomic_store(&stage->script.missed[1], 6);
        assert_int_equal(stage->ops->sync(stage->control, &second, &stage->error), 0);
        assert_int_equal(second, first + 1);
        assert_int_equal(stage->n_told, 1);
        refresh(stage);
        assert_int_equal(read_bytes(stage, SOCKTALLY_TABLE_HOST, 0, &bytes), SOCKTALLY_VALUE);
        assert_int_equal(bytes, 77);
        stage->ops->facts(stage->control, &facts);
        assert_int_equal(facts.sequence, second);
        assert_int_equal(facts.missed_tx_calls, 5);
        assert_int_equal(facts.missed_rx_calls, 6);
        assert_true(facts.started_usec > 0 && facts.kernel[0] && facts.version[0]);
        atomic_store(&stage->script.read_error, -EIO);
        assert_error(stage, stage->ops->sync(stage->control, &second, &stage->error), CONTROL_FAILED, "Input/output");
}

static void segments_are_handed_out_by_name(void **state) {
        struct stage *stage = control_start(state, NULL);
        int full, public, other = -7;

        assert_int_equal(stage->ops->open_segment(stage->control, "full", &full, &stage->error), 0);
        assert_int_equal(stage->ops->open_segment(stage->control, "public", &public, &stage->error), 0);
        assert_int_not_equal(full, public);
        assert_error(stage, stage->ops->open_segment(stage->control, "user\033[2J", &other, &stage->error),
                     CONTROL_INVALID_ARGUMENT, "View \"user?[2J\": must be public or full");
        assert_int_equal(other, -7);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, control_setup, control_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(a_setting_takes_effect_and_says_where_it_came_from),
                CASE(an_interval_moves_the_next_publication),
                CASE(bad_values_are_named_with_what_is_allowed_and_change_nothing),
                CASE(a_value_is_judged_before_it_is_applied),
                CASE(an_idle_interval_that_nobody_set_follows_the_interval),
                CASE(an_interval_that_contradicts_a_set_idle_interval_is_refused),
                CASE(what_is_so_already_is_no_change),
                CASE(sync_asks_for_all_that_may_be_late),
                CASE(services_that_are_not_kept_are_unknown_and_come_back_whole),
                CASE(the_level_of_the_log_changes_and_is_a_setting),
                CASE(what_the_kernel_refuses_changes_nothing),
                CASE(what_waits_for_the_next_start_is_refused),
                CASE(a_table_gets_smaller_and_larger_and_readers_follow),
                CASE(capacities_out_of_range_are_refused),
                CASE(sync_publishes_now_and_tells_the_sequence),
                CASE(segments_are_handed_out_by_name),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
