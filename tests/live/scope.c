/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the peer of a socket is. Two network namespaces with a cable between them have addresses of every kind: for a
 * process in one of them the other is another host.
 */
#include <fcntl.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/live/scenarios.h"

enum { READ = LISTENING + 1 };
enum { UDP_PORT = PORT + 1, THERE };

static const struct encounter {
        const char *server;  /* its address */
        const char *network; /* length of the prefix; NULL: the server is on the client's host */
        const char *client;  /* its address */
        enum scope scope;    /* of both ends */
} encounters[] = {
        [SCOPE_LOOPBACK] = { "127.0.0.1", NULL, NULL, SCOPE_HOST },
        [SCOPE_LOOPBACK_OTHER] = { "127.9.8.7", NULL, "127.7.8.9", SCOPE_HOST },
        [SCOPE_LOOPBACK_V6] = { "::1", NULL, NULL, SCOPE_HOST },
        [SCOPE_LOOPBACK_MAPPED] = { "::ffff:127.0.0.1", NULL, NULL, SCOPE_HOST },
        [SCOPE_OWN] = { "10.11.12.1", NULL, NULL, SCOPE_HOST },
        [SCOPE_OWN_FROM_OTHER] = { "198.51.100.1", NULL, "10.11.12.1", SCOPE_HOST },
        [SCOPE_OWN_V6] = { "2001:db8::1", NULL, "fd11::1", SCOPE_HOST },
        [SCOPE_TEN] = { "10.11.12.2", "24", "10.11.12.1", SCOPE_PRIVATE },
        [SCOPE_172] = { "172.31.255.2", "24", "172.31.255.1", SCOPE_PRIVATE },
        [SCOPE_172_BEYOND] = { "172.32.0.2", "24", "172.32.0.1", SCOPE_INTERNET },
        [SCOPE_192] = { "192.168.77.2", "24", "192.168.77.1", SCOPE_PRIVATE },
        [SCOPE_LINK_LOCAL] = { "169.254.7.2", "24", "169.254.7.1", SCOPE_PRIVATE },
        [SCOPE_SHARED] = { "100.127.7.2", "24", "100.127.7.1", SCOPE_PRIVATE },
        [SCOPE_PUBLIC] = { "198.51.100.2", "24", "198.51.100.1", SCOPE_INTERNET },
        [SCOPE_PUBLIC_MAPPED] = { "::ffff:198.51.100.2", "24", "::ffff:198.51.100.1", SCOPE_INTERNET },
        [SCOPE_PRIVATE_MAPPED] = { "::ffff:10.11.12.2", "24", "::ffff:10.11.12.1", SCOPE_PRIVATE },
        [SCOPE_LINK_LOCAL_V6] = { "fe80::12%lv-cable", "64", "fe80::11%lv-cable", SCOPE_PRIVATE },
        [SCOPE_UNIQUE_LOCAL] = { "fd11::2", "64", "fd11::1", SCOPE_PRIVATE },
        [SCOPE_PUBLIC_V6] = { "2001:db8::2", "64", "2001:db8::1", SCOPE_INTERNET },
};
#define N_ENCOUNTERS (sizeof(encounters) / sizeof(*encounters))

static void __attribute__((format(printf, 2, 3))) run(struct scene *scene, const char *format, ...) {
        char command[256];
        va_list arguments;

        va_start(arguments, format);
        vsnprintf(command, sizeof(command), format, arguments);
        va_end(arguments);
        if (system(command) != 0)
                scene_skip(scene, "this machine cannot do: %s", command);
}

static const char *plain(const char *address) {
        return strncmp(address, "::ffff:", 7) == 0 ? address + 7 : address;
}

static const char *address_on(size_t encounter, int side) {
        return plain(side ? encounters[encounter].server : encounters[encounter].client);
}

/* Those of one side of the cable, each once. */
static void give_addresses(struct scene *scene, int side) {
        for (size_t i = 0; i < N_ENCOUNTERS; i++) {
                const char *address;
                bool is_there = false;

                if (!encounters[i].network)
                        continue;
                address = address_on(i, side);
                for (size_t k = 0; k < i; k++)
                        is_there |= encounters[k].network && strcmp(address_on(k, side), address) == 0;
                if (!is_there)
                        run(scene, "/sbin/ip address add %.*s/%s dev lv-cable 2>&1", (int) strcspn(address, "%"),
                            address, encounters[i].network);
        }
}

