/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Snapshots and lookups of a reader on a segment that lives.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/fixture.h"

static struct socktally_column column_of(const struct fixture *f, enum socktally_table table, const char *name) {
        struct socktally_column column = { .name = NULL };

        assert_int_equal(socktally_column(f->reader, table, name, &column), 0);
        return column;
}

static uint64_t value_of(const struct socktally_row *row, const char *name) {
        struct socktally_column column;
        uint64_t value = 0;

        assert_int_equal(socktally_column(row->reader, row->table, name, &column), 0);
        assert_int_equal(socktally_value(row, &column, &value), SOCKTALLY_VALUE);
        return value;
}

static void before_the_first_refresh_there_are_columns_but_no_rows(void **state) {
        struct fixture *f = *state;
        struct socktally_info info;
        struct socktally_row row;

        fixture_publish(f, 3);
        assert_int_equal(fixture_open(f), 0);
        (void) column_of(f, SOCKTALLY_TABLE_HOST, "udp_tx_bytes");
        assert_int_equal(socktally_count(f->reader, SOCKTALLY_TABLE_PROCESSES), 0);
        assert_int_equal(socktally_row(f->reader, SOCKTALLY_TABLE_PROCESSES, 0, &row), -ENOENT);
        assert_int_equal(socktally_find_process(f->reader, FIXTURE_PID + 1, 0, &row), SOCKTALLY_NOT_TRACKED);
        info = fixture_info(f);
        assert_int_equal(info.sequence, 0);
        assert_int_equal(info.freshness, SOCKTALLY_FRESH);
}

static void info_tells_the_facts_of_the_snapshot(void **state) {
        struct fixture *f = *state;
        struct socktally_info info;

        fixture_publish(f, 3);
        fixture_take(f);
        info = fixture_info(f);
        assert_int_equal(info.sequence, 1);
        assert_int_equal(info.time_ns, FIXTURE_SECOND);
        assert_int_equal(info.realtime_ns, FIXTURE_SECOND + 17);
        assert_int_equal(info.interval_ns, FIXTURE_SECOND);
        assert_int_equal(info.incarnation, 1);
        assert_int_equal(info.view, SOCKTALLY_VIEW_FULL);
        assert_int_equal(info.daemon_pid, getpid());
        assert_int_equal(info.layout_major, 2);
        assert_string_equal(info.daemon_version, socktally_version());
        assert_int_equal(info.sockets_tracked, 11);
        assert_int_equal(info.sockets_overflowed, 12);
        assert_int_equal(info.rows_overflowed, 13);
        assert_int_equal(info.cost_ns, 14);
        assert_int_equal(info.missed_tx_calls, 25);
        assert_int_equal(info.missed_rx_calls, 26);
        assert_int_equal(info.interval_missed_tx_calls, 15);
        assert_int_equal(info.interval_missed_rx_calls, 16);
        assert_int_equal(info.missed_is_exact, 1);
        assert_int_equal(info.complete_ns, 17);
}

static void an_older_caller_gets_only_what_it_knows(void **state) {
        struct fixture *f = *state;
        struct socktally_info info;

        fixture_publish(f, 1);
        fixture_take(f);
        memset(&info, 0xee, sizeof(info));
        info.size = 2 * sizeof(uint64_t);
        assert_int_equal(socktally_get_info(f->reader, &info), 0);
        assert_int_equal(info.sequence, 1);
        assert_int_equal(info.time_ns, UINT64_C(0xeeeeeeeeeeeeeeee));
        info.size = 0;
        assert_int_equal(socktally_get_info(f->reader, &info), -EINVAL);
}

static void a_snapshot_stays_as_it_is_until_the_next_refresh(void **state) {
        struct fixture *f = *state;
        struct socktally_row row;

        fixture_publish(f, 4);
        fixture_take(f);
        assert_int_equal(socktally_find_process(f->reader, FIXTURE_PID + 3, 0, &row), SOCKTALLY_VALUE);
        for (int i = 0; i < 7; i++) /* the writer goes round its slots */
                fixture_publish(f, 2);
        assert_int_equal(value_of(&row, "tcp_tx_bytes"), fixture_counter(1, 3, SOCKTALLY_METRIC_tcp_tx_bytes));
        assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_NEW);
        assert_int_equal(socktally_find_process(f->reader, FIXTURE_PID + 3, 0, &row), SOCKTALLY_NOT_TRACKED);
        assert_int_equal(socktally_find_process(f->reader, FIXTURE_PID + 1, 0, &row), SOCKTALLY_VALUE);
        assert_int_equal(value_of(&row, "tcp_tx_bytes"), fixture_counter(8, 1, SOCKTALLY_METRIC_tcp_tx_bytes));
}

