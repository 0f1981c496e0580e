/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_TESTS_SCENE_H
#define SOCKTALLY_TESTS_SCENE_H
/*
 * Rows as the kernel would hand them over, made up line by line: which process, in which cgroup, with which totals. A
 * cgroup is its number; its unit is "unit-N.service", cgroup 0 is outside every unit, odd thousands are users' units.
 */
#include "daemon/totals/totals.h"

#define SCENE_MAX_ROWS 40000
#define SCENE_SECOND UINT64_C(1000000000)
#define SCENE_ALL_METRICS ((UINT64_C(1) << SOCKTALLY_N_METRICS) - 1)

struct scene {
        struct sample sample;
        struct sample_row *rows;
        uint32_t n_identified; /* calls of scene_identify() */
};

void scene_init(struct scene *scene);
void scene_done(struct scene *scene);

/* A new sample, a while after the one before: no row yet; the specials stay. */
void scene_next(struct scene *scene, uint64_t after_ns);
/* Adds a row of a process; every counter is `bytes` times its number, from 1. The start time is made of the PID. */
struct sample_row *scene_row(struct scene *scene, uint32_t pid, uint64_t cgroup, int64_t bytes);
void scene_special(struct scene *scene, enum special_row which, uint64_t bytes);

/* For struct totals_config; userdata is the scene. Seven apps share the cgroups, and every third one is a container. */
bool scene_identify(void *userdata, const struct process_key *key, uint32_t pid, const char *comm,
                    struct identity *ret_identity);

/* The same number of rows in every table of groups, specials included. */
struct totals_rows scene_rows(uint32_t processes, uint32_t groups);

#endif
