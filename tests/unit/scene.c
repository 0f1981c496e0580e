/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The numbers are simple on purpose: a wrong sum shows at once which row it came from. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/scene.h"

void scene_init(struct scene *scene) {
        memset(scene, 0, sizeof *scene);
        scene->rows = calloc(SCENE_MAX_ROWS, sizeof *scene->rows);
        scene->sample.rows = scene->rows;
        scene->sample.time_ns = 1000 * SCENE_SECOND;
        scene->sample.known = SCENE_ALL_METRICS;
}

void scene_done(struct scene *scene) {
        free(scene->rows);
}

void scene_next(struct scene *scene, uint64_t after_ns) {
        memset(scene->rows, 0, scene->sample.n_rows * sizeof *scene->rows);
        scene->sample.n_rows = 0;
        scene->sample.time_ns += after_ns;
}

static void fill(__u64 counters[], int64_t bytes) {
        for (unsigned m = 0; m < SOCKTALLY_N_METRICS; m++)
                counters[m] = (__u64) (bytes * (int64_t) (m + 1));
        for (unsigned m = SOCKTALLY_METRIC_tcp_tx_bytes_unknown; m < SOCKTALLY_N_METRICS; m++)
                counters[m] = 0;
#define X(name) counters[SOCKTALLY_METRIC_##name##_unknown] = counters[SOCKTALLY_METRIC_##name];
        SOCKTALLY_SCOPED(X)
#undef X
}

struct sample_row *scene_row(struct scene *scene, uint32_t pid, uint64_t cgroup, int64_t bytes) {
        struct sample_row *row = &scene->rows[scene->sample.n_rows++];

        row->key = (struct process_key) { .tgid = pid, .start_time = pid * UINT64_C(1000), .cgroup_id = cgroup };
        row->row.pid = pid;
        row->row.uid = 1000 + pid % 5;
        snprintf(row->row.comm, sizeof row->row.comm, "p%" PRIu32, pid);
        fill(row->row.counters, bytes);
        return row;
}

void scene_special(struct scene *scene, enum special_row which, uint64_t bytes) {
        fill(scene->sample.specials[which].counters, (int64_t) bytes);
}

bool scene_identify(void *userdata, const struct process_key *key, uint32_t pid, const char *comm,
                    struct identity *ret_identity) {
        struct scene *scene = userdata;
        struct unit *unit = &ret_identity->unit;

        scene->n_identified++;
        *ret_identity = IDENTITY_NULL;
        unit->uid = key->cgroup_id / 1000 % 2 ? (uint32_t) (key->cgroup_id / 1000) : UNIT_SYSTEM;
        if (key->cgroup_id > 0)
                snprintf(unit->name, sizeof unit->name, "unit-%" PRIu64 ".service", (uint64_t) key->cgroup_id);
        unit->owner = unit->uid;
        snprintf(ret_identity->app.id, sizeof ret_identity->app.id, "app-%u", (unsigned) (key->cgroup_id % 7));
        if (key->cgroup_id % 3 == 2)
                snprintf(ret_identity->container.id, sizeof ret_identity->container.id, "container-%" PRIu64,
                         (uint64_t) key->cgroup_id);
        return true;
}

struct totals_rows scene_rows(uint32_t processes, uint32_t groups) {
        struct totals_rows rows = { .processes = processes };

        for (unsigned g = 0; g < N_GROUPINGS; g++)
                rows.groups[g] = groups;
        return rows;
}
