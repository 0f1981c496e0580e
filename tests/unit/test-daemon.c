/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The whole daemon in a process of its own, with everything real but the collector. The test is its service manager and
 * its reader: it waits for what the daemon says on the notification socket and for what it publishes, never for time.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/daemon.h"
#include "daemon/privilege.h"
#include "daemon/publish/readers.h"
#include "libclient/socktally.h"
#include "tests/unit/script-collect.h"
#include "tests/unit/tree.h"

#define LONG_MSEC 120000 /* a failure, not a wait */

struct stage {
        struct tree *tree;
        struct script *script;
        struct socktally *reader;
        const char *directory, *config;
        int notify_fd, log_fd, listen_fd;
        pid_t pid;
        char log[8192];
};

static int setup(void **state) {
        struct stage *stage = calloc(1, sizeof *stage);
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        tree_setup((void **) &stage->tree);
        stage->directory = strdup(tree_path(stage->tree, "run"));
        stage->config = strdup(tree_file(stage->tree, "empty.conf", ""));
        stage->script = mmap(NULL, sizeof *stage->script, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        assert_ptr_not_equal(stage->script, MAP_FAILED);
        stage->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        strcpy(address.sun_path, tree_path(stage->tree, "notify"));
        assert_int_equal(bind(stage->notify_fd, (struct sockaddr *) &address, sizeof address), 0);
        setenv("NOTIFY_SOCKET", address.sun_path, 1);
        unsetenv("WATCHDOG_USEC");
        stage->log_fd = stage->listen_fd = -1;
        *state = stage;
        return 0;
}

static int teardown(void **state) {
        struct stage *stage = *state;

        if (stage->pid > 0) {
                kill(stage->pid, SIGKILL);
                waitpid(stage->pid, NULL, 0);
        }
        socktally_close(stage->reader);
        munmap(stage->script, sizeof *stage->script);
        close(stage->notify_fd);
        if (stage->log_fd >= 0)
                close(stage->log_fd);
        free((char *) stage->directory);
        free((char *) stage->config);
        tree_teardown((void **) &stage->tree);
        free(stage);
        return 0;
}

static int run_daemon(struct stage *stage, const char *interval, const char *idle_interval) {
        char directory[256], config[256], message[256];
        char *argv[] = { (char *) "socktallyd", directory, config, (char *) idle_interval, (char *) interval, NULL };
        struct daemon *daemon = NULL;
        struct options options;
        int r;

        snprintf(directory, sizeof directory, "--runtime-directory=%s", stage->directory);
        snprintf(config, sizeof config, "--config=%s", stage->config);
        script_use(stage->script);
        r = options_parse(interval ? 5 : 4, argv, &options, message, sizeof message);
        if (r >= 0)
                r = daemon_new(&daemon, &options, &script_operations);
        if (r >= 0)
                r = daemon_run(daemon);
        daemon_free(daemon);
        return r < 0 ? 1 : 0;
}

/* systemd's protocol, see sd_listen_fds(3). */
static void pass_socket(int fd) {
        char pid[16];

        assert_int_equal(dup2(fd, 3), 3);
        snprintf(pid, sizeof pid, "%d", (int) getpid());
        setenv("LISTEN_PID", pid, 1);
        setenv("LISTEN_FDS", "1", 1);
        setenv("LISTEN_FDNAMES", "readers", 1);
}

static pid_t spawn(struct stage *stage, const char *interval, const char *idle_interval) {
        int pipe_fds[2];
        pid_t pid;

        assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
        fflush(stdout);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                dup2(pipe_fds[1], STDERR_FILENO);
                if (stage->listen_fd >= 0)
                        pass_socket(stage->listen_fd);
                _exit(run_daemon(stage, interval, idle_interval));
        }
        close(pipe_fds[1]);
        if (stage->log_fd >= 0)
                close(stage->log_fd);
        stage->log_fd = pipe_fds[0];
        return pid;
}

