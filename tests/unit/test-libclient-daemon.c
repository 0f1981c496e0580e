/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a reader gets its segment from a daemon, good or bad, and keeps one through restarts.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/clock.h"
#include "tests/unit/descriptors.h"
#include "tests/unit/fake-daemon.h"

#define PATIENCE_SECONDS 120 /* far more than anything here takes */
#define PATIENCE_USEC (PATIENCE_SECONDS * 1000000)

struct state {
        struct fixture *f;
        struct fake_daemon daemon;
        bool has_daemon;
        unsigned n_descriptors;
};

static int setup(void **state) {
        struct state *s = calloc(1, sizeof(*s));

        assert_non_null(s);
        s->n_descriptors = count_descriptors();
        *state = s;
        return fixture_setup((void **) &s->f);
}

/* Nothing that a daemon can send may cost the reader's process a descriptor. */
static int teardown(void **state) {
        struct state *s = *state;
        char path[128];
        int n;

        clock_real();
        if (s->has_daemon)
                fake_daemon_kill(&s->daemon);
        (void) unlink(fake_daemon_path(s->f, path));
        fixture_teardown((void **) &s->f);
        n = count_descriptors();
        n -= s->n_descriptors;
        free(s);
        return n;
}

static void start(struct state *s, enum behaviour behaviour, int error, bool is_memfd) {
        fake_daemon_start(&s->daemon, s->f, behaviour, error, is_memfd);
        s->has_daemon = true;
}

static void stop(struct state *s) {
        fake_daemon_kill(&s->daemon);
        s->has_daemon = false;
}

static int open_view(struct state *s, enum socktally_view view) {
        char path[128];
        struct socktally_options options = { .size = sizeof(options),
                                             .view = view,
                                             .socket_path = fake_daemon_path(s->f, path) };

        return socktally_open(&s->f->reader, &options);
}

static double seconds_since(const struct timespec *since) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (double) (now.tv_sec - since->tv_sec) + (double) (now.tv_nsec - since->tv_nsec) / 1e9;
}

static void the_daemon_hears_the_view_and_hands_over_a_segment(void **state) {
        struct state *s = *state;

        start(s, DAEMON_GRANTS, 0, true);
        assert_int_equal(open_view(s, SOCKTALLY_VIEW_BEST), 0);
        assert_int_equal(fake_daemon_view(&s->daemon), SOCKTALLY_VIEW_BEST);
        assert_int_equal(socktally_refresh(s->f->reader), SOCKTALLY_NEW);
        assert_int_equal(socktally_count(s->f->reader, SOCKTALLY_TABLE_PROCESSES), 8);
        fake_daemon_publish(&s->daemon);
        assert_int_equal(socktally_refresh(s->f->reader), SOCKTALLY_NEW);
        s->f->reader = socktally_close(s->f->reader);
        assert_int_equal(open_view(s, SOCKTALLY_VIEW_PUBLIC), 0);
        assert_int_equal(fake_daemon_view(&s->daemon), SOCKTALLY_VIEW_PUBLIC);
}

static void a_refusal_is_the_error(void **state) {
        struct state *s = *state;

        start(s, DAEMON_REFUSES, EACCES, true);
        assert_int_equal(open_view(s, SOCKTALLY_VIEW_FULL), -EACCES);
        stop(s);
        start(s, DAEMON_REFUSES, EPROTONOSUPPORT, true);
        assert_int_equal(open_view(s, SOCKTALLY_VIEW_FULL), -EPROTONOSUPPORT);
        stop(s);
        start(s, DAEMON_REFUSES_UNASKED, EUSERS, true);
        for (int i = 0; i < 50; i++) /* it hangs up before or after our hello */
                assert_int_equal(open_view(s, SOCKTALLY_VIEW_FULL), -EUSERS);
        stop(s);
        start(s, DAEMON_REFUSES, 4711, true);
        assert_int_equal(open_view(s, SOCKTALLY_VIEW_FULL), -EPROTO);
}

static void a_daemon_that_is_not_ready_is_asked_again(void **state) {
        struct state *s = *state;

        start(s, DAEMON_ASKS_FOR_PATIENCE, 0, true);
        assert_int_equal(open_view(s, SOCKTALLY_VIEW_BEST), 0);
        assert_int_equal(fake_daemon_hellos(&s->daemon), 3);
        assert_int_equal(socktally_refresh(s->f->reader), SOCKTALLY_NEW);
}

