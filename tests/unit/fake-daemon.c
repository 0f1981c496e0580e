/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One connection at a time is enough for the tests; a later one takes the earlier one's place.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "libclient/frame.h"
#include "libclient/handshake.h"
#include "tests/unit/fake-daemon.h"

struct server {
        struct fixture *f;
        enum behaviour behaviour;
        int error, listen_fd, control_fd, connection_fd;
        int n_hellos, view;
        bool is_subscribed;
};

const char *fake_daemon_path(const struct fixture *f, char path[static 128]) {
        snprintf(path, 128, "%s/readers", f->directory);
        return path;
}

static void send_message(int fd, const void *data, size_t size, const int *fds, size_t n_fds) {
        union {
                char space[CMSG_SPACE(2 * sizeof(int))];
                struct cmsghdr align;
        } control = { .space = { 0 } };
        struct iovec iov = { (void *) data, size };
        struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

        if (n_fds > 0) {
                message.msg_control = control.space;
                message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
                control.align.cmsg_level = SOL_SOCKET;
                control.align.cmsg_type = SCM_RIGHTS;
                control.align.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
                memcpy(CMSG_DATA(&control.align), fds, n_fds * sizeof(int));
        }
        (void) sendmsg(fd, &message, MSG_NOSIGNAL);
}

static void say(const struct server *s, enum handshake_type type, int error, size_t n_fds) {
        const struct handshake_message message = {
                .magic = HANDSHAKE_MAGIC,
                .type = type,
                .view = SOCKTALLY_VIEW_FULL,
                .major = LAYOUT_MAJOR,
                .error = error,
        };
        int fds[2] = { segment_fd(s->f->segment), segment_fd(s->f->segment) };

        send_message(s->connection_fd, &message, sizeof(message), fds, n_fds);
}

static void hang_up(struct server *s) {
        if (s->connection_fd >= 0)
                close(s->connection_fd);
        s->connection_fd = -1;
        s->is_subscribed = false;
}

static void send_other_descriptor(const struct server *s) {
        const struct handshake_message message = { .magic = HANDSHAKE_MAGIC, .type = HANDSHAKE_GRANT };
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

        send_message(s->connection_fd, &message, sizeof(message), &fd, 1);
        close(fd);
}

static void answer(struct server *s) {
        switch (s->behaviour) {
        case DAEMON_GRANTS: say(s, HANDSHAKE_GRANT, 0, 1); break;
        case DAEMON_REFUSES_UNASKED:
        case DAEMON_REFUSES:
                say(s, HANDSHAKE_GRANT, s->error, 0);
                hang_up(s);
                break;
        case DAEMON_ASKS_FOR_PATIENCE:
                say(s, HANDSHAKE_GRANT, s->n_hellos < 3 ? EAGAIN : 0, s->n_hellos < 3 ? 0 : 1);
                break;
        case DAEMON_TAKES_ITS_TIME:
                (void) usleep(FAKE_DAEMON_START_USEC);
                say(s, HANDSHAKE_GRANT, 0, 1);
                break;
        case DAEMON_FAILS_TO_START:
                (void) usleep(FAKE_DAEMON_START_USEC);
                _exit(1);
        case DAEMON_SAYS_NOTHING: break;
        case DAEMON_HANGS_UP: hang_up(s); break;
        case DAEMON_HANGS_UP_ONCE:
                if (s->n_hellos == 1)
                        hang_up(s);
                else
                        say(s, HANDSHAKE_GRANT, 0, 1);
                break;
        case DAEMON_SENDS_HALF_A_MESSAGE: send_message(s->connection_fd, "\1SOCKTLY", 8, NULL, 0); break;
        case DAEMON_SENDS_NOISE:
                send_message(s->connection_fd, "************************************************", 48, NULL, 0);
                break;
        case DAEMON_SENDS_NO_DESCRIPTOR: say(s, HANDSHAKE_GRANT, 0, 0); break;
        case DAEMON_SENDS_TWO_DESCRIPTORS: say(s, HANDSHAKE_GRANT, 0, 2); break;
        case DAEMON_SENDS_A_DESCRIPTOR_OF_SOMETHING_ELSE: send_other_descriptor(s); break;
        }
}

static void on_message(struct server *s) {
        struct handshake_message message;
        ssize_t n = recv(s->connection_fd, &message, sizeof(message), 0);

        if (n <= 0) {
                hang_up(s);
                return;
        }
        if (n != sizeof(message) || message.magic != HANDSHAKE_MAGIC)
                _exit(9); /* the library must not send such */
        if (message.type == HANDSHAKE_SUBSCRIBE)
                s->is_subscribed = true;
        if (message.type != HANDSHAKE_HELLO)
                return;
        if (message.major_min != LAYOUT_MAJOR || message.major_max != LAYOUT_MAJOR)
                _exit(9);
        s->n_hellos++;
        s->view = (int) message.view;
        answer(s);
}

