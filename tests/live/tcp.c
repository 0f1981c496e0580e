/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One TCP connection between two processes in all the states it can be in when somebody asks. What each side moved is
 * known to the byte, also when the kernel still holds some of it.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/live/scenarios.h"

enum { FILLED = LISTENING + 1, SENT, FIRST_CHECKED, SECOND_CHECKED, FINISHED, LOOK, LOOKED };
enum { SECOND_PORT = PORT + 1, HALF };

#define ROUNDS 50
#define REQUEST 700
#define RESPONSE 30000
#define SHUT_CONNECTIONS 100
#define REUSE_LOOKS 5

static void talk_server(struct player *player) {
        int fd = tcp_serve_one(player, (enum flavour) player->scene->argument);

        for (int i = 0; i < ROUNDS; i++) {
                recv_exactly(player, fd, REQUEST);
                send_all(player, fd, RESPONSE);
        }
}

static void talk_client(struct player *player) {
        int fd = tcp_dial_one(player, (enum flavour) player->scene->argument);

        for (int i = 0; i < ROUNDS; i++) {
                send_all(player, fd, REQUEST);
                recv_exactly(player, fd, RESPONSE);
        }
}

void tcp_talk(struct scene *scene, int flavour) {
        struct player *server = player_start(scene, "lv-talk-server", talk_server);
        struct player *client = player_start(scene, "lv-talk-client", talk_client);

        scene_wait_done(scene);
        expect(server, tcp_rx_bytes, ROUNDS * REQUEST);
        expect(server, tcp_tx_bytes, ROUNDS * RESPONSE);
        expect(server, tcp_tx_calls, ROUNDS);
        expect(client, tcp_rx_bytes, ROUNDS * RESPONSE);
        expect(client, tcp_tx_bytes, ROUNDS * REQUEST);
        expect(client, tcp_tx_calls, ROUNDS);
}

static size_t bulk_size(const struct player *player) {
        return scene_bulk(player->scene, (size_t) player->scene->argument << 20);
}

static void bulk_sender(struct player *player) {
        int fd = tcp_dial_one(player, FLAVOUR_V4);

        send_all(player, fd, bulk_size(player));
        tcp_hang_up(player, fd);
}

static void bulk_receiver(struct player *player) {
        int fd = tcp_serve_one(player, FLAVOUR_V4);

        recv_to_end(player, fd);
        tcp_hang_up(player, fd);
}

void tcp_bulk(struct scene *scene, int megabytes) {
        struct player *receiver = player_start(scene, "lv-bulk-recv", bulk_receiver);
        struct player *sender = player_start(scene, "lv-bulk-send", bulk_sender);

        scene_wait_done(scene);
        expect(sender, tcp_tx_bytes, bulk_size(sender));
        expect(receiver, tcp_rx_bytes, bulk_size(sender));
        expect(sender, tcp_closes, 1);
        expect(receiver, tcp_closes, 1);
}

static void cycle_server(struct player *player) {
        int listener = tcp_listener(player, FLAVOUR_V4, &player->scene->numbers[PORT]);

        event_raise(player->scene, LISTENING);
        for (int i = 0; i < player->scene->argument; i++) {
                int fd = tcp_answer(player, listener);

                recv_exactly(player, fd, 10);
                send_all(player, fd, 20);
                tcp_hang_up(player, fd);
        }
        close(listener);
}

static void cycle_client(struct player *player) {
        event_wait(player->scene, LISTENING, 1);
        for (int i = 0; i < player->scene->argument; i++) {
                int fd = tcp_dial(player, FLAVOUR_V4, player->scene->numbers[PORT]);

                send_all(player, fd, 10);
                recv_to_end(player, fd);
                tcp_hang_up(player, fd);
        }
}

void tcp_cycles(struct scene *scene, int cycles) {
        struct player *server = player_start(scene, "lv-cycle-server", cycle_server);
        struct player *client = player_start(scene, "lv-cycle-client", cycle_client);

        scene_wait_done(scene);
        expect(server, tcp_closes, (uint64_t) cycles);
        expect(client, tcp_closes, (uint64_t) cycles);
        expect(client, tcp_rx_bytes, (uint64_t) cycles * 20);
}

static void half_close_server(struct player *player) {
        int fd = tcp_serve_one(player, FLAVOUR_V4);

        recv_to_end(player, fd);
        send_all(player, fd, 123456);
        NEED(player, shutdown(fd, SHUT_WR));
}

