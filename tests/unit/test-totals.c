/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The promise that rows add up is checked after every single step of every case here, and in a long run of processes
 * that come, move between cgroups, dip, end and come back, with tables that are far too small.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "libclient/socktally.h"
#include "tests/unit/totals-stage.h"

static void the_special_rows_are_there_before_any_traffic(void **state) {
        static const uint32_t kinds[] = { SOCKTALLY_ROW_KERNEL, SOCKTALLY_ROW_OVERFLOW, SOCKTALLY_ROW_EXITED };
        static const char *const names[] = { "kernel", "overflow", "exited" };
        struct stage *stage = *state;

        stage_open(stage, 100, 100);
        stage_update(stage);
        assert_int_equal(stage->result.n_processes, N_PROCESS_SPECIALS);
        for (unsigned i = 0; i < N_PROCESS_SPECIALS; i++) {
                assert_int_equal(stage->result.processes[i].kind, kinds[i]);
                assert_string_equal(stage->result.processes[i].comm, names[i]);
                assert_int_equal(stage->result.processes[i].pid, 0);
                assert_int_equal(stage->result.processes[i].uid, LAYOUT_NO_UID);
        }
        assert_int_equal(stage->result.groups[BY_SERVICE].rows[GROUP_NONE].kind, SOCKTALLY_ROW_NO_UNIT);
        assert_int_equal(stage->result.host->start_time, stage->scene.sample.time_ns);
}

static void rows_of_several_cgroups_are_one_process_and_several_services(void **state) {
        struct stage *stage = *state;

        stage_open(stage, 100, 100);
        scene_row(&stage->scene, 7, 1, 100);
        scene_row(&stage->scene, 7, 2, 30);
        scene_row(&stage->scene, 8, 2, 5);
        stage_update(stage);
        assert_int_equal(process_bytes(stage, 7), 130);
        assert_int_equal(service_bytes(stage, "unit-1.service"), 100);
        assert_int_equal(service_bytes(stage, "unit-2.service"), 35);
        assert_int_equal(stage->result.host->processes, 2);
        assert_int_equal(stage->result.host->services, 2);
        assert_int_equal(stage->scene.n_identified, 3);
        stage_update(stage);
        assert_int_equal(stage->scene.n_identified, 3); /* a known row is not looked up again */
}

static void the_kernels_special_rows_land_in_both_tables(void **state) {
        struct stage *stage = *state;

        stage_open(stage, 100, 100);
        scene_special(&stage->scene, SPECIAL_KERNEL, 10);
        scene_special(&stage->scene, SPECIAL_OVERFLOW, 20);
        scene_special(&stage->scene, SPECIAL_EXITED, 40);
        stage_update(stage);
        scene_special(&stage->scene, SPECIAL_EXITED, 41);
        stage_update(stage);
        assert_int_equal(special_bytes(stage, PROCESS_KERNEL), 10);
        assert_int_equal(special_bytes(stage, PROCESS_OVERFLOW), 20);
        assert_int_equal(special_bytes(stage, PROCESS_EXITED), 41);
        assert_int_equal(stage->result.groups[BY_SERVICE].rows[GROUP_EXITED].counters[METRIC], 41);
        assert_int_equal(stage->result.host->counters[METRIC], 71);
}

static void a_row_that_dips_stands_still_until_it_has_caught_up(void **state) {
        static const int64_t bytes[] = { -1, 50, 49, 48, 50, 51 };
        static const uint64_t shown[] = { 0, 50, 50, 50, 50, 51 };
        struct stage *stage = *state;

        stage_open(stage, 100, 100);
        for (unsigned i = 0; i < sizeof bytes / sizeof bytes[0]; i++) {
                scene_next(&stage->scene, SECOND);
                scene_row(&stage->scene, 7, 1, bytes[i]);
                stage_update(stage);
                assert_int_equal(process_bytes(stage, 7), shown[i]);
        }
}

static void changed_is_the_publication_in_which_a_counter_moved(void **state) {
        struct stage *stage = *state;

        stage_open(stage, 100, 100);
        for (int64_t i = 0; i < 6; i++) {
                scene_next(&stage->scene, SECOND);
                scene_row(&stage->scene, 7, 1, 10 * (i / 3));
                scene_row(&stage->scene, 8, 1, i + 1);
                stage_update(stage);
        }
        assert_int_equal(find(stage, 7)->changed, 4);
        assert_int_equal(find(stage, 8)->changed, 6);
        assert_int_equal(find_service(stage, "unit-1.service")->changed, 6);
        scene_next(&stage->scene, SECOND);
        stage_update(stage);
        assert_int_equal(stage->result.host->changed, 6);
}

