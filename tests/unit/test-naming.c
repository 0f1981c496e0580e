/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names that come after the rows that they are of. What was counted stays where it is, what comes goes to the new
 * service, and the tables add up all the time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "libclient/socktally.h"
#include "tests/unit/totals-stage.h"

#define ROWS_PER_UPDATE 1024 /* as in naming.c */

/* Cgroup N is "NAME-N.service" in an answer, or nobody knows any more. */
static const char *answer;
static uint32_t generation;
static unsigned n_asked;

static bool find_name(void *userdata, const struct process_key *key, uint32_t pid, const char *comm,
                      struct identity *ret_identity) {
        n_asked++;
        assert_int_equal(pid, key->tgid);
        *ret_identity = IDENTITY_NULL;
        if (answer && answer[0])
                snprintf(ret_identity->unit.name, sizeof ret_identity->unit.name, "%s-%llu.service", answer,
                         (unsigned long long) key->cgroup_id);
        return answer;
}

static uint32_t get_generation(void *userdata) {
        return generation;
}

static void set_answer(const char *name) {
        answer = name;
        generation++;
}

static int setup(void **state) {
        struct stage *stage;

        totals_setup(state);
        stage = *state;
        stage->config.identity = find_name;
        stage->config.generation = get_generation;
        answer = "";
        generation = n_asked = 0;
        return 0;
}

static void move_to(struct stage *stage, uint32_t pid, uint64_t cgroup, int64_t bytes) {
        scene_next(&stage->scene, SECOND);
        scene_row(&stage->scene, pid, cgroup, bytes);
        stage_update(stage);
}

static const char *shown_service(const struct stage *stage, uint32_t pid) {
        return stage->result.groups[BY_SERVICE].rows[find(stage, pid)->groups[BY_SERVICE]].name;
}

static void what_moves_after_the_answer_is_the_services(void **state) {
        struct stage *stage = *state;

        stage_open(stage, 100, 100);
        move_to(stage, 7, 1, 100);
        assert_string_equal(shown_service(stage, 7), "");
        set_answer("late");
        move_to(stage, 7, 1, 150);
        assert_int_equal(stage->result.groups[BY_SERVICE].rows[GROUP_NONE].counters[METRIC], 100);
        assert_int_equal(service_bytes(stage, "late-1.service"), 50);
        assert_int_equal(process_bytes(stage, 7), 150);
        set_answer("other");
        move_to(stage, 7, 1, 175);
        assert_int_equal(service_bytes(stage, "late-1.service"), 50);
        assert_int_equal(service_bytes(stage, "other-1.service"), 25);
        assert_int_equal(find_service(stage, "late-1.service")->processes, 0);
        assert_int_equal(find_service(stage, "other-1.service")->processes, 1);
}

static void a_process_that_moves_nothing_is_shown_with_its_name_all_the_same(void **state) {
        struct stage *stage = *state;

        stage_open(stage, 100, 100);
        move_to(stage, 7, 1, 100);
        set_answer("late");
        move_to(stage, 7, 1, 100);
        assert_string_equal(shown_service(stage, 7), "late-1.service");
        assert_int_equal(service_bytes(stage, "late-1.service"), 0);
}

/* In cgroup 1, then in cgroup 2, where it is shown. */
static void move_in_two(struct stage *stage, uint32_t pid) {
        for (int64_t i = 0; i < 2; i++) {
                scene_next(&stage->scene, SECOND);
                scene_row(&stage->scene, pid, 2, 100 + i);
                scene_row(&stage->scene, pid, 1, 10);
                stage_update(stage);
        }
}

static void news_of_a_cgroup_that_a_process_left_do_not_touch_its_row(void **state) {
        struct stage *stage = *state;

        stage_open(stage, 100, 100);
        move_in_two(stage, 7);
        set_answer("late");
        stage_update(stage);
        assert_string_equal(shown_service(stage, 7), "late-2.service");
        assert_int_equal(find_service(stage, "late-1.service")->processes, 0);
}

static void who_is_not_known_any_more_keeps_the_name(void **state) {
        struct stage *stage = *state;

        answer = "early";
        stage_open(stage, 100, 100);
        move_to(stage, 7, 1, 100);
        set_answer(NULL);
        move_to(stage, 7, 1, 150);
        assert_int_equal(n_asked, 2);
        assert_int_equal(service_bytes(stage, "early-1.service"), 150);
}

static void each_row_is_asked_for_once_in_a_generation(void **state) {
        struct stage *stage = *state;

        stage_open(stage, 100, 100);
        move_to(stage, 7, 1, 100);
        move_to(stage, 8, 1, 100);
        move_to(stage, 9, 1, 100);
        assert_int_equal(n_asked, 3);
        set_answer("late");
        for (unsigned i = 0; i < 3; i++) {
                stage_update(stage);
                assert_int_equal(n_asked, 6);
        }
}

