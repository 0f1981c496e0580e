/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sockets that were there before the daemon and do nothing take nothing: their holders have no row, and they have no
 * place among the tracked sockets, of which there is a limited number. Once they move data they count to the byte.
 */
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/live/past.h"
#include "tests/live/scenarios.h"
#include "tests/live/watch.h"

enum { MOVE = PAST_EVENTS };

#define N_HOLDERS 20
#define N_SOCKETS 5
#define N_MANY 3000 /* more than the rest of the machine may have at the time */

struct pair {
        int from, to;
};

static struct pair tcp_idle(struct player *player) {
        struct pair pair;
        uint64_t port;
        int listener = tcp_listener(player, FLAVOUR_V4, &port);

        pair.from = tcp_dial(player, FLAVOUR_V4, port);
        pair.to = tcp_answer(player, listener);
        close(listener);
        return pair;
}

static struct pair udp_idle(struct player *player) {
        struct pair pair;
        uint64_t port;

        pair.to = udp_bound(player, FLAVOUR_V4, &port);
        pair.from = udp_connected(player, FLAVOUR_V4, port);
        return pair;
}

static void move(struct player *player, const struct pair *pair, size_t size) {
        send_all(player, pair->from, size);
        recv_exactly(player, pair->to, size);
}

static void holder(struct player *player) {
        int kind = player->scene->argument;
        struct pair pairs[N_SOCKETS];

        for (size_t i = 0; i < N_SOCKETS; i++) {
                pairs[i] = kind & IDLE_UDP ? udp_idle(player) : tcp_idle(player);
                if (kind & IDLE_USED)
                        move(player, &pairs[i], 500);
        }
        forget_moves(player);
        event_wait(player->scene, MOVE, 1);
        for (size_t i = 0; i < N_SOCKETS; i++)
                move(player, &pairs[i], 10 + i);
        if (kind & IDLE_UDP)
                return;
        for (size_t i = 0; i < N_SOCKETS; i++) {
                tcp_hang_up(player, pairs[i].from);
                tcp_hang_up(player, pairs[i].to);
        }
}

static struct watch *open_watch(struct scene *scene) {
        struct timespec now;
        struct watch *watch;

        clock_gettime(CLOCK_BOOTTIME, &now);
        if (watch_open(&watch, scene->bill.runtime_directory) < 0)
                scene_fail(scene, "cannot read from the daemon: %s", strerror(errno));
        if (watch_until(watch, (uint64_t) now.tv_sec * 1000000000 + (uint64_t) now.tv_nsec) < 0)
                scene_fail(scene, "%s", watch_problem(watch));
        return watch;
}

static void expect_no_rows(struct scene *scene) {
        struct watch *watch = open_watch(scene);
        struct sighting seen;

        for (uint32_t i = 0; i < scene->n_players; i++) {
                const struct player *player = &scene->players[i];

                if (watch_find(watch, (uint32_t) player->pid, player->comm, &seen) < 0)
                        scene_fail(scene, "%s: %s", player->comm, watch_problem(watch));
                if (seen.has_row)
                        scene_fail(scene, "%s has a row, and moved nothing", player->comm);
        }
        watch_close(watch);
}

void idle_holders(struct scene *scene, int kind) {
        struct service service;

        for (unsigned int i = 0; i < N_HOLDERS; i++)
                player_start_numbered(scene, "lv-holder", i, holder);
        past_ends(scene, &service, N_HOLDERS, NULL);
        if (scene->bill.runtime_directory)
                expect_no_rows(scene);
        event_raise(scene, MOVE);
        past_compare(scene, &service);
        if (kind & IDLE_UDP)
                expect(&scene->players[0], udp_rx_bytes, 60);
        else
                expect(&scene->players[0], tcp_rx_bytes, 60);
}

static void hoarder(struct player *player) {
        static struct pair pairs[N_MANY];
        struct rlimit limit = { 3 * N_MANY, 3 * N_MANY };

        if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
                scene_skip(player->scene, "not so many open files: %s", strerror(errno));
        for (size_t i = 0; i < N_MANY; i++) {
                pairs[i] = tcp_idle(player);
                if (player->scene->argument & IDLE_USED)
                        move(player, &pairs[i], 3);
        }
        forget_moves(player);
        event_wait(player->scene, MOVE, 1);
        for (size_t i = 0; i < N_MANY; i++)
                move(player, &pairs[i], 1);
}

void idle_hoard(struct scene *scene, int unused) {
        struct player *player = player_start(scene, "lv-hoarder", hoarder);
        uint64_t cost, sockets, sequence;
        struct service service;
        struct watch *watch;

        past_ends(scene, &service, 1, NULL);
        if (scene->bill.runtime_directory) {
                watch = open_watch(scene);
                watch_facts(watch, &cost, &sockets, &sequence);
                if (sockets >= N_MANY / 2)
                        scene_fail(scene, "%llu sockets are tracked, %d of them idle", (unsigned long long) sockets,
                                   2 * N_MANY);
                watch_close(watch);
        }
        event_raise(scene, MOVE);
        past_compare(scene, &service);
        expect(player, tcp_rx_bytes, N_MANY);
}