static void half_close_client(struct player *player) {
        int fd = tcp_dial_one(player, FLAVOUR_V4);

        send_all(player, fd, 4321);
        NEED(player, shutdown(fd, SHUT_WR));
        recv_to_end(player, fd);
}

void tcp_half_close(struct scene *scene, int unused) {
        struct player *server = player_start(scene, "lv-half-server", half_close_server);
        struct player *client = player_start(scene, "lv-half-client", half_close_client);

        scene_wait_done(scene);
        expect(server, tcp_rx_bytes, 4321);
        expect(client, tcp_rx_bytes, 123456);
}

/* Both say FIN, both leave bytes unread; then they read on, and one closes with bytes still unread. */
static void unread_player(struct player *player, int fd) {
        send_all(player, fd, 50000);
        NEED(player, shutdown(fd, SHUT_WR));
        wait_fin(player, fd);
        recv_exactly(player, fd, 12345);
        event_raise(player->scene, FILLED);
        event_wait(player->scene, FIRST_CHECKED, 1);
        recv_exactly(player, fd, 10000);
}

static void unread_server(struct player *player) {
        int fd = tcp_serve_one(player, FLAVOUR_V4);

        unread_player(player, fd);
        tcp_hang_up(player, fd);
        event_raise(player->scene, FINISHED);
}

static void unread_client(struct player *player) {
        int fd = tcp_dial_one(player, FLAVOUR_V4);

        unread_player(player, fd);
        event_wait(player->scene, FINISHED, 1);
}

void tcp_unread(struct scene *scene, int unused) {
        struct player *server = player_start(scene, "lv-unread-srv", unread_server);
        struct player *client = player_start(scene, "lv-unread-cli", unread_client);

        event_wait(scene, FILLED, 2);
        expect(server, tcp_rx_bytes, 12345);
        scene_compare(scene);
        event_raise(scene, FIRST_CHECKED);
        scene_wait_done(scene);
        expect(client, tcp_rx_bytes, 22345);
}