static void end(struct stage *stage, uint32_t pid, int64_t bytes) {
        struct sample_row *row = scene_row(&stage->scene, pid, 1, bytes);

        row->row.exited = 1;
        row->is_last = true;
}

static void a_process_that_ended_is_shown_for_three_publications_and_ten_seconds(void **state) {
        struct stage *stage = *state;

        stage_open(stage, 100, 100);
        end(stage, 7, 500); /* it lived shorter than an interval */
        stage_update(stage);
        for (unsigned i = 0; i < 9; i++) {
                assert_int_equal(process_bytes(stage, 7), 500);
                assert_true(find(stage, 7)->is_queued);
                scene_next(&stage->scene, SECOND);
                stage_update(stage);
        }
        assert_int_equal(process_bytes(stage, 7), 500);
        scene_next(&stage->scene, SECOND);
        stage_update(stage);
        assert_null(find(stage, 7));
        assert_int_equal(special_bytes(stage, PROCESS_EXITED), 500);
        assert_int_equal(service_bytes(stage, "unit-1.service"), 500);
        assert_int_equal(find_service(stage, "unit-1.service")->processes, 0);
}

static void long_intervals_show_it_three_times_all_the_same(void **state) {
        struct stage *stage = *state;

        stage_open(stage, 100, 100);
        end(stage, 7, 500);
        for (unsigned i = 0; i < 3; i++) {
                stage_update(stage);
                assert_non_null(find(stage, 7));
                scene_next(&stage->scene, 60 * SECOND);
        }
        stage_update(stage);
        assert_null(find(stage, 7));
}

static void a_row_the_kernel_keeps_after_the_end_goes_on_counting(void **state) {
        struct stage *stage = *state;

        stage_open(stage, 100, 100);
        for (unsigned i = 0; i < 30; i++) {
                scene_next(&stage->scene, SECOND);
                scene_row(&stage->scene, 7, 1, i < 25 ? 100 : 101)->row.exited = 1;
                stage_update(stage);
        }
        assert_null(find(stage, 7));
        assert_int_equal(special_bytes(stage, PROCESS_EXITED), 101);
        scene_next(&stage->scene, SECOND);
        end(stage, 7, 103);
        stage_update(stage);
        assert_int_equal(special_bytes(stage, PROCESS_EXITED), 103);
}

static void an_exited_process_that_still_moves_data_stays(void **state) {
        struct stage *stage = *state;

        stage_open(stage, 100, 100);
        for (unsigned i = 0; i < 30; i++) {
                scene_next(&stage->scene, SECOND);
                scene_row(&stage->scene, 7, 1, i + 1)->row.exited = 1;
                stage_update(stage);
        }
        assert_int_equal(process_bytes(stage, 7), 30);
}

static void the_same_pid_with_another_start_is_another_process(void **state) {
        struct stage *stage = *state;

        stage_open(stage, 100, 100);
        end(stage, 7, 100);
        stage_update(stage);
        scene_next(&stage->scene, SECOND);
        scene_row(&stage->scene, 7, 1, 3)->key.start_time++;
        totals_update(stage->totals, &stage->scene.sample, ++stage->sequence);
        totals_get(stage->totals, &stage->result);
        check_sums(stage);
        assert_int_equal(stage->result.host->processes, 2);
}

static void a_full_table_shows_the_rest_as_overflow_and_counts_it(void **state) {
        struct stage *stage = *state;

        stage_open(stage, 4, 2);
        for (uint32_t pid = 1; pid <= 10; pid++)
                scene_row(&stage->scene, pid, pid, 10);
        stage_update(stage);
        assert_int_equal(stage->result.host->processes, 4);
        assert_int_equal(stage->result.rows_overflowed, 6);
        assert_int_equal(special_bytes(stage, PROCESS_OVERFLOW), 60);
        assert_int_equal(stage->result.host->services, 2);
        assert_int_equal(stage->result.groups[BY_SERVICE].rows[GROUP_OVERFLOW].counters[METRIC], 80);
        stage_update(stage);
        assert_int_equal(stage->result.rows_overflowed, 6);
}

