/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unusual ways for a TCP connection to begin, to change and to lose packets: data in the SYN, a socket connected to
 * itself, one that changes its family, segments and SYNs sent again. Packets are lost by a socket filter on the
 * receiving socket that drops everything, so that no traffic control and no setting of the machine is needed.
 */
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <unistd.h>

#include "tests/live/scenarios.h"

enum { DEAF = LISTENING + 1, SENT, RETRANSMITTED, READ, BOOKED, CHECKED };

#ifndef TCPI_OPT_SYN_DATA
#define TCPI_OPT_SYN_DATA 32
#endif
#define EARLY_DATA 500
#define LOST_DATA 60000

static void tcp_info(struct player *player, int fd, struct tcp_info *info) {
        socklen_t size = sizeof(*info);

        memset(info, 0, sizeof(*info));
        NEED(player, getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &size));
}

/* From here on retransmissions of this player are compared, with what TCP_INFO says of its one connection. */
static void book_retransmits(struct player *player, int fd) {
        struct tcp_info info;

        wait_acknowledged(player, fd);
        tcp_info(player, fd, &info);
        player->moved[SOCKTALLY_METRIC_tcp_retransmits] = info.tcpi_total_retrans;
        player->unsure &= ~METRIC_BIT(tcp_retransmits);
}

static void drop_everything(struct player *player, int fd) {
        struct sock_filter drop = { .code = BPF_RET | BPF_K, .k = 0 };
        struct sock_fprog program = { .len = 1, .filter = &drop };

        NEED(player, setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)));
}

static void drop_nothing(struct player *player, int fd) {
        set_option(player, fd, SOL_SOCKET, SO_DETACH_FILTER, 0);
}

/* Waits until the connection has sent something again at least this often. No event tells; asks every few ms. */
static void wait_retransmits(struct player *player, int fd, uint32_t count) {
        struct tcp_info info;

        do {
                poll(NULL, 0, 5);
                tcp_info(player, fd, &info);
        } while (info.tcpi_total_retrans < count);
}

static void lossy_sender(struct player *player) {
        const struct sockaddr nowhere = { .sa_family = AF_UNSPEC };
        int fd;

        event_wait(player->scene, LISTENING, 1);
        fd = tcp_dial(player, FLAVOUR_V4, player->scene->numbers[PORT]);
        send_all(player, fd, 1000);
        event_wait(player->scene, DEAF, 1);
        send_all(player, fd, LOST_DATA);
        wait_retransmits(player, fd, 3);
        event_raise(player->scene, RETRANSMITTED);
        event_wait(player->scene, READ, 1);
        book_retransmits(player, fd);
        if (player->scene->argument == LOSSY_LOOK) {
                event_raise(player->scene, BOOKED);
                event_wait(player->scene, CHECKED, 1);
        }
        if (player->scene->argument != LOSSY_HELD)
                NEED(player, connect(fd, &nowhere, sizeof(nowhere)));
}

static void lossy_receiver(struct player *player) {
        int listener = tcp_listener(player, FLAVOUR_V4, &player->scene->numbers[PORT]), fd;

        event_raise(player->scene, LISTENING);
        fd = tcp_answer(player, listener);
        recv_exactly(player, fd, 1000);
        drop_everything(player, fd);
        event_raise(player->scene, DEAF);
        event_wait(player->scene, RETRANSMITTED, 1);
        drop_nothing(player, fd);
        recv_exactly(player, fd, LOST_DATA);
        event_raise(player->scene, READ);
        book_retransmits(player, fd);
}

void handshake_lost_data(struct scene *scene, int how) {
        struct player *receiver, *sender;

        receiver = player_start(scene, "lv-lossy-rx", lossy_receiver);
        sender = player_start(scene, "lv-lossy-tx", lossy_sender);
        if (how == LOSSY_LOOK) {
                event_wait(scene, BOOKED, 1);
                player_wait_done(receiver);
                scene_compare(scene);
                event_raise(scene, CHECKED);
        }
        scene_wait_done(scene);
        expect(sender, tcp_tx_bytes, 1000 + LOST_DATA);
        if (sender->moved[SOCKTALLY_METRIC_tcp_retransmits] < 3)
                scene_fail(scene, "nothing was sent again");
}

static void deaf_listener(struct player *player) {
        int listener = tcp_listener(player, FLAVOUR_V4, &player->scene->numbers[PORT]), fd;

        drop_everything(player, listener);
        event_raise(player->scene, LISTENING);
        event_wait(player->scene, SENT, 1);
        drop_nothing(player, listener);
        fd = tcp_answer(player, listener);
        recv_exactly(player, fd, 1000);
        book_retransmits(player, fd);
}

/* The first SYN is lost; TCP tries again a second later. */
static void patient_dialler(struct player *player) {
        struct address address;
        struct pollfd poller = { .events = POLLOUT };
        int fd = NEED(player, socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));

        event_wait(player->scene, LISTENING, 1);
        address_of(&address, FLAVOUR_V4, (uint16_t) player->scene->numbers[PORT]);
        if (connect(fd, (struct sockaddr *) &address.storage, address.size) == 0 || errno != EINPROGRESS)
                scene_fail(player->scene, "connect was not delayed");
        event_raise(player->scene, SENT);
        poller.fd = fd;
        NEED(player, poll(&poller, 1, -1));
        connected(player, fd);
        player->open = 1;
        send_all(player, fd, 1000);
        book_retransmits(player, fd);
}

