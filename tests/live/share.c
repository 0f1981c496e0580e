/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sockets that change hands or belong to several processes at once. Who made the call is charged with the call, to the
 * byte, however the descriptor came to it; a connection that several hold is closed once.
 */
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/live/scenarios.h"

/* SENDERS_DONE exists once per side, SIDE_EVENTS apart. */
enum { READY = LISTENING + 1, PASSED, PARENT_GONE, START, SENDERS_DONE, SIDE_EVENTS = 1 };
enum { SHARED_FD = PORT + 1, OTHER_SHARED_FD, PAIR_IN, PAIR_OUT, UDP_PORT };

#define SENDS 150
#define N_PASSED 1000
#define DROPPED_CONNECTIONS 100
#define BIG_BUFFER (16 << 20)

/* The descriptor number is the same in every process that inherited it; sides differ in which number that is. */
static int shared_fd(const struct player *player, int side) {
        return (int) player->scene->numbers[SHARED_FD + side];
}

static void send_varied(struct player *player, int fd) {
        event_wait(player->scene, START, 1);
        for (size_t i = 0; i < SENDS; i++)
                send_all(player, fd, 1 + i * 7919 % 3000);
}

static void sharing_sender(struct player *player) {
        send_varied(player, shared_fd(player, 0));
        event_raise(player->scene, SENDERS_DONE);
}

static void sharing_receiver(struct player *player) {
        recv_to_end(player, shared_fd(player, 1));
}

static void start_children(struct player *player, int n, const char *prefix, player_role role) {
        for (int i = 0; i < n; i++)
                player_start_numbered(player->scene, prefix, (unsigned int) i, role);
}

/* The parent has used the connection alone before, and goes on using it beside its children. */
static void sharing_dialler(struct player *player) {
        int fd = tcp_dial_one(player, FLAVOUR_V4), n = player->scene->argument;

        send_all(player, fd, 12345);
        player->scene->numbers[SHARED_FD] = (uint64_t) fd;
        start_children(player, n, "lv-share-tx", sharing_sender);
        event_raise(player->scene, START);
        send_varied(player, fd);
        event_wait(player->scene, SENDERS_DONE, (uint32_t) n);
        NEED(player, shutdown(fd, SHUT_WR));
}

static void sharing_answerer(struct player *player) {
        int fd = tcp_serve_one(player, FLAVOUR_V4);

        recv_exactly(player, fd, 345);
        player->scene->numbers[SHARED_FD + 1] = (uint64_t) fd;
        start_children(player, player->scene->argument, "lv-share-rx", sharing_receiver);
        recv_to_end(player, fd);
}

void share_tcp(struct scene *scene, int processes) {
        scene_shares_tcp(scene);
        player_start(scene, "lv-share-rx", sharing_answerer);
        player_start(scene, "lv-share-tx", sharing_dialler);
        scene_wait_done(scene);
}

/* Both directions at once: on each side one half of the children sends, the other receives. */
static int side_of(const struct player *player) {
        return player->comm[sizeof("lv-duplex") - 1] - '0';
}

static void duplex_send(struct player *player) {
        send_varied(player, shared_fd(player, side_of(player)));
        event_raise(player->scene, SENDERS_DONE + side_of(player) * SIDE_EVENTS);
}

static void duplex_recv(struct player *player) {
        event_wait(player->scene, START, 1);
        recv_to_end(player, shared_fd(player, side_of(player)));
}

static void duplex_side(struct player *player, int fd) {
        struct scene *scene = player->scene;
        int side = side_of(player), half = scene->argument / 2;

        scene->numbers[SHARED_FD + side] = (uint64_t) fd;
        start_children(player, half, side ? "lv-duplex1-tx" : "lv-duplex0-tx", duplex_send);
        start_children(player, half, side ? "lv-duplex1-rx" : "lv-duplex0-rx", duplex_recv);
        event_raise(scene, READY);
        event_wait(scene, SENDERS_DONE + side * SIDE_EVENTS, (uint32_t) half);
        NEED(player, shutdown(fd, SHUT_WR));
}

static void duplex_dialler(struct player *player) {
        duplex_side(player, tcp_dial_one(player, FLAVOUR_V4));
}