/* systemd listens for a daemon that was stopped, and starts it when the first reader connects. */
static void a_daemon_that_starts_slowly_is_waited_for(void **state) {
        struct state *s = *state;

        start(s, DAEMON_TAKES_ITS_TIME, 0, true);
        assert_int_equal(open_view(s, SOCKTALLY_VIEW_BEST), 0);
        assert_int_equal(fake_daemon_hellos(&s->daemon), 1);
        assert_int_equal(socktally_refresh(s->f->reader), SOCKTALLY_NEW);
}

static void a_daemon_that_fails_to_start_is_not_waited_for_any_longer(void **state) {
        struct state *s = *state;

        start(s, DAEMON_FAILS_TO_START, 0, true);
        assert_int_equal(open_view(s, SOCKTALLY_VIEW_BEST), -ECONNRESET);
}

static void a_reader_that_comes_while_one_daemon_follows_another_asks_again(void **state) {
        struct state *s = *state;

        start(s, DAEMON_HANGS_UP_ONCE, 0, true);
        assert_int_equal(open_view(s, SOCKTALLY_VIEW_BEST), 0);
        assert_int_equal(fake_daemon_hellos(&s->daemon), 2);
        assert_int_equal(socktally_refresh(s->f->reader), SOCKTALLY_NEW);
}

static void a_mute_daemon_is_given_up(void **state) {
        struct state *s = *state;

        start(s, DAEMON_SAYS_NOTHING, 0, true);
        assert_int_equal(open_view(s, SOCKTALLY_VIEW_BEST), -ETIMEDOUT);
        assert_int_equal(fake_daemon_hellos(&s->daemon), 1); /* it keeps its place in the queue */
}

static void a_mute_daemons_file_does_as_well(void **state) {
        struct state *s = *state;

        start(s, DAEMON_SAYS_NOTHING, 0, false);
        assert_int_equal(open_view(s, SOCKTALLY_VIEW_BEST), 0);
        assert_int_equal(socktally_refresh(s->f->reader), SOCKTALLY_NEW);
}

static void garbage_from_the_socket_is_an_error_and_leaks_nothing(void **state) {
        static const enum behaviour bad[] = { DAEMON_SENDS_HALF_A_MESSAGE, DAEMON_SENDS_NOISE,
                                              DAEMON_SENDS_NO_DESCRIPTOR, DAEMON_SENDS_TWO_DESCRIPTORS,
                                              DAEMON_SENDS_A_DESCRIPTOR_OF_SOMETHING_ELSE };
        struct state *s = *state;

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                start(s, bad[i], 0, true);
                assert_int_equal(open_view(s, SOCKTALLY_VIEW_BEST), -EPROTO);
                stop(s);
        }
        start(s, DAEMON_HANGS_UP, 0, true);
        assert_int_equal(open_view(s, SOCKTALLY_VIEW_BEST), -ECONNRESET);
}

static void without_a_daemon_the_error_says_so(void **state) {
        struct state *s = *state;

        assert_int_equal(open_view(s, SOCKTALLY_VIEW_BEST), -ENOENT);
        start(s, DAEMON_GRANTS, 0, true);
        stop(s);
        assert_int_equal(open_view(s, SOCKTALLY_VIEW_BEST), -ECONNREFUSED);
}

static void a_dead_daemons_file_is_no_daemon(void **state) {
        struct state *s = *state;

        start(s, DAEMON_GRANTS, 0, false);
        stop(s);
        assert_int_equal(open_view(s, SOCKTALLY_VIEW_BEST), -ECONNREFUSED);
        /* Who asks for that very file may have it. */
        assert_int_equal(fixture_open(s->f), 0);
        assert_int_equal(socktally_refresh(s->f->reader), SOCKTALLY_NEW);
        assert_int_equal(fixture_info(s->f).freshness, SOCKTALLY_STALE);
}