static void on_connection(struct server *s) {
        hang_up(s);
        s->connection_fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC);
        if (s->behaviour == DAEMON_REFUSES_UNASKED)
                answer(s);
}

static void on_order(struct server *s) {
        int result = 0;
        char order;

        if (read(s->control_fd, &order, 1) != 1)
                _exit(0);
        if (order == 'p' || order == 'g') {
                if (order == 'g')
                        fixture_replace(s->f, s->f->config.capacity[LAYOUT_TABLE_PROCESSES] * 2, 8, 1);
                else
                        fixture_publish(s->f, 8);
                if (order == 'g' && s->connection_fd >= 0)
                        say(s, HANDSHAKE_SEGMENT, 0, 1);
                if (s->is_subscribed)
                        say(s, HANDSHAKE_PUBLISHED, 0, 0);
        } else if (order == 'c')
                hang_up(s);
        else if (order == 's')
                s->f->segment = segment_free(s->f->segment, false);
        else if (order == 'r') {
                if (segment_new(&s->f->segment, &s->f->config) < 0)
                        _exit(1);
                fixture_publish(s->f, 8);
        }
        else
                result = order == 'n' ? s->n_hellos : s->view;
        if (write(s->control_fd, &result, sizeof(result)) != sizeof(result))
                _exit(0);
}

static void serve(struct server *s) {
        for (;;) {
                struct pollfd fds[3] = {
                        { .fd = s->listen_fd, .events = POLLIN },
                        { .fd = s->control_fd, .events = POLLIN },
                        { .fd = s->connection_fd, .events = POLLIN },
                };

                if (poll(fds, 3, -1) < 0)
                        _exit(1);
                if (fds[2].revents)
                        on_message(s);
                else if (fds[0].revents)
                        on_connection(s);
                if (fds[1].revents)
                        on_order(s);
        }
}

static int listen_on(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        (void) unlink(path);
        assert_true(strlen(path) < sizeof(address.sun_path));
        strcpy(address.sun_path, path);
        assert_int_equal(bind(fd, (struct sockaddr *) &address, sizeof(address)), 0);
        assert_int_equal(listen(fd, 16), 0);
        return fd;
}

static int order(struct fake_daemon *daemon, char what) {
        int result = -1;

        assert_int_equal(write(daemon->control_fd, &what, 1), 1);
        assert_int_equal(read(daemon->control_fd, &result, sizeof(result)), sizeof(result));
        return result;
}

void fake_daemon_start(struct fake_daemon *daemon, struct fixture *f, enum behaviour behaviour, int error,
                       bool is_memfd) {
        struct server s = { .f = f, .behaviour = behaviour, .error = error, .connection_fd = -1 };
        char path[128];
        int pair[2];

        f->segment = segment_free(f->segment, false);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        s.listen_fd = listen_on(fake_daemon_path(f, path));
        daemon->pid = fork();
        assert_true(daemon->pid >= 0);
        if (daemon->pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                close(pair[1]);
                s.control_fd = pair[0];
                if (is_memfd)
                        f->config.directory = NULL;
                if (segment_new(&f->segment, &f->config) < 0)
                        _exit(1);
                fixture_publish(f, 8);
                serve(&s);
        }
        close(pair[0]);
        close(s.listen_fd);
        daemon->control_fd = pair[1];
        (void) order(daemon, 'n'); /* it answers when it has published */
}

void fake_daemon_publish(struct fake_daemon *daemon) {
        (void) order(daemon, 'p');
}

void fake_daemon_grow(struct fake_daemon *daemon) {
        (void) order(daemon, 'g');
}

void fake_daemon_hang_up(struct fake_daemon *daemon) {
        (void) order(daemon, 'c');
}

void fake_daemon_close(struct fake_daemon *daemon) {
        (void) order(daemon, 's');
        fake_daemon_hang_up(daemon);
}

void fake_daemon_reopen(struct fake_daemon *daemon) {
        (void) order(daemon, 'r');
}

int fake_daemon_hellos(struct fake_daemon *daemon) {
        return order(daemon, 'n');
}

int fake_daemon_view(struct fake_daemon *daemon) {
        return order(daemon, 'v');
}

void fake_daemon_kill(struct fake_daemon *daemon) {
        assert_int_equal(kill(daemon->pid, SIGKILL), 0);
        assert_int_equal(waitpid(daemon->pid, NULL, 0), daemon->pid);
        close(daemon->control_fd);
}
