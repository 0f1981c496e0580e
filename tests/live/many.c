/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Many at once inside one process: threads on one socket, threads with a socket each, thousands of sockets. All of it
 * is the process's own, down to the last byte, under its own name.
 */
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "tests/live/scenarios.h"
#include "tests/live/threads.h"

enum { CONNECTED = LISTENING + 1, CHECKED };
enum { SECOND_PORT = PORT + 1 };

#define N_THREADS 64
#define SENDS 40
#define SEND_SIZE 1111
#define N_SOCKETS 1050
#define BIG_BUFFER (16 << 20)
#define N_CHURNERS 4
#define CHURN_SOCKETS 3500
#define N_ENDERS 3
#define END_SOCKETS 300
#define END_ROUNDS 6

static const char bytes[SEND_SIZE];

static void thread_send(const struct thread *thread) {
        for (int i = 0; i < SENDS; i++)
                send_all(thread->player, thread->fd, SEND_SIZE);
}

static void thread_recv_to_end(const struct thread *thread) {
        recv_to_end(thread->player, thread->fd);
}

static void one_tcp_sender(struct player *player) {
        int fd;

        event_wait(player->scene, LISTENING, 1);
        fd = tcp_dial(player, FLAVOUR_V4, player->scene->numbers[PORT]);
        threads_run(player, N_THREADS, fd, thread_send);
        NEED(player, shutdown(fd, SHUT_WR));
}

static void one_tcp_receiver(struct player *player) {
        int listener = tcp_listener(player, FLAVOUR_V4, &player->scene->numbers[PORT]), fd;

        event_raise(player->scene, LISTENING);
        fd = tcp_answer(player, listener);
        threads_run(player, N_THREADS, fd, thread_recv_to_end);
}

void many_threads_one_tcp(struct scene *scene, int unused) {
        struct player *receiver = player_start(scene, "lv-64-recv", one_tcp_receiver);
        struct player *sender = player_start(scene, "lv-64-send", one_tcp_sender);

        scene_wait_done(scene);
        expect(sender, tcp_tx_bytes, N_THREADS * SENDS * SEND_SIZE);
        expect(receiver, tcp_rx_bytes, N_THREADS * SENDS * SEND_SIZE);
}

/* Until the sender has finished and nothing is left. A burst of this size may overrun the kernel's queues. */
static void thread_recv_rest(const struct thread *thread) {
        struct player *player = thread->player;
        char buffer[SEND_SIZE];

        while (got(player, thread->fd, recv(thread->fd, buffer, sizeof(buffer), 0)) >= 0 ||
               !event_has(player->scene, CONNECTED))
                continue;
        if (errno != EAGAIN)
                scene_fail(player->scene, "%s: recv: %s", player->comm, strerror(errno));
}

static void one_udp_sender(struct player *player) {
        int fd;

        event_wait(player->scene, LISTENING, 1);
        fd = udp_connected(player, FLAVOUR_V4, player->scene->numbers[PORT]);
        threads_run(player, N_THREADS, fd, thread_send);
        event_raise(player->scene, CONNECTED);
}

static void one_udp_receiver(struct player *player) {
        const struct timeval patience = { .tv_usec = 50000 };
        int fd = udp_bound(player, FLAVOUR_V4, &player->scene->numbers[PORT]);

        set_option(player, fd, SOL_SOCKET, SO_RCVBUFFORCE, BIG_BUFFER);
        NEED(player, setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)));
        event_raise(player->scene, LISTENING);
        threads_run(player, N_THREADS, fd, thread_recv_rest);
}

void many_threads_one_udp(struct scene *scene, int unused) {
        struct player *sender;

        player_start(scene, "lv-64u-recv", one_udp_receiver);
        sender = player_start(scene, "lv-64u-send", one_udp_sender);

        scene_wait_done(scene);
        expect(sender, udp_tx_bytes, N_THREADS * SENDS * SEND_SIZE);
        expect(sender, udp_tx_calls, N_THREADS * SENDS);
}

/* Each thread asks over TCP and over UDP, on sockets of its own. */
static void thread_ask(const struct thread *thread) {
        struct player *player = thread->player;
        uint64_t *ports = player->scene->numbers;
        int udp = udp_connected(player, FLAVOUR_V4, ports[SECOND_PORT]);
        int tcp = tcp_dial(player, FLAVOUR_V4, ports[PORT]);

        for (int i = 0; i < 5; i++) {
                send_all(player, tcp, 100 + thread->index);
                send_all(player, udp, 10 + thread->index);
        }
        recv_exactly(player, tcp, 1000);
        if (thread->index % 2 == 0) {
                tcp_hang_up(player, tcp);
                close(udp);
        }
}