static int new_network(struct scene *scene) {
        scene_own_network(scene);
        return open("/proc/self/ns/net", O_RDONLY); /* stays open in all players */
}

/* Players that are started later are on this side of the cable, until they cross it. */
static void lay_cable(struct scene *scene) {
        int here = new_network(scene), there = new_network(scene);

        scene->numbers[THERE] = (uint64_t) there;
        if (here < 0 || there < 0 || setns(here, CLONE_NEWNET) < 0)
                scene_skip(scene, "no two network namespaces: %s", strerror(errno));
        run(scene, "/sbin/ip link add lv-cable type veth peer name lv-cable netns /proc/%d/fd/%d 2>&1", getpid(),
            there);
        for (int side = 0; side < 2; side++) {
                if (side == 1)
                        (void) setns(there, CLONE_NEWNET);
                /* Addresses of IPv6 are good at once then. */
                run(scene, "echo 0 >/proc/sys/net/ipv6/conf/lv-cable/accept_dad");
                run(scene, "/sbin/ip link set lv-cable up 2>&1");
                give_addresses(scene, side);
        }
        (void) setns(here, CLONE_NEWNET);
}

static void cross(struct player *player) {
        NEED(player, setns((int) player->scene->numbers[THERE], CLONE_NEWNET));
}

static struct addrinfo *look_up(struct player *player, const char *text, uint64_t port) {
        struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV }, *info;
        char service[8];

        snprintf(service, sizeof(service), "%u", (unsigned) port);
        if (getaddrinfo(text, service, &hints, &info) != 0)
                scene_fail(player->scene, "%s is no address", text);
        return info;
}

static int socket_at(struct player *player, const char *text, int type) {
        struct addrinfo *info = look_up(player, text, 0);
        int fd = NEED(player, socket(info->ai_family, type | SOCK_CLOEXEC, 0));

        NEED(player, bind(fd, info->ai_addr, info->ai_addrlen));
        freeaddrinfo(info);
        return fd;
}

static void dial_address(struct player *player, int fd, const char *text, uint64_t port) {
        struct addrinfo *info = look_up(player, text, port);

        NEED(player, connect(fd, info->ai_addr, info->ai_addrlen));
        freeaddrinfo(info);
}

static const struct encounter *encounter_of(const struct player *player) {
        return &encounters[player->scene->argument];
}

static void serve_encounter(struct player *player) {
        const struct encounter *encounter = encounter_of(player);
        struct address address = { .size = sizeof(address.storage) };
        int listener, tcp, udp;
        char byte;

        if (encounter->network)
                cross(player);
        player->scope = encounter->scope;
        listener = socket_at(player, encounter->server, SOCK_STREAM);
        udp = socket_at(player, encounter->server, SOCK_DGRAM);
        NEED(player, listen(listener, 4));
        player->scene->numbers[PORT] = port_of(player, listener);
        player->scene->numbers[UDP_PORT] = port_of(player, udp);
        event_raise(player->scene, LISTENING);
        tcp = tcp_answer(player, listener);
        recv_exactly(player, tcp, 5000);
        send_all(player, tcp, 300);
        NEED(player, recvfrom(udp, &byte, 1, MSG_PEEK, (struct sockaddr *) &address.storage, &address.size));
        NEED(player, connect(udp, (struct sockaddr *) &address.storage, address.size));
        recv_exactly(player, udp, 700);
        send_all(player, udp, 90);
}

static void visit(struct player *player) {
        const struct encounter *encounter = encounter_of(player);
        const char *own = encounter->client ?: encounter->server;
        int tcp, udp;

        player->scope = encounter->scope;
        event_wait(player->scene, LISTENING, 1);
        tcp = socket_at(player, own, SOCK_STREAM);
        dial_address(player, tcp, encounter->server, player->scene->numbers[PORT]);
        connected(player, tcp);
        player->open++;
        send_all(player, tcp, 5000);
        recv_exactly(player, tcp, 300);
        udp = socket_at(player, own, SOCK_DGRAM);
        dial_address(player, udp, encounter->server, player->scene->numbers[UDP_PORT]);
        send_all(player, udp, 700);
        recv_exactly(player, udp, 90);
}

void scope_encounter(struct scene *scene, int which) {
        scene->argument = which;
        lay_cable(scene);
        player_start(scene, "lv-scope-server", serve_encounter);
        player_start(scene, "lv-scope-client", visit);
        scene_wait_done(scene);
}

