/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tables that become smaller and larger while counting goes on, and rows of the kernel that end and begin anew. After
 * every step the rows add up, and no row that was ever seen is seen again with less.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/totals/counters.h"
#include "libclient/socktally.h"
#include "tests/unit/totals-stage.h"

static bool is_alive(void *userdata, uint32_t pid, uint64_t start_time) {
        struct stage *stage = userdata;

        stage->n_asked++;
        if (pid == 0)
                return true; /* as identity_is_alive() says */
        assert_int_equal(start_time, pid * UINT64_C(1000));
        return !stage->is_gone[pid];
}

static int setup(void **state) {
        totals_setup(state);
        ((struct stage *) *state)->config.is_alive = is_alive;
        return 0;
}

/* Gauges come with the next sample. */
static void check_same(const struct groups *groups, const struct groups *twins) {
        assert_int_equal(groups->n_rows, twins->n_rows);
        for (uint32_t i = 0; i < twins->n_rows; i++) {
                assert_string_equal(groups->rows[i].name, twins->rows[i].name);
                assert_int_equal(groups->rows[i].processes, twins->rows[i].processes);
                for (unsigned m = 0; m < SOCKTALLY_N_METRICS; m++)
                        if (!counter_is_gauge(m))
                                assert_int_equal(groups->rows[i].counters[m], twins->rows[i].counters[m]);
        }
}

static void check_twin(const struct stage *stage) {
        struct totals_result twin;

        totals_get(stage->twin, &twin);
        for (unsigned g = 0; g < N_GROUPINGS; g++)
                check_same(&stage->result.groups[g], &twin.groups[g]);
}

/* No service that was ever seen is seen again with less. */
static void check_services(struct stage *stage) {
        const struct group_row *rows = stage->result.groups[BY_SERVICE].rows;

        if (stage->result.is_without[BY_SERVICE])
                return;
        for (uint32_t i = N_GROUP_SPECIALS; i < stage->result.groups[BY_SERVICE].n_rows; i++) {
                uint64_t *seen = &stage->seen_services[strtoul(rows[i].name + 5, NULL, 10)];

                assert_true(rows[i].counters[METRIC] >= *seen);
                *seen = rows[i].counters[METRIC];
        }
        if (stage->twin)
                check_twin(stage);
}

static void step(struct stage *stage) {
        stage_update(stage);
        check_services(stage);
        scene_next(&stage->scene, SECOND);
}

static void resize(struct stage *stage, uint32_t max_processes, uint32_t max_services) {
        const struct totals_rows max = scene_rows(max_processes + N_PROCESS_SPECIALS, max_services + N_GROUP_SPECIALS);

        assert_int_equal(totals_resize(stage->totals, &max, stage->sequence + 1), 0);
        if (stage->twin)
                assert_int_equal(totals_resize(stage->twin, &max, stage->sequence + 1), 0);
        check(stage);
        check_services(stage);
        assert_true(stage->result.n_processes <= max.processes);
        assert_true(stage->result.groups[BY_SERVICE].n_rows <= max.groups[BY_SERVICE]);
}

static void last_row(struct stage *stage, uint32_t pid, uint64_t cgroup, int64_t bytes) {
        scene_row(&stage->scene, pid, cgroup, bytes)->is_last = true;
}

static void a_row_that_ends_and_begins_anew_in_one_sample_goes_on(void **state) {
        struct stage *stage = *state;

        stage_open(stage, 10, 10);
        scene_row(&stage->scene, 7, 1, 100);
        step(stage);
        last_row(stage, 7, 1, 110);
        scene_row(&stage->scene, 7, 1, 5);
        step(stage);
        assert_int_equal(process_bytes(stage, 7), 115);
        scene_row(&stage->scene, 7, 1, 3); /* the other way round: what began is seen with the next sample */
        last_row(stage, 7, 1, 6);
        step(stage);
        assert_int_equal(process_bytes(stage, 7), 116);
        scene_row(&stage->scene, 7, 1, 4);
        step(stage);
        assert_int_equal(process_bytes(stage, 7), 120);
        assert_int_equal(stage->n_asked, 1); /* only while the kernel had no row of it */
}

static void a_process_that_the_kernel_has_no_row_of_stays_until_it_is_gone(void **state) {
        struct stage *stage = *state;

        stage_open(stage, 10, 10);
        last_row(stage, 7, 1, 100);
        for (unsigned i = 0; i < 50; i++)
                step(stage);
        assert_int_equal(process_bytes(stage, 7), 100);
        assert_false(find(stage, 7)->is_queued);
        scene_row(&stage->scene, 7, 1, 1);
        step(stage);
        assert_int_equal(process_bytes(stage, 7), 101);
        last_row(stage, 7, 1, 1);
        step(stage);
        stage->is_gone[7] = true;
        step(stage);
        assert_true(find(stage, 7)->is_queued);
        for (unsigned i = 0; i < 12; i++)
                step(stage);
        assert_null(find(stage, 7));
        assert_int_equal(special_bytes(stage, PROCESS_EXITED), 101);
}

