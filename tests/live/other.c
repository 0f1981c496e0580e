/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Everything internet that is neither plain TCP nor UDP. Raw, ICMP, UDP-Lite and SCTP sockets count as "other", in
 * bytes; packet sockets see traffic that is not theirs and count nowhere.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/live/scenarios.h"

enum { SENT = LISTENING + 1 };

#define PROTOCOL_EXPERIMENT 253
#define ROUNDS 10

static char bytes[65536];

/* Receives what is there. Everything on the loopback is there as soon as it was sent. */
static void drain(struct player *player, int fd) {
        while (got(player, fd, recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) >= 0)
                continue;
        if (errno != EAGAIN)
                scene_fail(player->scene, "%s: recv: %s", player->comm, strerror(errno));
}

static int other_socket(struct player *player, int family, int type, int protocol) {
        int fd = socket(family, type | SOCK_CLOEXEC, protocol);

        if (fd < 0)
                scene_skip(player->scene, "no such socket here: %s", strerror(errno));
        return fd;
}

/* An echo request and its answer; a raw socket sees both, and the IPv4 header with them. */
static void pinger(struct player *player) {
        bool is_v6 = player->scene->argument & 1, is_raw = player->scene->argument & 2;
        struct icmphdr request = { .type = is_v6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO };
        struct address address;
        struct sockaddr *name = (struct sockaddr *) &address.storage;
        int fd = other_socket(player, is_v6 ? AF_INET6 : AF_INET, is_raw ? SOCK_RAW : SOCK_DGRAM,
                              is_v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);

        address_of(&address, is_v6 ? FLAVOUR_V6 : FLAVOUR_V4, 0);
        memset(bytes, 0, sizeof(bytes));
        if (is_raw && !is_v6)
                request.checksum = (uint16_t) ~request.type; /* all else is zero; IPv6 sums up by itself */
        memcpy(bytes, &request, sizeof(request));
        for (int i = 0; i < ROUNDS; i++) {
                memcpy(bytes, &request, sizeof(request));
                memset(bytes + sizeof(request), 0, 500);
                NEED(player, sent(player, fd, sendto(fd, bytes, 500, 0, name, address.size)));
        }
        wait_readable(player, fd);
        drain(player, fd);
}

static void allow_ping(struct scene *scene) {
        int fd = open("/proc/sys/net/ipv4/ping_group_range", O_WRONLY | O_CLOEXEC);

        if (fd < 0 || write(fd, "0 0", 3) < 0)
                scene_skip(scene, "cannot allow ping sockets in an own network: %s", strerror(errno));
        close(fd);
}

void other_ping(struct scene *scene, int kind) {
        struct player *player;

        scene_take_turns(scene, false);
        scene_own_network(scene);
        if (!(kind & 2))
                allow_ping(scene);
        player = player_start(scene, kind & 2 ? "lv-raw-icmp" : "lv-ping", pinger);
        scene_wait_done(scene);
        expect(player, other_tx_bytes, ROUNDS * 500);
        if (!(kind & 2))
                expect(player, other_rx_bytes, ROUNDS * 500);
        expect(player, udp_tx_bytes, 0);
}

static void raw_sender(struct player *player) {
        int fd = other_socket(player, AF_INET, SOCK_RAW, PROTOCOL_EXPERIMENT);
        struct address address;

        event_wait(player->scene, LISTENING, 1);
        address_of(&address, FLAVOUR_V4, 0);
        for (int i = 0; i < ROUNDS; i++)
                send_to(player, fd, 1000, &address);
        event_raise(player->scene, SENT);
}

static void raw_receiver(struct player *player) {
        int fd = other_socket(player, AF_INET, SOCK_RAW, PROTOCOL_EXPERIMENT);

        event_raise(player->scene, LISTENING);
        event_wait(player->scene, SENT, 1);
        drain(player, fd);
}

void other_raw(struct scene *scene, int unused) {
        struct player *receiver, *sender;

        scene_take_turns(scene, false);
        scene_own_network(scene);
        receiver = player_start(scene, "lv-raw-rx", raw_receiver);
        sender = player_start(scene, "lv-raw-tx", raw_sender);
        scene_wait_done(scene);
        expect(sender, other_tx_bytes, ROUNDS * 1000);
        expect(receiver, other_rx_bytes, ROUNDS * 1020);
}

