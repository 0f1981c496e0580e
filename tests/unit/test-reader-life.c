/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a reader lives through: growth, restarts, a writer that closes, dies anywhere or freezes.
 */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/clock.h"
#include "tests/unit/fixture.h"
#include "tests/unit/writer.h"

#define PATIENCE_USEC 120000000 /* far more than anything here takes */
#define MOST_TRIES 1000000      /* the same */

static int rate_of_host(const struct fixture *f, double *ret_rate) {
        struct socktally_column column;
        struct socktally_row row;

        assert_int_equal(socktally_column(f->reader, SOCKTALLY_TABLE_HOST, "tcp_tx_bytes", &column), 0);
        assert_int_equal(socktally_row(f->reader, SOCKTALLY_TABLE_HOST, 0, &row), SOCKTALLY_VALUE);
        return socktally_rate(&row, &column, ret_rate);
}

/* Every number in the snapshot is of one publication. */
static void check_snapshot(const struct fixture *f) {
        uint64_t sequence = fixture_info(f).sequence, value;
        struct socktally_column column;
        struct socktally_row row;

        for (size_t c = 0; c < SOCKTALLY_N_METRICS; c++) {
                assert_int_equal(socktally_column_at(f->reader, SOCKTALLY_TABLE_PROCESSES, c, &column), 0);
                for (size_t i = 0; i < socktally_count(f->reader, SOCKTALLY_TABLE_PROCESSES); i++) {
                        assert_int_equal(socktally_row(f->reader, SOCKTALLY_TABLE_PROCESSES, i, &row), SOCKTALLY_VALUE);
                        assert_int_equal(socktally_value(&row, &column, &value), SOCKTALLY_VALUE);
                        assert_int_equal(value, fixture_counter(sequence, (uint32_t) i, (uint32_t) c));
                }
        }
}

static void after_growth_the_reader_moves_over_and_rates_go_on(void **state) {
        struct fixture *f = *state;
        uint64_t sequence = 2;
        double rate = -1;

        fixture_publish(f, 32);
        fixture_take(f);
        fixture_publish(f, 32);
        assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_NEW);
        for (uint32_t capacity = 64; capacity <= 1024; capacity *= 2) {
                fixture_replace(f, capacity, 32, 1);
                assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_CHANGED);
                check_snapshot(f);
                assert_int_equal(fixture_info(f).incarnation, 1);
                assert_int_equal(fixture_info(f).sequence, ++sequence);
                assert_int_equal(rate_of_host(f, &rate), SOCKTALLY_VALUE);
                assert_true(rate == 32e6);
                fixture_publish(f, 32);
                assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_NEW);
                assert_int_equal(rate_of_host(f, &rate), SOCKTALLY_VALUE);
                check_snapshot(f);
                assert_int_equal(fixture_info(f).sequence, ++sequence);
        }
        assert_int_equal(fixture_info(f).freshness, SOCKTALLY_FRESH);
}

static void names_of_columns_can_still_be_printed_after_a_change(void **state) {
        struct fixture *f = *state;
        struct socktally_column column;

        fixture_publish(f, 4);
        assert_int_equal(fixture_open(f), 0);
        assert_int_equal(socktally_column(f->reader, SOCKTALLY_TABLE_PROCESSES, "comm", &column), 0);
        fixture_replace(f, 64, 32, 1);
        /* What the old segment still has comes first. */
        assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_NEW);
        assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_CHANGED);
        assert_string_equal(column.name, "comm");
        fixture_publish(f, 32);
        assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_NEW);
        fixture_publish(f, 32);
        assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_NEW);
        assert_string_equal(column.name, "comm");
}

static void publish_twice(struct fixture *f) {
        fixture_publish(f, 16);
        fixture_publish(f, 16);
}

static void publish_from_ten_on(struct fixture *f) {
        segment_set_sequence(f->segment, 10);
        publish_twice(f);
}

static void after_a_restart_rates_begin_anew(void **state) {
        struct fixture *f = *state;
        double rate = -1;
        pid_t pid;

        pid = writer_start(f, publish_twice);
        fixture_take(f);
        writer_kill(pid, SIGKILL);
        f->config.incarnation = 2;
        pid = writer_start(f, publish_from_ten_on);
        assert_int_equal(socktally_wait(f->reader, PATIENCE_USEC), SOCKTALLY_CHANGED);
        assert_int_equal(fixture_info(f).sequence, 12);
        assert_int_equal(fixture_info(f).incarnation, 2);
        assert_int_equal(fixture_info(f).freshness, SOCKTALLY_FRESH);
        assert_int_equal(rate_of_host(f, &rate), SOCKTALLY_NOT_TRACKED);
        check_snapshot(f);
        writer_kill(pid, SIGKILL);
}