static void duplex_answerer(struct player *player) {
        duplex_side(player, tcp_serve_one(player, FLAVOUR_V4));
}

void share_tcp_both_ways(struct scene *scene, int processes) {
        scene_shares_tcp(scene);
        player_start(scene, "lv-duplex1", duplex_answerer);
        player_start(scene, "lv-duplex0", duplex_dialler);
        event_wait(scene, READY, 2);
        event_raise(scene, START);
        scene_wait_done(scene);
}

/* A child of a prefork server: answers until it is told to stop by an empty datagram. */
static void prefork_child(struct player *player) {
        int fd = shared_fd(player, 0);
        char buffer[2000];

        for (;;) {
                struct address peer = { .size = sizeof(peer.storage) };
                struct sockaddr *name = (struct sockaddr *) &peer.storage;
                ssize_t n = NEED(player, got(player, fd, recvfrom(fd, buffer, sizeof(buffer), 0, name, &peer.size)));

                if (n == 0)
                        return;
                NEED(player, sent(player, fd, sendto(fd, buffer, (size_t) n / 2, 0, name, peer.size)));
        }
}

static void prefork_parent(struct player *player) {
        int fd = udp_bound(player, FLAVOUR_V4, &player->scene->numbers[PORT]);

        set_option(player, fd, SOL_SOCKET, SO_RCVBUFFORCE, BIG_BUFFER);
        player->scene->numbers[SHARED_FD] = (uint64_t) fd;
        start_children(player, player->scene->argument, "lv-prefork", prefork_child);
        event_raise(player->scene, LISTENING);
}

/* Several requests on the way at once, so that the children really work side by side. */
static void prefork_client(struct player *player) {
        static char buffer[2000];
        int fd;

        event_wait(player->scene, LISTENING, 1);
        fd = udp_connected(player, FLAVOUR_V4, player->scene->numbers[PORT]);
        for (int round = 0; round < 50; round++) {
                for (size_t i = 0; i < 16; i++)
                        NEED(player, sent(player, fd, send(fd, buffer, 100 + 2 * i, 0)));
                for (size_t i = 0; i < 16; i++)
                        NEED(player, got(player, fd, recv(fd, buffer, sizeof(buffer), 0)));
        }
        for (int i = 0; i < player->scene->argument; i++)
                NEED(player, sent(player, fd, send(fd, buffer, 0, 0)));
}

void share_udp(struct scene *scene, int processes) {
        struct player *client;

        player_start(scene, "lv-prefork", prefork_parent);
        client = player_start(scene, "lv-prefork-cli", prefork_client);
        scene_wait_done(scene);
        expect(client, udp_rx_bytes, 50 * (16 * 100 + 240) / 2);
}

/* A peer for a passed connection: it gets and sends the same, whoever is on the other side. */
static void passed_server(struct player *player) {
        int fd = tcp_serve_one(player, FLAVOUR_V4);

        recv_to_end(player, fd);
        send_all(player, fd, 5 * N_PASSED);
        tcp_hang_up(player, fd);
}

/* Gives its connection and a UDP socket away, used or unused, and forgets them. */
static void giver(struct player *player) {
        int tcp = tcp_dial_one(player, FLAVOUR_V4);
        int udp = udp_connected(player, FLAVOUR_V4, player->scene->numbers[PORT]);

        if (player->scene->argument != PASSED_UNUSED) {
                send_all(player, tcp, N_PASSED);
                send_all(player, udp, 100);
                sent(player, udp, send(udp, "", 1, 0)); /* refused: nobody listens on that port over UDP */
        }
        pass_descriptor(player, (int) player->scene->numbers[PAIR_IN], tcp);
        pass_descriptor(player, (int) player->scene->numbers[PAIR_IN], udp);
        player->open = 0;
        close(tcp);
        close(udp);
        event_raise(player->scene, PASSED);
}