static void every_process_is_found_in_a_full_table(void **state) {
        struct fixture *f = *state;
        struct socktally_row row;

        fixture_publish(f, 32);
        fixture_take(f);
        for (uint32_t i = 1; i < 32; i++) {
                assert_int_equal(socktally_find_process(f->reader, FIXTURE_PID + i, 0, &row), SOCKTALLY_VALUE);
                assert_int_equal(row.index, i);
                assert_int_equal(value_of(&row, "pid"), FIXTURE_PID + i);
        }
        assert_int_equal(socktally_find_process(f->reader, 7, 0, &row), SOCKTALLY_NOT_TRACKED);
        assert_int_equal(socktally_find_process(f->reader, 0, 0, &row), SOCKTALLY_NOT_TRACKED);
        assert_int_equal(socktally_find_process(f->reader, FIXTURE_PID + 1, 12345, &row), SOCKTALLY_NOT_TRACKED);
}

static void a_pid_that_was_used_again_leads_to_either_process(void **state) {
        struct fixture *f = *state;
        struct socktally_row row;

        fixture_fill(f, 4);
        for (uint32_t i = 1; i < 4; i++) {
                f->fill.processes[i].pid = 77;
                f->fill.processes[i].exited = i != 1;
        }
        assert_int_equal(segment_publish(f->segment, &f->fill), 0);
        fixture_take(f);
        for (uint32_t i = 1; i < 4; i++) {
                assert_int_equal(socktally_find_process(f->reader, 77, i * 10, &row), SOCKTALLY_VALUE);
                assert_int_equal(row.index, i);
        }
        /* Without a start time: the one that lives, although it is the oldest. */
        assert_int_equal(socktally_find_process(f->reader, 77, 0, &row), SOCKTALLY_VALUE);
        assert_int_equal(row.index, 1);

        fixture_fill(f, 4);
        for (uint32_t i = 1; i < 4; i++) {
                f->fill.processes[i].pid = 77;
                f->fill.processes[i].exited = 1;
        }
        assert_int_equal(segment_publish(f->segment, &f->fill), 0);
        assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_NEW);
        assert_int_equal(socktally_find_process(f->reader, 77, 0, &row), SOCKTALLY_VALUE);
        assert_int_equal(row.index, 3);
}

static void a_service_is_found_by_its_unit_and_manager(void **state) {
        struct fixture *f = *state;
        struct socktally_row row;

        fixture_publish(f, 8);
        fixture_take(f);
        assert_int_equal(socktally_find_service(f->reader, "service2.service", UINT32_MAX, &row), SOCKTALLY_VALUE);
        assert_int_equal(row.index, 5);
        assert_int_equal(socktally_find_service(f->reader, "service2.service", 1000, &row), SOCKTALLY_VALUE);
        assert_int_equal(row.index, 4);
        assert_int_equal(socktally_find_service(f->reader, "service2.service", 1001, &row), SOCKTALLY_NOT_TRACKED);
        assert_int_equal(socktally_find_service(f->reader, "service2", UINT32_MAX, &row), SOCKTALLY_NOT_TRACKED);
        assert_int_equal(socktally_find_service(f->reader, "", UINT32_MAX, &row), SOCKTALLY_NOT_TRACKED);
}

static void a_view_without_processes_says_not_permitted(void **state) {
        struct fixture *f = *state;
        struct socktally_column column;
        struct socktally_row row;

        f->config.capacity[LAYOUT_TABLE_PROCESSES] = 0;
        f->config.view = SOCKTALLY_VIEW_PUBLIC;
        segment_free(f->segment, false);
        assert_int_equal(segment_new(&f->segment, &f->config), 0);
        fixture_publish(f, 5);
        fixture_take(f);
        assert_int_equal(socktally_find_process(f->reader, FIXTURE_PID + 1, 0, &row), SOCKTALLY_NOT_PERMITTED);
        assert_int_equal(socktally_row(f->reader, SOCKTALLY_TABLE_PROCESSES, 0, &row), SOCKTALLY_NOT_PERMITTED);
        assert_int_equal(socktally_count(f->reader, SOCKTALLY_TABLE_PROCESSES), 0);
        assert_int_equal(socktally_column(f->reader, SOCKTALLY_TABLE_PROCESSES, "pid", &column), -ENOENT);
        assert_int_equal(socktally_count(f->reader, SOCKTALLY_TABLE_SERVICES), 5);
        assert_int_equal(socktally_find_service(f->reader, "elsewhere.service", 1000, &row), SOCKTALLY_NOT_PERMITTED);
        assert_int_equal(socktally_find_service(f->reader, "elsewhere.service", UINT32_MAX, &row),
                         SOCKTALLY_NOT_TRACKED);
}

