/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sockets that were there before the daemon, in use by one process or several: what they moved before is not its to
 * know, and what comes after counts to the byte.
 */
#include <sys/socket.h>
#include <unistd.h>

#include "tests/live/past.h"
#include "tests/live/scenarios.h"

enum { SENT = PAST_EVENTS, CHECKED, TAKEN, MET };
enum { SECOND_PORT = PORT + 1, SHARED_FD, SHARED_UDP };

#define LONG_PAST (10 << 20)
#define N_FLOOD 60

/* Before: everything was in motion, some of it is still on the way. After: the rest is read, and more is sent. */
static void early_client(struct player *player) {
        int used = tcp_dial_one(player, FLAVOUR_V4), unused = tcp_dial_one(player, FLAVOUR_V4);
        int udp = udp_connected(player, FLAVOUR_V4, player->scene->numbers[SECOND_PORT]);

        send_all(player, used, 100000);
        recv_exactly(player, used, 1000);
        send_all(player, udp, 500);
        event_wait(player->scene, SENT, 1);
        forget_moves(player);
        recv_exactly(player, used, 29000);
        send_all(player, used, 7000);
        send_all(player, unused, 300);
        send_all(player, udp, 600);
        tcp_hang_up(player, used);
        recv_exactly(player, unused, 40);
}

static void early_server(struct player *player) {
        int udp = udp_bound(player, FLAVOUR_V4, &player->scene->numbers[SECOND_PORT]);
        int listener = tcp_listener(player, FLAVOUR_V4, &player->scene->numbers[PORT]), used, unused;

        event_raise(player->scene, LISTENING);
        used = tcp_answer(player, listener);
        unused = tcp_answer(player, listener);
        recv_exactly(player, used, 60000);
        send_all(player, used, 30000);
        event_raise(player->scene, SENT);
        forget_moves(player);
        recv_exactly(player, udp, 500);
        recv_exactly(player, udp, 600);
        recv_to_end(player, used);
        recv_exactly(player, unused, 300);
        send_all(player, unused, 40);
        tcp_hang_up(player, used);
}

/* Its half-closed connection has a FIN in the queue when the daemon comes. */
static void early_fin_client(struct player *player) {
        int fd = tcp_dial_one(player, FLAVOUR_V4);

        send_all(player, fd, 20000);
        NEED(player, shutdown(fd, SHUT_WR));
        forget_moves(player);
        recv_to_end(player, fd);
}

static void early_fin_server(struct player *player) {
        int fd = tcp_serve_one(player, FLAVOUR_V4);

        wait_fin(player, fd);
        recv_exactly(player, fd, 5000);
        forget_moves(player);
        recv_to_end(player, fd);
        send_all(player, fd, 9000);
        NEED(player, shutdown(fd, SHUT_WR));
}

void early_sockets(struct scene *scene, int with_fin) {
        struct player *server, *client;

        server = player_start(scene, "lv-early-server", with_fin ? early_fin_server : early_server);
        client = player_start(scene, "lv-early-client", with_fin ? early_fin_client : early_client);
        watch_from_here(scene, 2);
        expect(server, tcp_rx_bytes, with_fin ? 15000 : 47300);
        expect(client, tcp_rx_bytes, with_fin ? 9000 : 29040);
}

/* Descriptors have the same numbers in the children. All of them use the sockets before and after. */
static void early_child(struct player *player) {
        int tcp = (int) player->scene->numbers[SHARED_FD], udp = (int) player->scene->numbers[SHARED_UDP];

        send_all(player, tcp, 100);
        send_all(player, udp, 10);
        forget_moves(player);
        for (int i = 0; i < 20; i++) {
                send_all(player, tcp, 1000 + (size_t) (player - player->scene->players));
                send_all(player, udp, 50);
        }
        event_raise(player->scene, SENT);
}

static void early_parent(struct player *player) {
        int tcp = tcp_dial_one(player, FLAVOUR_V4);
        int udp = udp_connected(player, FLAVOUR_V4, player->scene->numbers[SECOND_PORT]);

        player->scene->numbers[SHARED_FD] = (uint64_t) tcp;
        player->scene->numbers[SHARED_UDP] = (uint64_t) udp;
        for (unsigned int i = 0; i < 3; i++)
                player_start_numbered(player->scene, "lv-early-kid", i, early_child);
        send_all(player, tcp, 77);
        forget_moves(player);
        send_all(player, tcp, 55555);
        event_wait(player->scene, SENT, 3);
        NEED(player, shutdown(tcp, SHUT_WR));
}

static void early_reader(struct player *player) {
        int udp = udp_bound(player, FLAVOUR_V4, &player->scene->numbers[SECOND_PORT]);
        int fd = tcp_serve_one(player, FLAVOUR_V4);

        recv_exactly(player, fd, 77 + 3 * 100);
        forget_moves(player);
        recv_exactly(player, udp, 3 * (10 + 20 * 50));
        recv_to_end(player, fd);
}