static void taker(struct player *player) {
        int tcp, udp;

        event_wait(player->scene, PASSED, 1);
        if (player->scene->argument == PASSED_LATE)
                poll(NULL, 0, 1000);
        tcp = take_descriptor(player, (int) player->scene->numbers[PAIR_OUT]);
        udp = take_descriptor(player, (int) player->scene->numbers[PAIR_OUT]);
        player->open = 1;
        send_all(player, tcp, 2 * N_PASSED);
        NEED(player, shutdown(tcp, SHUT_WR));
        recv_exactly(player, tcp, 5 * N_PASSED);
        sent(player, udp, send(udp, "", 1, 0));
        tcp_hang_up(player, tcp);
}

void share_passed(struct scene *scene, int how) {
        bool after_use = how != PASSED_UNUSED;
        int pair[2];
        struct player *from, *to;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                scene_fail(scene, "socketpair: %s", strerror(errno));
        scene_hands_on_tcp(scene);
        scene->numbers[PAIR_IN] = (uint64_t) pair[0];
        scene->numbers[PAIR_OUT] = (uint64_t) pair[1];
        player_start(scene, "lv-passed-srv", passed_server);
        from = player_start(scene, "lv-giver", giver);
        to = player_start(scene, "lv-taker", taker);
        scene_wait_done(scene);
        expect(from, tcp_tx_bytes, after_use ? N_PASSED : 0);
        expect(to, tcp_tx_bytes, 2 * N_PASSED);
        expect(to, tcp_rx_bytes, 5 * N_PASSED);
}

/* Connections on their way to a process that does not take them out of the message. */
static void dropped_giver(struct player *player) {
        for (int i = 0; i < DROPPED_CONNECTIONS; i++) {
                int fd;

                event_wait(player->scene, LISTENING, 1);
                fd = tcp_dial(player, FLAVOUR_V4, player->scene->numbers[PORT]);
                send_all(player, fd, N_PASSED);
                pass_descriptor(player, (int) player->scene->numbers[PAIR_IN], fd);
                tcp_hang_up(player, fd);
        }
        if (strcmp(player->scene->bill.load_mode, "passive") == 0)
                player->unsure |= METRIC_BIT(tcp_tx_bytes) | METRIC_BIT(tcp_closes);
}

static void dropper(struct player *player) {
        char byte;

        for (int i = 0; i < DROPPED_CONNECTIONS; i++)
                NEED(player, recv((int) player->scene->numbers[PAIR_OUT], &byte, 1, 0));
}

static void dropped_server(struct player *player) {
        int listener = tcp_listener(player, FLAVOUR_V4, &player->scene->numbers[PORT]);

        event_raise(player->scene, LISTENING);
        for (int i = 0; i < DROPPED_CONNECTIONS; i++) {
                int fd = tcp_answer(player, listener);

                recv_to_end(player, fd);
                tcp_hang_up(player, fd);
        }
}

/* Whoever drops the last reference to a socket need not be who used it. */
void share_dropped(struct scene *scene, int unused) {
        struct player *to;
        int pair[2];

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                scene_fail(scene, "socketpair: %s", strerror(errno));
        scene->numbers[PAIR_IN] = (uint64_t) pair[0];
        scene->numbers[PAIR_OUT] = (uint64_t) pair[1];
        player_start(scene, "lv-drop-srv", dropped_server);
        player_start(scene, "lv-drop-giver", dropped_giver);
        to = player_start(scene, "lv-dropper", dropper);
        scene_wait_done(scene);
        expect(to, tcp_tx_bytes, 0);
}

static void accept_child(struct player *player) {
        int fd = shared_fd(player, 0);

        player->open = 1;
        event_raise(player->scene, READY);
        recv_exactly(player, fd, 1000);
        send_all(player, fd, 3000);
        if (player->scene->argument)
                tcp_hang_up(player, fd);
}

/* The classic server: the parent accepts and forks, the child talks. If the parent takes its time, the daemon finds the
 * connection with it first, unused. */
static void accept_parent(struct player *player) {
        int listener = tcp_listener(player, FLAVOUR_V4, &player->scene->numbers[PORT]);

        event_raise(player->scene, LISTENING);
        for (unsigned int i = 0; i < 5; i++) {
                int fd = tcp_answer(player, listener);
                struct player *child;

                if (player->scene->argument && i == 0)
                        poll(NULL, 0, 2200);
                player->scene->numbers[SHARED_FD] = (uint64_t) fd;
                player->open = 0;
                child = player_start_numbered(player->scene, "lv-accepted", i, accept_child);
                close(fd);
                player_wait_done(child);
        }
}

