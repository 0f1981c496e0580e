/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nonsense on the bus, before a daemon of paper: wrong types, unknown members, huge values, floods, callers that
 * vanish. Whatever comes, the bus face answers the next honest question, and what it holds is what it held. The stage's
 * end tells of leaks and crashes.
 */
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

#include "tests/unit/bus-stage.h"
#include "tests/unit/nonsense.h"
#include "tests/unit/raw-bus.h"

#define N_CALLS 10000

static int flood_as_nobody(struct stage *stage, sd_bus *bus) {
        return nonsense_flood(bus, STAGE_NAME, 42, N_CALLS);
}

static void expect_health(struct stage *stage) {
        struct stage_script *script = stage->script;
        uint64_t sequence = 0;

        assert_true(sd_bus_get_property_trivial(stage->bus, STAGE_NAME, STAGE_PATH, STAGE_MANAGER, "Sequence", NULL,
                                                't', &sequence) >= 0);
        assert_in_range(sequence, 100, script->sequence); /* a Sync of who vanished may have come since */
        assert_true(script->settings.interval_usec >= 100000 && script->settings.interval_usec <= 3600000000);
        assert_true(script->capacity[0] >= 16 && script->capacity[0] <= 1 << 20);
        assert_int_equal(waitpid(stage->daemon, NULL, WNOHANG), 0);
}

static void nonsense_of_a_stranger_is_answered_and_changes_nothing(void **state) {
        struct stage *stage = *state;

        stage_start_polkit(stage, POLKIT_NO);
        assert_int_equal(stage_as_nobody(stage, false, flood_as_nobody), 0);
        expect_health(stage);
        assert_int_equal(stage->script->n_sets + stage->script->n_reloads + stage->script->n_saves, 0);
}

static void nonsense_of_root_leaves_a_valid_state(void **state) {
        struct stage *stage = *state;

        assert_int_equal(nonsense_flood(stage->bus, STAGE_NAME, 4711, N_CALLS), 0);
        expect_health(stage);
}

/* Half of the questions are at polkit, half still on their way. */
static int flood_and_vanish(struct stage *stage, sd_bus *bus) {
        struct nonsense *nonsense = nonsense_new(bus, STAGE_NAME, (uint64_t) getpid());
        int n_in_flight = 0;

        for (int i = 0; i < 100; i++)
                if (!nonsense || nonsense_send(nonsense, bus, &n_in_flight) < 0)
                        return 1;
        for (int i = 0; i < 50; i++)
                sd_bus_call_method_async(bus, NULL, STAGE_NAME, STAGE_PATH, STAGE_MANAGER, "SetLoadMode", NULL, NULL,
                                         "s", "passive");
        for (int i = 0; i < 20; i++)
                sd_bus_process(bus, NULL);
        _exit(0);
}

/* Would be refused a place if those who left still had theirs. */
static int ask_once(struct stage *stage, sd_bus *bus) {
        char error[128];

        stage_call(bus, STAGE_PATH, STAGE_MANAGER, "SetLoadMode", error, "s", "passive");
        return strcmp(error, SD_BUS_ERROR_ACCESS_DENIED) != 0;
}

static void callers_that_vanish_leave_nothing_behind(void **state) {
        struct stage *stage = *state;
        sd_bus *bus;

        stage_start_polkit(stage, POLKIT_SILENT);
        for (int i = 0; i < 50; i++)
                assert_int_equal(stage_as_nobody(stage, false, flood_and_vanish), 0);
        /* Each answer comes behind what was asked of the bus before it. */
        for (int i = 0; i < 3; i++)
                expect_health(stage);
        stage_start_polkit(stage, POLKIT_NO);
        bus = stage_connect(stage);
        for (int i = 0; i < 100; i++) {
                char error[128];

                assert_int_equal(stage_call(bus, STAGE_PATH, STAGE_MANAGER, "SetLoadMode", error, "s", "entry"), 0);
        }
        sd_bus_close_unref(bus);
        expect_health(stage);
        assert_int_equal(stage->script->n_sets, 100);
        assert_int_equal(stage_as_nobody(stage, false, ask_once), 0);
}