/* Waits until the daemon has told its service manager this. */
static void expect_notification(struct stage *stage, const char *wanted) {
        struct pollfd poll_fd = { stage->notify_fd, POLLIN, 0 };
        char text[512] = "";

        do {
                ssize_t n;

                if (poll(&poll_fd, 1, LONG_MSEC) <= 0)
                        fail_msg("the daemon did not say %s", wanted);
                n = recv(stage->notify_fd, text, sizeof text - 1, 0);
                assert_true(n >= 0);
                text[n] = '\0';
        } while (!strstr(text, wanted));
}

static void start(struct stage *stage, const char *interval) {
        char missing[64];

        if (privilege_missing(missing, sizeof missing) > 0)
                skip(); /* the daemon would not start */
        stage->pid = spawn(stage, interval, "--idle-interval=1h");
        expect_notification(stage, "READY=1");
}

static int finish(struct stage *stage) {
        int status;

        assert_int_equal(waitpid(stage->pid, &status, 0), stage->pid);
        stage->pid = 0;
        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}

/* What was logged, once the daemon is gone. */
static const char *said(struct stage *stage) {
        ssize_t n = read(stage->log_fd, stage->log, sizeof stage->log - 1);

        stage->log[n > 0 ? n : 0] = '\0';
        return stage->log;
}

static void open_reader(struct stage *stage, bool is_by_file) {
        struct socktally_options options = { .size = sizeof options, .view = SOCKTALLY_VIEW_FULL };
        char path[256];

        snprintf(path, sizeof path, "%s/%s", stage->directory, is_by_file ? "full" : "readers");
        *(is_by_file ? &options.file_path : &options.socket_path) = path;
        assert_int_equal(socktally_open(&stage->reader, &options), 0);
        assert_true(socktally_refresh(stage->reader) >= 0);
}

static struct socktally_info info_of(const struct socktally *reader) {
        struct socktally_info info = { .size = sizeof info };

        assert_int_equal(socktally_get_info(reader, &info), 0);
        return info;
}

static uint64_t host_bytes(const struct socktally *reader) {
        struct socktally_column column;
        struct socktally_row row;
        uint64_t bytes = 0;

        assert_int_equal(socktally_row(reader, SOCKTALLY_TABLE_HOST, 0, &row), 0);
        assert_int_equal(socktally_column(reader, SOCKTALLY_TABLE_HOST, "tcp_tx_bytes", &column), 0);
        assert_int_equal(socktally_value(&row, &column, &bytes), SOCKTALLY_VALUE);
        return bytes;
}

static void it_is_ready_when_the_first_publication_is_out(void **state) {
        struct stage *stage = *state;

        atomic_store(&stage->script->n_rows, 3);
        atomic_store(&stage->script->bytes, 10);
        start(stage, "--interval=1h");
        open_reader(stage, true);
        assert_int_equal(info_of(stage->reader).sequence, 1);
        assert_int_equal(host_bytes(stage->reader), 60);
        assert_int_equal(socktally_count(stage->reader, SOCKTALLY_TABLE_PROCESSES), 3 + 3);
        assert_int_equal(stage->script->config.max_processes, 16384);
}

static void the_end_is_orderly_and_leaves_nothing(void **state) {
        struct stage *stage = *state;
        struct stat st;

        start(stage, "--interval=1h");
        open_reader(stage, false);
        atomic_store(&stage->script->n_rows, 1);
        atomic_store(&stage->script->bytes, 4711);
        assert_int_equal(kill(stage->pid, SIGTERM), 0);
        expect_notification(stage, "STOPPING=1");
        expect_notification(stage, "STATUS=Counting by tracepoint in entry mode, publishing every 1h to 1 reader.");
        assert_int_equal(finish(stage), 0);
        assert_int_equal(stat(stage->directory, &st), -1);
        assert_true(atomic_load(&stage->script->is_stopped));
        socktally_refresh(stage->reader);
        assert_int_equal(info_of(stage->reader).freshness, SOCKTALLY_STALE);
        assert_int_equal(host_bytes(stage->reader), 4711); /* the last publication has the last word */
}