static void a_writer_that_closes_leaves_its_readers_stale_with_their_data(void **state) {
        struct fixture *f = *state;

        fixture_publish(f, 8);
        fixture_take(f);
        assert_int_equal(fixture_info(f).freshness, SOCKTALLY_FRESH);
        f->segment = segment_free(f->segment, false);
        assert_int_equal(fixture_info(f).freshness, SOCKTALLY_STALE);
        assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_UNCHANGED);
        assert_int_equal(fixture_info(f).freshness, SOCKTALLY_STALE);
        check_snapshot(f);
        assert_int_equal(socktally_wait(f->reader, 30000), SOCKTALLY_UNCHANGED);
        /* And when one comes back, they find it. */
        assert_int_equal(segment_new(&f->segment, &f->config), 0);
        fixture_publish(f, 9);
        assert_int_equal(socktally_wait(f->reader, PATIENCE_USEC), SOCKTALLY_CHANGED);
        assert_int_equal(fixture_info(f).freshness, SOCKTALLY_FRESH);
        assert_int_equal(socktally_count(f->reader, SOCKTALLY_TABLE_PROCESSES), 9);
}

static void publish_one(struct fixture *f) {
        fixture_publish(f, 16);
}

static void begin_and_stop(struct fixture *f) {
        fixture_publish(f, 16);
        segment_begin(f->segment, &f->fill);
}

static void stop_with_all_rows_written(struct fixture *f) {
        fixture_publish(f, 16);
        fixture_fill(f, 32);
}

static void stop_in_the_middle_of_a_row(struct fixture *f) {
        for (int i = 0; i < 5; i++)
                fixture_publish(f, 16);
        segment_begin(f->segment, &f->fill);
        memset(f->fill.processes, 0xee, 5 * sizeof(*f->fill.processes) + 100);
        f->fill.facts->sequence = 1234567;
}

static void stop_before_the_first_is_published(struct fixture *f) {
        fixture_fill(f, 16);
}

static void a_writer_killed_at_any_point_leaves_a_whole_publication(void **state) {
        struct fixture *f = *state;
        static void (*const points[])(struct fixture *f) = { publish_one, begin_and_stop, stop_with_all_rows_written,
                                                             stop_in_the_middle_of_a_row };

        for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
                pid_t pid = writer_start(f, points[i]);

                assert_int_equal(fixture_open(f), 0);
                assert_int_equal(fixture_info(f).freshness, SOCKTALLY_FRESH);
                writer_kill(pid, i % 2 ? SIGKILL : SIGTERM);
                /* Only now it looks, at what the dead writer left. */
                assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_NEW);
                check_snapshot(f);
                assert_int_equal(socktally_count(f->reader, SOCKTALLY_TABLE_PROCESSES), 16);
                assert_int_equal(fixture_info(f).freshness, SOCKTALLY_STALE);
                f->reader = socktally_close(f->reader);
                /* And so does one that comes later. */
                assert_int_equal(fixture_open(f), 0);
                assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_NEW);
                check_snapshot(f);
                assert_int_equal(fixture_info(f).freshness, SOCKTALLY_STALE);
                f->reader = socktally_close(f->reader);
        }
}

static void a_writer_killed_before_its_first_publication_was_never_there(void **state) {
        struct fixture *f = *state;
        pid_t pid = writer_start(f, stop_before_the_first_is_published);
        char path[128];

        writer_kill(pid, SIGKILL);
        assert_int_equal(fixture_open(f), -ENOENT);
        /* Its successor sweeps up what it left. */
        assert_int_equal(segment_new(&f->segment, &f->config), 0);
        fixture_publish(f, 16);
        assert_int_equal(fixture_open(f), 0);
        f->segment = segment_free(f->segment, false);
        assert_int_equal(access(fixture_path(f, path), F_OK), -1);
        assert_int_equal(rmdir(f->directory), 0);
}

static void publish_without_end(struct fixture *f) {
        if (writer_fork() != 0)
                return; /* the parent tells that we run, and waits; its death is what readers hear of */
        for (;;)
                fixture_publish(f, 32);
}

/* The one who publishes, without a pause while somebody reads, is killed at moments that nobody chose; the one who made
 * the segment lives on. */
