/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_LIVE_PAST_H
#define SOCKTALLY_LIVE_PAST_H
/*
 * Scenes whose players are there first: they use their sockets, and only then comes a daemon of the scene's own, to
 * which that is the past. Main's daemon, which saw all of it, is not asked.
 */
#include "tests/live/scene.h"
#include "tests/live/service.h"

/* A scenario's own events follow. */
enum { USED = 1, WATCHED, PAST_EVENTS };

/* Player: what it did until now is the past. Returns when the daemon is there. */
void forget_moves(struct player *player);

/* Stage: starts the daemon (options: see service_start()) once n players have forgotten, and lets them go on. Its
 * directory is the bill's from then on. Nothing is started if there is to be no daemon. */
void past_ends(struct scene *scene, struct service *service, uint32_t n, const char *const *options);
/* Stage: all players are done; compares and stops the daemon. */
void past_compare(struct scene *scene, struct service *service);
/* Between the two: waits until the daemon has walked over all that is there now. */
void past_wait_pass(struct scene *scene, const struct service *service);
/* Both, with nothing between. */
void watch_from_here(struct scene *scene, uint32_t n);

#endif