/* A killed daemon leaves `full`, which is closed to most users, and a socket unit goes on listening. */
static void the_file_of_a_view_for_others_is_no_error(void **state) {
        struct state *s = *state;
        struct fixture *f = s->f;
        struct socktally *last;
        int refreshed, waited, opened;
        char path[128];

        start(s, DAEMON_GRANTS, 0, false);
        assert_int_equal(open_view(s, SOCKTALLY_VIEW_BEST), 0);
        assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_NEW);
        stop(s);
        assert_int_equal(chmod(fixture_path(f, path), 0), 0);
        assert_int_equal(chmod(fake_daemon_path(f, path), 0666), 0);
        assert_int_equal(chmod(f->directory, 0711), 0);
        assert_true(geteuid() != 0 || seteuid(65534) == 0);
        refreshed = socktally_refresh(f->reader);
        waited = socktally_wait(f->reader, 100000);
        last = f->reader;
        opened = open_view(s, SOCKTALLY_VIEW_BEST);
        f->reader = last;
        assert_true(getuid() != 0 || seteuid(0) == 0);
        assert_int_equal(refreshed, SOCKTALLY_UNCHANGED);
        assert_int_equal(waited, SOCKTALLY_UNCHANGED);
        assert_int_equal(opened, -ECONNREFUSED);
        assert_int_equal(fixture_info(s->f).freshness, SOCKTALLY_STALE);
}

static void without_a_socket_the_widest_file_that_may_be_read_is_taken(void **state) {
        struct state *s = *state;
        struct segment *public;
        struct fixture *f = s->f;
        struct segment_config config = f->config;
        struct segment_fill fill;

        fixture_publish(f, 3);
        config.name = "public";
        config.view = SOCKTALLY_VIEW_PUBLIC;
        config.mode = 0444;
        config.capacity[LAYOUT_TABLE_PROCESSES] = 0;
        assert_int_equal(segment_new(&public, &config), 0);
        segment_begin(public, &fill);
        assert_int_equal(segment_publish(public, &fill), 0);

        assert_int_equal(open_view(s, SOCKTALLY_VIEW_BEST), 0);
        assert_int_equal(fixture_info(s->f).view, SOCKTALLY_VIEW_FULL);
        f->reader = socktally_close(f->reader);
        assert_int_equal(open_view(s, SOCKTALLY_VIEW_PUBLIC), 0);
        assert_int_equal(fixture_info(s->f).view, SOCKTALLY_VIEW_PUBLIC);
        f->reader = socktally_close(f->reader);
        f->segment = segment_free(f->segment, false);
        assert_int_equal(open_view(s, SOCKTALLY_VIEW_BEST), 0);
        assert_int_equal(fixture_info(s->f).view, SOCKTALLY_VIEW_PUBLIC);
        f->reader = socktally_close(f->reader);
        assert_int_equal(open_view(s, SOCKTALLY_VIEW_FULL), -ENOENT);
        segment_free(public, false);
}

static void the_environment_names_the_directory(void **state) {
        struct state *s = *state;

        start(s, DAEMON_GRANTS, 0, true);
        assert_int_equal(setenv("SOCKTALLY_RUNTIME_DIRECTORY", s->f->directory, 1), 0);
        assert_int_equal(socktally_open(&s->f->reader, NULL), 0);
        assert_int_equal(unsetenv("SOCKTALLY_RUNTIME_DIRECTORY"), 0);
        assert_int_equal(fake_daemon_hellos(&s->daemon), 1);
}

static void growth_comes_over_the_connection(void **state) {
        struct state *s = *state;

        start(s, DAEMON_GRANTS, 0, true);
        assert_int_equal(open_view(s, SOCKTALLY_VIEW_BEST), 0);
        assert_int_equal(socktally_refresh(s->f->reader), SOCKTALLY_NEW);
        for (int i = 0; i < 5; i++) {
                fake_daemon_grow(&s->daemon);
                assert_int_equal(socktally_refresh(s->f->reader), SOCKTALLY_CHANGED);
                fake_daemon_publish(&s->daemon);
                assert_int_equal(socktally_refresh(s->f->reader), SOCKTALLY_NEW);
        }
        assert_int_equal(fixture_info(s->f).sequence, 11);
        assert_int_equal(fake_daemon_hellos(&s->daemon), 1);
        /* Cut off meanwhile, the reader asks again. */
        fake_daemon_hang_up(&s->daemon);
        fake_daemon_grow(&s->daemon);
        assert_int_equal(socktally_wait(s->f->reader, PATIENCE_USEC), SOCKTALLY_CHANGED);
        assert_int_equal(fixture_info(s->f).sequence, 12);
        assert_int_equal(fake_daemon_hellos(&s->daemon), 2);
}

