/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_LIVE_COMPARE_H
#define SOCKTALLY_LIVE_COMPARE_H
/*
 * What the daemon says against what the players did: which metrics a load mode must know, and equality for each.
 */
#include "tests/live/scene.h"

const char *metric_name(enum socktally_metric metric);

/* Stage: what the daemon says must equal what the players moved. They must be quiet. Nothing without a daemon. */
void scene_compare(struct scene *scene);
/* Stage: the same against another daemon than the playbill's, with its own load mode. */
void scene_compare_with(struct scene *scene, const char *runtime_directory, const char *load_mode);
/* The scenario knows beforehand what a player moves: checks the player itself, not the daemon. */
void player_expect(const struct player *player, enum socktally_metric metric, uint64_t value);
#define expect(player, metric, value) player_expect(player, SOCKTALLY_METRIC_##metric, value)

#endif