/* Groups have no members here; what is sent to them counts all the same. */
static void send_to_groups(struct player *player) {
        static const struct {
                const char *group;
                enum scope scope;
        } groups[] = {
                { "224.0.0.251", SCOPE_PRIVATE }, { "239.1.2.3", SCOPE_PRIVATE }, { "233.252.0.1", SCOPE_INTERNET },
                { "ff02::fb%lv-cable", SCOPE_PRIVATE }, { "ff05::2", SCOPE_PRIVATE },
                { "ff08::2", SCOPE_PRIVATE }, { "ff0e::2", SCOPE_INTERNET },
        };

        for (size_t i = 0; i < sizeof(groups) / sizeof(*groups); i++) {
                bool is_v6 = strchr(groups[i].group, ':');
                int fd = socket_at(player, is_v6 ? "2001:db8::1" : "198.51.100.1", SOCK_DGRAM);

                if (is_v6)
                        set_option(player, fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, (int) if_nametoindex("lv-cable"));
                player->scope = groups[i].scope;
                dial_address(player, fd, groups[i].group, 9);
                send_all(player, fd, 100 + i);
        }
}

void scope_groups(struct scene *scene, int unused) {
        lay_cable(scene);
        run(scene, "/sbin/ip route add 224.0.0.0/4 dev lv-cable 2>&1");
        player_start(scene, "lv-scope-groups", send_to_groups);
        scene_wait_done(scene);
}

/* One socket, connected to this host and to another by turns. */
static void serve_turns(struct player *player) {
        int listener;

        player->scope = SCOPE_INTERNET;
        cross(player);
        listener = socket_at(player, "198.51.100.2", SOCK_STREAM);
        NEED(player, listen(listener, 4));
        player->scene->numbers[PORT] = port_of(player, listener);
        event_raise(player->scene, LISTENING);
        for (int i = 0; i < 4; i++) {
                int fd = tcp_answer(player, listener);

                recv_exactly(player, fd, 1000);
                event_raise(player->scene, READ);
                tcp_hang_up(player, fd);
        }
}

static void take_turns(struct player *player) {
        const struct sockaddr nowhere = { .sa_family = AF_UNSPEC };
        int fd = NEED(player, socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), listener;
        uint64_t port;

        event_wait(player->scene, LISTENING, 1);
        listener = tcp_listener(player, FLAVOUR_V4, &port);
        for (int i = 0; i < 8; i++) {
                bool is_away = i % 2;
                int peer = -1;

                player->scope = is_away ? SCOPE_INTERNET : SCOPE_HOST;
                dial_address(player, fd, is_away ? "198.51.100.2" : "127.0.0.1",
                             is_away ? player->scene->numbers[PORT] : port);
                connected(player, fd);
                player->open++;
                if (!is_away)
                        peer = tcp_answer(player, listener);
                send_all(player, fd, 1000);
                if (peer >= 0) {
                        recv_exactly(player, peer, 1000);
                        tcp_hang_up(player, peer);
                } else
                        event_wait(player->scene, READ, (uint32_t) i / 2 + 1);
                NEED(player, connect(fd, &nowhere, sizeof(nowhere)));
                player->open--;
                player->moved[SOCKTALLY_METRIC_tcp_closes]++; /* which shows with the next connection, or at the end */
        }
        close(fd);
}

void scope_turns(struct scene *scene, int unused) {
        lay_cable(scene);
        player_start(scene, "lv-scope-there", serve_turns);
        player_start(scene, "lv-scope-turns", take_turns);
        scene_wait_done(scene);
}

/* Datagrams that are addressed one by one: nobody sees where they go. */
static void address_each(struct player *player) {
        struct address address;
        int fd = udp_bound(player, FLAVOUR_V4, &player->scene->numbers[UDP_PORT]);

        address_of(&address, FLAVOUR_V4, (uint16_t) player->scene->numbers[UDP_PORT]);
        send_to(player, fd, 600, &address);
        recv_exactly(player, fd, 600);
}

void scope_unknown(struct scene *scene, int unused) {
        struct player *player = player_start(scene, "lv-scope-none", address_each);

        scene_wait_done(scene);
        expect(player, udp_tx_bytes_unknown, 600);
        expect(player, udp_rx_bytes_unknown, 600);
}
