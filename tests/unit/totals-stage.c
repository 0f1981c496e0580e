/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/totals/counters.h"
#include "libclient/socktally.h"
#include "tests/unit/totals-stage.h"

static bool identify(void *userdata, const struct process_key *key, uint32_t pid, const char *comm,
                     struct identity *ret_identity) {
        return scene_identify(&((struct stage *) userdata)->scene, key, pid, comm, ret_identity);
}

int totals_setup(void **state) {
        struct stage *stage = calloc(1, sizeof *stage);

        assert_non_null(stage);
        scene_init(&stage->scene);
        stage->config = (struct totals_config) { .identity = identify, .userdata = stage };
        *state = stage;
        return 0;
}

int totals_teardown(void **state) {
        struct stage *stage = *state;

        totals_free(stage->totals);
        totals_free(stage->twin);
        scene_done(&stage->scene);
        free(stage);
        return 0;
}

static void set_room(struct stage *stage, uint32_t max_processes, uint32_t max_services) {
        stage->config.max = scene_rows(max_processes + N_PROCESS_SPECIALS, max_services + N_GROUP_SPECIALS);
}

void stage_open(struct stage *stage, uint32_t max_processes, uint32_t max_services) {
        set_room(stage, max_processes, max_services);
        assert_int_equal(totals_new(&stage->totals, &stage->config), 0);
}

void stage_restart(struct stage *stage, uint32_t max_processes, uint32_t max_services, bool has_rows) {
        FILE *file = tmpfile();

        assert_non_null(file);
        assert_int_equal(totals_keep(stage->totals, file), 0);
        totals_free(stage->totals);
        rewind(file);
        set_room(stage, max_processes, max_services);
        assert_int_equal(totals_restore(&stage->totals, &stage->config, file), 0);
        fclose(file);
        if (!has_rows)
                totals_forget_rows(stage->totals);
}

static void check_groups(const struct totals_result *r, unsigned metric) {
        for (unsigned g = 0; g < N_GROUPINGS; g++) {
                uint64_t sum = 0;

                for (uint32_t i = 0; i < r->groups[g].n_rows; i++)
                        sum += r->groups[g].rows[i].counters[metric];
                if (!r->is_without[g])
                        assert_int_equal(sum, r->host->counters[metric]);
        }
}

/* Each process is shown as one of each table. */
static void check_members(const struct totals_result *r) {
        for (unsigned g = 0; g < N_GROUPINGS; g++) {
                uint64_t n = 0;

                for (uint32_t i = 0; i < r->groups[g].n_rows; i++)
                        n += r->groups[g].rows[i].processes;
                assert_int_equal(n, r->n_processes - N_PROCESS_SPECIALS);
        }
}

void check_sums(struct stage *stage) {
        const struct totals_result *r = &stage->result;

        for (unsigned m = 0; m < SOCKTALLY_N_METRICS; m++) {
                uint64_t processes = 0;

                if (counter_is_gauge(m))
                        continue;
                for (uint32_t i = 0; i < r->n_slots; i++)
                        processes += r->processes[i].is_used ? r->processes[i].counters[m] : 0;
                assert_int_equal(processes, r->host->counters[m]);
                check_groups(r, m);
                assert_true(r->host->counters[m] >= stage->last_host.counters[m]);
        }
        stage->last_host = *r->host;
}

void check(struct stage *stage) {
        const struct totals_result *r = &stage->result;
        uint64_t n_used = 0;

        totals_get(stage->totals, &stage->result);
        check_sums(stage);
        for (uint32_t i = 0; i < r->n_slots; i++) {
                n_used += r->processes[i].is_used;
                if (r->processes[i].is_used && r->processes[i].kind == SOCKTALLY_ROW_PROCESS) {
                        assert_true(r->processes[i].counters[METRIC] >= stage->seen[r->processes[i].pid]);
                        stage->seen[r->processes[i].pid] = r->processes[i].counters[METRIC];
                }
        }
        assert_int_equal(n_used, r->n_processes);
        check_members(r);
        assert_int_equal(r->host->processes, r->n_processes - N_PROCESS_SPECIALS);
        assert_int_equal(r->host->services,
                         r->is_without[BY_SERVICE] ? 0 : r->groups[BY_SERVICE].n_rows - N_GROUP_SPECIALS);
}

void stage_update(struct stage *stage) {
        totals_update(stage->totals, &stage->scene.sample, ++stage->sequence);
        if (stage->twin)
                totals_update(stage->twin, &stage->scene.sample, stage->sequence);
        check(stage);
}

const struct process *find(const struct stage *stage, uint32_t pid) {
        const struct process *found = NULL;

        for (uint32_t i = 0; i < stage->result.n_slots; i++)
                if (stage->result.processes[i].is_used && stage->result.processes[i].pid == pid &&
                    stage->result.processes[i].kind == SOCKTALLY_ROW_PROCESS) {
                        assert_null(found);
                        found = &stage->result.processes[i];
                }
        return found;
}

const struct group_row *find_service(const struct stage *stage, const char *name) {
        for (uint32_t i = 0; i < stage->result.groups[BY_SERVICE].n_rows; i++)
                if (stage->result.groups[BY_SERVICE].rows[i].kind == SOCKTALLY_ROW_SERVICE &&
                    strcmp(stage->result.groups[BY_SERVICE].rows[i].name, name) == 0)
                        return &stage->result.groups[BY_SERVICE].rows[i];
        return NULL;
}

uint64_t process_bytes(const struct stage *stage, uint32_t pid) {
        const struct process *process = find(stage, pid);

        assert_non_null(process);
        return process->counters[METRIC];
}

uint64_t special_bytes(const struct stage *stage, uint32_t number) {
        return stage->result.processes[number].counters[METRIC];
}

uint64_t service_bytes(const struct stage *stage, const char *name) {
        const struct group_row *row = find_service(stage, name);

        assert_non_null(row);
        return row->counters[METRIC];
}
