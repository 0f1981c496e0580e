/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon itself, as it is installed, under a hundred thousand calls that no sane program would make. A model
 * follows what the answers say: a call that was refused changed nothing, one that was accepted changed what it said and
 * nothing else. In the end nothing leaked, everything is in force that the model has, and the daemon answers and
 * publishes as fast as before.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/raw-bus.h"
#include "tests/unit/world.h"

#define SLACK_KIB 6144
#define SLACK_OF_TABLES_KIB 65536 /* the room for the largest tables is kept for the next ones */

static void strangers_are_answered_and_change_nothing(void **state) {
        struct world *world = *state;

        world_play(world, STAGE_NOBODY, 8, N_BY(50000));
        world_expect_model(world);
        world_expect_flat(world, SLACK_KIB);
}

static void strangers_that_vanish_leave_nothing_behind(void **state) {
        struct world *world = *state;
        char error[128];
        sd_bus *bus;

        world->stage->script->polkit = POLKIT_SILENT;
        for (int i = 0; i < N_BY(100); i++) {
                bus = world_connect_as(world, STAGE_NOBODY);
                for (int k = 0; k < 20; k++)
                        assert_true(sd_bus_call_method_async(bus, NULL, STAGE_NAME, STAGE_PATH, STAGE_MANAGER,
                                                             "SetLoadMode", NULL, NULL, "s", "passive") >= 0);
                for (int k = 0; k < 80; k++) {
                        struct nonsense_change change;
                        sd_bus_message *call;

                        if (nonsense_call(world->nonsense, bus, &call, &change) < 0)
                                continue;
                        assert_true(sd_bus_send(bus, call, NULL) >= 0);
                        sd_bus_message_unref(call);
                }
                world->n_calls += 100;
                sd_bus_close_unref(bus);
        }
        world->stage->script->polkit = POLKIT_NO;
        world_ping(world);
        world_expect_model(world);
        /* Would be refused a place for ever if those who left still had theirs. */
        bus = world_connect_as(world, STAGE_NOBODY);
        world_call(bus, STAGE_PATH, STAGE_MANAGER, "SetLoadMode", error, "s", "passive");
        assert_string_equal(error, SD_BUS_ERROR_ACCESS_DENIED);
        sd_bus_close_unref(bus);
        world_expect_flat(world, SLACK_KIB);
}

/* Calls that all want an answer, from one who reads none until the last is sent. */
static void who_does_not_read_stops_nobody_else(void **state) {
        struct world *world = *state;
        sd_bus *bus = world_connect_as(world, STAGE_NOBODY);

        for (int i = 0; i < N_BY(10000); i++) {
                assert_true(sd_bus_call_method_async(bus, NULL, STAGE_NAME, STAGE_PATH, STAGE_MANAGER,
                                                     i % 4 ? "Sync" : "OpenSegment", NULL, NULL, i % 4 ? NULL : "s",
                                                     "public") >= 0);
                if (i % 500 == 0)
                        world_call_each(world);
        }
        world->n_calls += N_BY(10000);
        sd_bus_close_unref(bus);
        world_expect_model(world);
        world_expect_flat(world, SLACK_KIB);
}

static void many_connections_at_once_are_served(void **state) {
        struct world *world = *state;

        world_play(world, STAGE_NOBODY, MAX_CONNECTIONS, N_BY(4000));
        world_expect_model(world);
        world_expect_flat(world, SLACK_KIB);
}

static void messages_that_no_library_would_send_change_nothing(void **state) {
        struct world *world = *state;
        int fd = -1;

        for (int i = 0; i < N_BY(4000); i++) {
                if (fd < 0) {
                        world_act_as(STAGE_NOBODY);
                        fd = raw_connect(world->stage->address + strlen("unix:path="));
                        world_act_as(0);
                        assert_true(fd >= 0);
                }
                if (raw_send(fd, STAGE_NAME, &world->seed) < 0 || i % 20 == 19) {
                        close(fd);
                        fd = -1;
                }
        }
        if (fd >= 0)
                close(fd);
        world->n_calls += N_BY(4000);
        world_expect_model(world);
        world_expect_flat(world, SLACK_KIB);
}