static void accept_client(struct player *player) {
        event_wait(player->scene, LISTENING, 1);
        for (int i = 0; i < 5; i++) {
                int fd = tcp_dial(player, FLAVOUR_V4, player->scene->numbers[PORT]);

                if (player->scene->argument)
                        event_wait(player->scene, READY, (uint32_t) i + 1);
                send_all(player, fd, 1000);
                recv_exactly(player, fd, 3000);
        }
}

void share_accept_in_parent(struct scene *scene, int unused) {
        struct player *parent;

        scene_hands_on_tcp(scene);
        parent = player_start(scene, "lv-acceptor", accept_parent);
        player_start(scene, "lv-accept-cli", accept_client);
        scene_wait_done(scene);
        expect(parent, tcp_rx_bytes, 0);
}

/* Children that all accept from one listener, which their parent made. */
static void prefork_tcp_child(struct player *player) {
        for (int i = 0; i < 5; i++) {
                int fd = tcp_answer(player, shared_fd(player, 0));

                recv_exactly(player, fd, 1000);
                send_all(player, fd, 3000);
                tcp_hang_up(player, fd);
        }
}

static void prefork_tcp_parent(struct player *player) {
        int listener = tcp_listener(player, FLAVOUR_V4, &player->scene->numbers[PORT]);

        player->scene->numbers[SHARED_FD] = (uint64_t) listener;
        start_children(player, 4, "lv-pretcp", prefork_tcp_child);
        event_raise(player->scene, LISTENING);
}

static void prefork_tcp_client(struct player *player) {
        event_wait(player->scene, LISTENING, 1);
        for (int i = 0; i < 4 * 5; i++) {
                int fd = tcp_dial(player, FLAVOUR_V4, player->scene->numbers[PORT]);

                send_all(player, fd, 1000);
                recv_exactly(player, fd, 3000);
        }
}

void share_listener(struct scene *scene, int unused) {
        player_start(scene, "lv-pretcp", prefork_tcp_parent);
        player_start(scene, "lv-pretcp-cli", prefork_tcp_client);
        scene_wait_done(scene);
}

static void heir(struct player *player) {
        int fd = shared_fd(player, 0), udp = shared_fd(player, 1);

        event_wait(player->scene, PARENT_GONE, 1);
        player->open = 1;
        send_all(player, udp, 20);
        send_all(player, fd, 2000);
        recv_exactly(player, fd, 200);
}

static void dying_parent(struct player *player) {
        int fd = tcp_dial_one(player, FLAVOUR_V4);
        int udp = udp_connected(player, FLAVOUR_V4, player->scene->numbers[UDP_PORT]);

        send_all(player, fd, 1000);
        recv_exactly(player, fd, 100);
        send_all(player, udp, 10);
        player->scene->numbers[SHARED_FD] = (uint64_t) fd;
        player->scene->numbers[OTHER_SHARED_FD] = (uint64_t) udp;
        player->open = 0;
        player_start(player->scene, "lv-heir", heir);
}

static void heir_server(struct player *player) {
        int udp = udp_bound(player, FLAVOUR_V4, &player->scene->numbers[UDP_PORT]);
        int fd = tcp_serve_one(player, FLAVOUR_V4);

        recv_exactly(player, fd, 1000);
        send_all(player, fd, 300);
        recv_exactly(player, fd, 2000);
        recv_exactly(player, udp, 10 + 20);
}

void share_parent_exits(struct scene *scene, int unused) {
        struct player *parent;

        scene_hands_on_tcp(scene);
        player_start(scene, "lv-heir-srv", heir_server);
        parent = player_start_brief(scene, "lv-parent", dying_parent);
        player_wait_exit(parent);
        event_raise(scene, PARENT_GONE);
        scene_wait_done(scene);
        expect(parent, tcp_tx_bytes, 1000);
        expect(parent, tcp_rx_bytes, 100);
        expect(parent, udp_tx_bytes, 10);
}
