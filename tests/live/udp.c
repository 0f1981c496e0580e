/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Datagrams between two processes. The loopback delivers before send returns, so a datagram that was sent is there;
 * none is lost as long as the receive buffer holds, which the sizes here respect.
 */
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/live/scenarios.h"

enum { BOUND = 1, SENT };

#define ROUNDS 40
#define REQUEST 300
#define BROADCAST_PORT 4714
#define RESPONSE 1400

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

static const char bytes[65536];

static int bind_one(struct player *player, enum flavour flavour) {
        int fd = udp_bound(player, flavour, &player->scene->numbers[PORT]);

        event_raise(player->scene, BOUND);
        return fd;
}

static int connect_one(struct player *player, enum flavour flavour) {
        event_wait(player->scene, BOUND, 1);
        return udp_connected(player, flavour, player->scene->numbers[PORT]);
}

static void answer_all(struct player *player) {
        int fd = bind_one(player, (enum flavour) player->scene->argument);
        char buffer[2000];

        for (int i = 0; i < ROUNDS; i++) {
                struct address peer = { .size = sizeof(peer.storage) };

                NEED(player, got(player, fd, recvfrom(fd, buffer, sizeof(buffer), 0, (struct sockaddr *) &peer.storage,
                                                      &peer.size)));
                NEED(player, sent(player, fd, sendto(fd, bytes, RESPONSE, 0, (struct sockaddr *) &peer.storage,
                                                     peer.size)));
        }
}

static void ask_connected(struct player *player) {
        int fd = connect_one(player, (enum flavour) player->scene->argument);
        char buffer[2000];

        for (int i = 0; i < ROUNDS; i++) {
                NEED(player, sent(player, fd, send(fd, bytes, REQUEST, 0)));
                NEED(player, got(player, fd, recv(fd, buffer, sizeof(buffer), 0)));
        }
}

static void ask_unconnected(struct player *player) {
        enum flavour flavour = (enum flavour) player->scene->argument;
        struct address address;
        char buffer[2000];
        int fd;

        event_wait(player->scene, BOUND, 1);
        address_of(&address, flavour, (uint16_t) player->scene->numbers[PORT]);
        fd = NEED(player, socket(flavour_family(flavour), SOCK_DGRAM | SOCK_CLOEXEC, 0));
        for (int i = 0; i < ROUNDS; i++) {
                NEED(player, sent(player, fd, sendto(fd, bytes, REQUEST, 0, (struct sockaddr *) &address.storage,
                                                     address.size)));
                NEED(player, got(player, fd, recvfrom(fd, buffer, sizeof(buffer), 0, NULL, NULL)));
        }
}

static void udp_talk(struct scene *scene, player_role client_role) {
        struct player *server = player_start(scene, "lv-udp-server", answer_all);
        struct player *client = player_start(scene, "lv-udp-client", client_role);

        scene_wait_done(scene);
        expect(server, udp_rx_bytes, ROUNDS * REQUEST);
        expect(server, udp_tx_bytes, ROUNDS * RESPONSE);
        expect(server, udp_rx_calls, ROUNDS);
        expect(client, udp_rx_bytes, ROUNDS * RESPONSE);
        expect(client, udp_tx_bytes, ROUNDS * REQUEST);
        expect(client, udp_tx_calls, ROUNDS);
}

void udp_connected_talk(struct scene *scene, int flavour) {
        udp_talk(scene, ask_connected);
}

void udp_unconnected_talk(struct scene *scene, int flavour) {
        udp_talk(scene, ask_unconnected);
}

static void send_empty(struct player *player) {
        int fd = connect_one(player, FLAVOUR_V4);

        for (int i = 0; i < 30; i++)
                NEED(player, sent(player, fd, send(fd, bytes, 0, 0)));
}

static void receive_empty(struct player *player) {
        int fd = bind_one(player, FLAVOUR_V4);
        char buffer[10];

        for (int i = 0; i < 30; i++)
                NEED(player, got(player, fd, recv(fd, buffer, sizeof(buffer), 0)));
}

void udp_empty_datagrams(struct scene *scene, int unused) {
        struct player *receiver = player_start(scene, "lv-empty-recv", receive_empty);
        struct player *sender = player_start(scene, "lv-empty-send", send_empty);

        scene_wait_done(scene);
        expect(sender, udp_tx_calls, 30);
        expect(sender, udp_tx_bytes, 0);
        expect(receiver, udp_rx_calls, 30);
        expect(receiver, udp_rx_bytes, 0);
}