static void each_client(struct player *player) {
        event_wait(player->scene, LISTENING, 1);
        threads_run(player, N_THREADS, -1, thread_ask);
}

static void thread_answer(const struct thread *thread) {
        int fd = tcp_answer(thread->player, thread->fd);

        recv_exactly(thread->player, fd, 500);
        send_all(thread->player, fd, 1000);
        recv_to_end(thread->player, fd);
        tcp_hang_up(thread->player, fd);
}

/* Ends only after the client's exit, which closes the connections of its odd threads. */
static void each_server(struct player *player) {
        int udp = udp_bound(player, FLAVOUR_V4, &player->scene->numbers[SECOND_PORT]);
        int listener = tcp_listener(player, FLAVOUR_V4, &player->scene->numbers[PORT]);

        set_option(player, udp, SOL_SOCKET, SO_RCVBUFFORCE, BIG_BUFFER);
        event_raise(player->scene, LISTENING);
        threads_run(player, N_THREADS, listener, thread_answer);
        close(listener);
}

void many_threads_own_sockets(struct scene *scene, int unused) {
        struct player *server = player_start(scene, "lv-each-server", each_server);
        struct player *client = player_start_brief(scene, "lv-each-client", each_client);

        scene_wait_done(scene);
        expect(client, tcp_tx_bytes, 5 * (100 * N_THREADS + N_THREADS * (N_THREADS - 1) / 2));
        expect(client, udp_tx_bytes, 5 * (10 * N_THREADS + N_THREADS * (N_THREADS - 1) / 2));
        expect(server, tcp_tx_bytes, N_THREADS * 1000);
        expect(server, tcp_closes, N_THREADS);
}

static void allow_descriptors(struct player *player, rlim_t wanted) {
        struct rlimit limit;

        NEED(player, getrlimit(RLIMIT_NOFILE, &limit));
        if (limit.rlim_cur >= wanted)
                return;
        limit.rlim_cur = wanted;
        if (limit.rlim_max < wanted)
                limit.rlim_max = wanted;
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
                scene_skip(player->scene, "only %lu descriptors are allowed here", (unsigned long) limit.rlim_max);
}

/* One TCP connection and one UDP socket per round, all kept open; UDP answers itself. */
static void sockets_client(struct player *player) {
        static int tcp[N_SOCKETS], udp[N_SOCKETS];
        uint64_t *ports = player->scene->numbers;
        char buffer[100];

        allow_descriptors(player, 4096);
        event_wait(player->scene, LISTENING, 1);
        for (int i = 0; i < N_SOCKETS; i++) {
                tcp[i] = tcp_dial(player, FLAVOUR_V4, ports[PORT]);
                udp[i] = udp_connected(player, FLAVOUR_V4, ports[SECOND_PORT]);
        }
        for (int i = 0; i < N_SOCKETS; i++) {
                send_all(player, tcp[i], 1 + (size_t) i % 1000);
                send_all(player, udp[i], 64);
                NEED(player, got(player, udp[i], recv(udp[i], buffer, sizeof(buffer), 0)));
        }
        event_raise(player->scene, CONNECTED);
        event_wait(player->scene, CHECKED, 1);
        for (int i = 0; i < N_SOCKETS; i += 2) {
                send_all(player, tcp[i], 7);
                tcp_hang_up(player, tcp[i]);
                close(udp[i]);
        }
}

static void sockets_echo(struct player *player) {
        int fd = udp_bound(player, FLAVOUR_V4, &player->scene->numbers[SECOND_PORT]);
        char buffer[100];

        event_raise(player->scene, LISTENING);
        for (int i = 0; i < N_SOCKETS; i++) {
                struct address peer = { .size = sizeof(peer.storage) };
                struct sockaddr *name = (struct sockaddr *) &peer.storage;
                ssize_t n = NEED(player, got(player, fd, recvfrom(fd, buffer, sizeof(buffer), 0, name, &peer.size)));

                NEED(player, sent(player, fd, sendto(fd, buffer, (size_t) n, 0, name, peer.size)));
        }
}

static void sockets_server(struct player *player) {
        int listener;

        allow_descriptors(player, 4096);
        event_wait(player->scene, LISTENING, 1);
        listener = tcp_listener(player, FLAVOUR_V4, &player->scene->numbers[PORT]);
        event_raise(player->scene, LISTENING);
        for (int i = 0; i < N_SOCKETS; i++)
                recv_exactly(player, tcp_answer(player, listener), 1 + (size_t) i % 1000);
}

static void sockets_late_client(struct player *player) {
        event_wait(player->scene, LISTENING, 2);
        sockets_client(player);
}

