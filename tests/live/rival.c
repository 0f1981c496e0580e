/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two daemons on one machine. Each holds every open file for a moment when it walks over them; if the process closes
 * its last descriptor meanwhile, the socket's end happens in the walking daemon. Neither daemon may take the other for
 * the one who closed it, and where both want to put something on a new socket at once, both must get it.
 */
#include <unistd.h>

#include "tests/live/scenarios.h"
#include "tests/live/service.h"

enum { START = LISTENING + 1 };

#define N_PLAYERS 6
#define N_CONNECTIONS 3000

/* Short connections to itself, with data both ways. */
static void churn(struct player *player) {
        uint64_t port;
        int listener = tcp_listener(player, FLAVOUR_V4, &port);

        event_wait(player->scene, START, 1);
        for (size_t i = 0; i < N_CONNECTIONS; i++) {
                int fd = tcp_dial(player, FLAVOUR_V4, port), peer = tcp_answer(player, listener);

                send_all(player, fd, 100 + i % 50);
                recv_exactly(player, peer, 100 + i % 50);
                send_all(player, peer, 10);
                tcp_hang_up(player, i % 2 ? peer : fd);
                tcp_hang_up(player, i % 2 ? fd : peer);
        }
}

void rival_churn(struct scene *scene, int unused) {
        struct service service = SERVICE_NULL;
        char problem[400];

        if (!scene->bill.runtime_directory)
                scene_skip(scene, "needs a daemon");
        if (strcmp(scene->bill.load_mode, "passive") == 0)
                scene_skip(scene, "in load mode passive nobody sees whose these are");
        if (service_start(&service, &scene->bill, NULL, problem, sizeof(problem)) < 0)
                scene_fail(scene, "%s", problem);
        for (unsigned int i = 0; i < N_PLAYERS; i++)
                player_start_numbered(scene, "lv-rival", i, churn);
        event_raise(scene, START);
        scene_wait_done(scene);
        expect(&scene->players[0], tcp_closes, 2 * N_CONNECTIONS);
        scene_compare(scene);
        scene_compare_with(scene, service.directory, scene->bill.load_mode);
        if (service_stop(&service, problem, sizeof(problem)) < 0)
                scene_fail(scene, "%s", problem);
}
