/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a reader lives through: growth, restarts, a writer that closes, dies anywhere or freezes.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/clock.h"
#include "tests/unit/fixture.h"

#define PATIENCE_SECONDS 120 /* far more than anything here takes */
#define PATIENCE_USEC (PATIENCE_SECONDS * 1000000)

static struct socktally_info info_of(const struct fixture *f) {
        struct socktally_info info = { .size = sizeof(info) };

        assert_int_equal(socktally_get_info(f->reader, &info), 0);
        return info;
}

static int rate_of_host(const struct fixture *f, double *ret_rate) {
        struct socktally_column column;
        struct socktally_row row;

        assert_int_equal(socktally_column(f->reader, SOCKTALLY_TABLE_HOST, "tcp_tx_bytes", &column), 0);
        assert_int_equal(socktally_row(f->reader, SOCKTALLY_TABLE_HOST, 0, &row), SOCKTALLY_VALUE);
        return socktally_rate(&row, &column, ret_rate);
}

/* Every number in the snapshot is of one publication. */
static void check_snapshot(const struct fixture *f) {
        uint64_t sequence = info_of(f).sequence, value;
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

/* A child that does not outlive the test, even one that fails. */
static pid_t fork_child(void) {
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0)
                prctl(PR_SET_PDEATHSIG, SIGKILL);
        return pid;
}

/* A daemon in a process of its own: does what act says, tells that it has, and then lives until it is killed. */
static pid_t start_writer(struct fixture *f, void (*act)(struct fixture *f)) {
        int pipe_fds[2];
        pid_t pid;
        char done;

        f->segment = segment_free(f->segment, false);
        assert_int_equal(pipe(pipe_fds), 0);
        pid = fork_child();
        if (pid == 0) {
                if (segment_new(&f->segment, &f->config) < 0)
                        _exit(1);
                act(f);
                if (write(pipe_fds[1], "x", 1) != 1)
                        _exit(1);
                for (;;)
                        pause();
        }
        close(pipe_fds[1]);
        assert_int_equal(read(pipe_fds[0], &done, 1), 1);
        close(pipe_fds[0]);
        return pid;
}

static void kill_writer(pid_t pid, int signal) {
        int status;

        assert_int_equal(kill(pid, signal), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
}

static void after_growth_the_reader_moves_over_and_rates_go_on(void **state) {
        struct fixture *f = *state;
        uint64_t sequence = 2;
        double rate = -1;

        fixture_publish(f, 32);
        assert_int_equal(fixture_open(f), 0);
        assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_NEW);
        fixture_publish(f, 32);
        assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_NEW);
        for (uint32_t capacity = 64; capacity <= 1024; capacity *= 2) {
                fixture_replace(f, capacity, 32, 1);
                assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_CHANGED);
                check_snapshot(f);
                assert_int_equal(info_of(f).incarnation, 1);
                assert_int_equal(info_of(f).sequence, ++sequence);
                assert_int_equal(rate_of_host(f, &rate), SOCKTALLY_VALUE);
                assert_true(rate == 32e6);
                fixture_publish(f, 32);
                assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_NEW);
                assert_int_equal(rate_of_host(f, &rate), SOCKTALLY_VALUE);
                check_snapshot(f);
                assert_int_equal(info_of(f).sequence, ++sequence);
        }
        assert_int_equal(info_of(f).freshness, SOCKTALLY_FRESH);
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

        pid = start_writer(f, publish_twice);
        assert_int_equal(fixture_open(f), 0);
        assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_NEW);
        kill_writer(pid, SIGKILL);
        f->config.incarnation = 2;
        pid = start_writer(f, publish_from_ten_on);
        assert_int_equal(socktally_wait(f->reader, PATIENCE_USEC), SOCKTALLY_CHANGED);
        assert_int_equal(info_of(f).sequence, 12);
        assert_int_equal(info_of(f).incarnation, 2);
        assert_int_equal(info_of(f).freshness, SOCKTALLY_FRESH);
        assert_int_equal(rate_of_host(f, &rate), SOCKTALLY_NOT_TRACKED);
        check_snapshot(f);
        kill_writer(pid, SIGKILL);
}

