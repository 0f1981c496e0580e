/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Processes that come and go, move or change their name. Whatever happens to the process, its row has
 * its name and all of its numbers.
 */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/live/scenarios.h"
#include "tests/live/threads.h"

enum { SENT = LISTENING + 1, CHECKED };
enum { SECOND_PORT = PORT + 1, CONTROL, SHARED_FD };

#define N_BRIEF 20
#define N_BURST 200

/* Lives for a few milliseconds: one TCP exchange, one datagram, gone. */
static void brief_client(struct player *player) {
        int tcp = tcp_dial(player, FLAVOUR_V4, player->scene->numbers[PORT]);
        int udp = udp_connected(player, FLAVOUR_V4, player->scene->numbers[SECOND_PORT]);

        send_all(player, tcp, 1234);
        send_all(player, udp, 321);
        recv_exactly(player, tcp, 4321);
}

static void brief_server(struct player *player) {
        int udp = udp_bound(player, FLAVOUR_V4, &player->scene->numbers[SECOND_PORT]);
        int listener = tcp_listener(player, FLAVOUR_V4, &player->scene->numbers[PORT]);

        event_raise(player->scene, LISTENING);
        for (int i = 0; i < N_BRIEF; i++) {
                int fd = tcp_answer(player, listener);

                recv_exactly(player, fd, 1234);
                send_all(player, fd, 4321);
                recv_to_end(player, fd);
                tcp_hang_up(player, fd);
                recv_exactly(player, udp, 321);
        }
        close(listener);
}

void process_brief(struct scene *scene, int unused) {
        player_start(scene, "lv-brief-server", brief_server);
        event_wait(scene, LISTENING, 1);
        for (int i = 0; i < N_BRIEF; i++) {
                char name[32];
                struct player *client;

                snprintf(name, sizeof(name), "lv-brief-%d", i);
                client = player_start_brief(scene, name, brief_client);
                player_wait_exit(client);
                expect(client, tcp_rx_bytes, 4321);
                expect(client, tcp_closes, 1);
        }
}

static void burst_player(struct player *player) {
        uint64_t port;
        int udp = udp_bound(player, FLAVOUR_V4, &port), to = udp_connected(player, FLAVOUR_V4, port);

        event_wait(player->scene, LISTENING, 1);
        for (size_t i = 1; i <= 3; i++) {
                send_all(player, to, 100 * i);
                recv_exactly(player, udp, 100 * i);
        }
}

void process_burst(struct scene *scene, int unused) {
        for (int i = 0; i < N_BURST; i++) {
                char name[32];

                snprintf(name, sizeof(name), "lv-burst-%d", i);
                player_start_brief(scene, name, burst_player);
        }
        event_raise(scene, LISTENING);
        scene_wait_done(scene);
        expect(&scene->players[N_BURST - 1], udp_rx_bytes, 600);
}

/* The rest of a player's life in another program: see exec_again(). */
static void become_other(struct player *player, int fd) {
        char self[PATH_MAX], number[16], control[16];
        ssize_t n = NEED(player, readlink("/proc/self/exe", self, sizeof(self) - 1));

        self[n] = '\0';
        snprintf(number, sizeof(number), "%d", fd);
        snprintf(control, sizeof(control), "%d", (int) player->scene->numbers[CONTROL]);
        memset(player->comm, 0, sizeof(player->comm));
        strncpy(player->comm, strrchr(self, '/') + 1, sizeof(player->comm) - 1);
        player->moved[SOCKTALLY_METRIC_tcp_tx_bytes] += 2000;
        player->moved[SOCKTALLY_METRIC_tcp_tx_bytes_host] += 2000;
        player->moved[SOCKTALLY_METRIC_tcp_tx_calls] += 1;
        player->moved[SOCKTALLY_METRIC_tcp_rx_bytes] += 200;
        player->moved[SOCKTALLY_METRIC_tcp_rx_bytes_host] += 200;
        player->moved[SOCKTALLY_METRIC_tcp_rx_calls] += 1;
        player->is_done = 1;
        execl(self, self, "--exec-again", number, control, NULL);
        scene_fail(player->scene, "exec of %s: %s", self, strerror(errno));
}

static void exec_in_thread(const struct thread *thread) {
        if (thread->index == 1)
                become_other(thread->player, thread->fd);
        pause();
}