static void under_pressure_those_that_ended_first_go_first(void **state) {
        struct stage *stage = *state;

        stage_open(stage, 5, 100);
        for (uint32_t pid = 1; pid <= 5; pid++) {
                scene_next(&stage->scene, SECOND / 10);
                end(stage, pid, 10);
                stage_update(stage);
        }
        /* More than three quarters of 8 are used: of 3 specials and 5 rows, 6 may stay. */
        assert_null(find(stage, 1));
        scene_next(&stage->scene, SECOND / 10);
        stage_update(stage);
        assert_null(find(stage, 2));
        assert_non_null(find(stage, 3));
        assert_non_null(find(stage, 5));
}

static void those_that_came_and_ended_at_once_are_shown_at_least_once(void **state) {
        struct stage *stage = *state;

        stage_open(stage, 5, 100);
        for (uint32_t pid = 1; pid <= 5; pid++)
                end(stage, pid, 10);
        stage_update(stage);
        for (uint32_t pid = 1; pid <= 5; pid++)
                assert_int_equal(process_bytes(stage, pid), 10);
        scene_next(&stage->scene, SECOND / 10);
        for (uint32_t pid = 6; pid <= 8; pid++)
                end(stage, pid, 10);
        stage_update(stage);
        for (uint32_t pid = 6; pid <= 8; pid++)
                assert_int_equal(process_bytes(stage, pid), 10);
}

static void what_has_no_room_in_the_publication_goes_to_overflow_for_good(void **state) {
        const struct totals_rows room = scene_rows(N_PROCESS_SPECIALS + 2, N_GROUP_SPECIALS + 1);
        struct stage *stage = *state;

        stage_open(stage, 100, 100);
        scene_row(&stage->scene, 1, 1, 10);
        stage_update(stage);
        scene_next(&stage->scene, SECOND);
        scene_row(&stage->scene, 1, 1, 11);
        scene_row(&stage->scene, 2, 2, 20);
        scene_row(&stage->scene, 3, 3, 30);
        stage_update(stage);
        totals_shrink(stage->totals, &room, stage->sequence);
        check(stage);
        assert_int_equal(process_bytes(stage, 1), 11);
        assert_int_equal(stage->result.host->processes, 2);
        assert_int_equal(stage->result.groups[BY_SERVICE].n_rows, N_GROUP_SPECIALS + 1);
        assert_int_equal(stage->result.groups[BY_SERVICE].rows[GROUP_OVERFLOW].counters[METRIC], 50);
        stage_update(stage);
        assert_int_equal(stage->result.host->processes, 2); /* they stay where they are */
}

/* The kernel's side announces each end; should it ever not, memory stays bounded and no byte is lost. */
static void rows_that_vanish_without_a_word_do_not_stay_for_ever(void **state) {
        struct stage *stage = *state;

        stage_open(stage, 50, 100);
        for (uint32_t i = 0; i < 200; i++) {
                scene_next(&stage->scene, SECOND);
                for (uint32_t j = 0; j < 10; j++)
                        scene_row(&stage->scene, 1 + i * 10 + j, 1, 1);
                stage_update(stage);
        }
        assert_int_equal(stage->result.host->counters[METRIC], 2000);
        assert_true(special_bytes(stage, PROCESS_EXITED) > 0);
        assert_null(find(stage, 1));
}

static void names_are_cleaned_and_follow_exec(void **state) {
        struct stage *stage = *state;
        struct sample_row *row;

        stage_open(stage, 100, 100);
        row = scene_row(&stage->scene, 7, 1, 1);
        memcpy(row->row.comm, "\033[2Jevil\xff\xff\xff\xff\xff\xff\xff\xff", sizeof row->row.comm);
        stage_update(stage);
        assert_string_equal(find(stage, 7)->comm, "?[2Jevil???????");
        scene_next(&stage->scene, SECOND);
        row = scene_row(&stage->scene, 7, 1, 2);
        strcpy(row->row.comm, "good");
        row->row.uid = 33;
        stage_update(stage);
        assert_string_equal(find(stage, 7)->comm, "good");
        assert_int_equal(find(stage, 7)->uid, 33);
        scene_next(&stage->scene, SECOND);
        row = scene_row(&stage->scene, 7, 1, 2); /* moved nothing since */
        strcpy(row->row.comm, "idle");
        row->row.uid = 34;
        stage_update(stage);
        assert_string_equal(find(stage, 7)->comm, "idle");
        assert_int_equal(find(stage, 7)->uid, 34);
}

