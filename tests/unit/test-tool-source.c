/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the command says of a daemon that cannot be read, one kind of failure after another. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "libclient/frame.h"
#include "libclient/handshake.h"
#include "tests/unit/tool-fixture.h"

/* A socket for readers, and a process that accepts until it is killed: says nothing but this error, or hangs up on the
 * first and ends when it is 0. */
static pid_t listen_and(const struct fixture *fixture, int error) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        const struct handshake_message refusal = {
                .magic = HANDSHAKE_MAGIC, .type = HANDSHAKE_GRANT, .major = LAYOUT_MAJOR, .error = error
        };
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), connection;
        pid_t pid;

        (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", fixture_path(fixture, "readers"));
        assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(listen(fd, 1), 0);
        pid = fork();
        while (pid == 0) {
                connection = accept(fd, NULL, NULL);
                if (error == 0)
                        _exit(0);
                (void)send(connection, &refusal, sizeof(refusal), MSG_NOSIGNAL);
                (void)close(connection);
        }
        (void)close(fd);
        return pid;
}

static void expect(int error, int status, const char *text) {
        struct fixture fixture;
        struct outcome outcome;
        pid_t pid;

        fixture_start(&fixture, false);
        fixture_stop(&fixture);
        pid = listen_and(&fixture, error);
        RUN(&fixture, &outcome, "services");
        (void)kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        (void)unlink(fixture_path(&fixture, "readers"));
        if (!strstr(outcome.err, text))
                fail_msg("\"%s\" is not in \"%s\"", text, outcome.err);
        assert_int_equal(outcome.status, status);
        assert_string_equal(outcome.out, "");
        outcome_done(&outcome);
        fixture_done(&fixture);
}

static void a_daemon_that_fails_to_start_is_told_from_none(void **state) {
        expect(0, 3, "failed to start, or has just ended; see 'systemctl status socktally'");
}

static void too_many_readers_is_a_reason_with_advice(void **state) {
        expect(EUSERS, 1, "too many readers are connected");
}

int main(void) {
        const struct CMUnitTest cases[] = {
                cmocka_unit_test(a_daemon_that_fails_to_start_is_told_from_none),
                cmocka_unit_test(too_many_readers_is_a_reason_with_advice),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(cases, NULL, NULL);
}