static void a_reader_finds_the_next_daemon_by_itself(void **state) {
        struct state *s = *state;

        start(s, DAEMON_GRANTS, 0, true);
        assert_int_equal(open_view(s, SOCKTALLY_VIEW_BEST), 0);
        for (uint64_t i = 2; i < 7; i++) {
                (void) socktally_refresh(s->f->reader);
                stop(s);
                assert_int_equal(fixture_info(s->f).freshness, SOCKTALLY_STALE);
                assert_int_equal(socktally_refresh(s->f->reader), SOCKTALLY_UNCHANGED);
                assert_int_equal(socktally_count(s->f->reader, SOCKTALLY_TABLE_PROCESSES), 8);
                s->f->config.incarnation = i;
                start(s, DAEMON_GRANTS, 0, true);
                assert_int_equal(socktally_wait(s->f->reader, PATIENCE_USEC), SOCKTALLY_CHANGED);
                assert_int_equal(fixture_info(s->f).incarnation, i);
                assert_int_equal(fixture_info(s->f).freshness, SOCKTALLY_FRESH);
        }
}

/* With a socket unit a connection starts the daemon, which is not what somebody wants who has just stopped it. */
static void a_daemon_that_stopped_in_good_order_is_not_called_back(void **state) {
        struct state *s = *state;
        struct timespec since;

        start(s, DAEMON_GRANTS, 0, false);
        assert_int_equal(open_view(s, SOCKTALLY_VIEW_BEST), 0);
        assert_int_equal(socktally_refresh(s->f->reader), SOCKTALLY_NEW);
        fake_daemon_close(&s->daemon);
        assert_int_equal(fake_daemon_hellos(&s->daemon), 1);
        clock_gettime(CLOCK_MONOTONIC, &since);
        while (seconds_since(&since) < 0.2)
                assert_int_equal(socktally_refresh(s->f->reader), SOCKTALLY_UNCHANGED);
        assert_int_equal(fake_daemon_hellos(&s->daemon), 1);
        assert_int_equal(fixture_info(s->f).freshness, SOCKTALLY_STALE);
        /* Once it runs again, it is asked again. */
        fake_daemon_reopen(&s->daemon);
        assert_int_equal(socktally_wait(s->f->reader, PATIENCE_USEC), SOCKTALLY_CHANGED);
        assert_int_equal(fake_daemon_hellos(&s->daemon), 2);
        assert_int_equal(fixture_info(s->f).freshness, SOCKTALLY_FRESH);
}

/* One that waits does so until a time that does not come. */
static void a_refresh_never_waits_for_a_daemon(void **state) {
        struct state *s = *state;

        start(s, DAEMON_GRANTS, 0, true);
        assert_int_equal(open_view(s, SOCKTALLY_VIEW_BEST), 0);
        assert_int_equal(socktally_refresh(s->f->reader), SOCKTALLY_NEW);
        stop(s);
        start(s, DAEMON_SAYS_NOTHING, 0, true);
        clock_still();
        alarm(PATIENCE_SECONDS);
        for (int i = 0; i < 100; i++)
                assert_int_equal(socktally_refresh(s->f->reader), SOCKTALLY_UNCHANGED);
        while (fake_daemon_hellos(&s->daemon) == 0) /* it takes its time to read */
                assert_int_equal(socktally_refresh(s->f->reader), SOCKTALLY_UNCHANGED);
        assert_int_equal(fake_daemon_hellos(&s->daemon), 1);
        assert_int_equal(fixture_info(s->f).freshness, SOCKTALLY_STALE);
        alarm(0);
}

static void without_a_daemon_a_refresh_looks_for_one_ever_less_often(void **state) {
        struct state *s = *state;
        struct timespec since;

        start(s, DAEMON_GRANTS, 0, true);
        assert_int_equal(open_view(s, SOCKTALLY_VIEW_BEST), 0);
        assert_int_equal(socktally_refresh(s->f->reader), SOCKTALLY_NEW);
        stop(s);
        start(s, DAEMON_HANGS_UP, 0, true);
        clock_gettime(CLOCK_MONOTONIC, &since);
        while (seconds_since(&since) < 0.5 || fake_daemon_hellos(&s->daemon) < 2)
                assert_int_equal(socktally_refresh(s->f->reader), SOCKTALLY_UNCHANGED);
        /* At once, then after 1, 2, 4, 8, 16, 32, 64 ms, and then every 100 ms; less often on a slow machine. */
        assert_true(fake_daemon_hellos(&s->daemon) <= 8 + 10 * seconds_since(&since));
}