static void a_writer_that_closes_leaves_its_readers_stale_with_their_data(void **state) {
        struct fixture *f = *state;

        fixture_publish(f, 8);
        assert_int_equal(fixture_open(f), 0);
        assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_NEW);
        assert_int_equal(info_of(f).freshness, SOCKTALLY_FRESH);
        f->segment = segment_free(f->segment, false);
        assert_int_equal(info_of(f).freshness, SOCKTALLY_STALE);
        assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_UNCHANGED);
        assert_int_equal(info_of(f).freshness, SOCKTALLY_STALE);
        check_snapshot(f);
        assert_int_equal(socktally_wait(f->reader, 30000), SOCKTALLY_UNCHANGED);
        /* And when one comes back, they find it. */
        assert_int_equal(segment_new(&f->segment, &f->config), 0);
        fixture_publish(f, 9);
        assert_int_equal(socktally_wait(f->reader, PATIENCE_USEC), SOCKTALLY_CHANGED);
        assert_int_equal(info_of(f).freshness, SOCKTALLY_FRESH);
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
                pid_t pid = start_writer(f, points[i]);

                assert_int_equal(fixture_open(f), 0);
                assert_int_equal(info_of(f).freshness, SOCKTALLY_FRESH);
                kill_writer(pid, i % 2 ? SIGKILL : SIGTERM);
                /* Only now it looks, at what the dead writer left. */
                assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_NEW);
                check_snapshot(f);
                assert_int_equal(socktally_count(f->reader, SOCKTALLY_TABLE_PROCESSES), 16);
                assert_int_equal(info_of(f).freshness, SOCKTALLY_STALE);
                f->reader = socktally_close(f->reader);
                /* And so does one that comes later. */
                assert_int_equal(fixture_open(f), 0);
                assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_NEW);
                check_snapshot(f);
                assert_int_equal(info_of(f).freshness, SOCKTALLY_STALE);
                f->reader = socktally_close(f->reader);
        }
}

static void a_writer_killed_before_its_first_publication_was_never_there(void **state) {
        struct fixture *f = *state;
        pid_t pid = start_writer(f, stop_before_the_first_is_published);
        char path[128];

        kill_writer(pid, SIGKILL);
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
        if (fork_child() != 0)
                return; /* the parent tells that we run, and waits; its death is what readers hear of */
        for (;;)
                fixture_publish(f, 32);
}

/* The one who publishes is killed at moments that nobody chose; the one who made the segment lives on. */
static void kills_at_random_moments_never_leave_half_a_publication(void **state) {
        struct fixture *f = *state;

        for (unsigned int i = 0; i < 40; i++) {
                struct timespec moment = { .tv_nsec = 100000 + (i * 7919 % 97) * 10007 };
                char path[128];
                pid_t group;

                f->segment = segment_free(f->segment, false);
                (void) unlink(fixture_path(f, path)); /* what the one before left */
                group = fork_child();
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
                nanosleep(&moment, NULL);
                assert_int_equal(kill(-group, SIGKILL), 0);
                assert_int_equal(waitpid(group, NULL, 0), group);
                while (socktally_refresh(f->reader) != SOCKTALLY_UNCHANGED)
                        check_snapshot(f);
                check_snapshot(f);
                f->reader = socktally_close(f->reader);
        }
}

/* Its sleeps last for an hour: who is not woken is killed by its alarm. */
static void a_waiting_reader_wakes_when_something_is_published(void **state) {
        struct fixture *f = *state;
        int status;
        pid_t pid;

        clock_ahead();
        fixture_publish(f, 4);
        assert_int_equal(fixture_open(f), 0);
        assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_NEW);
        assert_int_equal(socktally_wait(f->reader, 0), SOCKTALLY_UNCHANGED);
        pid = fork_child();
        if (pid == 0) {
                struct socktally *reader = f->reader; /* its own copy, with its own mapping */

                alarm(PATIENCE_SECONDS);
                for (uint64_t n = 2; n <= 50; n++) {
                        struct socktally_info info = { .size = sizeof(info) };

                        if (socktally_wait(reader, PATIENCE_USEC) != SOCKTALLY_NEW ||
                            socktally_get_info(reader, &info) < 0 || info.sequence < n)
                                _exit(1);
                        n = info.sequence;
                }
                _exit(0);
        }
        for (int i = 2; i <= 50; i++) {
                struct timespec pause = { .tv_nsec = 500000 };

                fixture_publish(f, 4);
                nanosleep(&pause, NULL); /* only to give it something to wait for */
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
}

