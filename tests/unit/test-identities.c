/* SPDX-License-Identifier: GPL-2.0-or-later */
/* In an event loop: a tree of cgroups that is larger than one turn may look at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "daemon/identity/identities.h"
#include "tests/unit/tree.h"

#define N_CGROUPS 1000

struct stage {
        sd_event *event;
        struct identities *identities;
};

/* Returns the id of the last one that is looked at. */
static uint64_t stage_open(struct stage *stage, struct tree *tree) {
        struct identities_config config = { .max_cgroups = 16384 };
        struct stat st;
        char name[64];

        for (unsigned i = 0; i < N_CGROUPS; i++) {
                snprintf(name, sizeof name, "cgroup/a.slice/b%u.service", i);
                tree_directory(tree, name);
        }
        assert_int_equal(stat(tree_directory(tree, "cgroup/a.slice/b0.service/deep/deeper"), &st), 0);
        assert_int_equal(sd_event_new(&stage->event), 0);
        config.event = stage->event;
        config.proc = tree_directory(tree, "proc");
        config.cgroup_mount = tree_path(tree, "cgroup");
        assert_int_equal(identities_new(&stage->identities, &config), 0);
        return st.st_ino;
}

static void stage_close(struct stage *stage) {
        identities_free(stage->identities);
        sd_event_unref(stage->event);
}

static bool is_known(struct stage *stage, uint64_t cgroup_id) {
        struct process_key key = { .tgid = 42, .start_time = 1, .cgroup_id = cgroup_id };
        struct identity identity;

        return identities_find(stage->identities, &key, 0, "p", &identity);
}

static void who_is_asked_for_too_early_is_asked_for_again(void **state) {
        struct stage stage;
        uint64_t id = stage_open(&stage, *state);

        assert_false(is_known(&stage, id));
        assert_int_equal(identities_generation(stage.identities), 0);
        while (identities_generation(stage.identities) == 0)
                assert_true(sd_event_run(stage.event, UINT64_MAX) >= 0);
        assert_true(is_known(&stage, id));
        stage_close(&stage);
}

static void who_nobody_can_name_is_not_asked_for_again(void **state) {
        struct stage stage;
        uint64_t id = stage_open(&stage, *state);

        while (!is_known(&stage, id))
                assert_true(sd_event_run(stage.event, UINT64_MAX) >= 0);
        while (sd_event_run(stage.event, 50000) > 0)
                continue;
        assert_false(is_known(&stage, id + 1000000));
        tree_directory(*state, "cgroup/later.slice");
        assert_true(sd_event_run(stage.event, 50000) > 0);
        assert_true(identities_generation(stage.identities) <= 1);
        stage_close(&stage);
}

/* Nothing is left that wakes the loop. */
static void when_all_is_known_the_loop_rests(void **state) {
        struct stage stage;
        unsigned n_turns = 0;

        stage_open(&stage, *state);
        while (sd_event_run(stage.event, 100000) > 0)
                n_turns++;
        assert_in_range(n_turns, 2, N_CGROUPS);
        stage_close(&stage);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, tree_setup, tree_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(who_is_asked_for_too_early_is_asked_for_again),
                CASE(who_nobody_can_name_is_not_asked_for_again),
                CASE(when_all_is_known_the_loop_rests),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