/* Its end shows in no row, and nobody can be asked: another PID namespace has it. */
static void last_row_without_pid(struct stage *stage, uint32_t pid, int64_t bytes) {
        struct sample_row *row = scene_row(&stage->scene, pid, 1, bytes);

        row->row.pid = 0;
        row->is_last = true;
}

static void a_process_without_a_visible_pid_is_given_up_after_a_while(void **state) {
        struct stage *stage = *state;

        stage_open(stage, 10, 10);
        last_row_without_pid(stage, 7, 100);
        last_row_without_pid(stage, 8, 50);
        for (unsigned i = 0; i < TOTALS_UNSEEN_NS / SECOND; i++)
                step(stage);
        assert_int_equal(process_bytes(stage, 8), 50);
        assert_false(find(stage, 8)->is_queued);
        last_row_without_pid(stage, 8, 1); /* it lives: the time begins anew */
        step(stage);
        assert_int_equal(process_bytes(stage, 8), 51);
        assert_true(find(stage, 7)->is_queued);
        for (unsigned i = 0; i < 12; i++)
                step(stage);
        assert_null(find(stage, 7));
        assert_int_equal(special_bytes(stage, PROCESS_EXITED), 100);
        for (unsigned i = 0; i < TOTALS_UNSEEN_NS / SECOND; i++)
                step(stage);
        assert_null(find(stage, 8));
        assert_int_equal(stage->n_asked, 0);
}

static void a_process_without_a_visible_pid_makes_room_sooner(void **state) {
        struct stage *stage = *state;

        stage_open(stage, 10, 10);
        for (uint32_t pid = 1; pid <= 10; pid++)
                last_row_without_pid(stage, pid, 10);
        step(stage);
        for (unsigned i = 1; i < TOTALS_VISIBLE_NS / SECOND; i++)
                step(stage);
        assert_false(find(stage, 10)->is_queued); /* it may be a busy one whose next row is on its way */
        step(stage);
        assert_int_equal(stage->result.n_processes, 10 + N_PROCESS_SPECIALS);
        for (uint32_t pid = 11; pid <= 20; pid++)
                scene_row(&stage->scene, pid, 1, 1);
        step(stage);
        for (uint32_t pid = 11; pid <= 20; pid++)
                assert_int_equal(process_bytes(stage, pid), 1);
        assert_int_equal(special_bytes(stage, PROCESS_OVERFLOW), 0);
}

static void with_less_room_the_quietest_go_to_overflow_and_stay_there(void **state) {
        struct stage *stage = *state;

        stage_open(stage, 10, 10);
        for (uint32_t pid = 1; pid <= 10; pid++)
                scene_row(&stage->scene, pid, 1, pid);
        step(stage);
        scene_row(&stage->scene, 3, 1, 30);
        scene_row(&stage->scene, 9, 1, 90);
        step(stage);
        resize(stage, 2, 10);
        assert_int_equal(process_bytes(stage, 3), 30);
        assert_int_equal(process_bytes(stage, 9), 90);
        assert_int_equal(special_bytes(stage, PROCESS_OVERFLOW), 55 - 3 - 9);
        assert_int_equal(stage->result.rows_overflowed, 8);
        assert_int_equal(stage->result.peak_processes, 10 + N_PROCESS_SPECIALS);
        resize(stage, 20, 10);
        scene_row(&stage->scene, 1, 1, 100);
        scene_row(&stage->scene, 1, 2, 100); /* the same process in another cgroup */
        scene_row(&stage->scene, 11, 2, 11);
        step(stage);
        assert_null(find(stage, 1));
        assert_int_equal(process_bytes(stage, 11), 11);
        assert_int_equal(special_bytes(stage, PROCESS_OVERFLOW), 55 - 3 - 9 + 99 + 100);
        last_row(stage, 1, 1, 101);
        scene_row(&stage->scene, 1, 1, 9);
        step(stage);
        assert_null(find(stage, 1));
        assert_int_equal(special_bytes(stage, PROCESS_OVERFLOW), 55 - 3 - 9 + 100 + 100 + 9);
}