void early_shared(struct scene *scene, int unused) {
        struct player *parent;

        scene_shares_tcp(scene);
        player_start(scene, "lv-early-reader", early_reader);
        parent = player_start(scene, "lv-early-parent", early_parent);
        watch_from_here(scene, 5);
        expect(parent, tcp_tx_bytes, 55555);
}

static void under_way_child(struct player *player) {
        int fd = (int) player->scene->numbers[SHARED_FD];

        forget_moves(player);
        recv_exactly(player, fd, 100);
        event_raise(player->scene, SENT);
        send_all(player, fd, 3000);
        event_raise(player->scene, CHECKED);
}

/* In the middle of a call while the child makes the first one that anybody saw end. */
static void under_way_parent(struct player *player) {
        int fd = tcp_dial_one(player, FLAVOUR_V4);

        player->scene->numbers[SHARED_FD] = (uint64_t) fd;
        player_start(player->scene, "lv-under-kid", under_way_child);
        forget_moves(player);
        send_at_once(player, fd);
        event_wait(player->scene, CHECKED, 1);
        NEED(player, shutdown(fd, SHUT_WR));
}

static void under_way_server(struct player *player) {
        int fd = tcp_serve_one(player, FLAVOUR_V4);

        forget_moves(player);
        wait_readable(player, fd);
        send_all(player, fd, 100);
        event_wait(player->scene, SENT, 1);
        recv_to_end(player, fd);
}

void early_under_way(struct scene *scene, int unused) {
        struct player *parent;

        scene_shares_tcp(scene);
        player_start(scene, "lv-under-server", under_way_server);
        parent = player_start(scene, "lv-under-parent", under_way_parent);
        watch_from_here(scene, 3);
        expect(parent, tcp_tx_bytes, LONG_CALL);
}

static void move_stream(struct player *player, int from, int to, size_t size) {
        for (size_t n; size > 0; size -= n) {
                n = size < 65536 ? size : 65536;
                send_all(player, from, n);
                recv_exactly(player, to, n);
        }
}

/* More than the receive buffer holds. What did not fit is this player's, too: from is its own. */
static void flood(struct player *player, int from, int to) {
        uint32_t before = drops_of(player, to);
        char bytes[1000];

        for (int i = 0; i < N_FLOOD; i++)
                send_all(player, from, sizeof(bytes));
        while (got(player, to, recv(to, bytes, sizeof(bytes), MSG_DONTWAIT)) >= 0)
                continue;
        if (drops_of(player, to) == before)
                scene_fail(player->scene, "nothing was dropped");
        player->moved[SOCKTALLY_METRIC_udp_rx_drops] += drops_of(player, to) - before;
}

/* All four are in a unix socket while the daemon starts: both ends of a connection, and both of a UDP conversation. */
static void traveller(struct player *player) {
        bool is_passive = strcmp(player->scene->bill.load_mode, "passive") == 0;
        int listener, channel[2], fds[4]; /* 0 talks to 1, 2 to 3 */
        uint64_t port;

        if (player->scene->argument == TRAVEL_FROM_CONTAINER)
                scene_own_network(player->scene);
        NEED(player, socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, channel));
        listener = tcp_listener(player, FLAVOUR_V4, &port);
        fds[0] = tcp_dial(player, FLAVOUR_V4, port);
        fds[1] = tcp_answer(player, listener);
        fds[3] = udp_bound(player, FLAVOUR_V4, &port);
        fds[2] = udp_connected(player, FLAVOUR_V4, port);
        set_option(player, fds[3], SOL_SOCKET, SO_RCVBUF, 20000);
        move_stream(player, fds[0], fds[1], LONG_PAST);
        flood(player, fds[2], fds[3]);
        for (int i = 0; i < 4; i++) {
                pass_descriptor(player, channel[0], fds[i]);
                close(fds[i]);
        }
        forget_moves(player);
        for (int i = 0; i < 4; i++)
                fds[i] = take_descriptor(player, channel[1]);
        event_raise(player->scene, TAKEN);
        if (is_passive) /* where calls are not looked at, a walk has to meet it */
                event_wait(player->scene, MET, 1);
        move_stream(player, fds[0], fds[1], 1000);
        move_stream(player, fds[1], fds[0], 300);
        move_stream(player, fds[2], fds[3], 100);
        flood(player, fds[2], fds[3]);
        tcp_hang_up(player, fds[0]);
        tcp_hang_up(player, fds[1]);
}

void early_travellers(struct scene *scene, int where) {
        struct player *player = player_start(scene, "lv-traveller", traveller);
        struct service service;

        event_wait(scene, USED, 1);
        if (where == TRAVEL_FROM_HOST)
                scene_own_network(scene);
        past_ends(scene, &service, 1, NULL);
        event_wait(scene, TAKEN, 1);
        past_wait_pass(scene, &service);
        event_raise(scene, MET);
        past_compare(scene, &service);
        expect(player, tcp_rx_bytes, 1300);
        expect(player, tcp_closes, 2);
}