static void it_publishes_each_interval_what_grew(void **state) {
        struct stage *stage = *state;

        atomic_store(&stage->script->n_rows, 1);
        start(stage, "--interval=100ms");
        open_reader(stage, false);
        for (unsigned long i = 1; i <= 5; i++) {
                atomic_store(&stage->script->bytes, i);
                for (unsigned j = 0; j < 100 && host_bytes(stage->reader) < i; j++)
                        assert_true(socktally_wait(stage->reader, 1000000) >= 0);
                assert_int_equal(host_bytes(stage->reader), i);
        }
        assert_int_equal(info_of(stage->reader).interval_ns, 100000000);
}

static void an_idle_daemon_slows_down_and_a_reader_wakes_it(void **state) {
        struct stage *stage = *state;
        uint64_t sequence;

        start(stage, "--interval=200ms");
        open_reader(stage, true); /* a file does not tell the daemon that somebody reads */
        while (info_of(stage->reader).interval_ns == 200000000)
                assert_int_equal(socktally_wait(stage->reader, LONG_MSEC * UINT64_C(1000)), SOCKTALLY_NEW);
        assert_int_equal(info_of(stage->reader).interval_ns, 3600 * UINT64_C(1000000000));
        sequence = info_of(stage->reader).sequence;
        while (socktally_wait(stage->reader, 250000) == SOCKTALLY_NEW) /* longer than the short interval */
                fail_msg("it did not slow down");
        atomic_store(&stage->script->n_rows, 1);
        atomic_store(&stage->script->bytes, 5);
        stage->reader = socktally_close(stage->reader);
        open_reader(stage, false);
        assert_true(info_of(stage->reader).sequence > sequence);
        assert_int_equal(host_bytes(stage->reader), 5);
        assert_int_equal(info_of(stage->reader).interval_ns, 200000000);
        assert_true(socktally_wait(stage->reader, LONG_MSEC * UINT64_C(1000)) > 0); /* and goes on */
}

static void the_watchdog_hears_of_it_only_while_it_publishes(void **state) {
        struct pollfd poll_fd;
        struct stage *stage = *state;
        char text[512];
        unsigned n;

        setenv("WATCHDOG_USEC", "300000", 1);
        unsetenv("WATCHDOG_PID");
        start(stage, "--interval=100ms");
        expect_notification(stage, "WATCHDOG=1");
        expect_notification(stage, "WATCHDOG=1");
        atomic_store(&stage->script->read_error, -EIO);
        n = atomic_load(&stage->script->n_reads);
        while (atomic_load(&stage->script->n_reads) < n + 2) { /* the failure has been seen */
                poll_fd = (struct pollfd) { stage->notify_fd, POLLIN, 0 };
                poll(&poll_fd, 1, 10);
        }
        while (recv(stage->notify_fd, text, sizeof text, MSG_DONTWAIT) >= 0)
                continue;
        poll_fd = (struct pollfd) { stage->notify_fd, POLLIN, 0 };
        assert_int_equal(poll(&poll_fd, 1, 350), 0); /* longer than the watchdog waits */
        atomic_store(&stage->script->read_error, 0);
        expect_notification(stage, "WATCHDOG=1");
}

static unsigned count(const char *text, const char *wanted) {
        unsigned n = 0;

        for (const char *p = text; (p = strstr(p, wanted)); p++)
                n++;
        return n;
}