static void wait_readable(const struct state *s) {
        struct pollfd pollfd = { .fd = socktally_fd(s->f->reader), .events = POLLIN };

        assert_true(pollfd.fd >= 0);
        assert_int_equal(poll(&pollfd, 1, PATIENCE_USEC / 1000), 1);
}

static bool is_readable(const struct state *s) {
        struct pollfd pollfd = { .fd = socktally_fd(s->f->reader), .events = POLLIN };

        return poll(&pollfd, 1, 0) > 0;
}

/* As an event loop does: refresh when the descriptor speaks, until something else than "unchanged" comes. */
static int loop_until_news(const struct state *s) {
        int r;

        do {
                wait_readable(s);
                r = socktally_refresh(s->f->reader);
        } while (r == SOCKTALLY_UNCHANGED);
        return r;
}

static void an_event_loop_hears_of_each_publication_and_of_restarts(void **state) {
        struct state *s = *state;
        int fd;

        start(s, DAEMON_GRANTS, 0, true);
        assert_int_equal(open_view(s, SOCKTALLY_VIEW_BEST), 0);
        fd = socktally_fd(s->f->reader);
        assert_int_equal(loop_until_news(s), SOCKTALLY_NEW);
        for (int i = 0; i < 20; i++) {
                assert_false(is_readable(s));
                fake_daemon_publish(&s->daemon);
                assert_true(is_readable(s));
                assert_int_equal(loop_until_news(s), SOCKTALLY_NEW);
        }
        fake_daemon_grow(&s->daemon);
        assert_true(is_readable(s));
        assert_int_equal(loop_until_news(s), SOCKTALLY_CHANGED);
        stop(s);
        assert_true(is_readable(s));
        assert_int_equal(socktally_refresh(s->f->reader), SOCKTALLY_UNCHANGED);
        start(s, DAEMON_GRANTS, 0, true);
        assert_int_equal(loop_until_news(s), SOCKTALLY_CHANGED);
        assert_false(is_readable(s));
        fake_daemon_publish(&s->daemon);
        assert_int_equal(loop_until_news(s), SOCKTALLY_NEW);
        assert_int_equal(socktally_fd(s->f->reader), fd);
}

static void a_subscriber_that_is_cut_off_connects_again(void **state) {
        struct state *s = *state;

        start(s, DAEMON_GRANTS, 0, true);
        assert_int_equal(open_view(s, SOCKTALLY_VIEW_BEST), 0);
        assert_true(socktally_fd(s->f->reader) >= 0);
        assert_int_equal(loop_until_news(s), SOCKTALLY_NEW);
        fake_daemon_hang_up(&s->daemon);
        while (fake_daemon_hellos(&s->daemon) < 2) {
                wait_readable(s);
                assert_true(socktally_refresh(s->f->reader) >= 0);
        }
        wait_readable(s);
        assert_int_equal(socktally_refresh(s->f->reader), SOCKTALLY_UNCHANGED);
        fake_daemon_publish(&s->daemon);
        assert_int_equal(loop_until_news(s), SOCKTALLY_NEW);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(the_daemon_hears_the_view_and_hands_over_a_segment),
                CASE(a_refusal_is_the_error),
                CASE(a_daemon_that_is_not_ready_is_asked_again),
                CASE(a_daemon_that_starts_slowly_is_waited_for),
                CASE(a_daemon_that_fails_to_start_is_not_waited_for_any_longer),
                CASE(a_reader_that_comes_while_one_daemon_follows_another_asks_again),
                CASE(a_mute_daemon_is_given_up),
                CASE(a_mute_daemons_file_does_as_well),
                CASE(garbage_from_the_socket_is_an_error_and_leaks_nothing),
                CASE(without_a_daemon_the_error_says_so),
                CASE(a_dead_daemons_file_is_no_daemon),
                CASE(the_file_of_a_view_for_others_is_no_error),
                CASE(without_a_socket_the_widest_file_that_may_be_read_is_taken),
                CASE(the_environment_names_the_directory),
                CASE(growth_comes_over_the_connection),
                CASE(a_reader_finds_the_next_daemon_by_itself),
                CASE(a_daemon_that_stopped_in_good_order_is_not_called_back),
                CASE(a_refresh_never_waits_for_a_daemon),
                CASE(without_a_daemon_a_refresh_looks_for_one_ever_less_often),
                CASE(an_event_loop_hears_of_each_publication_and_of_restarts),
                CASE(a_subscriber_that_is_cut_off_connects_again),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
