/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connections that are made, accepted, and that fail. A listener that is *deaf* drops all that comes, by a socket
 * filter: a SYN to it stays without an answer for as long as the scenario wants.
 */
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include "tests/live/scenarios.h"

enum { HEARS = LISTENING + 1, DIALLED, PASSED, GONE };
enum { FIRST_PAIR = PORT + 1, SECOND_PAIR, SHARED_LISTENER };

#define EACH 20

static int new_socket(struct player *player, enum flavour flavour, int flags) {
        return NEED(player, socket(flavour_family(flavour), SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
}

static int dial(int fd, enum flavour flavour, uint64_t port) {
        struct address address;

        address_of(&address, flavour, (uint16_t) port);
        return connect(fd, (struct sockaddr *) &address.storage, address.size);
}

static void must_fail(struct player *player, int result, int error, const char *what) {
        if (result >= 0 || errno != error)
                scene_fail(player->scene, "%s: %s: %d, %s where %s was expected", player->comm, what, result,
                           strerror(errno), strerror(error));
}

static void dial_refused(struct player *player, int fd, enum flavour flavour, uint64_t port) {
        must_fail(player, dial(fd, flavour, port), ECONNREFUSED, "connect");
        not_connected(player, SOCKTALLY_METRIC_tcp_connect_refused);
}

static void dial_slowly(struct player *player, int fd, uint64_t port) {
        must_fail(player, dial(fd, FLAVOUR_V4, port), EINPROGRESS, "connect");
}

static void wait_writable(struct player *player, int fd) {
        struct pollfd poller = { .fd = fd, .events = POLLOUT };

        NEED(player, poll(&poller, 1, -1));
}

static int error_of(struct player *player, int fd) {
        socklen_t size = sizeof(int);
        int error;

        NEED(player, getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size));
        return error;
}

static void be_deaf(struct player *player, int fd, bool is_deaf) {
        struct sock_filter drop = { .code = BPF_RET | BPF_K, .k = 0 };
        struct sock_fprog program = { .len = 1, .filter = &drop };

        NEED(player, is_deaf ? setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program))
                             : setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &(int){ 0 }, sizeof(int)));
}

/* A port on which nobody listens any more. */
static uint64_t closed_port(struct player *player, enum flavour flavour) {
        uint64_t port;

        close(tcp_listener(player, flavour, &port));
        return port;
}

/* A player of both ends. */
static void refused_dialler(struct player *player) {
        enum flavour flavour = (enum flavour) player->scene->argument;
        uint64_t port = closed_port(player, flavour), open_port;
        int fd = new_socket(player, flavour, 0), listener, peer;

        for (int i = 0; i < EACH; i++)
                dial_refused(player, fd, flavour, port);
        listener = tcp_listener(player, flavour, &open_port);
        NEED(player, dial(fd, flavour, open_port));
        connected(player, fd);
        player->open = 1;
        peer = tcp_answer(player, listener);
        send_all(player, fd, 100);
        recv_exactly(player, peer, 100);
        tcp_hang_up(player, peer);
        tcp_hang_up(player, fd);
        for (int i = 0; i < EACH; i++) {
                fd = new_socket(player, flavour, 0);
                dial_refused(player, fd, flavour, port);
                close(fd);
        }
}

void connect_refused(struct scene *scene, int flavour) {
        struct player *dialler = player_start(scene, "lv-refused", refused_dialler);

        scene_wait_done(scene);
        expect(dialler, tcp_connect_failures, 2 * EACH);
        expect(dialler, tcp_connect_refused, 2 * EACH);
        expect(dialler, tcp_connects_v4, flavour != FLAVOUR_V6);
        expect(dialler, tcp_connects_v6, flavour == FLAVOUR_V6);
        expect(dialler, tcp_accepts_v6, flavour == FLAVOUR_V6);
}

static void slow_dialler(struct player *player) {
        uint64_t port;
        int listener = tcp_listener(player, FLAVOUR_V4, &port);

        for (int i = 0; i < EACH; i++) {
                int fd = new_socket(player, FLAVOUR_V4, SOCK_NONBLOCK);

                dial_slowly(player, fd, port);
                wait_writable(player, fd);
                if (error_of(player, fd) != 0)
                        scene_fail(player->scene, "the connection did not come up");
                connected(player, fd);
                player->open++;
                tcp_hang_up(player, tcp_answer(player, listener));
                tcp_hang_up(player, fd);
        }
        close(listener);
        for (int i = 0; i < EACH; i++) {
                int fd = new_socket(player, FLAVOUR_V4, SOCK_NONBLOCK);

                dial_slowly(player, fd, port);
                wait_writable(player, fd);
                if (error_of(player, fd) != ECONNREFUSED)
                        scene_fail(player->scene, "the connection was not refused");
                not_connected(player, SOCKTALLY_METRIC_tcp_connect_refused);
                close(fd);
        }
}

