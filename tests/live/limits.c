/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * More than there is room for. What does not fit goes to the overflow row, and rows and overflow together still hold
 * every byte. The traffic here is that of raw sockets with a protocol that nobody else uses, so that what other
 * processes of a busy machine put into the overflow row does not matter.
 */
#include <netinet/in.h>
#include <time.h>
#include <unistd.h>

#include "libclient/socktally.h"
#include "tests/live/scenarios.h"
#include "tests/live/service.h"
#include "tests/live/watch.h"

enum { WATCHED = 1 };

#define PROTOCOL_EXPERIMENT 253
#define N_PLAYERS 24
#define N_SOCKETS 50

#define MOST_BYTES (100 + N_SOCKETS + 20) /* that a call moves: the last message, with an IPv4 header */

static void raw_talker(struct player *player) {
        static char bytes[2000];
        struct address address;

        event_wait(player->scene, WATCHED, 1);
        scene_own_network(player->scene);
        address_of(&address, FLAVOUR_V4, 0);
        for (size_t i = 0; i < N_SOCKETS; i++) {
                int fd = NEED(player, socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, PROTOCOL_EXPERIMENT));

                NEED(player, sent(player, fd, sendto(fd, bytes, 100 + i, 0, (struct sockaddr *) &address.storage,
                                                     address.size)));
                NEED(player, got(player, fd, recv(fd, bytes, sizeof(bytes), 0)));
        }
}

#define STREAM_BYTES 65536
#define STREAM_ROUNDS 16

/* A connection to itself, in load mode passive: nothing but its end tells what it moved. */
static void tcp_talker(struct player *player) {
        int listener, client, server;
        uint64_t port;

        event_wait(player->scene, WATCHED, 1);
        scene_own_network(player->scene);
        listener = tcp_listener(player, FLAVOUR_V4, &port);
        client = tcp_dial(player, FLAVOUR_V4, port);
        server = tcp_answer(player, listener);
        for (unsigned i = 0; i < STREAM_ROUNDS; i++) {
                send_all(player, client, STREAM_BYTES);
                recv_exactly(player, server, STREAM_BYTES);
        }
        tcp_hang_up(player, client);
        tcp_hang_up(player, server);
}

static uint64_t boottime_ns(void) {
        struct timespec now;

        clock_gettime(CLOCK_BOOTTIME, &now);
        return (uint64_t) now.tv_sec * 1000000000 + (uint64_t) now.tv_nsec;
}

/* Rows, where there are any, may lack what is in the overflow row instead; nothing may be missing or twice. */
static void check_overflow(struct scene *scene, const struct watch *watch) {
        struct sighting overflow, seen;
        uint64_t tx = 0, rx = 0, moved_tx = 0, moved_rx = 0, missed[2];

        watch_special(watch, SOCKTALLY_ROW_OVERFLOW, &overflow);
        if (!overflow.has_row || overflow.counters[SOCKTALLY_METRIC_other_tx_bytes] == 0)
                scene_fail(scene, "nothing overflowed");
        tx = overflow.counters[SOCKTALLY_METRIC_other_tx_bytes];
        rx = overflow.counters[SOCKTALLY_METRIC_other_rx_bytes];
        for (uint32_t i = 0; i < scene->n_players; i++) {
                const struct player *player = &scene->players[i];

                if (watch_find(watch, (uint32_t) player->pid, player->comm, &seen) < 0)
                        scene_fail(scene, "%s: %s", player->comm, watch_problem(watch));
                tx += seen.counters[SOCKTALLY_METRIC_other_tx_bytes];
                rx += seen.counters[SOCKTALLY_METRIC_other_rx_bytes];
                moved_tx += player->moved[SOCKTALLY_METRIC_other_tx_bytes];
                moved_rx += player->moved[SOCKTALLY_METRIC_other_rx_bytes];
        }
        watch_missed(watch, missed); /* each has cost its row what one call moves, at most */
        if (tx > moved_tx || rx > moved_rx || moved_tx - tx > missed[0] * MOST_BYTES ||
            moved_rx - rx > missed[1] * MOST_BYTES)
                scene_fail(scene,
                           "moved %llu and %llu bytes, rows and overflow hold %llu and %llu, missed %llu and %llu",
                           (unsigned long long) moved_tx, (unsigned long long) moved_rx, (unsigned long long) tx,
                           (unsigned long long) rx, (unsigned long long) missed[0], (unsigned long long) missed[1]);
}

/* A process that lives and finds no room for its row has overflowed, and has not exited. Others on the machine may have
 * exited; not one of them has moved as much. */
static void check_not_exited(struct scene *scene, const struct watch *watch) {
        struct sighting overflow, exited;

        watch_special(watch, SOCKTALLY_ROW_OVERFLOW, &overflow);
        watch_special(watch, SOCKTALLY_ROW_EXITED, &exited);
        if (overflow.counters[SOCKTALLY_METRIC_tcp_tx_bytes] < STREAM_BYTES * STREAM_ROUNDS)
                scene_fail(scene, "nothing overflowed");
        if (exited.counters[SOCKTALLY_METRIC_tcp_tx_bytes] >= STREAM_BYTES * STREAM_ROUNDS)
                scene_fail(scene, "what a living process moved is in the row for exited ones");
}

static void play_limits(struct scene *scene, const char *const options[], player_role role,
                        void (*check)(struct scene *scene, const struct watch *watch)) {
        struct service service = SERVICE_NULL;
        struct watch *watch;
        char problem[400];

        if (!scene->bill.runtime_directory)
                scene_skip(scene, "needs a daemon");
        scene_take_turns(scene, true);
        if (service_start(&service, &scene->bill, options, problem, sizeof(problem)) < 0)
                scene_fail(scene, "%s", problem);
        for (unsigned int i = 0; i < N_PLAYERS; i++)
                player_start_numbered(scene, "lv-over", i, role);
        event_raise(scene, WATCHED);
        scene_wait_done(scene);
        if (watch_open(&watch, service.directory) < 0)
                scene_fail(scene, "cannot read from the daemon: %s", strerror(errno));
        if (watch_until(watch, boottime_ns()) < 0)
                scene_fail(scene, "%s", watch_problem(watch));
        check(scene, watch);
        watch_close(watch);
        if (service_stop(&service, problem, sizeof(problem)) < 0)
                scene_fail(scene, "%s", problem);
}

void limits_overflow(struct scene *scene, int of_sockets) {
        const char *const options[] = { of_sockets ? "--max-sockets=64" : "--max-processes=16", NULL };

        play_limits(scene, options, raw_talker, check_overflow);
}

void limits_rowless(struct scene *scene, int argument) {
        static const char *const options[] = { "--max-processes=16", "--load-mode=passive", NULL };

        play_limits(scene, options, tcp_talker, check_not_exited);
}