static void exec_client(struct player *player) {
        int fd = tcp_dial_one(player, FLAVOUR_V4);

        send_all(player, fd, 1000);
        recv_exactly(player, fd, 100);
        event_raise(player->scene, SENT);
        event_wait(player->scene, CHECKED, 1);
        NEED(player, fcntl(fd, F_SETFD, 0));
        if (player->scene->argument)
                threads_run(player, 2, fd, exec_in_thread);
        become_other(player, fd);
}

static void exec_server(struct player *player) {
        int fd = tcp_serve_one(player, FLAVOUR_V4);

        recv_exactly(player, fd, 1000);
        send_all(player, fd, 100);
        recv_exactly(player, fd, 2000);
        send_all(player, fd, 200);
}

int exec_again(int fd, int control) {
        static char bytes[2000];

        if (send(fd, bytes, 2000, 0) != 2000 || recv(fd, bytes, 200, MSG_WAITALL) != 200)
                return EXIT_FAILURE;
        if (write(control, "", 1) != 1)
                return EXIT_FAILURE;
        return read(control, bytes, 1) == 1 ? EXIT_SUCCESS : EXIT_FAILURE;
}

void process_exec(struct scene *scene, int unused) {
        struct player *client;
        int pair[2];
        char byte;

        if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0 || fcntl(pair[0], F_SETFD, FD_CLOEXEC) < 0)
                scene_fail(scene, "socketpair: %s", strerror(errno));
        scene->numbers[CONTROL] = (uint64_t) pair[1];
        player_start(scene, "lv-exec-server", exec_server);
        client = player_start(scene, "lv-before-exec", exec_client);
        close(pair[1]);
        event_wait(scene, SENT, 1);
        scene_compare(scene);
        event_raise(scene, CHECKED);
        if (read(pair[0], &byte, 1) != 1)
                scene_fail(scene, "the other program did not finish");
        scene_wait_done(scene);
        scene_compare(scene);
        if (write(pair[0], "", 1) != 1)
                scene_fail(scene, "the other program is gone");
        player_wait_exit(client);
        client->moved[SOCKTALLY_METRIC_tcp_closes] += client->open;
}

static void *live_on(void *userdata) {
        struct player *player = userdata;
        int fd = (int) player->scene->numbers[SHARED_FD];

        event_wait(player->scene, CHECKED, 1);
        for (int i = 0; i < 10; i++) {
                send_all(player, fd, 3000);
                recv_exactly(player, fd, 300);
        }
        event_raise(player->scene, SENT);
        event_wait(player->scene, CHECKED, 2);
        tcp_hang_up(player, fd);
        _exit(0);
}

/* The first thread leaves; the process goes on as what /proc calls a zombie. */
static void leader(struct player *player) {
        int fd = tcp_dial_one(player, FLAVOUR_V4);
        pthread_t thread;

        send_all(player, fd, 1000);
        recv_exactly(player, fd, 100);
        player->scene->numbers[SHARED_FD] = (uint64_t) fd;
        if (pthread_create(&thread, NULL, live_on, player) != 0)
                scene_fail(player->scene, "no thread");
        player->is_done = 1;
        event_raise(player->scene, SENT);
        syscall(SYS_exit, 0);
}

static void leader_peer(struct player *player) {
        int fd = tcp_serve_one(player, FLAVOUR_V4);

        recv_exactly(player, fd, 1000);
        send_all(player, fd, 100);
        for (int i = 0; i < 10; i++) {
                recv_exactly(player, fd, 3000);
                send_all(player, fd, 300);
        }
        recv_to_end(player, fd);
        tcp_hang_up(player, fd);
}

void process_leader_ends(struct scene *scene, int unused) {
        struct player *player;

        player_start(scene, "lv-leader-peer", leader_peer);
        player = player_start(scene, "lv-leader", leader);
        event_wait(scene, SENT, 1);
        poll(NULL, 0, 300);
        scene_compare(scene);
        event_raise(scene, CHECKED);
        event_wait(scene, SENT, 2);
        expect(player, tcp_tx_bytes, 31000);
        scene_compare(scene);
        event_raise(scene, CHECKED);
        player_wait_exit(player);
        scene_wait_done(scene);
        expect(player, tcp_closes, 1);
}