static void an_error_is_said_once_and_its_end_too(void **state) {
        struct stage *stage = *state;
        unsigned n;

        start(stage, "--interval=100ms");
        open_reader(stage, true);
        atomic_store(&stage->script->read_error, -EIO);
        n = atomic_load(&stage->script->n_reads);
        while (atomic_load(&stage->script->n_reads) < n + 5)
                assert_true(socktally_wait(stage->reader, 100000) >= 0);
        atomic_store(&stage->script->read_error, 0);
        while (socktally_wait(stage->reader, 1000000) != SOCKTALLY_NEW)
                continue;
        kill(stage->pid, SIGTERM);
        assert_int_equal(finish(stage), 0);
        said(stage);
        assert_int_equal(count(stage->log, "Cannot read the counters: Input/output error"), 1);
        assert_int_equal(count(stage->log, "Can read the counters again"), 1);
        assert_int_equal(count(stage->log, "Not counting udp: the script has none"), 1);
}

static void missed_calls_are_published_and_said_once(void **state) {
        struct stage *stage = *state;

        start(stage, "--interval=100ms");
        open_reader(stage, true);
        assert_int_equal(info_of(stage->reader).missed_tx_calls, 0);
        for (unsigned long i = 1; i <= 3; i++) {
                atomic_store(&stage->script->missed[0], 2 * i);
                atomic_store(&stage->script->missed[1], i);
                while (info_of(stage->reader).missed_tx_calls < 2 * i || info_of(stage->reader).missed_rx_calls < i)
                        assert_true(socktally_wait(stage->reader, LONG_MSEC * UINT64_C(1000)) > 0);
        }
        kill(stage->pid, SIGTERM);
        assert_int_equal(finish(stage), 0);
        assert_int_equal(count(said(stage), "The kernel skipped "), 1);
        assert_int_equal(count(stage->log, "UDP bytes and calls are lower bounds by at most that many"), 1);
}

static void where_nothing_can_be_counted_it_runs_and_says_why(void **state) {
#define X(id, name, ...) #name,
        static const char *const metrics[SOCKTALLY_N_METRICS] = { SOCKTALLY_METRICS(X) };
#undef X
        struct socktally_column column;
        struct stage *stage = *state;
        struct socktally_row row;
        char missing[64];
        uint64_t value;

        if (privilege_missing(missing, sizeof missing) > 0)
                skip();
        stage->script->reason = "the script says so";
        stage->pid = spawn(stage, "--interval=100ms", "--idle-interval=1h");
        expect_notification(stage, "STATUS=Counting nothing: the script says so");
        expect_notification(stage, "READY=1");
        open_reader(stage, false);
        assert_int_equal(socktally_wait(stage->reader, LONG_MSEC * UINT64_C(1000)), SOCKTALLY_NEW);
        assert_int_equal(socktally_row(stage->reader, SOCKTALLY_TABLE_HOST, 0, &row), 0);
        for (unsigned i = 0; i < SOCKTALLY_N_METRICS; i++) {
                assert_int_equal(socktally_column(stage->reader, SOCKTALLY_TABLE_HOST, metrics[i], &column), 0);
                assert_int_equal(socktally_value(&row, &column, &value), SOCKTALLY_NOT_TRACKED);
        }
        kill(stage->pid, SIGTERM);
        assert_int_equal(finish(stage), 0);
        assert_string_equal(said(stage), "socktallyd: Cannot count: the script says so; every metric is unknown, "
                                         "`socktally doctor` tells more\n");
}

static void where_there_is_no_memory_it_says_so_and_leaves_nothing(void **state) {
        struct stage *stage = *state;
        char missing[64];
        struct stat st;

        if (privilege_missing(missing, sizeof missing) > 0)
                skip();
        atomic_store(&stage->script->start_error, -ENOMEM);
        stage->pid = spawn(stage, NULL, "--idle-interval=1h");
        assert_int_equal(finish(stage), 1);
        assert_string_equal(said(stage), "socktallyd: Cannot count: Cannot allocate memory\n");
        assert_int_equal(stat(stage->directory, &st), -1);
}