/* As on a kernel before 5.16, or in a sandbox that has never heard of the call. */
static int forbid_futex_waitv(void) {
        struct sock_filter filter[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 449, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = { .len = 4, .filter = filter };

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -errno;
        return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 ? -errno : 0;
}

static void a_reader_waits_on_an_old_kernel_too(void **state) {
        struct fixture *f = *state;
        int ready[2], status;
        pid_t pid;
        char byte;

        fixture_publish(f, 4);
        assert_int_equal(fixture_open(f), 0);
        assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_NEW);
        assert_int_equal(pipe(ready), 0);
        pid = fork_child();
        if (pid == 0) {
                if (forbid_futex_waitv() < 0)
                        _exit(77);
                if (socktally_wait(f->reader, 1000) != SOCKTALLY_UNCHANGED || write(ready[1], "x", 1) != 1)
                        _exit(1);
                for (int i = 0; i < 2; i++)
                        if (socktally_wait(f->reader, PATIENCE_USEC) != (i ? SOCKTALLY_CHANGED : SOCKTALLY_NEW) ||
                            write(ready[1], "x", 1) != 1)
                                _exit(1);
                _exit(0);
        }
        close(ready[1]);
        assert_int_equal(read(ready[0], &byte, 1), 1);
        fixture_publish(f, 4);
        assert_int_equal(read(ready[0], &byte, 1), 1);
        fixture_replace(f, 64, 4, 1);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        close(ready[0]);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
                skip();
        assert_int_equal(status, 0);
}

/* Ten readers sleep in futex_waitv; the kernel wakes one of them, and that one the others. Without the
 * death word they would sleep for an hour, and be killed by their alarms. */
static void every_waiting_reader_is_told_that_the_writer_died(void **state) {
        struct fixture *f = *state;
        pid_t writer, readers[10];
        int ready[2], status;
        char byte;

        clock_ahead();
        f->config.name = "public";
        writer = start_writer(f, publish_one);
        assert_int_equal(pipe(ready), 0);
        for (int i = 0; i < 10; i++) {
                readers[i] = fork_child();
                if (readers[i] == 0) {
                        struct socktally_info info = { .size = sizeof(info) };

                        alarm(PATIENCE_SECONDS);
                        if (fixture_open(f) < 0 || socktally_refresh(f->reader) != SOCKTALLY_NEW ||
                            write(ready[1], "x", 1) != 1)
                                _exit(1);
                        /* The successor has the name already, but nobody looks for it before the writer is dead. */
                        _exit(socktally_wait(f->reader, PATIENCE_USEC) == SOCKTALLY_CHANGED &&
                                              socktally_get_info(f->reader, &info) == 0 && info.incarnation == 2
                                      ? 0
                                      : 2);
                }
        }
        for (int i = 0; i < 10; i++)
                assert_int_equal(read(ready[0], &byte, 1), 1);
        close(ready[0]);
        close(ready[1]);
        f->config.incarnation = 2;
        assert_int_equal(segment_new(&f->segment, &f->config), 0);
        fixture_publish(f, 3);
        kill_writer(writer, SIGKILL);
        for (int i = 0; i < 10; i++) {
                assert_int_equal(waitpid(readers[i], &status, 0), readers[i]);
                assert_int_equal(status, 0);
        }
}

static void a_successor_that_is_there_already_is_found_by_the_first_refresh(void **state) {
        struct fixture *f = *state;
        pid_t pid = start_writer(f, publish_twice);

        assert_int_equal(fixture_open(f), 0);
        assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_NEW);
        kill_writer(pid, SIGKILL);
        assert_int_equal(segment_new(&f->segment, &f->config), 0);
        fixture_publish(f, 3);
        assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_CHANGED);
}

/* A daemon may take its time to come back; a reader that has looked in vain before must not sleep over it for long. */
static void a_successor_that_comes_late_is_found_soon_all_the_same(void **state) {
        struct fixture *f = *state;
        char path[128];
        uint64_t start;
        pid_t pid;

        pid = start_writer(f, publish_twice);
        assert_int_equal(fixture_open(f), 0);
        assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_NEW);
        kill_writer(pid, SIGKILL);
        assert_int_equal(unlink(fixture_path(f, path)), 0);
        clock_still();
        assert_int_equal(socktally_wait(f->reader, 1500000), SOCKTALLY_UNCHANGED);
        start = clock_time();
        assert_int_equal(segment_new(&f->segment, &f->config), 0);
        fixture_publish(f, 3);
        assert_int_equal(socktally_wait(f->reader, PATIENCE_USEC), SOCKTALLY_CHANGED);
        assert_true(clock_time() - start <= FIXTURE_SECOND / 10); /* a second is what a long absence costs */
}

