/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Passes in parts, without a kernel: walks are played by a script of processes, each with some files. What matters is
 * that each process is met once in a pass, that parts are as large as the time allows, and that what is called complete
 * was met since.
 */
#include <setjmp.h> /* cmocka needs these four first */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/collect/collector-private.h"

#define SECOND UINT64_C(1000000000)
#define N_PROCESSES 1000u
#define FILES 1000u /* of each process */

/* What the walks have met. */
static struct {
        uint32_t next;               /* process that the walk which has paused goes on with */
        uint64_t met_ns[N_PROCESSES]; /* sample time at which a process was last met */
        unsigned n_met, n_begun, n_sockets, n_again[N_PROCESSES];
        uint32_t shared; /* a process that every other pass has to walk again */
        int refuse; /* -errno: the next walk fails with it */
} world;

static struct collect *collect;

int collect_walk_begin(const struct collect *c, const char *program) {
        world.next = 0;
        world.n_begun++;
        return 1000; /* no descriptor of ours: close() says EBADF */
}

int collect_walk_on(int walk) {
        struct socktally_bpf__bss *bss = collect->skeleton->bss;
        struct socktally_bpf__data *data = collect->skeleton->data;

        if (world.refuse)
                return world.refuse;
        while (world.next < N_PROCESSES) {
                bss->pass_place = world.next + 1;
                bss->pass_work += FILES;
                bss->pass_sockets++;
                world.n_met++;
                if (bss->pass_place == world.shared && world.n_begun % 2 == 0)
                        bss->again[bss->n_again++] = world.shared;
                else
                        world.met_ns[world.next] = collect->sample.time_ns;
                world.next++;
                if (bss->pass_work >= data->pass_pause) {
                        data->pass_pause = UINT64_MAX;
                        return 1;
                }
        }
        return 0;
}

int collect_walk_process(const struct collect *c, const char *program, uint32_t pid) {
        world.n_again[pid]++;
        world.met_ns[pid - 1] = c->sample.time_ns;
        c->skeleton->bss->pass_work += FILES;
        return world.refuse;
}

int collect_walk(const struct collect *c, const char *program) {
        world.n_sockets += strcmp(program, "fold_tcp") == 0;
        return 0;
}

bool collect_are_many(const struct collect *c, uint32_t n) {
        return n > MAX_ACTIVE;
}

static int setup(void **state) {
        static struct socktally_bpf skeleton;
        static struct socktally_bpf__rodata rodata;

        memset(&world, 0, sizeof(world));
        collect = calloc(1, sizeof(*collect));
        skeleton.bss = calloc(1, sizeof(*skeleton.bss));
        skeleton.data = calloc(1, sizeof(*skeleton.data));
        skeleton.rodata = &rodata;
        collect->skeleton = &skeleton;
        collect->attached = SET(SET_FILES);
        collect->pass.walk = -1;
        skeleton.bss->health.sockets_tracked = N_PROCESSES;
        collect->sample.time_ns = 100 * SECOND;
        return collect_pass(collect) == 0 ? 0 : -1;
}

static int teardown(void **state) {
        free(collect->skeleton->data);
        free(collect->skeleton->bss);
        free(collect);
        return 0;
}

static int interval(uint64_t ns) {
        collect->sample.time_ns += ns;
        world.n_met = 0;
        return collect_pass_on(collect);
}

static uint64_t oldest(void) {
        uint64_t oldest = UINT64_MAX;

        for (unsigned i = 0; i < N_PROCESSES; i++)
                if (world.met_ns[i] < oldest)
                        oldest = world.met_ns[i];
        return oldest;
}

static void a_whole_pass_leaves_nothing_late(void **state) {
        assert_int_equal(collect->pass.stage, PASS_NONE);
        assert_int_equal(collect_complete_ns(collect), collect->sample.time_ns);
        assert_int_equal(collect->pass.work, N_PROCESSES * FILES);
        assert_int_equal(world.n_sockets, 0);
}

static void each_part_is_small_and_each_process_is_met_in_time(void **state) {
        for (unsigned i = 0; i < 500; i++) {
                assert_int_equal(interval(SECOND / 5), 0);
                assert_in_range(world.n_met, 0, N_PROCESSES / 30);
                assert_true(collect->sample.time_ns - oldest() <= 10 * SECOND);
        }
        assert_in_range(world.n_begun, 11, 13);
}

static void what_is_called_complete_was_met_since(void **state) {
        for (unsigned i = 0; i < 500; i++) {
                assert_int_equal(interval(SECOND / 7), 0);
                assert_true(collect_complete_ns(collect) <= oldest());
                assert_true(collect->sample.time_ns - collect_complete_ns(collect) <= 10 * SECOND);
        }
}

/* It was met at its place in one pass, and is met at the end of the next. */
static void what_is_walked_again_is_not_complete_before(void **state) {
        world.shared = 10;
        for (unsigned i = 0; i < 500; i++) {
                assert_int_equal(interval(SECOND / 7), 0);
                assert_true(collect_complete_ns(collect) <= oldest());
                assert_true(collect->sample.time_ns - collect_complete_ns(collect) <= 20 * SECOND);
        }
}

static void a_long_interval_makes_a_whole_pass(void **state) {
        assert_int_equal(interval(60 * SECOND), 0);
        assert_int_equal(oldest(), collect->sample.time_ns);
        assert_int_equal(collect_complete_ns(collect), collect->sample.time_ns);
}