#define N_SENDERS 8
#define N_LOADS 16
#define N_DESCRIPTORS 16 /* a bus takes no more in one message, and stops reading who has 64 under way */

static void send_descriptors(sd_bus *bus) {
        int fd = STDERR_FILENO;

        for (int i = 0; i < N_LOADS; i++) {
                sd_bus_message *call = NULL;

                assert_true(sd_bus_message_new_method_call(bus, &call, STAGE_NAME, STAGE_PATH,
                                                           "org.freedesktop.DBus.Peer", "Ping") >= 0);
                for (int k = 0; k < N_DESCRIPTORS; k++)
                        assert_true(sd_bus_message_append_basic(call, 'h', &fd) >= 0);
                assert_true(sd_bus_message_set_expect_reply(call, false) >= 0);
                assert_true(sd_bus_send(bus, call, NULL) >= 0);
                sd_bus_message_unref(call);
        }
}

/* More than a socket holds, so that what comes behind it stays with the bus. */
static void send_large(sd_bus *bus) {
        size_t size = 4 << 20;
        char *large = malloc(size + 1);
        sd_bus_message *call = NULL;

        assert_non_null(large);
        memset(large, 'A', size);
        large[size] = '\0';
        assert_true(sd_bus_message_new_method_call(bus, &call, STAGE_NAME, STAGE_PATH, "org.freedesktop.DBus.Peer",
                                                   "Ping") >= 0);
        assert_true(sd_bus_message_append_basic(call, 's', large) >= 0);
        assert_true(sd_bus_message_set_expect_reply(call, false) >= 0);
        assert_true(sd_bus_send(bus, call, NULL) >= 0);
        assert_true(sd_bus_flush(bus) >= 0);
        sd_bus_message_unref(call);
        free(large);
}

static int count_granted(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        ++((int *) userdata)[sd_bus_message_is_method_error(message, NULL) ? 1 : 0];
        return 0;
}

/* While the daemon's queue at the bus holds many descriptors, the bus drops its own answers to the daemon. */
static void the_bus_is_asked_again_when_it_does_not_answer(void **state) {
        struct stage *stage = *state;
        sd_bus *senders[N_SENDERS];
        int n_answers[2] = { 0 };
        const char *name;

        kill(stage->daemon, SIGSTOP);
        for (int i = 0; i < 15; i++)
                assert_true(sd_bus_call_method_async(stage->bus, NULL, STAGE_NAME, STAGE_PATH, STAGE_MANAGER,
                                                     "SetLoadMode", count_granted, n_answers, "s", "passive") >= 0);
        send_large(stage->bus);
        for (int i = 0; i < N_SENDERS; i++) {
                senders[i] = stage_connect(stage);
                assert_true(sd_bus_get_unique_name(senders[i], &name) >= 0);
                send_descriptors(senders[i]);
                /* The bus has looked around meanwhile. */
                assert_true(sd_bus_call_method(stage->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                               "org.freedesktop.DBus", "GetId", NULL, NULL, NULL) >= 0);
        }
        kill(stage->daemon, SIGCONT);
        while (n_answers[0] + n_answers[1] < 15)
                if (sd_bus_process(stage->bus, NULL) == 0)
                        assert_true(sd_bus_wait(stage->bus, 60000000) > 0);
        assert_int_equal(n_answers[1], 0);
        assert_int_equal(stage->script->n_sets, 15);
        for (int i = 0; i < N_SENDERS; i++)
                sd_bus_close_unref(senders[i]);
        expect_health(stage);
}

static int count_answer(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        ++*(int *) userdata;
        return 0;
}