static void a_frozen_writer_is_stale_after_three_intervals_and_fresh_when_it_goes_on(void **state) {
        struct fixture *f = *state;

        clock_still();
        fixture_fill(f, 2);
        f->fill.facts->interval_ns = FIXTURE_SECOND / 10;
        assert_int_equal(segment_publish(f->segment, &f->fill), 0);
        assert_int_equal(fixture_open(f), 0);
        assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_NEW);
        assert_int_equal(info_of(f).freshness, SOCKTALLY_FRESH);
        clock_move(3 * (FIXTURE_SECOND / 10));
        assert_int_equal(info_of(f).freshness, SOCKTALLY_FRESH);
        clock_move(1);
        assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_UNCHANGED);
        assert_int_equal(info_of(f).freshness, SOCKTALLY_STALE);
        check_snapshot(f);
        fixture_publish(f, 2);
        assert_int_equal(info_of(f).freshness, SOCKTALLY_FRESH);
        assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_NEW);
        assert_int_equal(info_of(f).freshness, SOCKTALLY_FRESH);
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
        assert_int_equal(info_of(f).freshness, SOCKTALLY_STALE);
        assert_int_equal(info_of(f).view, SOCKTALLY_VIEW_FULL);
        fixture_publish(f, 2);
        assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_NEW);
        assert_int_equal(info_of(f).view, SOCKTALLY_VIEW_FULL);
        check_snapshot(f);
        (void) segment_free(public, false);
        (void) unlink(public_path);
}

static void do_nothing(int signal) {
        (void) signal;
}

static void a_signal_ends_a_wait(void **state) {
        struct fixture *f = *state;
        struct sigaction action = { .sa_handler = do_nothing };
        struct itimerval timer = { .it_value.tv_usec = 20000 };

        fixture_publish(f, 4);
        assert_int_equal(fixture_open(f), 0);
        assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_NEW);
        assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
        assert_int_equal(setitimer(ITIMER_REAL, &timer, NULL), 0);
        assert_int_equal(socktally_wait(f->reader, PATIENCE_USEC), -EINTR);
}

static void the_descriptor_of_a_reader_without_a_daemon_ticks(void **state) {
        struct fixture *f = *state;
        struct pollfd pollfd = { .events = POLLIN };

        fixture_fill(f, 2);
        f->fill.facts->interval_ns = FIXTURE_SECOND / 10;
        assert_int_equal(segment_publish(f->segment, &f->fill), 0);
        assert_int_equal(fixture_open(f), 0);
        pollfd.fd = socktally_fd(f->reader);
        assert_true(pollfd.fd >= 0);
        assert_int_equal(socktally_fd(f->reader), pollfd.fd);
        for (int i = 0; i < 3; i++) {
                assert_int_equal(poll(&pollfd, 1, PATIENCE_USEC / 1000), 1);
                assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_NEW);
                assert_int_equal(poll(&pollfd, 1, 0), 0);
                fixture_fill(f, 2);
                f->fill.facts->interval_ns = FIXTURE_SECOND / 10;
                assert_int_equal(segment_publish(f->segment, &f->fill), 0);
        }
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
                CASE(a_waiting_reader_wakes_when_something_is_published),
                CASE(a_reader_waits_on_an_old_kernel_too),
                CASE(every_waiting_reader_is_told_that_the_writer_died),
                CASE(a_successor_that_is_there_already_is_found_by_the_first_refresh),
                CASE(a_successor_that_comes_late_is_found_soon_all_the_same),
                CASE(a_frozen_writer_is_stale_after_three_intervals_and_fresh_when_it_goes_on),
                CASE(a_late_writer_keeps_the_readers_of_its_full_view),
                CASE(a_signal_ends_a_wait),
                CASE(the_descriptor_of_a_reader_without_a_daemon_ticks),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
