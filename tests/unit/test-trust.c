/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whose segments are mapped by readers that see other users than the daemon does: in a user namespace of their own, as
 * Flatpak and rootless containers make them, and in an image without the daemon's user.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/fake-daemon.h"

#define STRANGER 12345
#define OTHER 12346
#define WAIT_USEC 20000000 /* far more than anything here takes */
#define NO_NAMESPACE 77

struct state {
        struct fixture *f;
        struct fake_daemon daemon;
        bool has_daemon;
        int pair[2]; /* child and parent tell each other how far they are */
};

static int setup(void **state) {
        struct state *s = calloc(1, sizeof(*s));

        assert_non_null(s);
        *state = s;
        return fixture_setup((void **) &s->f);
}

static int teardown(void **state) {
        struct state *s = *state;
        char path[128];

        if (s->has_daemon)
                fake_daemon_kill(&s->daemon);
        (void) unlink(fake_daemon_path(s->f, path));
        fixture_teardown((void **) &s->f);
        free(s);
        return 0;
}

/* A daemon of root's, whose socket and file everybody may open. */
static void start(struct state *s) {
        char path[128];

        if (geteuid() != 0)
                skip();
        s->f->config.mode = 0444;
        fake_daemon_start(&s->daemon, s->f, DAEMON_GRANTS, 0, false);
        s->has_daemon = true;
        assert_int_equal(chmod(fake_daemon_path(s->f, path), 0666), 0);
        assert_int_equal(chmod(s->f->directory, 0711), 0);
}

static int open_socket(const struct state *s, struct socktally **ret_reader) {
        char path[128];
        struct socktally_options options = { .size = sizeof(options), .socket_path = fake_daemon_path(s->f, path) };

        return socktally_open(ret_reader, &options);
}

/* From here on root is a user of whom this process knows nothing. */
static void enter_namespace(void) {
        static const char map[] = "1000 12345 1\n";
        int fd;

        if (setresgid(STRANGER, STRANGER, STRANGER) < 0 || setresuid(STRANGER, STRANGER, STRANGER) < 0)
                _exit(NO_NAMESPACE);
        (void) prctl(PR_SET_DUMPABLE, 1); /* else the map is root's */
        if (unshare(CLONE_NEWUSER) < 0)
                _exit(NO_NAMESPACE);
        fd = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);
        if (fd < 0 || write(fd, map, sizeof(map) - 1) < 0 || geteuid() != 1000)
                _exit(NO_NAMESPACE);
        close(fd);
}

/* Exits with the number of the line that was not true. */
#define EXPECT(condition) ((condition) ? (void) 0 : _exit(__LINE__ & 0x3f ? __LINE__ & 0x3f : 1))

static pid_t start_child(void (*play)(const struct state *), const struct state *s) {
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
                play(s);
                _exit(0);
        }
        return pid;
}

static void end_child(pid_t pid) {
        int status;

        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status) && WEXITSTATUS(status) == NO_NAMESPACE)
                skip();
        assert_int_equal(status, 0);
}

static void read_over_the_socket(const struct state *s) {
        struct socktally *reader;
        char path[128];
        int fd = open(fixture_path(s->f, path), O_RDONLY | O_CLOEXEC);

        enter_namespace();
        EXPECT(open_socket(s, &reader) == 0);
        EXPECT(socktally_refresh(reader) == SOCKTALLY_NEW);
        socktally_close(reader);
        EXPECT(socktally_open_fd(&reader, fd) == 0);
        EXPECT(socktally_refresh(reader) == SOCKTALLY_NEW);
        socktally_close(reader);
}

static void in_a_user_namespace_the_daemons_socket_and_descriptor_do(void **state) {
        start(*state);
        end_child(start_child(read_over_the_socket, *state));
}

static void read_by_name(const struct state *s) {
        struct socktally *reader;
        char path[128];
        struct socktally_options options = { .size = sizeof(options), .file_path = fixture_path(s->f, path) };

        enter_namespace();
        EXPECT(socktally_open(&reader, &options) == -EACCES);
}

static void in_a_user_namespace_a_file_by_name_is_nobodys(void **state) {
        start(*state);
        end_child(start_child(read_by_name, *state));
}