static void a_process_that_never_had_a_row_gets_one_when_there_is_room(void **state) {
        struct stage *stage = *state;

        stage_open(stage, 2, 10);
        assert_int_equal(totals_new(&stage->twin, &stage->config), 0);
        for (uint32_t pid = 1; pid <= 4; pid++)
                scene_row(&stage->scene, pid, 1, 10);
        step(stage);
        assert_null(find(stage, 3));
        assert_int_equal(special_bytes(stage, PROCESS_OVERFLOW), 20);
        for (uint32_t pid = 1; pid <= 4; pid++)
                scene_row(&stage->scene, pid, 1, 11);
        step(stage);
        assert_int_equal(special_bytes(stage, PROCESS_OVERFLOW), 22);
        resize(stage, 4, 10);
        for (uint32_t pid = 1; pid <= 4; pid++)
                scene_row(&stage->scene, pid, 1, 15);
        step(stage);
        assert_int_equal(special_bytes(stage, PROCESS_OVERFLOW), 22); /* what it got before stays there */
        assert_int_equal(process_bytes(stage, 3), 4);
        assert_int_equal(process_bytes(stage, 4), 4);
        for (uint32_t pid = 1; pid <= 4; pid++)
                last_row(stage, pid, 1, 16);
        step(stage);
        for (uint32_t pid = 1; pid <= 4; pid++)
                stage->is_gone[pid] = true;
        for (unsigned i = 0; i < 20; i++)
                step(stage);
        assert_int_equal(stage->result.n_processes, N_PROCESS_SPECIALS);
}

static void what_has_ended_makes_room_first(void **state) {
        struct stage *stage = *state;
        struct sample_row *row;

        stage_open(stage, 10, 10);
        scene_row(&stage->scene, 1, 1, 1);
        row = scene_row(&stage->scene, 2, 1, 2);
        row->row.exited = 1;
        row->is_last = true;
        scene_row(&stage->scene, 3, 1, 3);
        step(stage);
        resize(stage, 2, 10);
        assert_null(find(stage, 2));
        assert_int_equal(special_bytes(stage, PROCESS_EXITED), 2);
        assert_int_equal(special_bytes(stage, PROCESS_OVERFLOW), 0);
        assert_int_equal(stage->result.rows_overflowed, 0);
}

static void closed_services_do_not_come_again(void **state) {
        struct stage *stage = *state;

        stage_open(stage, 20, 20);
        for (uint32_t i = 1; i <= 10; i++)
                scene_row(&stage->scene, i, i, 10 + i);
        step(stage);
        resize(stage, 20, 4);
        assert_int_equal(stage->result.groups[BY_SERVICE].n_rows, 4 + N_GROUP_SPECIALS);
        assert_int_equal(stage->result.groups[BY_SERVICE].rows[GROUP_OVERFLOW].processes, 6);
        assert_int_equal(stage->result.groups[BY_SERVICE].n_overflowed, 6);
        resize(stage, 20, 40);
        scene_row(&stage->scene, 11, 10, 1); /* a new process of a unit that was closed, and one of a new unit */
        scene_row(&stage->scene, 12, 11, 1);
        step(stage);
        assert_int_equal(stage->result.groups[BY_SERVICE].n_rows, 5 + N_GROUP_SPECIALS);
        assert_int_equal(stage->result.groups[BY_SERVICE].rows[GROUP_OVERFLOW].processes, 7);
        assert_int_equal(stage->result.groups[BY_SERVICE].peak, 10 + N_GROUP_SPECIALS);
        resize(stage, 20, 4);
        resize(stage, 20, 20);
        assert_int_equal(stage->result.groups[BY_SERVICE].n_rows, 4 + N_GROUP_SPECIALS);
}

/* Its process is not shown any more; what the kernel still counts for it is the unit's, in the next process too. */
static void a_unit_that_a_kernel_row_feeds_keeps_its_row(void **state) {
        struct stage *stage = *state;

        stage_open(stage, 100, 1);
        for (unsigned i = 0; i < 14; i++) {
                scene_row(&stage->scene, 7, 2, 100)->row.exited = 1;
                step(stage);
        }
        assert_int_equal(stage->result.groups[BY_SERVICE].rows[N_GROUP_SPECIALS].processes, 0);
        stage_restart(stage, 100, 1, true);
        scene_row(&stage->scene, 8, 4, 1);
        scene_row(&stage->scene, 7, 2, 110)->row.exited = 1;
        step(stage);
        assert_int_equal(service_bytes(stage, "unit-2.service"), 110);
        assert_int_equal(stage->result.groups[BY_SERVICE].n_overflowed, 1);
        scene_row(&stage->scene, 7, 2, 111)->row.exited = 1;
        stage->scene.rows[0].is_last = true;
        step(stage);
        scene_row(&stage->scene, 9, 6, 5);
        step(stage);
        assert_int_equal(service_bytes(stage, "unit-6.service"), 5);
        assert_int_equal(stage->result.groups[BY_SERVICE].rows[GROUP_ENDED].counters[METRIC], 111);
        assert_int_equal(stage->result.groups[BY_SERVICE].rows[GROUP_OVERFLOW].counters[METRIC], 1);
}