static void a_process_belongs_to_the_unit_it_moved_data_in_last(void **state) {
        struct stage *stage = *state;

        stage_open(stage, 100, 100);
        scene_row(&stage->scene, 7, 1, 10);
        stage_update(stage);
        scene_next(&stage->scene, SECOND);
        scene_row(&stage->scene, 7, 2, 1);
        scene_row(&stage->scene, 7, 1, 10);
        stage_update(stage);
        assert_string_equal(stage->result.groups[BY_SERVICE].rows[find(stage, 7)->groups[BY_SERVICE]].name,
                            "unit-2.service");
        assert_int_equal(find_service(stage, "unit-1.service")->processes, 0);
        assert_int_equal(find_service(stage, "unit-2.service")->processes, 1);
        assert_int_equal(find(stage, 7)->cgroup_id, 2);
}

static void a_gauge_is_the_largest_of_the_living_and_may_fall(void **state) {
        struct stage *stage = *state;

        stage_open(stage, 100, 100);
        scene_row(&stage->scene, 7, 1, 1)->row.counters[SOCKTALLY_METRIC_tcp_rtt_us] = 900;
        scene_row(&stage->scene, 8, 1, 1)->row.counters[SOCKTALLY_METRIC_tcp_rtt_us] = 100;
        stage_update(stage);
        assert_int_equal(stage->result.host->counters[SOCKTALLY_METRIC_tcp_rtt_us], 900);
        scene_next(&stage->scene, SECOND);
        scene_row(&stage->scene, 8, 1, 2)->row.counters[SOCKTALLY_METRIC_tcp_rtt_us] = 100;
        stage_update(stage);
        assert_int_equal(stage->result.host->counters[SOCKTALLY_METRIC_tcp_rtt_us], 100);
        assert_int_equal(find(stage, 7)->counters[SOCKTALLY_METRIC_tcp_rtt_us], 0);
}

/* What the kernel would know of the processes of the long run. */
struct actor {
        uint32_t pid;
        uint64_t cgroup;
        int64_t bytes;
        bool is_alive, is_over;
};

static void act(struct stage *stage, struct actor *actor, uint32_t *next_pid, uint64_t *exact) {
        if (!actor->is_alive) {
                *actor = (struct actor) { .pid = (*next_pid)++, .cgroup = (uint64_t) rand() % 40, .is_alive = true };
                if (rand() % 50 == 0)
                        actor->bytes = -1;
        }
        if (rand() % 3 == 0)
                actor->bytes += rand() % 1000;
        actor->is_over = rand() % 8 == 0 && actor->bytes >= 0;
        if (rand() % 20 == 0 && !actor->is_over)
                scene_row(&stage->scene, actor->pid, actor->cgroup, actor->bytes - 2); /* a dip */
        else {
                struct sample_row *row = scene_row(&stage->scene, actor->pid, actor->cgroup, actor->bytes);

                row->row.exited = row->is_last = actor->is_over;
        }
        if (actor->is_over) {
                *exact += (uint64_t) actor->bytes;
                actor->is_alive = false;
        }
}

static void totals_go_on_in_the_next_process(void **state) {
        struct stage *stage = *state;

        stage_open(stage, 100, 100);
        scene_row(&stage->scene, 7, 1, 100);
        scene_row(&stage->scene, 8, 2, 5);
        scene_special(&stage->scene, SPECIAL_KERNEL, 11);
        stage_update(stage);
        stage_restart(stage, 100, 100, true);
        scene_next(&stage->scene, SECOND);
        scene_row(&stage->scene, 7, 1, 150);
        scene_row(&stage->scene, 9, 2, 1);
        stage_update(stage);
        assert_int_equal(process_bytes(stage, 7), 150);
        assert_int_equal(process_bytes(stage, 8), 5);
        assert_int_equal(service_bytes(stage, "unit-2.service"), 6);
        assert_int_equal(special_bytes(stage, PROCESS_KERNEL), 11);
        /* Where the kernel's rows are gone, they begin at 0. */
        stage_restart(stage, 100, 100, false);
        scene_next(&stage->scene, SECOND);
        scene_special(&stage->scene, SPECIAL_KERNEL, 2);
        scene_row(&stage->scene, 7, 1, 3);
        stage_update(stage);
        assert_int_equal(process_bytes(stage, 7), 153);
        assert_int_equal(special_bytes(stage, PROCESS_KERNEL), 13);
        /* What does not fit any more goes to the overflow rows. */
        stage_restart(stage, 1, 1, true);
        scene_next(&stage->scene, SECOND);
        scene_row(&stage->scene, 7, 1, 4);
        stage_update(stage);
        assert_int_equal(process_bytes(stage, 7), 154);
        assert_int_equal(special_bytes(stage, PROCESS_OVERFLOW), 6);
}