/* However often there are news. */
static void many_rows_take_turns(void **state) {
        const uint32_t n = 3 * ROWS_PER_UPDATE;
        struct stage *stage = *state;

        stage_open(stage, n, 4);
        for (uint32_t pid = 1; pid <= n; pid++)
                scene_row(&stage->scene, pid, 1, 1);
        stage_update(stage);
        for (unsigned i = 0; i < 3; i++) {
                set_answer("late");
                n_asked = 0;
                stage_update(stage);
                assert_int_equal(n_asked, ROWS_PER_UPDATE);
        }
        assert_int_equal(find_service(stage, "late-1.service")->processes, n);
}

static void a_service_without_room_takes_nothing_from_the_sum(void **state) {
        struct stage *stage = *state;

        answer = "early";
        stage_open(stage, 100, 1);
        scene_row(&stage->scene, 7, 1, 100);
        scene_row(&stage->scene, 8, 1, 100);
        stage_update(stage);
        set_answer("late");
        scene_next(&stage->scene, SECOND);
        scene_row(&stage->scene, 7, 1, 150);
        scene_row(&stage->scene, 8, 1, 150);
        stage_update(stage);
        assert_int_equal(service_bytes(stage, "early-1.service"), 200);
        assert_int_equal(stage->result.groups[BY_SERVICE].rows[GROUP_OVERFLOW].counters[METRIC], 100);
        assert_int_equal(stage->result.groups[BY_SERVICE].n_overflowed, 2);
        set_answer("again");
        stage_update(stage);
        assert_int_equal(stage->result.groups[BY_SERVICE].n_overflowed, 2); /* overflow is for good */
}

static void a_service_that_nothing_feeds_any_more_makes_room(void **state) {
        struct stage *stage = *state;

        answer = "early";
        stage_open(stage, 100, 2);
        move_to(stage, 7, 1, 100);
        set_answer("late");
        move_to(stage, 7, 1, 150);
        scene_row(&stage->scene, 8, 2, 10);
        stage_update(stage);
        assert_null(find_service(stage, "early-1.service"));
        assert_int_equal(service_bytes(stage, "late-2.service"), 10);
        assert_int_equal(stage->result.groups[BY_SERVICE].rows[GROUP_ENDED].counters[METRIC], 100);
}

static void a_service_that_a_row_feeds_keeps_its_place(void **state) {
        struct stage *stage = *state;

        stage_open(stage, 100, 2);
        move_in_two(stage, 7);
        set_answer("late");
        stage_update(stage);
        assert_int_equal(find_service(stage, "late-1.service")->processes, 0);
        scene_row(&stage->scene, 8, 3, 10);
        stage_update(stage);
        assert_non_null(find_service(stage, "late-1.service"));
        assert_null(find_service(stage, "late-3.service"));
}

static void services_that_are_not_kept_change_their_names_as_well(void **state) {
        struct stage *stage = *state;

        answer = "early";
        stage_open(stage, 100, 100);
        move_to(stage, 7, 1, 100);
        totals_keep_groups(stage->totals, BY_SERVICE, false, stage->sequence + 1);
        move_to(stage, 7, 1, 120);
        set_answer("late");
        move_to(stage, 7, 1, 150);
        totals_keep_groups(stage->totals, BY_SERVICE, true, stage->sequence + 1);
        check(stage);
        assert_int_equal(service_bytes(stage, "early-1.service"), 120);
        assert_int_equal(service_bytes(stage, "late-1.service"), 30);
}

static void the_next_daemon_asks_when_it_hears_of_news(void **state) {
        struct stage *stage = *state;

        answer = "early";
        stage_open(stage, 100, 100);
        set_answer("early");
        move_to(stage, 7, 1, 100);
        generation = 0;
        answer = "";
        stage_restart(stage, 100, 100, true);
        move_to(stage, 7, 1, 150);
        assert_int_equal(service_bytes(stage, "early-1.service"), 150);
        set_answer("late");
        move_to(stage, 7, 1, 175);
        assert_int_equal(service_bytes(stage, "early-1.service"), 150);
        assert_int_equal(service_bytes(stage, "late-1.service"), 25);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, totals_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(what_moves_after_the_answer_is_the_services),
                CASE(a_process_that_moves_nothing_is_shown_with_its_name_all_the_same),
                CASE(news_of_a_cgroup_that_a_process_left_do_not_touch_its_row),
                CASE(who_is_not_known_any_more_keeps_the_name),
                CASE(each_row_is_asked_for_once_in_a_generation),
                CASE(many_rows_take_turns),
                CASE(a_service_without_room_takes_nothing_from_the_sum),
                CASE(a_service_that_nothing_feeds_any_more_makes_room),
                CASE(a_service_that_a_row_feeds_keeps_its_place),
                CASE(services_that_are_not_kept_change_their_names_as_well),
                CASE(the_next_daemon_asks_when_it_hears_of_news),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
