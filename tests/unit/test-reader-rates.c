/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rates: what grew between two snapshots, and of which row.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/fixture.h"

static int rate_of(const struct socktally_row *row, const char *name, double *ret_rate) {
        struct socktally_column column;

        assert_int_equal(socktally_column(row->reader, row->table, name, &column), 0);
        return socktally_rate(row, &column, ret_rate);
}

static void a_rate_is_growth_per_second_between_two_snapshots(void **state) {
        struct fixture *f = *state;
        struct socktally_row row;
        double rate = -1;

        fixture_publish(f, 5);
        fixture_take(f);
        assert_int_equal(socktally_row(f->reader, SOCKTALLY_TABLE_PROCESSES, 2, &row), SOCKTALLY_VALUE);
        assert_int_equal(rate_of(&row, "tcp_tx_bytes", &rate), SOCKTALLY_NOT_TRACKED);
        /* Two publications later, two seconds of the sampler's clock: 2 million per 2 seconds. */
        fixture_publish(f, 5);
        fixture_publish(f, 5);
        assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_NEW);
        for (enum socktally_table t = SOCKTALLY_TABLE_HOST; t <= SOCKTALLY_TABLE_PROCESSES; t++)
                for (size_t i = 0; i < socktally_count(f->reader, t); i++) {
                        assert_int_equal(socktally_row(f->reader, t, i, &row), SOCKTALLY_VALUE);
                        assert_int_equal(rate_of(&row, "udp_rx_bytes", &rate), SOCKTALLY_VALUE);
                        assert_true(rate == (t == SOCKTALLY_TABLE_HOST ? 5e6 : 1e6));
                }
        /* Nothing new: the same two snapshots, the same rate. */
        assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_UNCHANGED);
        assert_int_equal(rate_of(&row, "udp_rx_bytes", &rate), SOCKTALLY_VALUE);
        assert_true(rate == 1e6);
        assert_int_equal(rate_of(&row, "tcp_rtt_us", &rate), -EINVAL);
        assert_int_equal(rate_of(&row, "pid", &rate), -EINVAL);
        assert_int_equal(rate_of(&row, "comm", &rate), -EINVAL);
}

static void a_new_row_grew_from_nothing(void **state) {
        struct fixture *f = *state;
        struct socktally_row row;
        double rate = -1;

        fixture_publish(f, 2);
        fixture_take(f);
        fixture_publish(f, 3);
        assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_NEW);
        assert_int_equal(socktally_find_process(f->reader, FIXTURE_PID + 2, 0, &row), SOCKTALLY_VALUE);
        assert_int_equal(rate_of(&row, "tcp_tx_bytes", &rate), SOCKTALLY_VALUE);
        assert_true(rate == (double) fixture_counter(2, 2, SOCKTALLY_METRIC_tcp_tx_bytes));
}

static void a_pid_that_was_used_again_does_not_inherit_a_rate(void **state) {
        struct fixture *f = *state;
        struct socktally_row row;
        double rate = -1;

        fixture_publish(f, 3);
        fixture_take(f);
        fixture_fill(f, 3);
        f->fill.processes[1].start_time = 5000;
        f->fill.processes[1].counters[SOCKTALLY_METRIC_tcp_tx_bytes] = 3;
        assert_int_equal(segment_publish(f->segment, &f->fill), 0);
        assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_NEW);
        assert_int_equal(socktally_find_process(f->reader, FIXTURE_PID + 1, 5000, &row), SOCKTALLY_VALUE);
        assert_int_equal(rate_of(&row, "tcp_tx_bytes", &rate), SOCKTALLY_VALUE);
        assert_true(rate == 3.0);
}

static void a_process_in_a_new_cgroup_keeps_its_history(void **state) {
        struct fixture *f = *state;
        struct socktally_row row;
        double rate = -1;

        fixture_publish(f, 3);
        fixture_take(f);
        fixture_fill(f, 3);
        f->fill.processes[1].cgroup_id = 999;
        assert_int_equal(segment_publish(f->segment, &f->fill), 0);
        assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_NEW);
        assert_int_equal(socktally_find_process(f->reader, FIXTURE_PID + 1, 0, &row), SOCKTALLY_VALUE);
        assert_int_equal(rate_of(&row, "tcp_tx_bytes", &rate), SOCKTALLY_VALUE);
        assert_true(rate == 1e6);
        /* With a row of its own for the new cgroup, that one begins at 0 and the old one goes on. */
        fixture_fill(f, 3);
        f->fill.processes[1].cgroup_id = 999;
        f->fill.processes[2].pid = FIXTURE_PID + 1;
        f->fill.processes[2].start_time = f->fill.processes[1].start_time;
        f->fill.processes[2].cgroup_id = 1000;
        f->fill.processes[2].counters[SOCKTALLY_METRIC_tcp_tx_bytes] = 8;
        assert_int_equal(segment_publish(f->segment, &f->fill), 0);
        assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_NEW);
        assert_int_equal(socktally_row(f->reader, SOCKTALLY_TABLE_PROCESSES, 2, &row), SOCKTALLY_VALUE);
        assert_int_equal(rate_of(&row, "tcp_tx_bytes", &rate), SOCKTALLY_VALUE);
        assert_true(rate == 8.0);
        assert_int_equal(socktally_row(f->reader, SOCKTALLY_TABLE_PROCESSES, 1, &row), SOCKTALLY_VALUE);
        assert_int_equal(rate_of(&row, "tcp_tx_bytes", &rate), SOCKTALLY_VALUE);
        assert_true(rate == 1e6);
}

static void a_counter_that_went_down_has_no_rate(void **state) {
        struct fixture *f = *state;
        struct socktally_row row;
        double rate = -1;

        fixture_publish(f, 3);
        fixture_take(f);
        fixture_fill(f, 3);
        f->fill.processes[1].counters[SOCKTALLY_METRIC_tcp_tx_bytes] = 0;
        assert_int_equal(segment_publish(f->segment, &f->fill), 0);
        assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_NEW);
        assert_int_equal(socktally_row(f->reader, SOCKTALLY_TABLE_PROCESSES, 1, &row), SOCKTALLY_VALUE);
        assert_int_equal(rate_of(&row, "tcp_tx_bytes", &rate), SOCKTALLY_NOT_TRACKED);
        assert_true(rate == -1.0);
        assert_int_equal(rate_of(&row, "tcp_rx_bytes", &rate), SOCKTALLY_VALUE);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(a_rate_is_growth_per_second_between_two_snapshots),
                CASE(a_new_row_grew_from_nothing),
                CASE(a_pid_that_was_used_again_does_not_inherit_a_rate),
                CASE(a_process_in_a_new_cgroup_keeps_its_history),
                CASE(a_counter_that_went_down_has_no_rate),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