/* What the kernel would know of the processes of the long run. */
struct actor {
        uint32_t pid;
        uint64_t cgroup;
        int64_t bytes;  /* in all */
        int64_t before; /* of these, in tables that were replaced */
        bool is_alive, has_row;
};

static void end(struct stage *stage, struct actor *actor) {
        actor->is_alive = false;
        stage->is_gone[actor->pid] = true;
        if (actor->has_row) {
                struct sample_row *row = scene_row(&stage->scene, actor->pid, actor->cgroup,
                                                   actor->bytes - actor->before);

                row->row.exited = 1;
                row->is_last = true;
        }
}

static void act(struct stage *stage, struct actor *actor, uint32_t *next_pid, uint64_t *exact, bool is_replaced) {
        int64_t growth = rand() % 3 ? 0 : rand() % 1000;

        if (!actor->is_alive)
                *actor = (struct actor) {
                        .pid = (*next_pid)++,
                        .cgroup = 2 * ((uint64_t) rand() % 20),
                        .is_alive = true,
                };
        if (is_replaced && actor->has_row) {
                last_row(stage, actor->pid, actor->cgroup, actor->bytes - actor->before);
                actor->before = actor->bytes;
                actor->has_row = false;
        }
        actor->bytes += growth;
        *exact += (uint64_t) growth;
        actor->has_row |= growth > 0;
        if (rand() % 40 == 0)
                end(stage, actor);
        else if (actor->has_row)
                scene_row(&stage->scene, actor->pid, actor->cgroup, actor->bytes - actor->before);
}

static void run_for_long(struct stage *stage, bool has_twin) {
        struct actor actors[200] = { 0 };
        uint32_t next_pid = 1;
        uint64_t exact = 0;

        srand(20240502);
        stage_open(stage, 100, 20);
        if (has_twin)
                assert_int_equal(totals_new(&stage->twin, &stage->config), 0);
        for (unsigned i = 0; i < 2000; i++) {
                bool is_replaced = rand() % 10 == 0;

                if (is_replaced)
                        resize(stage, 16 + (uint32_t) rand() % 300, 1 + (uint32_t) rand() % 20);
                if (has_twin && rand() % 7 == 0)
                        totals_keep_groups(stage->totals, BY_SERVICE, rand() % 2, stage->sequence + 1);
                for (unsigned j = 0; j < 200; j++)
                        act(stage, &actors[j], &next_pid, &exact, is_replaced);
                step(stage);
                assert_int_equal(stage->result.host->counters[METRIC], exact);
        }
        assert_true(next_pid < MAX_PIDS);
        for (unsigned j = 0; j < 200; j++)
                if (actors[j].is_alive)
                        end(stage, &actors[j]);
        for (unsigned i = 0; i < 30; i++)
                step(stage);
        assert_int_equal(stage->result.n_processes, N_PROCESS_SPECIALS); /* hidden ones are forgotten too */
        for (uint32_t i = N_PROCESS_SPECIALS; i < stage->result.n_slots; i++)
                assert_false(stage->result.processes[i].is_hidden);
}

static void a_long_run_of_changes_adds_up_and_nothing_goes_backwards(void **state) {
        run_for_long(*state, false);
}

/* Without them the table may be resized, rows end, move and begin anew. */
static void services_that_were_not_kept_have_all_that_was_moved_when_they_are_kept_again(void **state) {
        struct stage *stage = *state;

        run_for_long(stage, true);
        totals_keep_groups(stage->totals, BY_SERVICE, true, stage->sequence + 1);
        check(stage);
        check_services(stage);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, totals_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(a_row_that_ends_and_begins_anew_in_one_sample_goes_on),
                CASE(a_process_that_the_kernel_has_no_row_of_stays_until_it_is_gone),
                CASE(a_process_without_a_visible_pid_is_given_up_after_a_while),
                CASE(a_process_without_a_visible_pid_makes_room_sooner),
                CASE(with_less_room_the_quietest_go_to_overflow_and_stay_there),
                CASE(a_process_that_never_had_a_row_gets_one_when_there_is_room),
                CASE(what_has_ended_makes_room_first),
                CASE(closed_services_do_not_come_again),
                CASE(a_unit_that_a_kernel_row_feeds_keeps_its_row),
                CASE(a_long_run_of_changes_adds_up_and_nothing_goes_backwards),
                CASE(services_that_were_not_kept_have_all_that_was_moved_when_they_are_kept_again),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
