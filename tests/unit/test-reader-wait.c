/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What ends a reader's wait: a publication, the writer's death, its successor, a signal.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/clock.h"
#include "tests/unit/fixture.h"
#include "tests/unit/writer.h"

#define PATIENCE_USEC 120000000 /* far more than anything here takes */

static void publish_one(struct fixture *f) {
        fixture_publish(f, 4);
}

/* Its sleeps last for an hour: who is not woken is killed by its alarm. */
static void a_waiting_reader_wakes_when_something_is_published(void **state) {
        struct fixture *f = *state;
        int status;
        pid_t pid;

        clock_ahead();
        fixture_publish(f, 4);
        fixture_take(f);
        assert_int_equal(socktally_wait(f->reader, 0), SOCKTALLY_UNCHANGED);
        pid = writer_fork();
        if (pid == 0) {
                struct socktally *reader = f->reader; /* its own copy, with its own mapping */

                alarm(PATIENCE_USEC / 1000000);
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
        fixture_take(f);
        assert_int_equal(pipe(ready), 0);
        pid = writer_fork();
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
        writer = writer_start(f, publish_one);
        assert_int_equal(pipe(ready), 0);
        for (int i = 0; i < 10; i++) {
                readers[i] = writer_fork();
                if (readers[i] == 0) {
                        struct socktally_info info = { .size = sizeof(info) };

                        alarm(PATIENCE_USEC / 1000000);
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
        writer_kill(writer, SIGKILL);
        for (int i = 0; i < 10; i++) {
                assert_int_equal(waitpid(readers[i], &status, 0), readers[i]);
                assert_int_equal(status, 0);
        }
}

/* A daemon may take its time to come back; a reader that has looked in vain before must not sleep over it for long. */
static void a_successor_that_comes_late_is_found_soon_all_the_same(void **state) {
        struct fixture *f = *state;
        char path[128];
        uint64_t start;
        pid_t pid;

        pid = writer_start(f, publish_one);
        fixture_take(f);
        writer_kill(pid, SIGKILL);
        assert_int_equal(unlink(fixture_path(f, path)), 0);
        clock_still();
        assert_int_equal(socktally_wait(f->reader, 1500000), SOCKTALLY_UNCHANGED);
        start = clock_time();
        assert_int_equal(segment_new(&f->segment, &f->config), 0);
        fixture_publish(f, 3);
        assert_int_equal(socktally_wait(f->reader, PATIENCE_USEC), SOCKTALLY_CHANGED);
        assert_true(clock_time() - start <= FIXTURE_SECOND / 10); /* a second is what a long absence costs */
}

static void do_nothing(int signal) {
        (void) signal;
}

static void a_signal_ends_a_wait(void **state) {
        struct fixture *f = *state;
        struct sigaction action = { .sa_handler = do_nothing };
        struct itimerval timer = { .it_value.tv_usec = 20000 };

        fixture_publish(f, 4);
        fixture_take(f);
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
                CASE(a_waiting_reader_wakes_when_something_is_published),
                CASE(a_reader_waits_on_an_old_kernel_too),
                CASE(every_waiting_reader_is_told_that_the_writer_died),
                CASE(a_successor_that_comes_late_is_found_soon_all_the_same),
                CASE(a_signal_ends_a_wait),
                CASE(the_descriptor_of_a_reader_without_a_daemon_ticks),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