static void buffer_sender(struct player *player) {
        static const char bytes[20000];
        int fd = tcp_dial_one(player, FLAVOUR_V4);

        while (sent(player, fd, send(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
                continue;
        if (errno != EAGAIN)
                scene_fail(player->scene, "filling the buffer: %s", strerror(errno));
        player->scene->numbers[HALF] = player->moved[SOCKTALLY_METRIC_tcp_tx_bytes] / 2;
        event_raise(player->scene, FILLED);
        event_wait(player->scene, SECOND_CHECKED, 1);
        tcp_hang_up(player, fd);
        event_raise(player->scene, FINISHED);
}

static void buffer_receiver(struct player *player) {
        int fd = tcp_serve_one(player, FLAVOUR_V4);

        event_wait(player->scene, FIRST_CHECKED, 1);
        recv_exactly(player, fd, player->scene->numbers[HALF]);
        event_raise(player->scene, SENT);
        event_wait(player->scene, FINISHED, 1);
        recv_to_end(player, fd);
        tcp_hang_up(player, fd);
}

void tcp_full_buffer(struct scene *scene, int unused) {
        struct player *receiver = player_start(scene, "lv-buffer-recv", buffer_receiver);
        struct player *sender = player_start(scene, "lv-buffer-send", buffer_sender);

        event_wait(scene, FILLED, 1);
        expect(receiver, tcp_rx_bytes, 0);
        scene_compare(scene);
        event_raise(scene, FIRST_CHECKED);
        event_wait(scene, SENT, 1);
        scene_compare(scene);
        event_raise(scene, SECOND_CHECKED);
        scene_wait_done(scene);
        expect(receiver, tcp_rx_bytes, sender->moved[SOCKTALLY_METRIC_tcp_tx_bytes]);
}

static void linger_client(struct player *player) {
        const struct linger linger = { .l_onoff = 1 };
        int fd = tcp_dial_one(player, FLAVOUR_V4);

        send_all(player, fd, 300000);
        event_wait(player->scene, SENT, 1);
        NEED(player, setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
        tcp_hang_up(player, fd);
        event_raise(player->scene, FINISHED);
}

static void linger_server(struct player *player) {
        int fd = tcp_serve_one(player, FLAVOUR_V4);
        char bytes[7000];

        recv_exactly(player, fd, 1000);
        event_raise(player->scene, SENT);
        event_wait(player->scene, FINISHED, 1);
        while (got(player, fd, recv(fd, bytes, sizeof(bytes), 0)) > 0)
                continue;
        if (errno != ECONNRESET)
                scene_fail(player->scene, "the reset did not arrive");
        tcp_hang_up(player, fd);
}

void tcp_reset_by_linger(struct scene *scene, int unused) {
        struct player *server = player_start(scene, "lv-linger-srv", linger_server);
        struct player *client = player_start(scene, "lv-linger-cli", linger_client);

        scene_wait_done(scene);
        expect(client, tcp_tx_bytes, 300000);
        expect(server, tcp_rx_errors, 1);
}

static void reuse_server(struct player *player) {
        int listener = tcp_listener(player, FLAVOUR_V4, &player->scene->numbers[PORT]), fd;

        event_raise(player->scene, LISTENING);
        for (int i = 0; i < 3; i++) {
                fd = tcp_answer(player, listener);
                recv_exactly(player, fd, 5000);
                send_all(player, fd, 100);
                event_wait(player->scene, SENT, (uint32_t) i + 1);
                tcp_hang_up(player, fd);
        }
        close(listener);
}

/* With REUSE_LOOK the daemon's numbers are compared here. */
static void let_look(struct player *player) {
        static uint32_t n;

        if (player->scene->argument != REUSE_LOOK)
                return;
        event_raise(player->scene, LOOK);
        event_wait(player->scene, LOOKED, ++n);
}

/* The first two connections end by connect(AF_UNSPEC), the second with bytes unread; the third with the socket, or
 * like them. */
static void reuse_client(struct player *player) {
        const struct sockaddr nowhere = { .sa_family = AF_UNSPEC };
        struct address address;
        int fd = tcp_dial_one(player, FLAVOUR_V4);

        address_of(&address, FLAVOUR_V4, (uint16_t) player->scene->numbers[PORT]);
        for (int i = 0; i < 3; i++) {
                send_all(player, fd, 5000);
                recv_exactly(player, fd, i == 1 ? 60 : 100);
                event_raise(player->scene, SENT);
                let_look(player);
                if (i == 2)
                        break;
                NEED(player, connect(fd, &nowhere, sizeof(nowhere)));
                let_look(player);
                player->moved[SOCKTALLY_METRIC_tcp_closes]++; /* which may show only with the next connection */
                NEED(player, connect(fd, (struct sockaddr *) &address.storage, address.size));
                connected(player, fd);
        }
        if (player->scene->argument == REUSE_TO_THE_END) { /* and the socket closes unconnected */
                NEED(player, connect(fd, &nowhere, sizeof(nowhere)));
                player->moved[SOCKTALLY_METRIC_tcp_closes]++;
                player->open = 0;
        }
        close(fd);
        player->moved[SOCKTALLY_METRIC_tcp_closes] += player->open;
        player->open = 0;
}

void tcp_disconnect_and_reuse(struct scene *scene, int how) {
        struct player *server = player_start(scene, "lv-reuse-srv", reuse_server);
        struct player *client = player_start(scene, "lv-reuse-cli", reuse_client);

        for (uint32_t i = 0; how == REUSE_LOOK && i < REUSE_LOOKS; i++) {
                event_wait(scene, LOOK, i + 1);
                scene_compare(scene);
                event_raise(scene, LOOKED);
        }
        scene_wait_done(scene);
        expect(client, tcp_tx_bytes, 15000);
        expect(client, tcp_rx_bytes, 260);
        expect(client, tcp_closes, 3);
        expect(server, tcp_tx_bytes, 300);
}

/* Both ends shut down what they opened and hold on to it: for the one that was first the connection is over then. */
static void shut_one(struct player *player, int fd, size_t tx, size_t rx, bool is_first) {
        send_all(player, fd, tx);
        recv_exactly(player, fd, rx);
        if (!is_first && recv_to_end(player, fd) != 0)
                scene_fail(player->scene, "more came than was sent");
        NEED(player, shutdown(fd, SHUT_WR));
        if (is_first)
                recv_to_end(player, fd);
}

static void shut_server(struct player *player) {
        int listener = tcp_listener(player, FLAVOUR_V4, &player->scene->numbers[PORT]), fds[SHUT_CONNECTIONS];

        event_raise(player->scene, LISTENING);
        for (size_t i = 0; i < SHUT_CONNECTIONS; i++) {
                fds[i] = tcp_answer(player, listener);
                shut_one(player, fds[i], 50 + i, 100, i % 2);
        }
        close(listener);
        event_raise(player->scene, FINISHED);
        event_wait(player->scene, FIRST_CHECKED, 1);
        for (size_t i = 0; i < SHUT_CONNECTIONS; i++)
                tcp_hang_up(player, fds[i]);
}

static void shut_client(struct player *player) {
        int fds[SHUT_CONNECTIONS];

        event_wait(player->scene, LISTENING, 1);
        for (size_t i = 0; i < SHUT_CONNECTIONS; i++) {
                fds[i] = tcp_dial(player, FLAVOUR_V4, player->scene->numbers[PORT]);
                shut_one(player, fds[i], 100, 50 + i, !(i % 2));
        }
        event_raise(player->scene, FINISHED);
        event_wait(player->scene, FIRST_CHECKED, 1);
        for (size_t i = 0; i < SHUT_CONNECTIONS; i++)
                tcp_hang_up(player, fds[i]);
}

void tcp_both_shut_down(struct scene *scene, int is_compared_between) {
        struct player *server = player_start(scene, "lv-shut-server", shut_server);
        struct player *client = player_start(scene, "lv-shut-client", shut_client);

        event_wait(scene, FINISHED, 2);
        if (is_compared_between)
                scene_compare(scene);
        event_raise(scene, FIRST_CHECKED);
        scene_wait_done(scene);
        expect(client, tcp_tx_bytes, 100 * SHUT_CONNECTIONS);
        expect(server, tcp_closes, SHUT_CONNECTIONS);
}

static void vector_client(struct player *player) {
        char a[100] = "", b[2000] = "", c[30] = "";
        struct iovec parts[] = { { a, sizeof(a) }, { b, sizeof(b) }, { c, sizeof(c) } };
        int fd = tcp_dial_one(player, FLAVOUR_V4);

        for (int i = 0; i < 10; i++) {
                NEED(player, sent(player, fd, writev(fd, parts, 3)));
                NEED(player, sent(player, fd, write(fd, b, sizeof(b))));
        }
        NEED(player, shutdown(fd, SHUT_WR));
}

static void vector_server(struct player *player) {
        char a[10], b[500];
        struct iovec parts[] = { { a, sizeof(a) }, { b, sizeof(b) } };
        int fd = tcp_serve_one(player, FLAVOUR_V4);

        for (;;) {
                if (NEED(player, got(player, fd, readv(fd, parts, 2))) == 0)
                        return;
                if (NEED(player, got(player, fd, read(fd, b, sizeof(b)))) == 0)
                        return;
        }
}

void tcp_vectors(struct scene *scene, int unused) {
        struct player *server = player_start(scene, "lv-vector-srv", vector_server);
        struct player *client = player_start(scene, "lv-vector-cli", vector_client);

        scene_wait_done(scene);
        expect(client, tcp_tx_bytes, 41300);
        expect(client, tcp_tx_calls, 20);
        expect(server, tcp_rx_bytes, 41300);
}

static void one_send(struct player *player) {
        int fd = tcp_dial_one(player, FLAVOUR_V4);

        send_all(player, fd, 10000);
        event_raise(player->scene, SENT);
}

static void peeker(struct player *player) {
        char bytes[10000];
        int fd = tcp_serve_one(player, FLAVOUR_V4);

        for (int i = 0; i < 20; i++)
                NEED(player, recv(fd, bytes, sizeof(bytes), MSG_PEEK));
        recv_exactly(player, fd, 4000);
        NEED(player, recv(fd, bytes, 100, MSG_PEEK | MSG_WAITALL));
}

void tcp_peek(struct scene *scene, int unused) {
        struct player *server = player_start(scene, "lv-peeker", peeker);

        player_start(scene, "lv-peeked", one_send);
        scene_wait_done(scene);
        expect(server, tcp_rx_bytes, 4000);
}

static void truncator(struct player *player) {
        int fd = tcp_serve_one(player, FLAVOUR_V4);

        NEED(player, got(player, fd, recv(fd, NULL, 6000, MSG_TRUNC | MSG_WAITALL)));
        recv_exactly(player, fd, 3000);
}

void tcp_truncate(struct scene *scene, int unused) {
        struct player *server = player_start(scene, "lv-truncator", truncator);

        player_start(scene, "lv-truncated", one_send);
        scene_wait_done(scene);
        expect(server, tcp_rx_bytes, 9000);
        expect(server, tcp_rx_calls, 2);
}