static void totals_of_another_program_are_refused(void **state) {
        struct stage *stage = *state;
        struct totals_config config = { .max = scene_rows(10, 10), .identity = scene_identify };
        struct totals *restored;
        FILE *file = tmpfile();

        stage_open(stage, 100, 100);
        assert_non_null(file);
        assert_int_equal(totals_keep(stage->totals, file), 0);
        rewind(file);
        fputc('x', file);
        rewind(file);
        assert_int_equal(totals_restore(&restored, &config, file), -ESTALE);
        assert_int_equal(ftruncate(fileno(file), 16), 0);
        rewind(file);
        assert_int_equal(totals_restore(&restored, &config, file), -ESTALE);
        fclose(file);
}

static void a_long_run_with_small_tables_adds_up_and_is_exact_in_the_end(void **state) {
        struct stage *stage = *state;
        const struct totals_rows room = scene_rows(110, 20);
        struct actor actors[200] = { 0 };
        uint32_t next_pid = 1;
        uint64_t exact = 0;

        srand(20240501);
        stage_open(stage, 120, 24);
        for (unsigned i = 0; i < 2000; i++) {
                scene_next(&stage->scene, SECOND / (1 + (uint64_t) rand() % 5));
                for (unsigned j = 0; j < 200; j++)
                        act(stage, &actors[j], &next_pid, &exact);
                stage_update(stage);
                if (rand() % 50 == 0)
                        stage_restart(stage, 120, 24, true);
                if (rand() % 30 == 0) {
                        totals_shrink(stage->totals, &room, stage->sequence);
                        check(stage);
                }
        }
        scene_next(&stage->scene, SECOND);
        for (unsigned j = 0; j < 200; j++)
                if (actors[j].is_alive) {
                        if (actors[j].bytes < 0)
                                actors[j].bytes = 0;
                        scene_row(&stage->scene, actors[j].pid, actors[j].cgroup, actors[j].bytes);
                        exact += (uint64_t) actors[j].bytes;
                }
        stage_update(stage);
        assert_int_equal(stage->result.host->counters[METRIC], exact);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, totals_setup, totals_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(the_special_rows_are_there_before_any_traffic),
                CASE(rows_of_several_cgroups_are_one_process_and_several_services),
                CASE(the_kernels_special_rows_land_in_both_tables),
                CASE(a_row_that_dips_stands_still_until_it_has_caught_up),
                CASE(changed_is_the_publication_in_which_a_counter_moved),
                CASE(a_process_that_ended_is_shown_for_three_publications_and_ten_seconds),
                CASE(long_intervals_show_it_three_times_all_the_same),
                CASE(a_row_the_kernel_keeps_after_the_end_goes_on_counting),
                CASE(an_exited_process_that_still_moves_data_stays),
                CASE(the_same_pid_with_another_start_is_another_process),
                CASE(a_full_table_shows_the_rest_as_overflow_and_counts_it),
                CASE(under_pressure_those_that_ended_first_go_first),
                CASE(those_that_came_and_ended_at_once_are_shown_at_least_once),
                CASE(what_has_no_room_in_the_publication_goes_to_overflow_for_good),
                CASE(rows_that_vanish_without_a_word_do_not_stay_for_ever),
                CASE(names_are_cleaned_and_follow_exec),
                CASE(a_process_belongs_to_the_unit_it_moved_data_in_last),
                CASE(a_gauge_is_the_largest_of_the_living_and_may_fall),
                CASE(totals_go_on_in_the_next_process),
                CASE(totals_of_another_program_are_refused),
                CASE(a_long_run_with_small_tables_adds_up_and_is_exact_in_the_end),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