static void the_largest_message_that_the_bus_passes_is_refused(void **state) {
        struct world *world = *state;
        size_t size = 31 << 20;
        char *large = malloc(size + 1), error[128];
        sd_bus *bus = world_connect_as(world, STAGE_NOBODY);

        assert_non_null(large);
        memset(large, '%', size);
        large[size] = '\0';
        assert_true(stage_call(bus, STAGE_PATH, STAGE_MANAGER, "OpenSegment", error, "s", large) < 0);
        assert_string_equal(error, "org.socktally1.Error.InvalidArgument");
        assert_true(stage_call(world->stage->bus, STAGE_PATH, STAGE_MANAGER, "SetLoadMode", error, "s", large) < 0);
        assert_string_equal(error, "org.socktally1.Error.InvalidArgument");
        world->n_calls += 2;
        free(large);
        sd_bus_close_unref(bus);
        world_expect_model(world);
        world_expect_flat(world, SLACK_KIB);
}

static void what_root_was_granted_is_in_force_and_nothing_else(void **state) {
        struct world *world = *state;
        unsigned long n_changes = world->n_changes;

        world->may_change = true;
        world_play(world, 0, 1, N_BY(20000));
        world_expect_model(world);
        print_message("# %lu changes\n", world->n_changes - n_changes);
        assert_true(world->n_changes > n_changes);
        world_reload(world);
        world_expect_flat(world, SLACK_OF_TABLES_KIB);
}

static void what_polkit_allowed_is_in_force_and_nothing_else(void **state) {
        struct world *world = *state;
        unsigned long n_changes = world->n_changes;

        world->stage->script->polkit = POLKIT_YES;
        world->may_change = true;
        world_play(world, STAGE_NOBODY, 1, N_BY(12000));
        world->stage->script->polkit = POLKIT_NO;
        world_expect_model(world);
        print_message("# %lu changes\n", world->n_changes - n_changes);
        assert_true(world->n_changes > n_changes);
        world_reload(world);
        world_expect_flat(world, SLACK_OF_TABLES_KIB);
}

/* And by itself. */
static void the_daemon_answers_and_publishes_as_before(void **state) {
        struct world *world = *state;
        uint64_t start = world_now_usec(), first, sequence;

        world_call_each(world);
        sd_bus_get_property_trivial(world->stage->bus, STAGE_NAME, STAGE_PATH, STAGE_MANAGER, "Sequence", NULL, 't',
                                    &first);
        do
                assert_true(sd_bus_get_property_trivial(world->stage->bus, STAGE_NAME, STAGE_PATH, STAGE_MANAGER,
                                                        "Sequence", NULL, 't', &sequence) >= 0);
        while (sequence == first && world_now_usec() - start < ANSWER_USEC);
        assert_true(sequence > first);
        print_message("# seed %" PRIu64 ", %lu calls, %lu answers, %lu accepted, %lu changes\n", world->seed,
                      world->n_calls, world->n_answers, world->n_accepted, world->n_changes);
}

static void the_daemon_ends_by_itself_and_leaked_nothing(void **state) {
        struct world *world = *state;
        int status;

        kill(world->stage->daemon, SIGTERM);
        assert_int_equal(waitpid(world->stage->daemon, &status, 0), world->stage->daemon);
        world->stage->daemon = 0;
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void) {
        static const struct CMUnitTest cases[] = {
                cmocka_unit_test(strangers_are_answered_and_change_nothing),
                cmocka_unit_test(strangers_that_vanish_leave_nothing_behind),
                cmocka_unit_test(who_does_not_read_stops_nobody_else),
                cmocka_unit_test(many_connections_at_once_are_served),
                cmocka_unit_test(messages_that_no_library_would_send_change_nothing),
                cmocka_unit_test(the_largest_message_that_the_bus_passes_is_refused),
                cmocka_unit_test(what_root_was_granted_is_in_force_and_nothing_else),
                cmocka_unit_test(what_polkit_allowed_is_in_force_and_nothing_else),
                cmocka_unit_test(the_daemon_answers_and_publishes_as_before),
                cmocka_unit_test(the_daemon_ends_by_itself_and_leaked_nothing),
        };

        if (geteuid() != 0) {
                printf("1..0 # SKIP only root can run the daemon\n");
                return 0;
        }
        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(cases, world_open, world_close);
}
