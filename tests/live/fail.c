/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Calls that fail, find nothing, or look like traffic without being any. A failed call is a call and, in load mode
 * "return", an error; never a byte.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/live/scenarios.h"

enum { SENT = LISTENING + 1, READ };

#define STORM 2000

static char bytes[70000];

static void must_fail(struct player *player, ssize_t result, int error, const char *what) {
        if (result >= 0 || errno != error)
                scene_fail(player->scene, "%s: %s: expected %s, got %s", player->comm, what, strerror(error),
                           result >= 0 ? "success" : strerror(errno));
}

/* A port of the loopback on which nobody listens: bound and closed again. */
static uint64_t closed_port(struct player *player, int type) {
        uint64_t port;
        int fd = type == SOCK_STREAM ? tcp_listener(player, FLAVOUR_V4, &port) : udp_bound(player, FLAVOUR_V4, &port);

        close(fd);
        return port;
}

static void tcp_failer(struct player *player) {
        int unconnected = NEED(player, socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        struct sockaddr *name;
        struct address address;
        int fd = tcp_dial_one(player, FLAVOUR_V4);

        for (int i = 0; i < 3; i++)
                must_fail(player, sent(player, unconnected, send(unconnected, bytes, 10, 0)), EPIPE, "send");
        for (int i = 0; i < 4; i++)
                must_fail(player, got(player, unconnected, recv(unconnected, bytes, 10, 0)), ENOTCONN, "recv");
        address_of(&address, FLAVOUR_V4, (uint16_t) closed_port(player, SOCK_STREAM));
        name = (struct sockaddr *) &address.storage;
        must_fail(player, connect(unconnected, name, address.size), ECONNREFUSED, "connect");
        not_connected(player, SOCKTALLY_METRIC_tcp_connect_refused);
        must_fail(player, sent(player, unconnected, send(unconnected, bytes, 10, 0)), EPIPE, "send");
        close(unconnected);
        send_all(player, fd, 5000);
        NEED(player, shutdown(fd, SHUT_WR));
        for (int i = 0; i < 5; i++)
                must_fail(player, sent(player, fd, send(fd, bytes, 10, 0)), EPIPE, "send after shutdown");
        must_fail(player, got(player, fd, recv(fd, bytes, 10, MSG_OOB)), EINVAL, "urgent byte");
}

static void tcp_failer_peer(struct player *player) {
        recv_to_end(player, tcp_serve_one(player, FLAVOUR_V4));
}

void fail_tcp(struct scene *scene, int unused) {
        struct player *failer;

        player_start(scene, "lv-fail-peer", tcp_failer_peer);
        failer = player_start(scene, "lv-fail-tcp", tcp_failer);
        scene_wait_done(scene);
        expect(failer, tcp_tx_bytes, 5000);
        expect(failer, tcp_tx_calls, 10);
        expect(failer, tcp_tx_errors, 9);
        expect(failer, tcp_rx_calls, 5);
        expect(failer, tcp_rx_errors, 5);
        expect(failer, tcp_closes, 0);
}

static void udp_failer(struct player *player) {
        uint64_t port = closed_port(player, SOCK_DGRAM);
        int fd = udp_connected(player, FLAVOUR_V4, port), loose;

        NEED(player, sent(player, fd, send(fd, bytes, 100, 0)));
        must_fail(player, sent(player, fd, send(fd, bytes, 100, 0)), ECONNREFUSED, "send");
        NEED(player, sent(player, fd, send(fd, bytes, 100, 0)));
        must_fail(player, got(player, fd, recv(fd, bytes, 100, 0)), ECONNREFUSED, "recv");
        must_fail(player, got(player, fd, recv(fd, bytes, 100, MSG_DONTWAIT)), EAGAIN, "recv");
        must_fail(player, sent(player, fd, send(fd, bytes, sizeof(bytes), 0)), EMSGSIZE, "send");
        loose = NEED(player, socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        must_fail(player, sent(player, loose, send(loose, bytes, 100, 0)), EDESTADDRREQ, "send");
        close(loose);
}

void fail_udp(struct scene *scene, int unused) {
        struct player *failer = player_start(scene, "lv-fail-udp", udp_failer);

        scene_wait_done(scene);
        expect(failer, udp_tx_bytes, 200);
        expect(failer, udp_tx_calls, 5);
        expect(failer, udp_tx_errors, 3);
        expect(failer, udp_rx_calls, 1);
        expect(failer, udp_rx_errors, 1);
}

static void stormer(struct player *player) {
        int udp = udp_connected(player, FLAVOUR_V4, closed_port(player, SOCK_DGRAM));
        int tcp = tcp_dial_one(player, FLAVOUR_V4);

        for (int i = 0; i < STORM; i++) {
                must_fail(player, got(player, tcp, recv(tcp, bytes, 100, MSG_DONTWAIT)), EAGAIN, "recv");
                must_fail(player, got(player, udp, recv(udp, bytes, 100, MSG_DONTWAIT)), EAGAIN, "recv");
        }
        while (sent(player, tcp, send(tcp, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
                continue;
        for (int i = 0; i < STORM;) {
                if (sent(player, tcp, send(tcp, bytes, 100, MSG_DONTWAIT)) > 0)
                        continue; /* an acknowledgement came late and made room */
                must_fail(player, -1, EAGAIN, "send");
                i++;
        }
}

static void storm_peer(struct player *player) {
        tcp_serve_one(player, FLAVOUR_V4);
}

void fail_storm(struct scene *scene, int unused) {
        struct player *player;

        player_start(scene, "lv-storm-peer", storm_peer);
        player = player_start(scene, "lv-stormer", stormer);
        scene_wait_done(scene);
        expect(player, tcp_rx_calls, 0);
        expect(player, tcp_rx_errors, 0);
        expect(player, udp_rx_calls, 0);
        expect(player, udp_rx_errors, 0);
        expect(player, tcp_tx_errors, 0);
}

/* The error queue holds a copy of the datagram that was refused: reading it is not receiving. */
static void error_reader(struct player *player) {
        int fd = udp_connected(player, FLAVOUR_V4, closed_port(player, SOCK_DGRAM));

        set_option(player, fd, IPPROTO_IP, IP_RECVERR, 1);
        for (int i = 0; i < 10; i++) {
                char control[200];
                struct iovec part = { bytes, sizeof(bytes) };
                struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control,
                                          .msg_controllen = sizeof(control) };

                NEED(player, sent(player, fd, send(fd, bytes, 250, 0)));
                if (NEED(player, recvmsg(fd, &message, MSG_ERRQUEUE)) != 250)
                        scene_fail(player->scene, "the error queue did not return the datagram");
        }
}

void fail_error_queue(struct scene *scene, int unused) {
        struct player *player = player_start(scene, "lv-error-queue", error_reader);

        scene_wait_done(scene);
        expect(player, udp_tx_bytes, 2500);
        expect(player, udp_rx_bytes, 0);
        expect(player, udp_rx_calls, 0);
}

static void urgent_sender(struct player *player) {
        int fd = tcp_dial_one(player, FLAVOUR_V4);

        send_all(player, fd, 100);
        NEED(player, sent(player, fd, send(fd, bytes, 1, MSG_OOB)));
        send_all(player, fd, 100);
        NEED(player, shutdown(fd, SHUT_WR));
        event_raise(player->scene, SENT);
}

/* argument 0: takes the urgent byte where it belongs; 1: in line; 2: reads past it, which consumes it. */
static void urgent_receiver(struct player *player) {
        int fd = tcp_serve_one(player, FLAVOUR_V4), how = player->scene->argument;

        event_wait(player->scene, SENT, 1);
        if (how == 1)
                set_option(player, fd, SOL_SOCKET, SO_OOBINLINE, 1);
        recv_exactly(player, fd, 100);
        if (how == 0 && NEED(player, got(player, fd, recv(fd, bytes, 1, MSG_OOB))) != 1)
                scene_fail(player->scene, "no urgent byte");
        recv_exactly(player, fd, how == 1 ? 101 : 100);
        recv_to_end(player, fd);
        if (how == 2)
                moved_uncalled(player, fd, 0, 1);
}

void fail_urgent(struct scene *scene, int how) {
        struct player *receiver = player_start(scene, "lv-urgent-rx", urgent_receiver);
        struct player *sender = player_start(scene, "lv-urgent-tx", urgent_sender);

        scene_wait_done(scene);
        expect(sender, tcp_tx_bytes, 201);
        expect(receiver, tcp_rx_bytes, 201);
}

static void local_talker(struct player *player) {
        static const int types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET };

        for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
                int pair[2];

                NEED(player, socketpair(AF_UNIX, types[i] | SOCK_CLOEXEC, 0, pair));
                for (int round = 0; round < 50; round++) {
                        NEED(player, sent(player, pair[0], send(pair[0], bytes, 1000, 0)));
                        NEED(player, got(player, pair[1], recv(pair[1], bytes, 1000, 0)));
                }
                close(pair[0]);
                close(pair[1]);
        }
}

void fail_unix(struct scene *scene, int unused) {
        player_start(scene, "lv-unix", local_talker);
}

static void reset_victim(struct player *player) {
        int fd = tcp_dial_one(player, FLAVOUR_V4);

        send_all(player, fd, 1000);
        event_raise(player->scene, SENT);
        event_wait(player->scene, READ, 1);
        must_fail(player, got(player, fd, recv(fd, bytes, 100, 0)), ECONNRESET, "recv");
        for (int i = 0; i < 3; i++)
                must_fail(player, sent(player, fd, send(fd, bytes, 100, 0)), EPIPE, "send");
        if (got(player, fd, recv(fd, bytes, 100, 0)) != 0)
                scene_fail(player->scene, "recv after the reset");
        tcp_hang_up(player, fd);
}

static void rude_server(struct player *player) {
        int fd = tcp_serve_one(player, FLAVOUR_V4);

        event_wait(player->scene, SENT, 1);
        recv_exactly(player, fd, 400);
        tcp_hang_up(player, fd);
        event_raise(player->scene, READ);
}

void fail_reset(struct scene *scene, int unused) {
        struct player *victim;

        player_start(scene, "lv-rude-server", rude_server);
        victim = player_start(scene, "lv-victim", reset_victim);
        scene_wait_done(scene);
        expect(victim, tcp_tx_bytes, 1000);
        expect(victim, tcp_tx_errors, 3);
        expect(victim, tcp_rx_errors, 1);
        expect(victim, tcp_closes, 1);
}