static void an_uncounted_metric_is_not_tracked_and_never_zero(void **state) {
        struct fixture *f = *state;
        struct socktally_column calls, bytes, host_calls;
        struct socktally_row row;
        uint64_t value = 99;
        double rate;

        fixture_fill(f, 3);
        f->fill.known[LAYOUT_TABLE_PROCESSES] &= ~(UINT64_C(1) << SOCKTALLY_METRIC_tcp_tx_calls);
        assert_int_equal(segment_publish(f->segment, &f->fill), 0);
        fixture_take(f);
        calls = column_of(f, SOCKTALLY_TABLE_PROCESSES, "tcp_tx_calls");
        bytes = column_of(f, SOCKTALLY_TABLE_PROCESSES, "tcp_tx_bytes");
        assert_int_equal(socktally_row(f->reader, SOCKTALLY_TABLE_PROCESSES, 1, &row), SOCKTALLY_VALUE);
        assert_int_equal(socktally_value(&row, &calls, &value), SOCKTALLY_NOT_TRACKED);
        assert_int_equal(value, 99);
        assert_int_equal(socktally_value(&row, &bytes, &value), SOCKTALLY_VALUE);
        /* Of another table it may be known. */
        host_calls = column_of(f, SOCKTALLY_TABLE_HOST, "tcp_tx_calls");
        assert_int_equal(socktally_row(f->reader, SOCKTALLY_TABLE_HOST, 0, &row), SOCKTALLY_VALUE);
        assert_int_equal(socktally_value(&row, &host_calls, &value), SOCKTALLY_VALUE);
        /* Known from now on, but there is no growth to tell yet. */
        fixture_publish(f, 3);
        assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_NEW);
        assert_int_equal(socktally_row(f->reader, SOCKTALLY_TABLE_PROCESSES, 1, &row), SOCKTALLY_VALUE);
        assert_int_equal(socktally_value(&row, &calls, &value), SOCKTALLY_VALUE);
        assert_int_equal(socktally_rate(&row, &calls, &rate), SOCKTALLY_NOT_TRACKED);
        assert_int_equal(socktally_rate(&row, &bytes, &rate), SOCKTALLY_VALUE);
        fixture_publish(f, 3);
        assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_NEW);
        assert_int_equal(socktally_row(f->reader, SOCKTALLY_TABLE_PROCESSES, 1, &row), SOCKTALLY_VALUE);
        assert_int_equal(socktally_rate(&row, &calls, &rate), SOCKTALLY_VALUE);
}

static void an_unknown_uid_or_name_is_not_tracked(void **state) {
        struct fixture *f = *state;
        struct socktally_column uid, app, service_uid;
        struct socktally_row row;
        const char *text;
        uint64_t value;

        fixture_fill(f, 2);
        f->fill.processes[1].uid = LAYOUT_NO_UID;
        f->fill.processes[1].app[0] = 0;
        assert_int_equal(segment_publish(f->segment, &f->fill), 0);
        fixture_take(f);
        uid = column_of(f, SOCKTALLY_TABLE_PROCESSES, "uid");
        app = column_of(f, SOCKTALLY_TABLE_PROCESSES, "app");
        service_uid = column_of(f, SOCKTALLY_TABLE_SERVICES, "uid");
        assert_int_equal(socktally_row(f->reader, SOCKTALLY_TABLE_PROCESSES, 1, &row), SOCKTALLY_VALUE);
        assert_int_equal(socktally_value(&row, &uid, &value), SOCKTALLY_NOT_TRACKED);
        assert_int_equal(socktally_text(&row, &app, &text), SOCKTALLY_NOT_TRACKED);
        assert_int_equal(socktally_value(&row, &service_uid, &value), -EINVAL);
        assert_int_equal(socktally_row(f->reader, SOCKTALLY_TABLE_SERVICES, 1, &row), SOCKTALLY_VALUE);
        assert_int_equal(socktally_value(&row, &service_uid, &value), SOCKTALLY_VALUE);
        assert_int_equal(value, UINT32_MAX);
}

static void text_that_no_terminal_should_get_is_replaced(void **state) {
        struct fixture *f = *state;
        struct socktally_column comm, container;
        struct socktally_row row;
        const char *text;

        fixture_fill(f, 2);
        memcpy(f->fill.processes[1].comm, "a\x1b[2J\xc3\xa9\xff\xc2\x9b\xed\xa0\x80z", 15);
        memset(f->fill.processes[1].container, 'x', sizeof(f->fill.processes[1].container));
        assert_int_equal(segment_publish(f->segment, &f->fill), 0);
        fixture_take(f);
        comm = column_of(f, SOCKTALLY_TABLE_PROCESSES, "comm");
        container = column_of(f, SOCKTALLY_TABLE_PROCESSES, "container");
        assert_int_equal(socktally_row(f->reader, SOCKTALLY_TABLE_PROCESSES, 1, &row), SOCKTALLY_VALUE);
        assert_int_equal(socktally_text(&row, &comm, &text), SOCKTALLY_VALUE);
        assert_string_equal(text, "a?[2J\xc3\xa9??????z");
        assert_int_equal(socktally_text(&row, &container, &text), SOCKTALLY_VALUE);
        assert_int_equal(strlen(text), sizeof(f->fill.processes[1].container) - 1);
}