static void send_ten(struct player *player) {
        int fd = connect_one(player, FLAVOUR_V4);

        for (int i = 0; i < 10; i++)
                NEED(player, sent(player, fd, send(fd, bytes, 1000, 0)));
}

static void receive_short(struct player *player) {
        int fd = bind_one(player, FLAVOUR_V4);
        char buffer[123];

        for (int i = 0; i < 10; i++)
                NEED(player, got(player, fd, recv(fd, buffer, sizeof(buffer), 0)));
}

void udp_short_buffers(struct scene *scene, int unused) {
        struct player *receiver = player_start(scene, "lv-short-recv", receive_short);

        player_start(scene, "lv-short-send", send_ten);
        scene_wait_done(scene);
        expect(receiver, udp_rx_bytes, 1230);
}

/* Asks for a datagram's full length and takes less of it; what does not fit is gone, not counted. */
static ssize_t truncated_call(int fd, enum truncation how, size_t *ret_room) {
        static char buffer[123];
        struct iovec parts[] = { { buffer, 23 }, { buffer + 23, 40 } };
        struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };

        switch (how) {
        case TRUNCATE_RECV:
                *ret_room = 123;
                return recv(fd, buffer, 123, MSG_TRUNC);
        case TRUNCATE_RECVMSG:
                *ret_room = 63;
                return recvmsg(fd, &message, MSG_TRUNC);
        case TRUNCATE_EMPTY:
                *ret_room = 0;
                return recv(fd, NULL, 0, MSG_TRUNC);
        }
        return -1;
}

static void receive_truncated(struct player *player) {
        int fd = bind_one(player, FLAVOUR_V4);

        for (int i = 0; i < 10; i++) {
                size_t room = 0;
                ssize_t n = truncated_call(fd, (enum truncation) player->scene->argument, &room);

                if (got_at_most(player, fd, n, room) != 1000)
                        scene_fail(player->scene, "MSG_TRUNC returned %zd", n);
        }
}

void udp_truncate(struct scene *scene, int how) {
        static const uint64_t copied[] = { [TRUNCATE_RECV] = 123, [TRUNCATE_RECVMSG] = 63, [TRUNCATE_EMPTY] = 0 };
        struct player *receiver = player_start(scene, "lv-trunc-recv", receive_truncated);

        player_start(scene, "lv-trunc-send", send_ten);
        scene_wait_done(scene);
        expect(receiver, udp_rx_bytes, 10 * copied[how]);
        expect(receiver, udp_rx_calls, 10);
}

static void receive_after_peeks(struct player *player) {
        int fd = bind_one(player, FLAVOUR_V4);
        char buffer[2000];

        for (int i = 0; i < 10; i++) {
                for (int peeks = 0; peeks < 5; peeks++)
                        NEED(player, recv(fd, buffer, sizeof(buffer), MSG_PEEK | (peeks & 1 ? MSG_TRUNC : 0)));
                NEED(player, got(player, fd, recv(fd, buffer, sizeof(buffer), 0)));
        }
}

void udp_peek(struct scene *scene, int unused) {
        struct player *receiver = player_start(scene, "lv-peek-recv", receive_after_peeks);

        player_start(scene, "lv-peek-send", send_ten);
        scene_wait_done(scene);
        expect(receiver, udp_rx_bytes, 10000);
        expect(receiver, udp_rx_calls, 10);
}

static void send_corked(struct player *player) {
        int fd = connect_one(player, FLAVOUR_V4);

        for (int i = 0; i < 5; i++) {
                set_option(player, fd, IPPROTO_UDP, UDP_CORK, 1);
                for (int part = 0; part < 3; part++)
                        NEED(player, sent(player, fd, send(fd, bytes, 100, 0)));
                set_option(player, fd, IPPROTO_UDP, UDP_CORK, 0);
        }
        for (int i = 0; i < 5; i++) {
                NEED(player, sent(player, fd, send(fd, bytes, 100, MSG_MORE)));
                NEED(player, sent(player, fd, send(fd, bytes, 200, 0)));
        }
}

static void receive_corked(struct player *player) {
        int fd = bind_one(player, FLAVOUR_V4);
        char buffer[2000];

        for (int i = 0; i < 10; i++)
                if (NEED(player, got(player, fd, recv(fd, buffer, sizeof(buffer), 0))) != 300)
                        scene_fail(player->scene, "the datagram was sent in parts");
}

void udp_corked(struct scene *scene, int unused) {
        struct player *receiver = player_start(scene, "lv-cork-recv", receive_corked);
        struct player *sender = player_start(scene, "lv-cork-send", send_corked);

        scene_wait_done(scene);
        expect(sender, udp_tx_bytes, 3000);
        expect(sender, udp_tx_calls, 25);
        expect(receiver, udp_rx_bytes, 3000);
}

