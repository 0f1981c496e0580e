/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Very many processes come and go: what memory they took is given back, and what stays is as it was. */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "daemon/publish/publication.h"
#include "tests/unit/totals-stage.h"
#include "tests/unit/tree.h"

#define N 5000
#define FIRST 100 /* PID of the first of them; one stays that has a smaller one, and one with a larger */
#define LAST (FIRST + N)

static size_t memory(void) {
        struct mallinfo2 info = mallinfo2();

        return info.uordblks + info.hblkhd;
}

static void those_that_stay(struct stage *stage) {
        scene_row(&stage->scene, 1, 1, 10);
        scene_row(&stage->scene, 2, 2, 20);
}

static void step(struct stage *stage) {
        stage_update(stage);
        scene_next(&stage->scene, SECOND);
}

static void burst(struct stage *stage, int64_t bytes) {
        for (unsigned is_over = 0; is_over < 2; is_over++) {
                those_that_stay(stage);
                for (uint32_t pid = FIRST; pid < LAST; pid++) {
                        struct sample_row *row = scene_row(&stage->scene, pid, 3, bytes);

                        row->row.exited = row->is_last = is_over;
                }
                step(stage);
        }
}

static void rest(struct stage *stage, unsigned n) {
        for (unsigned i = 0; i < n; i++) {
                those_that_stay(stage);
                step(stage);
        }
}

static void the_memory_of_a_burst_is_given_back_after_a_while(void **state) {
        struct stage *stage = *state;
        size_t before, peak;

        stage_open(stage, 2 * N, 100);
        rest(stage, 20);
        before = memory();
        if (before == 0) /* AddressSanitizer's malloc() tells nothing */
                skip();
        burst(stage, 100);
        peak = memory();
        assert_true(peak > before + N * sizeof(struct process));
        rest(stage, 12);
        assert_true(memory() >= peak); /* another burst would need it at once */
        rest(stage, 30);
        assert_true(memory() < before + 100000);
        assert_int_equal(process_bytes(stage, 1), 10);
        assert_int_equal(special_bytes(stage, PROCESS_EXITED), UINT64_C(100) * N);
}

static void a_row_that_comes_in_a_burst_and_stays_keeps_its_number(void **state) {
        struct stage *stage = *state;

        stage_open(stage, 2 * N, 100);
        rest(stage, 2);
        burst(stage, 100);
        for (unsigned i = 0; i < 40; i++) {
                those_that_stay(stage);
                scene_row(&stage->scene, LAST, 3, i + 1);
                step(stage);
        }
        assert_int_equal(process_bytes(stage, LAST), 40);
        for (uint32_t pid = FIRST; pid < LAST; pid++) /* PIDs that were used before */
                stage->seen[pid] = 0;
        burst(stage, 7);
        those_that_stay(stage);
        scene_row(&stage->scene, LAST, 3, 41);
        step(stage);
        assert_int_equal(process_bytes(stage, LAST), 41);
        assert_int_equal(process_bytes(stage, FIRST), 7);
}

/* Bursts again and again do not make memory come and go. */
static void who_needs_room_now_and_then_keeps_it(void **state) {
        struct stage *stage = *state;
        const struct process *slots;

        stage_open(stage, 2 * N, 100);
        burst(stage, 1);
        slots = stage->result.processes;
        for (unsigned i = 0; i < 5; i++) {
                rest(stage, 14);
                for (uint32_t pid = FIRST; pid < LAST; pid++)
                        stage->seen[pid] = 0;
                burst(stage, 1);
                assert_ptr_equal(stage->result.processes, slots);
        }
}

static off_t size_of(struct tree *tree) {
        struct stat st;

        assert_int_equal(stat(tree_path(tree, "full"), &st), 0);
        return st.st_size;
}

static void publish_now(struct stage *stage, struct publish *publish) {
        struct layout_facts facts = { .interval_ns = SECOND };
        unsigned replaced;

        assert_true(publish_fit(publish, stage->totals) >= 0);
        assert_int_equal(publish_write(publish, stage->totals, &facts, SCENE_ALL_METRICS, &replaced), 0);
}

static void the_segments_of_a_burst_become_small_again(void **state) {
        struct stage *stage = *state;
        struct publish_config config = { .gid = (gid_t) -1, .incarnation = 77, .max = scene_rows(2 * N, 100) };
        struct publish *publish;
        struct tree *tree;
        off_t before, peak;

        tree_setup((void **) &tree);
        config.directory = tree->path;
        stage_open(stage, 2 * N, 100);
        assert_int_equal(publish_new(&publish, &config), 0);
        rest(stage, 1);
        publish_now(stage, publish);
        before = size_of(tree);
        burst(stage, 1);
        publish_now(stage, publish);
        peak = size_of(tree);
        assert_true(peak > 10 * before);
        for (unsigned i = 0; i < 30; i++) {
                rest(stage, 1);
                publish_now(stage, publish);
        }
        assert_int_equal(size_of(tree), peak);
        for (unsigned i = 0; i < 30; i++) {
                rest(stage, 1);
                publish_now(stage, publish);
        }
        assert_int_equal(size_of(tree), before);
        publish_free(publish);
        tree_teardown((void **) &tree);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, totals_setup, totals_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(the_memory_of_a_burst_is_given_back_after_a_while),
                CASE(a_row_that_comes_in_a_burst_and_stays_keeps_its_number),
                CASE(who_needs_room_now_and_then_keeps_it),
                CASE(the_segments_of_a_burst_become_small_again),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