static void all_rows_can_be_copied_at_once(void **state) {
        struct fixture *f = *state;
        struct layout_process_row *rows = calloc(32, sizeof(*rows));
        size_t row_size = 0;

        assert_non_null(rows);
        fixture_publish(f, 20);
        fixture_take(f);
        assert_int_equal(socktally_copy_rows(f->reader, SOCKTALLY_TABLE_PROCESSES, rows, 20 * sizeof(*rows), &row_size),
                         20);
        assert_int_equal(row_size, sizeof(*rows));
        assert_memory_equal(rows, f->fill.processes, 20 * sizeof(*rows));
        assert_int_equal(socktally_copy_rows(f->reader, SOCKTALLY_TABLE_PROCESSES, rows, 20 * sizeof(*rows) - 1, NULL),
                         -ENOBUFS);
        free(rows);
}

static void bad_arguments_are_errors(void **state) {
        struct fixture *f = *state;
        struct socktally_options options = { .size = 1 };
        struct socktally_column column, stray = { .bytes = 8, .offset = 1u << 30, .table = SOCKTALLY_TABLE_HOST };
        struct {
                struct socktally_options options;
                uint64_t more;
        } newer = { .options.size = sizeof(newer), .more = 1 };
        struct socktally_row row, nothing = { .reader = NULL };
        struct socktally *reader;
        uint64_t value;

        assert_int_equal(socktally_open(NULL, NULL), -EINVAL);
        assert_int_equal(socktally_open(&reader, &options), -EINVAL);
        options = (struct socktally_options){ .size = sizeof(options), .view = 17 };
        assert_int_equal(socktally_open(&reader, &options), -EINVAL);
        assert_int_equal(socktally_open(&reader, &newer.options), -E2BIG);
        assert_int_equal(socktally_open_fd(&reader, -1), -EBADF);
        assert_int_equal(socktally_refresh(NULL), -EINVAL);
        assert_int_equal(socktally_wait(NULL, 0), -EINVAL);
        assert_int_equal(socktally_fd(NULL), -EINVAL);
        assert_int_equal(socktally_count(NULL, SOCKTALLY_TABLE_HOST), 0);
        assert_null(socktally_close(NULL));

        fixture_publish(f, 1);
        fixture_take(f);
        assert_int_equal(socktally_count(f->reader, 17), 0);
        assert_int_equal(socktally_row(f->reader, 17, 0, &row), -EINVAL);
        assert_int_equal(socktally_row(f->reader, SOCKTALLY_TABLE_HOST, 1, &row), -ENOENT);
        assert_int_equal(socktally_column(f->reader, SOCKTALLY_TABLE_HOST, "none such", &column), -ENOENT);
        assert_int_equal(socktally_column_at(f->reader, SOCKTALLY_TABLE_HOST, 1000, &column), -ENOENT);
        assert_int_equal(socktally_row(f->reader, SOCKTALLY_TABLE_HOST, 0, &row), SOCKTALLY_VALUE);
        assert_int_equal(socktally_value(&row, &stray, &value), -EINVAL);
        column = column_of(f, SOCKTALLY_TABLE_HOST, "tcp_tx_bytes");
        assert_int_equal(socktally_value(&nothing, &column, &value), -EINVAL);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(before_the_first_refresh_there_are_columns_but_no_rows),
                CASE(info_tells_the_facts_of_the_snapshot),
                CASE(an_older_caller_gets_only_what_it_knows),
                CASE(a_snapshot_stays_as_it_is_until_the_next_refresh),
                CASE(every_process_is_found_in_a_full_table),
                CASE(a_pid_that_was_used_again_leads_to_either_process),
                CASE(a_service_is_found_by_its_unit_and_manager),
                CASE(a_view_without_processes_says_not_permitted),
                CASE(an_uncounted_metric_is_not_tracked_and_never_zero),
                CASE(an_unknown_uid_or_name_is_not_tracked),
                CASE(text_that_no_terminal_should_get_is_replaced),
                CASE(all_rows_can_be_copied_at_once),
                CASE(bad_arguments_are_errors),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