void many_sockets(struct scene *scene, int unused) {
        struct player *client;

        player_start(scene, "lv-2k-echo", sockets_echo);
        player_start(scene, "lv-2k-server", sockets_server);
        client = player_start(scene, "lv-2k-client", sockets_late_client);
        event_wait(scene, CONNECTED, 1);
        expect(client, udp_rx_bytes, N_SOCKETS * 64);
        for (uint32_t i = 0; i < scene->n_players; i++)
                if (&scene->players[i] != client)
                        player_wait_done(&scene->players[i]);
        scene_compare(scene);
        event_raise(scene, CHECKED);
        scene_wait_done(scene);
        expect(client, tcp_closes, N_SOCKETS / 2);
}

/* Opens thousands of sockets as fast as it can, uses each once, and drops all of them at once; then again. */
static void churner(struct player *player) {
        static int fds[CHURN_SOCKETS];

        allow_descriptors(player, CHURN_SOCKETS + 64);
        event_raise(player->scene, CONNECTED);
        event_wait(player->scene, CONNECTED, N_CHURNERS);
        for (int round = 0; round < 3; round++) {
                for (int i = 0; i < CHURN_SOCKETS; i++) {
                        fds[i] = udp_connected(player, FLAVOUR_V4, 9);
                        NEED(player, sent(player, fds[i], sendto(fds[i], bytes, 10, 0, NULL, 0)));
                }
                for (int i = 0; i < CHURN_SOCKETS; i++)
                        close(fds[i]);
        }
}

void many_churn(struct scene *scene, int unused) {
        scene_own_network(scene);
        for (unsigned int i = 0; i < N_CHURNERS; i++)
                player_start_numbered(scene, "lv-churn", i, churner);
        scene_wait_done(scene);
        expect(&scene->players[0], udp_tx_bytes, 3 * CHURN_SOCKETS * 10);
}

/* Ends hundreds of connections at a time, one side by shutdown() first, while the daemon folds all of them. */
static void ender(struct player *player) {
        static int fds[END_SOCKETS], peers[END_SOCKETS];
        uint64_t port;
        int listener = tcp_listener(player, FLAVOUR_V4, &port);

        allow_descriptors(player, 2 * END_SOCKETS + 64);
        for (int round = 0; round < END_ROUNDS; round++) {
                for (int i = 0; i < END_SOCKETS; i++) {
                        fds[i] = tcp_dial(player, FLAVOUR_V4, port);
                        peers[i] = tcp_answer(player, listener);
                        send_all(player, fds[i], 1);
                        send_all(player, peers[i], 2);
                        recv_exactly(player, peers[i], 1);
                }
                for (int i = 0; i < END_SOCKETS; i++) {
                        if (i % 2 == 0)
                                NEED(player, shutdown(fds[i], SHUT_WR));
                        tcp_hang_up(player, peers[i]);
                }
                for (int i = 0; i < END_SOCKETS; i++)
                        tcp_hang_up(player, fds[i]);
        }
}

void many_endings(struct scene *scene, int unused) {
        scene_own_network(scene);
        for (unsigned int i = 0; i < N_ENDERS; i++)
                player_start_numbered(scene, "lv-ender", i, ender);
        scene_wait_done(scene);
        expect(&scene->players[0], tcp_tx_bytes, END_ROUNDS * END_SOCKETS * 3);
        expect(&scene->players[0], tcp_closes, END_ROUNDS * END_SOCKETS * 2);
}

/* Talks to itself over TCP and UDP for a while, on fresh and on old sockets, in sizes that differ with each process. */
static void mixer(struct player *player) {
        size_t unit = (size_t) (player - player->scene->players) * 10 + 1;
        uint64_t tcp_port, udp_port;
        int listener = tcp_listener(player, FLAVOUR_V4, &tcp_port), udp = udp_bound(player, FLAVOUR_V6, &udp_port);
        int old = tcp_dial(player, FLAVOUR_V4, tcp_port), old_peer = tcp_answer(player, listener);
        time_t end = time(NULL) + player->scene->argument;

        while (time(NULL) < end) {
                int tcp = tcp_dial(player, FLAVOUR_V4, tcp_port), peer = tcp_answer(player, listener);
                int to = udp_connected(player, FLAVOUR_V6, udp_port);

                send_all(player, tcp, 20 * unit);
                send_all(player, old, 3 * unit);
                send_all(player, to, unit);
                recv_exactly(player, peer, 19 * unit);
                recv_exactly(player, old_peer, 3 * unit);
                recv_exactly(player, udp, unit);
                tcp_hang_up(player, tcp);
                tcp_hang_up(player, peer);
                close(to);
        }
}

void many_processes(struct scene *scene, int seconds) {
        scene_own_network(scene);
        for (unsigned int i = 0; i < 16; i++)
                player_start_numbered(scene, "lv-mixer", i, mixer);
}