static void processes_to_walk_again_are_walked_once(void **state) {
        struct socktally_bpf__bss *bss = collect->skeleton->bss;

        while (collect->pass.stage != PASS_AGAIN) {
                assert_int_equal(interval(SECOND / 5), 0);
                bss->n_again = collect->pass.stage == PASS_NONE ? 0 : 100;
                for (uint32_t i = 0; i < bss->n_again; i++)
                        bss->again[i] = i + 1;
        }
        assert_int_equal(world.n_again[99], 0);
        while (collect->pass.stage != PASS_NONE)
                assert_int_equal(interval(SECOND / 5), 0);
        for (unsigned i = 0; i < N_PROCESSES; i++)
                assert_int_equal(world.n_again[i], i > 0 && i <= 100);
}

static void sockets_are_walked_when_files_led_to_fewer(void **state) {
        collect->skeleton->bss->health.sockets_tracked++;
        assert_int_equal(collect_pass(collect), 0);
        assert_int_equal(world.n_sockets, 1);
        collect->skeleton->bss->health.sockets_tracked--;
        assert_int_equal(collect_pass(collect), 0);
        assert_int_equal(world.n_sockets, 1);
        collect->skeleton->bss->sockets_uncapped++;
        assert_int_equal(collect_pass(collect), 0);
        assert_int_equal(world.n_sockets, 2);
}

static void sockets_that_no_pass_meets_are_taken_off(void **state) {
        struct socktally_bpf__bss *bss = collect->skeleton->bss;

        bss->health.sockets_tracked += 5;
        bss->sockets_uncapped += 7;
        for (int i = 0; i < 16; i++)
                assert_int_equal(collect_pass(collect), 0);
        assert_int_equal(bss->health.sockets_tracked, N_PROCESSES);
        assert_int_equal(bss->sockets_uncapped, 0);
}

/* Sockets that come while a pass runs are met and were not counted when it began. */
static void a_burst_of_new_sockets_changes_no_counter(void **state) {
        struct socktally_bpf__bss *bss = collect->skeleton->bss;

        bss->health.sockets_tracked = N_PROCESSES / 2;
        assert_int_equal(collect_pass(collect), 0);
        bss->health.sockets_tracked = N_PROCESSES;
        for (int i = 0; i < 16; i++) {
                assert_int_equal(collect_pass(collect), 0);
                assert_int_equal(bss->health.sockets_tracked, N_PROCESSES);
        }
}

static void sockets_that_every_pass_meets_count_again(void **state) {
        struct socktally_bpf__bss *bss = collect->skeleton->bss;

        bss->health.sockets_tracked = N_PROCESSES - 3;
        for (int i = 0; i < 16; i++)
                assert_int_equal(collect_pass(collect), 0);
        assert_int_equal(bss->health.sockets_tracked, N_PROCESSES);
}

/* A thread with files of its own comes at its own number, which is larger than that of its process. */
static void a_process_that_is_noted_late_is_not_complete_before(void **state) {
        struct socktally_bpf__bss *bss = collect->skeleton->bss;
        uint64_t complete;

        while (world.n_begun < 3 || bss->pass_place < N_PROCESSES / 2) /* the third is the second in parts */
                assert_int_equal(interval(SECOND / 5), 0);
        complete = collect->sample.complete_ns = collect_complete_ns(collect);
        bss->again[0] = N_PROCESSES / 2;
        bss->again[1] = 1;
        bss->n_again = 2;
        assert_int_equal(collect_complete_ns(collect), complete); /* not later, and what was complete stays so */
        collect->sample.complete_ns = 0;
        assert_true(collect_complete_ns(collect) < complete);
}

static void a_pass_that_fails_does_not_count(void **state) {
        uint32_t number = collect->skeleton->bss->pass_number;
        uint64_t complete = collect_complete_ns(collect);

        while (collect->pass.stage == PASS_NONE)
                assert_int_equal(interval(SECOND), 0);
        world.refuse = -ENOMEM;
        assert_int_equal(interval(SECOND), -ENOMEM);
        assert_int_equal(collect->pass.stage, PASS_NONE);
        assert_int_equal(collect->skeleton->bss->pass_number, number);
        assert_int_equal(collect_complete_ns(collect), complete);
        world.refuse = 0;
        assert_int_equal(collect_pass(collect), 0);
        assert_int_equal(collect->skeleton->bss->pass_number, number + 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_whole_pass_leaves_nothing_late, setup, teardown),
                cmocka_unit_test_setup_teardown(each_part_is_small_and_each_process_is_met_in_time, setup, teardown),
                cmocka_unit_test_setup_teardown(what_is_called_complete_was_met_since, setup, teardown),
                cmocka_unit_test_setup_teardown(what_is_walked_again_is_not_complete_before, setup, teardown),
                cmocka_unit_test_setup_teardown(a_long_interval_makes_a_whole_pass, setup, teardown),
                cmocka_unit_test_setup_teardown(processes_to_walk_again_are_walked_once, setup, teardown),
                cmocka_unit_test_setup_teardown(sockets_are_walked_when_files_led_to_fewer, setup, teardown),
                cmocka_unit_test_setup_teardown(sockets_that_no_pass_meets_are_taken_off, setup, teardown),
                cmocka_unit_test_setup_teardown(a_burst_of_new_sockets_changes_no_counter, setup, teardown),
                cmocka_unit_test_setup_teardown(sockets_that_every_pass_meets_count_again, setup, teardown),
                cmocka_unit_test_setup_teardown(a_process_that_is_noted_late_is_not_complete_before, setup, teardown),
                cmocka_unit_test_setup_teardown(a_pass_that_fails_does_not_count, setup, teardown),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