static void a_second_daemon_does_not_disturb_the_first(void **state) {
        struct stage *stage = *state;
        uint64_t incarnation;
        pid_t first;

        start(stage, "--interval=100ms");
        open_reader(stage, false);
        incarnation = info_of(stage->reader).incarnation;
        first = stage->pid;
        stage->pid = spawn(stage, NULL, "--idle-interval=1h");
        assert_int_equal(finish(stage), 1);
        stage->pid = first;
        assert_non_null(strstr(said(stage), "Another socktallyd serves"));
        assert_true(socktally_wait(stage->reader, LONG_MSEC * UINT64_C(1000)) > 0);
        assert_int_equal(info_of(stage->reader).incarnation, incarnation);
        assert_int_equal(info_of(stage->reader).freshness, SOCKTALLY_FRESH);
}

static void after_a_kill_the_next_one_starts_and_readers_come_back(void **state) {
        struct stage *stage = *state;
        uint64_t incarnation;

        start(stage, "--interval=100ms");
        open_reader(stage, false);
        incarnation = info_of(stage->reader).incarnation;
        kill(stage->pid, SIGKILL);
        waitpid(stage->pid, NULL, 0);
        start(stage, "--interval=100ms");
        for (unsigned i = 0; i < 100 && info_of(stage->reader).incarnation == incarnation; i++)
                socktally_wait(stage->reader, 200000);
        assert_int_not_equal(info_of(stage->reader).incarnation, incarnation);
        assert_int_equal(info_of(stage->reader).freshness, SOCKTALLY_FRESH);
}

static void a_socket_from_the_service_manager_is_used_and_left_alone(void **state) {
        struct stage *stage = *state;
        char path[256];
        struct stat st;

        assert_int_equal(mkdir(stage->directory, 0755), 0);
        snprintf(path, sizeof path, "%s/readers", stage->directory);
        assert_int_equal(readers_listen(path, &stage->listen_fd), 0);
        start(stage, "--interval=100ms");
        open_reader(stage, false);
        assert_int_equal(info_of(stage->reader).view, SOCKTALLY_VIEW_FULL);
        kill(stage->pid, SIGINT);
        assert_int_equal(finish(stage), 0);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(rmdir(stage->directory), 0); /* nothing else was left */
        close(stage->listen_fd);
}

static void the_file_is_read_its_mistakes_are_logged_and_the_command_line_wins(void **state) {
        struct stage *stage = *state;

        free((char *) stage->config);
        stage->config = strdup(tree_file(stage->tree, "a.conf", "[Socktally]\nProcesses=50\nInterval=soon\n"));
        start(stage, "--interval=150ms");
        open_reader(stage, true);
        assert_int_equal(info_of(stage->reader).interval_ns, 150000000);
        assert_int_equal(stage->script->config.max_processes, 50);
        kill(stage->pid, SIGTERM);
        assert_int_equal(finish(stage), 0);
        assert_non_null(strstr(said(stage), "a.conf:3: Interval=soon: must be a time span from 100ms to 1h"));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(it_is_ready_when_the_first_publication_is_out),
                CASE(the_end_is_orderly_and_leaves_nothing),
                CASE(it_publishes_each_interval_what_grew),
                CASE(an_idle_daemon_slows_down_and_a_reader_wakes_it),
                CASE(the_watchdog_hears_of_it_only_while_it_publishes),
                CASE(an_error_is_said_once_and_its_end_too),
                CASE(missed_calls_are_published_and_said_once),
                CASE(where_nothing_can_be_counted_it_runs_and_says_why),
                CASE(where_there_is_no_memory_it_says_so_and_leaves_nothing),
                CASE(a_second_daemon_does_not_disturb_the_first),
                CASE(after_a_kill_the_next_one_starts_and_readers_come_back),
                CASE(a_socket_from_the_service_manager_is_used_and_left_alone),
                CASE(the_file_is_read_its_mistakes_are_logged_and_the_command_line_wins),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