enum { BATCH = 20 };

static void batch_of(struct mmsghdr *messages, struct iovec *parts, char *buffer, size_t part) {
        memset(messages, 0, BATCH * sizeof(*messages));
        for (int i = 0; i < BATCH; i++) {
                parts[i] = (struct iovec) { buffer + (size_t) i * part, part };
                messages[i].msg_hdr.msg_iov = &parts[i];
                messages[i].msg_hdr.msg_iovlen = 1;
        }
}

static void send_batches(struct player *player) {
        int fd = connect_one(player, FLAVOUR_V4);
        struct mmsghdr messages[BATCH];
        struct iovec parts[BATCH];
        static char buffer[BATCH * 500];

        for (int round = 0; round < 4; round++) {
                int n;

                batch_of(messages, parts, buffer, 500);
                n = NEED(player, sendmmsg(fd, messages, BATCH, 0));
                for (int i = 0; i < n; i++)
                        sent(player, fd, messages[i].msg_len);
                if (n != BATCH)
                        scene_fail(player->scene, "sendmmsg sent %d of %d", n, BATCH);
        }
        event_raise(player->scene, SENT);
}

/* One datagram at a time, as chronyd does: there is room for more, and the kernel looks for it in vain. */
static void receive_one_by_one(struct player *player) {
        uint64_t port;
        int fd = udp_bound(player, FLAVOUR_V4, &port), from = udp_connected(player, FLAVOUR_V4, port);
        struct mmsghdr messages[BATCH];
        struct iovec parts[BATCH];
        static char buffer[BATCH * 100];

        for (int i = 0; i < 5; i++) {
                send_all(player, from, 10);
                batch_of(messages, parts, buffer, 100);
                if (NEED(player, recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL)) != 1)
                        scene_fail(player->scene, "not one datagram");
                got(player, fd, messages[0].msg_len);
        }
}

void udp_short_batches(struct scene *scene, int unused) {
        struct player *player = player_start(scene, "lv-waitforone", receive_one_by_one);

        scene_wait_done(scene);
        expect(player, udp_rx_calls, 5);
        expect(player, udp_rx_bytes, 50);
}

/* Asks for more than there is: the last call of each round finds nothing. */
static void receive_batches(struct player *player) {
        int fd = bind_one(player, FLAVOUR_V4);
        struct mmsghdr messages[BATCH];
        struct iovec parts[BATCH];
        static char buffer[BATCH * 600];
        int total = 0, n;

        event_wait(player->scene, SENT, 1);
        for (;;) {
                batch_of(messages, parts, buffer, 600);
                n = recvmmsg(fd, messages, BATCH, MSG_DONTWAIT, NULL);
                for (int i = 0; i < n; i++)
                        got(player, fd, messages[i].msg_len);
                if (n <= 0)
                        break;
                total += n;
        }
        if (total != 4 * BATCH)
                scene_fail(player->scene, "recvmmsg received %d of %d", total, 4 * BATCH);
}

void udp_batches(struct scene *scene, int unused) {
        struct player *receiver = player_start(scene, "lv-batch-recv", receive_batches);
        struct player *sender = player_start(scene, "lv-batch-send", send_batches);

        scene_wait_done(scene);
        expect(sender, udp_tx_calls, 4 * BATCH);
        expect(sender, udp_tx_bytes, 4 * BATCH * 500);
        expect(receiver, udp_rx_bytes, 4 * BATCH * 500);
        expect(receiver, udp_rx_calls, 4 * BATCH);
}

static void send_segments(struct player *player) {
        int fd = connect_one(player, FLAVOUR_V4), size = 1000;

        if (setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size)) < 0)
                scene_skip(player->scene, "no UDP_SEGMENT: %s", strerror(errno));
        for (int i = 0; i < 3; i++)
                NEED(player, sent(player, fd, send(fd, bytes, 20500, 0)));
}

static void receive_segments(struct player *player) {
        int fd = udp_bound(player, FLAVOUR_V4, &player->scene->numbers[PORT]), on = 1;
        static char buffer[65536];
        size_t total = 0;

        if (player->scene->argument && setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof(on)) < 0)
                scene_skip(player->scene, "no UDP_GRO: %s", strerror(errno));
        event_raise(player->scene, BOUND);
        while (total < 3 * 20500)
                total += (size_t) NEED(player, got(player, fd, recv(fd, buffer, sizeof(buffer), 0)));
}