static void read_on_through_a_stop(const struct state *s) {
        struct fake_daemon daemon = s->daemon;
        struct socktally_info info = { .size = sizeof(info) };
        struct socktally *reader;

        enter_namespace();
        EXPECT(open_socket(s, &reader) == 0);
        EXPECT(socktally_refresh(reader) == SOCKTALLY_NEW);
        fake_daemon_close(&daemon);
        EXPECT(socktally_refresh(reader) == SOCKTALLY_UNCHANGED);
        EXPECT(socktally_get_info(reader, &info) == 0 && info.freshness == SOCKTALLY_STALE);
        EXPECT(fake_daemon_hellos(&daemon) == 1);
        fake_daemon_reopen(&daemon);
        EXPECT(socktally_wait(reader, WAIT_USEC) == SOCKTALLY_CHANGED);
        EXPECT(kill(daemon.pid, SIGKILL) < 0); /* it is another user's */
        socktally_close(reader);
}

static void in_a_user_namespace_a_reader_finds_the_next_daemon(void **state) {
        start(*state);
        end_child(start_child(read_on_through_a_stop, *state));
}

static void wait_for_a_killed_daemon(const struct state *s) {
        struct socktally *reader;
        char byte;

        enter_namespace();
        EXPECT(open_socket(s, &reader) == 0);
        EXPECT(socktally_refresh(reader) == SOCKTALLY_NEW);
        EXPECT(write(s->pair[0], "", 1) == 1);
        EXPECT(read(s->pair[0], &byte, 1) == 1);
        EXPECT(socktally_refresh(reader) == SOCKTALLY_UNCHANGED);
        EXPECT(socktally_wait(reader, 200000) == SOCKTALLY_UNCHANGED);
        socktally_close(reader);
}

static void in_a_user_namespace_a_killed_daemon_is_no_error(void **state) {
        struct state *s = *state;
        pid_t pid;
        char byte;

        start(s);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s->pair), 0);
        pid = start_child(wait_for_a_killed_daemon, s);
        close(s->pair[0]);
        if (read(s->pair[1], &byte, 1) == 1) {
                fake_daemon_kill(&s->daemon);
                s->has_daemon = false;
                assert_int_equal(write(s->pair[1], "", 1), 1);
        }
        close(s->pair[1]);
        end_child(pid);
}

/* The file belongs to a user who is not in the password file, but root sends it. */
static void what_root_sends_may_be_anybodys(void **state) {
        struct state *s = *state;
        struct socktally *reader;
        char path[128];
        int fd;

        start(s);
        assert_int_equal(chown(fixture_path(s->f, path), OTHER, OTHER), 0);
        assert_int_equal(open_socket(s, &reader), 0);
        socktally_close(reader);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        assert_int_equal(socktally_open_fd(&reader, fd), 0);
        socktally_close(reader);
        /* But not what others may write. */
        assert_int_equal(chmod(path, 0446), 0);
        assert_int_equal(open_socket(s, &reader), -EACCES);
        assert_int_equal(socktally_open_fd(&reader, open(path, O_RDONLY | O_CLOEXEC)), -EACCES);
}

static void what_a_stranger_sends_must_be_roots(void **state) {
        struct state *s = *state;
        struct socktally *reader;
        char path[128];

        if (geteuid() != 0)
                skip();
        assert_int_equal(chmod(s->f->directory, 0777), 0);
        assert_int_equal(seteuid(OTHER), 0); /* listen() notes who it is */
        fake_daemon_start(&s->daemon, s->f, DAEMON_GRANTS, 0, false);
        assert_int_equal(seteuid(0), 0);
        s->has_daemon = true;
        assert_int_equal(open_socket(s, &reader), -EACCES);
        assert_int_equal(chown(fixture_path(s->f, path), 0, 0), 0);
        assert_int_equal(open_socket(s, &reader), 0);
        socktally_close(reader);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(in_a_user_namespace_the_daemons_socket_and_descriptor_do),
                CASE(in_a_user_namespace_a_file_by_name_is_nobodys),
                CASE(in_a_user_namespace_a_reader_finds_the_next_daemon),
                CASE(in_a_user_namespace_a_killed_daemon_is_no_error),
                CASE(what_root_sends_may_be_anybodys),
                CASE(what_a_stranger_sends_must_be_roots),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