/* UDP-Lite and SCTP: argument is the protocol. */
static void protocol_receiver(struct player *player) {
        int protocol = player->scene->argument, fd;
        struct address address;

        fd = other_socket(player, AF_INET, protocol == IPPROTO_SCTP ? SOCK_SEQPACKET : SOCK_DGRAM, protocol);
        address_of(&address, FLAVOUR_V4, 0);
        NEED(player, bind(fd, (struct sockaddr *) &address.storage, address.size));
        if (protocol == IPPROTO_SCTP)
                NEED(player, listen(fd, 5));
        player->scene->numbers[PORT] = port_of(player, fd);
        event_raise(player->scene, LISTENING);
        for (int i = 0; i < ROUNDS; i++)
                NEED(player, got(player, fd, recv(fd, bytes, sizeof(bytes), 0)));
}

static void protocol_sender(struct player *player) {
        int protocol = player->scene->argument, fd;
        struct address address;

        fd = other_socket(player, AF_INET, protocol == IPPROTO_SCTP ? SOCK_SEQPACKET : SOCK_DGRAM, protocol);
        event_wait(player->scene, LISTENING, 1);
        address_of(&address, FLAVOUR_V4, (uint16_t) player->scene->numbers[PORT]);
        for (int i = 0; i < ROUNDS; i++)
                send_to(player, fd, 900, &address);
}

/* Only tracepoints see SCTP, as its functions are a module's (socktallyd(8)). */
static bool is_seen(const struct scene *scene, int protocol) {
        static const char name[] = "btf_trace_sock_send_length";
        const char *method = scene->bill.attach_method;
        char *text = NULL;
        size_t size = 0;
        FILE *btf;
        bool is_there;

        if (protocol != IPPROTO_SCTP || strcmp(method, "tracepoint") == 0)
                return true;
        btf = strcmp(method, "auto") == 0 ? fopen("/sys/kernel/btf/vmlinux", "re") : NULL;
        if (!btf)
                return false;
        is_there = false;
        while (!is_there && getdelim(&text, &size, '\0', btf) >= 0) /* its names are strings */
                is_there = strcmp(text, name) == 0;
        free(text);
        fclose(btf);
        return is_there;
}

void other_protocol(struct scene *scene, int protocol) {
        struct player *receiver, *sender;

        if (!is_seen(scene, protocol))
                scene_skip(scene, "trampolines do not see it");
        scene_take_turns(scene, false);
        receiver = player_start(scene, "lv-other-rx", protocol_receiver);
        sender = player_start(scene, "lv-other-tx", protocol_sender);
        scene_wait_done(scene);
        expect(sender, other_tx_bytes, ROUNDS * 900);
        expect(receiver, other_rx_bytes, ROUNDS * 900);
        expect(sender, udp_tx_bytes, 0);
}

/* A sniffer that also sends: what it sees and injects is nobody's socket traffic. */
static void sniffer(struct player *player) {
        struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = 1 };
        uint64_t port;
        int fd = other_socket(player, AF_PACKET, SOCK_DGRAM, htons(ETH_P_ALL)), udp, other;

        NEED(player, bind(fd, (struct sockaddr *) &address, sizeof(address)));
        udp = udp_bound(player, FLAVOUR_V4, &port);
        other = udp_connected(player, FLAVOUR_V4, port);
        for (int i = 0; i < ROUNDS; i++) {
                send_all(player, other, 100);
                recv_exactly(player, udp, 100);
        }
        drain(player, fd);
        address.sll_protocol = htons(ETH_P_LOOPBACK);
        NEED(player, sent(player, fd, sendto(fd, bytes, 100, 0, (struct sockaddr *) &address, sizeof(address))));
}

void other_packet(struct scene *scene, int unused) {
        struct player *player;

        scene_take_turns(scene, false);
        scene_own_network(scene);
        player = player_start(scene, "lv-sniffer", sniffer);
        scene_wait_done(scene);
        expect(player, udp_tx_bytes, ROUNDS * 100);
        expect(player, other_tx_bytes, 0);
        expect(player, other_rx_bytes, 0);
}