static void kills_at_random_moments_never_leave_half_a_publication(void **state) {
        struct fixture *f = *state;

        for (unsigned int i = 0; i < 40; i++) {
                struct timespec moment = { .tv_nsec = 100000 + (i * 7919 % 97) * 10007 };
                char path[128];
                pid_t group;

                f->segment = segment_free(f->segment, false);
                (void) unlink(fixture_path(f, path)); /* what the one before left */
                group = writer_fork();
                if (group == 0) {
                        setpgid(0, 0);
                        if (segment_new(&f->segment, &f->config) < 0)
                                _exit(1);
                        fixture_publish(f, 32);
                        publish_without_end(f);
                        for (;;)
                                pause();
                }
                while (fixture_open(f) < 0)
                        sched_yield();
                for (int n = 0, tries = 0; n < 20 && tries < MOST_TRIES; n += socktally_refresh(f->reader) > 0, tries++)
                        if (n > 0)
                                check_snapshot(f);
                nanosleep(&moment, NULL);
                assert_int_equal(kill(-group, SIGKILL), 0);
                assert_int_equal(waitpid(group, NULL, 0), group);
                while (socktally_refresh(f->reader) != SOCKTALLY_UNCHANGED)
                        check_snapshot(f);
                check_snapshot(f);
                f->reader = socktally_close(f->reader);
        }
}

static void a_successor_that_is_there_already_is_found_by_the_first_refresh(void **state) {
        struct fixture *f = *state;
        pid_t pid = writer_start(f, publish_twice);

        fixture_take(f);
        writer_kill(pid, SIGKILL);
        assert_int_equal(segment_new(&f->segment, &f->config), 0);
        fixture_publish(f, 3);
        assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_CHANGED);
}

static void a_frozen_writer_is_stale_after_three_intervals_and_fresh_when_it_goes_on(void **state) {
        struct fixture *f = *state;

        clock_still();
        fixture_fill(f, 2);
        f->fill.facts->interval_ns = FIXTURE_SECOND / 10;
        assert_int_equal(segment_publish(f->segment, &f->fill), 0);
        fixture_take(f);
        assert_int_equal(fixture_info(f).freshness, SOCKTALLY_FRESH);
        clock_move(3 * (FIXTURE_SECOND / 10));
        assert_int_equal(fixture_info(f).freshness, SOCKTALLY_FRESH);
        clock_move(1);
        assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_UNCHANGED);
        assert_int_equal(fixture_info(f).freshness, SOCKTALLY_STALE);
        check_snapshot(f);
        fixture_publish(f, 2);
        assert_int_equal(fixture_info(f).freshness, SOCKTALLY_FRESH);
        assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_NEW);
        assert_int_equal(fixture_info(f).freshness, SOCKTALLY_FRESH);
}

/* The public file of the same daemon would be there, and says less. */
static void a_late_writer_keeps_the_readers_of_its_full_view(void **state) {
        struct fixture *f = *state;
        struct segment_config config = f->config;
        struct socktally_options options = { .size = sizeof(options) };
        char socket_path[128], public_path[128];
        struct segment *public = NULL;
        struct segment_fill fill;

        clock_still();
        (void) snprintf(socket_path, sizeof(socket_path), "%s/readers", f->directory);
        (void) snprintf(public_path, sizeof(public_path), "%s/public", f->directory);
        options.socket_path = socket_path;
        config.name = "public";
        config.view = SOCKTALLY_VIEW_PUBLIC;
        config.capacity[LAYOUT_TABLE_PROCESSES] = 0;
        assert_int_equal(segment_new(&public, &config), 0);
        segment_begin(public, &fill);
        assert_int_equal(segment_publish(public, &fill), 0);
        fixture_fill(f, 2);
        f->fill.facts->interval_ns = FIXTURE_SECOND / 10;
        assert_int_equal(segment_publish(f->segment, &f->fill), 0);

        assert_int_equal(socktally_open(&f->reader, &options), 0);
        assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_NEW);
        clock_move(FIXTURE_SECOND);
        for (int i = 0; i < 3; i++, clock_move(FIXTURE_SECOND / 2))
                assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_UNCHANGED);
        assert_int_equal(fixture_info(f).freshness, SOCKTALLY_STALE);
        assert_int_equal(fixture_info(f).view, SOCKTALLY_VIEW_FULL);
        fixture_publish(f, 2);
        assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_NEW);
        assert_int_equal(fixture_info(f).view, SOCKTALLY_VIEW_FULL);
        check_snapshot(f);
        (void) segment_free(public, false);
        (void) unlink(public_path);
}

static int teardown(void **state) {
        clock_real();
        return fixture_teardown(state);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(after_growth_the_reader_moves_over_and_rates_go_on),
                CASE(names_of_columns_can_still_be_printed_after_a_change),
                CASE(after_a_restart_rates_begin_anew),
                CASE(a_writer_that_closes_leaves_its_readers_stale_with_their_data),
                CASE(a_writer_killed_at_any_point_leaves_a_whole_publication),
                CASE(a_writer_killed_before_its_first_publication_was_never_there),
                CASE(kills_at_random_moments_never_leave_half_a_publication),
                CASE(a_successor_that_is_there_already_is_found_by_the_first_refresh),
                CASE(a_frozen_writer_is_stale_after_three_intervals_and_fresh_when_it_goes_on),
                CASE(a_late_writer_keeps_the_readers_of_its_full_view),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
