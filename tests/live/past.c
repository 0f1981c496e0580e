/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon of a scene is compared before the players go, as it ends with the scene: a player whose connection's close
 * matters closes it in its role.
 */
#include <string.h>
#include <time.h>

#include "tests/live/compare.h"
#include "tests/live/past.h"
#include "tests/live/watch.h"

void forget_moves(struct player *player) {
        memset(player->moved, 0, sizeof(player->moved));
        event_raise(player->scene, USED);
        event_wait(player->scene, WATCHED, 1);
}

void past_ends(struct scene *scene, struct service *service, uint32_t n, const char *const *options) {
        char problem[400];

        *service = (struct service) SERVICE_NULL;
        event_wait(scene, USED, n);
        if (scene->bill.runtime_directory) {
                if (service_start(service, &scene->bill, options, problem, sizeof(problem)) < 0)
                        scene_fail(scene, "%s", problem);
                scene->bill.runtime_directory = service->directory;
        }
        event_raise(scene, WATCHED);
}

void past_wait_pass(struct scene *scene, const struct service *service) {
        struct timespec now;
        struct watch *watch;

        if (!scene->bill.runtime_directory)
                return;
        clock_gettime(CLOCK_BOOTTIME, &now);
        if (watch_open(&watch, service->directory) < 0)
                scene_fail(scene, "cannot read from the daemon: %s", strerror(errno));
        if (watch_until(watch, (uint64_t) now.tv_sec * 1000000000 + (uint64_t) now.tv_nsec) < 0)
                scene_fail(scene, "%s", watch_problem(watch));
        watch_close(watch);
}

void past_compare(struct scene *scene, struct service *service) {
        char problem[400];

        scene_wait_done(scene);
        scene_compare(scene);
        if (service_stop(service, problem, sizeof(problem)) < 0)
                scene_fail(scene, "%s", problem);
        scene->bill.runtime_directory = NULL;
}

void watch_from_here(struct scene *scene, uint32_t n) {
        struct service service;

        past_ends(scene, &service, n, NULL);
        past_compare(scene, &service);
}