void connect_slowly(struct scene *scene, int unused) {
        struct player *dialler = player_start(scene, "lv-slow", slow_dialler);

        scene_wait_done(scene);
        expect(dialler, tcp_connects_v4, EACH);
        expect(dialler, tcp_accepts_v4, EACH);
        expect(dialler, tcp_connect_refused, EACH);
        expect(dialler, tcp_closes, 2 * EACH);
}

/* Half of them are ended by close(), the others by shutdown() or connect(AF_UNSPEC). */
static void fickle_dialler(struct player *player) {
        const struct sockaddr nowhere = { .sa_family = AF_UNSPEC };
        uint64_t port;
        int listener = tcp_listener(player, FLAVOUR_V4, &port);

        be_deaf(player, listener, true);
        for (int i = 0; i < EACH; i++) {
                int fd = new_socket(player, FLAVOUR_V4, SOCK_NONBLOCK);

                dial_slowly(player, fd, port);
                not_connected(player, SOCKTALLY_METRIC_tcp_connect_other);
                if (i % 4 == 1)
                        NEED(player, connect(fd, &nowhere, sizeof(nowhere)));
                if (i % 4 == 3)
                        shutdown(fd, SHUT_RDWR);
                close(fd);
        }
}

void connect_given_up(struct scene *scene, int unused) {
        struct player *dialler = player_start(scene, "lv-fickle", fickle_dialler);

        scene_wait_done(scene);
        expect(dialler, tcp_connect_failures, EACH);
        expect(dialler, tcp_connect_other, EACH);
        expect(dialler, tcp_closes, 0);
}

static void patient_dialler(struct player *player) {
        uint64_t port;
        int listener = tcp_listener(player, FLAVOUR_V4, &port), fd = new_socket(player, FLAVOUR_V4, 0);

        be_deaf(player, listener, true);
        set_option(player, fd, IPPROTO_TCP, TCP_SYNCNT, 1);
        must_fail(player, dial(fd, FLAVOUR_V4, port), ETIMEDOUT, "connect");
        not_connected(player, SOCKTALLY_METRIC_tcp_connect_timed_out);
}

void connect_timed_out(struct scene *scene, int unused) {
        struct player *dialler = player_start(scene, "lv-patience", patient_dialler);

        scene_wait_done(scene);
        expect(dialler, tcp_connect_failures, 1);
        expect(dialler, tcp_connect_timed_out, 1);
}

static void on_alarm(int signal) {
        (void) signal;
}

/* connect() is interrupted by a signal, and the connection comes up all the same. */
static void interrupted_dialler(struct player *player) {
        const struct sigaction action = { .sa_handler = on_alarm };
        const struct itimerval soon = { .it_interval.tv_usec = 50000, .it_value.tv_usec = 50000 };
        const struct itimerval never = { .it_value.tv_usec = 0 };
        uint64_t port;
        int listener = tcp_listener(player, FLAVOUR_V4, &port), fd = new_socket(player, FLAVOUR_V4, 0);

        be_deaf(player, listener, true);
        sigaction(SIGALRM, &action, NULL);
        setitimer(ITIMER_REAL, &soon, NULL);
        must_fail(player, dial(fd, FLAVOUR_V4, port), EINTR, "connect");
        setitimer(ITIMER_REAL, &never, NULL);
        be_deaf(player, listener, false);
        wait_writable(player, fd);
        connected(player, fd);
        player->open = 1;
        tcp_hang_up(player, tcp_answer(player, listener));
        tcp_hang_up(player, fd);
}

void connect_interrupted(struct scene *scene, int unused) {
        struct player *dialler = player_start(scene, "lv-alarmed", interrupted_dialler);

        scene_wait_done(scene);
        expect(dialler, tcp_connects_v4, 1);
        expect(dialler, tcp_connect_failures, 0);
}

/* Who calls connect() gives the socket away before it is connected, and is gone when it is. */
static void giver(struct player *player) {
        int fd = new_socket(player, FLAVOUR_V4, SOCK_NONBLOCK);

        event_wait(player->scene, LISTENING, 1);
        dial_slowly(player, fd, player->scene->numbers[PORT]);
        pass_descriptor(player, (int) player->scene->numbers[FIRST_PAIR], fd);
        close(fd);
        player->moved[SOCKTALLY_METRIC_tcp_connects_v4] = 1;
        event_raise(player->scene, PASSED);
}

static void taker(struct player *player) {
        int fd;

        event_wait(player->scene, PASSED, 1);
        fd = take_descriptor(player, (int) player->scene->numbers[SECOND_PAIR]);
        event_raise(player->scene, HEARS);
        wait_writable(player, fd);
        player->open = 1;
        send_all(player, fd, 1000);
        tcp_hang_up(player, fd);
}

static void late_listener(struct player *player) {
        int listener = tcp_listener(player, FLAVOUR_V4, &player->scene->numbers[PORT]), fd;

        be_deaf(player, listener, true);
        event_raise(player->scene, LISTENING);
        event_wait(player->scene, HEARS, 1);
        be_deaf(player, listener, false);
        fd = tcp_answer(player, listener);
        recv_to_end(player, fd);
        tcp_hang_up(player, fd);
}