/* No answer wanted: nothing is sent, and the change is made all the same. */
static void who_wants_no_answer_gets_none(void **state) {
        struct stage *stage = *state;
        sd_bus_message *call = NULL;
        int n = 0;

        assert_true(sd_bus_add_filter(stage->bus, NULL, count_answer, &n) >= 0);
        assert_true(sd_bus_message_new_method_call(stage->bus, &call, STAGE_NAME, STAGE_PATH, STAGE_MANAGER,
                                                   "SetLoadMode") >= 0);
        assert_true(sd_bus_message_append(call, "s", "return") >= 0);
        assert_true(sd_bus_message_set_expect_reply(call, false) >= 0);
        assert_true(sd_bus_send(stage->bus, call, NULL) >= 0);
        stage_wait(&stage->script->n_sets, 1);
        expect_health(stage);
        while (sd_bus_process(stage->bus, NULL) > 0)
                ;
        assert_int_equal(n, 0);
        sd_bus_message_unref(call);
}

/* Calls that all want an answer, from one who reads none. */
static int ask_and_read_nothing(struct stage *stage, sd_bus *bus) {
        for (int i = 0; i < N_CALLS; i++)
                if (sd_bus_call_method_async(bus, NULL, STAGE_NAME, STAGE_PATH, STAGE_MANAGER,
                                             i % 4 ? "Sync" : "OpenSegment", NULL, NULL, i % 4 ? NULL : "s",
                                             "public") < 0)
                        return 1;
        _exit(sd_bus_flush(bus) < 0);
}

static void who_does_not_read_stops_nobody_else(void **state) {
        struct stage *stage = *state;
        pid_t pid = stage_fork_nobody(stage, false, ask_and_read_nothing);
        int status;

        for (int i = 0; i < 20; i++)
                expect_health(stage);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        expect_health(stage);
}

static int send_raw(struct stage *stage, sd_bus *bus) {
        uint64_t random = 20250101;
        int fd = -1;

        for (int i = 0; i < 4000; i++) {
                if (fd < 0)
                        fd = raw_connect(stage->address + strlen("unix:path="));
                if (fd < 0)
                        return 1;
                if (raw_send(fd, STAGE_NAME, &random) < 0 || i % 20 == 19) {
                        close(fd);
                        fd = -1;
                }
        }
        return 0;
}

static void messages_that_no_library_would_send_change_nothing(void **state) {
        struct stage *stage = *state;

        stage_start_polkit(stage, POLKIT_NO);
        assert_int_equal(stage_as_nobody(stage, false, send_raw), 0);
        expect_health(stage);
        assert_int_equal(stage->script->n_sets + stage->script->n_reloads + stage->script->n_saves, 0);
}

static void the_largest_message_that_the_bus_passes_is_refused(void **state) {
        struct stage *stage = *state;
        size_t size = 31 << 20;
        char *large = malloc(size + 1), error[128];

        assert_non_null(large);
        memset(large, '%', size);
        large[size] = '\0';
        for (int i = 0; i < 2; i++) {
                assert_true(stage_call(stage->bus, STAGE_PATH, STAGE_MANAGER, i ? "OpenSegment" : "SetLoadMode", error,
                                       "s", large) < 0);
                assert_string_equal(error, "org.socktally1.Error.InvalidArgument");
        }
        free(large);
        expect_health(stage);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, stage_open, stage_close)

int main(void) {
        static const struct CMUnitTest cases[] = {
                CASE(nonsense_of_root_leaves_a_valid_state),
                CASE(the_largest_message_that_the_bus_passes_is_refused),
                /* These need root. */
                CASE(nonsense_of_a_stranger_is_answered_and_changes_nothing),
                CASE(callers_that_vanish_leave_nothing_behind),
                CASE(the_bus_is_asked_again_when_it_does_not_answer),
                CASE(who_wants_no_answer_gets_none),
                CASE(who_does_not_read_stops_nobody_else),
                CASE(messages_that_no_library_would_send_change_nothing),
        };

        return stage_run(cases, sizeof cases / sizeof cases[0], 6);
}