void handshake_lost_syn(struct scene *scene, int unused) {
        struct player *dialler;

        player_start(scene, "lv-deaf", deaf_listener);
        dialler = player_start(scene, "lv-patient", patient_dialler);
        scene_wait_done(scene);
        if (dialler->moved[SOCKTALLY_METRIC_tcp_retransmits] < 1)
                scene_fail(scene, "no SYN was sent again");
}

/* Client and server without cookies, in a network of its own. */
static void allow_fast_open(struct scene *scene) {
        int fd = open("/proc/sys/net/ipv4/tcp_fastopen", O_WRONLY | O_CLOEXEC);

        if (fd < 0 || write(fd, "519", 3) < 0)
                scene_skip(scene, "cannot allow TCP Fast Open in an own network: %s", strerror(errno));
        close(fd);
}

static void fast_open_client(struct player *player) {
        static char bytes[EARLY_DATA];
        struct address address;
        struct tcp_info info;
        int fd = NEED(player, socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));

        event_wait(player->scene, LISTENING, 1);
        address_of(&address, FLAVOUR_V4, (uint16_t) player->scene->numbers[PORT]);
        NEED(player, sent(player, fd, sendto(fd, bytes, EARLY_DATA, MSG_FASTOPEN, (struct sockaddr *) &address.storage,
                                             address.size)));
        connected(player, fd);
        player->open = 1;
        recv_exactly(player, fd, 100);
        tcp_info(player, fd, &info);
        if (!(info.tcpi_options & TCPI_OPT_SYN_DATA))
                scene_skip(player->scene, "the data did not travel in the SYN");
        send_all(player, fd, 2000);
        NEED(player, shutdown(fd, SHUT_WR));
        recv_to_end(player, fd);
}

static void fast_open_server(struct player *player) {
        int listener = tcp_listener(player, FLAVOUR_V4, &player->scene->numbers[PORT]), fd;

        set_option(player, listener, IPPROTO_TCP, TCP_FASTOPEN, 5);
        event_raise(player->scene, LISTENING);
        fd = tcp_answer(player, listener);
        recv_exactly(player, fd, EARLY_DATA);
        send_all(player, fd, 100);
        recv_to_end(player, fd);
        send_all(player, fd, 300);
        tcp_hang_up(player, fd);
}

void handshake_fast_open(struct scene *scene, int unused) {
        struct player *server, *client;

        scene_own_network(scene);
        allow_fast_open(scene);
        server = player_start(scene, "lv-fast-server", fast_open_server);
        client = player_start(scene, "lv-fast-client", fast_open_client);
        scene_wait_done(scene);
        expect(client, tcp_tx_bytes, EARLY_DATA + 2000);
        expect(client, tcp_rx_bytes, 400);
        expect(server, tcp_rx_bytes, EARLY_DATA + 2000);
}

/* bind and connect to the same port: a simultaneous open with nobody else. */
static void self_dialler(struct player *player) {
        struct address address = { .size = sizeof(address.storage) };
        int fd = NEED(player, socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));

        address_of(&address, FLAVOUR_V4, 0);
        NEED(player, bind(fd, (struct sockaddr *) &address.storage, address.size));
        address_of(&address, FLAVOUR_V4, (uint16_t) port_of(player, fd));
        NEED(player, connect(fd, (struct sockaddr *) &address.storage, address.size));
        connected(player, fd);
        player->open = 1;
        for (int i = 0; i < 10; i++) {
                send_all(player, fd, 3000);
                recv_exactly(player, fd, 2500);
        }
        NEED(player, shutdown(fd, SHUT_WR));
        recv_exactly(player, fd, 2000);
}

void handshake_self_connect(struct scene *scene, int unused) {
        struct player *player = player_start(scene, "lv-narcissus", self_dialler);

        scene_wait_done(scene);
        expect(player, tcp_tx_bytes, 30000);
        expect(player, tcp_rx_bytes, 27000);
}

/* IPV6_ADDRFORM turns a connected socket with a mapped peer into an IPv4 socket, in the middle of its life. */
static void family_changer(struct player *player) {
        uint64_t port, udp_port;
        int listener = tcp_listener(player, FLAVOUR_MAPPED, &port), tcp = tcp_dial(player, FLAVOUR_MAPPED, port);
        int peer = tcp_answer(player, listener), udp = udp_bound(player, FLAVOUR_MAPPED, &udp_port);
        int other = udp_connected(player, FLAVOUR_MAPPED, udp_port);

        for (int round = 0; round < 2; round++) {
                send_all(player, tcp, 5000);
                recv_exactly(player, peer, 4000);
                send_all(player, other, 70);
                recv_exactly(player, udp, 70);
                if (round > 0)
                        continue;
                set_option(player, tcp, IPPROTO_IPV6, IPV6_ADDRFORM, AF_INET);
                set_option(player, peer, IPPROTO_IPV6, IPV6_ADDRFORM, AF_INET);
                set_option(player, other, IPPROTO_IPV6, IPV6_ADDRFORM, AF_INET);
        }
        tcp_hang_up(player, tcp);
}

void handshake_change_family(struct scene *scene, int unused) {
        struct player *player = player_start(scene, "lv-family", family_changer);

        scene_wait_done(scene);
        expect(player, tcp_tx_bytes, 10000);
        expect(player, tcp_rx_bytes, 8000);
        expect(player, udp_rx_bytes, 140);
}
