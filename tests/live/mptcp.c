/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MPTCP counts as TCP, once: the socket that the process holds counts, the kernel's subflows below it do not. Either
 * end may speak plain TCP; a listener of MPTCP then hands out plain connections that began as the kernel's.
 */
#include <netinet/in.h>
#include <time.h>
#include <unistd.h>

#include "libclient/socktally.h"
#include "tests/live/scenarios.h"
#include "tests/live/watch.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif
#define REQUEST 1000
#define RESPONSE 500
#define BULK 200000

static int mptcp_socket(struct player *player, enum mptcp_end end) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, player->scene->argument & end ? IPPROTO_MPTCP : 0);

        if (fd < 0 && player->scene->argument & end)
                scene_skip(player->scene, "no MPTCP here: %s", strerror(errno));
        return NEED(player, fd);
}

/* Multipath TCP has no urgent data and reads the next byte. */
static size_t recv_urgent(struct player *player, int fd) {
        char byte;

        if (player->scene->argument != (MPTCP_SERVER | MPTCP_CLIENT))
                return 0;
        return (size_t) NEED(player, (int) got(player, fd, recv(fd, &byte, 1, MSG_OOB)));
}

static void mptcp_server(struct player *player) {
        int listener = mptcp_socket(player, MPTCP_SERVER), fd;
        struct address address;

        address_of(&address, FLAVOUR_V4, 0);
        NEED(player, bind(listener, (struct sockaddr *) &address.storage, address.size));
        NEED(player, listen(listener, 5));
        player->scene->numbers[PORT] = port_of(player, listener);
        event_raise(player->scene, LISTENING);
        for (int i = 0; i < 2; i++) {
                fd = tcp_answer(player, listener);
                recv_exactly(player, fd, i ? BULK : REQUEST - 1);
                if (i == 0)
                        recv_exactly(player, fd, 1 - recv_urgent(player, fd));
                send_all(player, fd, i ? BULK : RESPONSE);
                recv_to_end(player, fd);
                tcp_hang_up(player, fd);
        }
        fd = tcp_answer(player, listener);
        recv_to_end(player, fd);
        tcp_hang_up(player, fd);
}

static int mptcp_dial(struct player *player) {
        int fd = mptcp_socket(player, MPTCP_CLIENT);
        struct address address;

        address_of(&address, FLAVOUR_V4, (uint16_t) player->scene->numbers[PORT]);
        NEED(player, connect(fd, (struct sockaddr *) &address.storage, address.size));
        connected(player, fd);
        player->open++;
        return fd;
}

static void mptcp_client(struct player *player) {
        event_wait(player->scene, LISTENING, 1);
        for (int i = 0; i < 2; i++) {
                int fd = mptcp_dial(player);

                send_all(player, fd, i ? BULK : REQUEST);
                recv_exactly(player, fd, i ? BULK : RESPONSE);
                tcp_hang_up(player, fd);
        }
        tcp_hang_up(player, mptcp_dial(player));
}

static void look_at_kernel(struct scene *scene, struct watch *watch, struct sighting *ret_seen) {
        struct timespec now;

        clock_gettime(CLOCK_BOOTTIME, &now);
        if (watch_until(watch, (uint64_t) now.tv_sec * 1000000000 + (uint64_t) now.tv_nsec) < 0)
                scene_fail(scene, "%s", watch_problem(watch));
        watch_special(watch, SOCKTALLY_ROW_KERNEL, ret_seen);
}

/* No other socket of the kernel is busy meanwhile: scenes with such take turns with this one. */
static void expect_nothing_more(struct scene *scene, struct watch *watch, const struct sighting *before) {
        struct sighting now;

        look_at_kernel(scene, watch, &now);
        for (unsigned int m = 0; m < SOCKTALLY_N_METRICS; m++)
                if (now.counters[m] != before->counters[m])
                        scene_fail(scene, "%s of the kernel's row grew by %llu", metric_name(m),
                                   (unsigned long long) (now.counters[m] - before->counters[m]));
}

void mptcp_talk(struct scene *scene, int ends) {
        struct player *server, *client;
        struct watch *watch = NULL;
        struct sighting before;

        scene_take_turns(scene, true);
        if (scene->bill.runtime_directory) {
                if (watch_open(&watch, scene->bill.runtime_directory) < 0)
                        scene_fail(scene, "cannot read from the daemon: %s", strerror(errno));
                look_at_kernel(scene, watch, &before);
        }
        server = player_start(scene, "lv-mptcp-server", mptcp_server);
        client = player_start(scene, "lv-mptcp-client", mptcp_client);
        scene_wait_done(scene);
        expect(server, tcp_rx_bytes, REQUEST + BULK);
        expect(client, tcp_rx_bytes, RESPONSE + BULK);
        expect(server, tcp_closes, 3);
        expect(client, tcp_closes, 3);
        if (watch)
                expect_nothing_more(scene, watch, &before);
        watch_close(watch);
}