void connect_passed(struct scene *scene, int unused) {
        struct player *from, *to;
        int pair[2];

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                scene_fail(scene, "socketpair: %s", strerror(errno));
        scene->numbers[FIRST_PAIR] = (uint64_t) pair[0];
        scene->numbers[SECOND_PAIR] = (uint64_t) pair[1];
        player_start(scene, "lv-late", late_listener);
        from = player_start(scene, "lv-conn-giver", giver);
        to = player_start(scene, "lv-conn-taker", taker);
        scene_wait_done(scene);
        expect(from, tcp_connects_v4, 1);
        expect(from, tcp_closes, 0);
        expect(to, tcp_connects_v4, 0);
        expect(to, tcp_closes, 1);
}

/* Each child accepts on the listener that it has from its parent. */
static void worker(struct player *player) {
        int listener = (int) player->scene->numbers[SHARED_LISTENER], n = player->comm[sizeof("lv-worker")] - '0' + 1;
        int fds[EACH];

        for (int i = 0; i < n * 5; i++)
                fds[i] = tcp_answer(player, listener);
        for (int i = 0; i < n * 5; i++)
                if (i % 2)
                        tcp_hang_up(player, fds[i]);
}

#define N_WORKERS 3
#define N_ACCEPTED ((1 + 2 + 3) * 5)

static void preforker(struct player *player) {
        player->scene->numbers[SHARED_LISTENER] =
                (uint64_t) tcp_listener(player, FLAVOUR_V6, &player->scene->numbers[PORT]);
        for (unsigned int i = 0; i < N_WORKERS; i++)
                player_start_numbered(player->scene, "lv-worker", i, worker);
        event_raise(player->scene, LISTENING);
}

static void crowd(struct player *player) {
        event_wait(player->scene, LISTENING, 1);
        for (int i = 0; i < N_ACCEPTED; i++)
                tcp_dial(player, FLAVOUR_V6, player->scene->numbers[PORT]);
}

void connect_prefork(struct scene *scene, int unused) {
        struct player *parent = player_start(scene, "lv-preforker", preforker), *client;

        client = player_start(scene, "lv-crowd", crowd);
        scene_wait_done(scene);
        expect(parent, tcp_accepts_v6, 0);
        expect(client, tcp_connects_v6, N_ACCEPTED);
}

/* Connections that nobody accepts: for the other side they came up. */
static void inert_listener(struct player *player) {
        int listener = tcp_listener(player, FLAVOUR_V4, &player->scene->numbers[PORT]);

        event_raise(player->scene, LISTENING);
        event_wait(player->scene, DIALLED, 1);
        close(listener);
        event_raise(player->scene, GONE);
}

static void unheard(struct player *player) {
        int fds[EACH];

        event_wait(player->scene, LISTENING, 1);
        for (int i = 0; i < EACH; i++) {
                fds[i] = tcp_dial(player, FLAVOUR_V4, player->scene->numbers[PORT]);
                if (i % 2)
                        tcp_hang_up(player, fds[i]);
        }
        poll(NULL, 0, player->scene->argument); /* so that a pass meets them */
        event_raise(player->scene, DIALLED);
        event_wait(player->scene, GONE, 1);
}

void connect_not_accepted(struct scene *scene, int msec) {
        struct player *listener = player_start(scene, "lv-inert", inert_listener), *client;

        client = player_start(scene, "lv-unheard", unheard);
        scene_wait_done(scene);
        expect(listener, tcp_accepts_v4, 0);
        expect(client, tcp_connects_v4, EACH);
}

/* The connections are over before accept() returns them: closed, or reset. */
static void hasty_client(struct player *player) {
        const struct linger linger = { .l_onoff = 1 };

        event_wait(player->scene, LISTENING, 1);
        for (int i = 0; i < EACH; i++) {
                int fd = tcp_dial(player, FLAVOUR_V4, player->scene->numbers[PORT]);

                if (i % 2)
                        NEED(player, setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
                tcp_hang_up(player, fd);
        }
        event_raise(player->scene, GONE);
}

static void late_server(struct player *player) {
        int listener = tcp_listener(player, FLAVOUR_V4, &player->scene->numbers[PORT]);

        event_raise(player->scene, LISTENING);
        event_wait(player->scene, GONE, 1);
        for (int i = 0; i < EACH; i++) {
                int fd = NEED(player, accept4(listener, NULL, NULL, SOCK_CLOEXEC));

                player->moved[SOCKTALLY_METRIC_tcp_accepts_v4]++; /* a connection that was reset has no peer */
                player->open++;
                tcp_hang_up(player, fd);
        }
}

void connect_over_before_accept(struct scene *scene, int unused) {
        struct player *server = player_start(scene, "lv-late-server", late_server), *client;

        client = player_start(scene, "lv-hasty", hasty_client);
        scene_wait_done(scene);
        expect(server, tcp_accepts_v4, EACH);
        expect(server, tcp_closes, EACH);
        expect(client, tcp_connects_v4, EACH);
}