void udp_segments(struct scene *scene, int with_gro) {
        struct player *receiver = player_start(scene, "lv-gso-recv", receive_segments);
        struct player *sender = player_start(scene, "lv-gso-send", send_segments);

        scene_wait_done(scene);
        expect(sender, udp_tx_calls, 3);
        expect(sender, udp_tx_bytes, 3 * 20500);
        expect(receiver, udp_rx_bytes, 3 * 20500);
        expect(receiver, udp_rx_calls, with_gro ? 3 : 3 * 21);
}

/* More than the receive buffer holds: what was dropped is the socket's own count, and never a received byte. */
static void send_flood(struct player *player) {
        int fd = connect_one(player, FLAVOUR_V4);

        for (int i = 0; i < 500; i++)
                NEED(player, sent(player, fd, send(fd, bytes, 1000, 0)));
        event_raise(player->scene, SENT);
}

static void receive_flood(struct player *player) {
        int fd = udp_bound(player, FLAVOUR_V4, &player->scene->numbers[PORT]);
        char buffer[1000];

        set_option(player, fd, SOL_SOCKET, SO_RCVBUF, 20000);
        event_raise(player->scene, BOUND);
        event_wait(player->scene, SENT, 1);
        while (!player->scene->argument && got(player, fd, recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT)) >= 0)
                continue;
        player->moved[SOCKTALLY_METRIC_udp_rx_drops] = drops_of(player, fd);
        if (player->moved[SOCKTALLY_METRIC_udp_rx_drops] == 0)
                scene_fail(player->scene, "nothing was dropped");
}

/* is_unread: the receiver makes no call, and its socket closes. */
void udp_flood(struct scene *scene, int is_unread) {
        scene->argument = is_unread;
        player_start(scene, "lv-flood-recv", receive_flood);
        player_start(scene, "lv-flood-send", send_flood);
}

/* A socket that goes from one peer to another and back to none. */
static void change_peers(struct player *player) {
        const struct sockaddr nowhere = { .sa_family = AF_UNSPEC };
        struct address address;
        uint64_t ports[2];
        int peers[2] = { udp_bound(player, FLAVOUR_V4, &ports[0]), udp_bound(player, FLAVOUR_V4, &ports[1]) };
        int fd = udp_connected(player, FLAVOUR_V4, ports[0]);

        player->changes_peers = true;
        for (int i = 0; i < 20; i++) {
                address_of(&address, FLAVOUR_V4, (uint16_t) ports[i % 2]);
                NEED(player, connect(fd, (struct sockaddr *) &address.storage, address.size));
                send_all(player, fd, 100);
                address_of(&address, FLAVOUR_V4, (uint16_t) ports[(i + 1) % 2]);
                send_to(player, fd, 30, &address);
                NEED(player, connect(fd, &nowhere, sizeof(nowhere)));
                recv_exactly(player, peers[i % 2], 100);
                recv_exactly(player, peers[(i + 1) % 2], 30);
        }
}

void udp_other_peers(struct scene *scene, int unused) {
        struct player *player = player_start(scene, "lv-peers", change_peers);

        scene_wait_done(scene);
        expect(player, udp_rx_bytes, 20 * 130);
}

/* Everybody on one port of the loopback's broadcast address. */
static void broadcast_receiver(struct player *player) {
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(BROADCAST_PORT) };
        int fd = NEED(player, socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));

        set_option(player, fd, SOL_SOCKET, SO_REUSEADDR, 1);
        NEED(player, bind(fd, (struct sockaddr *) &address, sizeof(address)));
        event_raise(player->scene, BOUND);
        recv_exactly(player, fd, 10 * 400);
}

static void broadcast_sender(struct player *player) {
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(BROADCAST_PORT),
                                       .sin_addr.s_addr = htonl(0x7fffffff) };
        const struct sockaddr *name = (struct sockaddr *) &address;
        int fd = NEED(player, socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));

        set_option(player, fd, SOL_SOCKET, SO_BROADCAST, 1);
        event_wait(player->scene, BOUND, 3);
        for (int i = 0; i < 10; i++)
                NEED(player, sent(player, fd, sendto(fd, bytes, 400, 0, name, sizeof(address))));
}

void udp_broadcast(struct scene *scene, int unused) {
        struct player *sender;

        scene_own_network(scene);
        for (unsigned int i = 0; i < 3; i++)
                player_start_numbered(scene, "lv-hearer", i, broadcast_receiver);
        sender = player_start(scene, "lv-broadcaster", broadcast_sender);
        scene_wait_done(scene);
        expect(sender, udp_tx_bytes, 4000);
}
