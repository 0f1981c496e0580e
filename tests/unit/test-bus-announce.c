/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What listeners hear on the bus: which properties changed, once and in time, and that there is a new segment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/bus-stage.h"

static int collect_names(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        char *names = userdata;
        const char *interface, *name;

        if (sd_bus_message_read(message, "s", &interface) < 0 ||
            sd_bus_message_enter_container(message, 'a', "{sv}") < 0)
                return 0;
        while (sd_bus_message_enter_container(message, 'e', "sv") > 0) {
                sd_bus_message_read(message, "s", &name);
                sd_bus_message_skip(message, "v");
                sd_bus_message_exit_container(message);
                strcat(strcat(names, name), " ");
        }
        strcat(names, "| ");
        return 0;
}

/* Whatever was announced before is here when a later call has its answer: messages keep their order. */
static void drain(struct stage *stage) {
        uint32_t readers;

        assert_true(sd_bus_get_property_trivial(stage->bus, STAGE_NAME, STAGE_PATH, STAGE_MANAGER, "Readers", NULL,
                                                'u', &readers) >= 0);
        while (sd_bus_process(stage->bus, NULL) > 0)
                ;
}

static void wait_for_names(struct stage *stage, const char *names, const char *wanted) {
        while (!strstr(names, wanted)) {
                stage_wait_message(stage->bus);
                while (sd_bus_process(stage->bus, NULL) > 0)
                        ;
        }
}

static void listen_to(struct stage *stage, char *names) {
        assert_true(sd_bus_match_signal(stage->bus, NULL, STAGE_NAME, NULL, "org.freedesktop.DBus.Properties",
                                        "PropertiesChanged", collect_names, names) >= 0);
        /* Who answers knows that it has its name, and what there was then to be told of. */
        drain(stage);
}

static void a_change_is_announced_before_its_caller_hears(void **state) {
        struct stage *stage = *state;
        char names[1024] = "", error[128];

        listen_to(stage, names);
        assert_int_equal(stage_call(stage->bus, STAGE_PATH, STAGE_MANAGER, "SetIntervalUSec", error, "t",
                                    (uint64_t) 200000), 0);
        while (sd_bus_process(stage->bus, NULL) > 0)
                ;
        assert_string_equal(names, "IntervalUSec Settings CurrentIntervalUSec | ");
        names[0] = '\0';
        assert_int_equal(stage_call(stage->bus, STAGE_PATH "/module/udp", STAGE_MODULE, "Enable", error, "t",
                                    (uint64_t) 0), 0);
        while (sd_bus_process(stage->bus, NULL) > 0)
                ;
        assert_string_equal(names, "EffectiveMethods | Enabled State AttachMethod | ");
}

static void what_did_not_change_is_not_announced(void **state) {
        struct stage *stage = *state;
        char names[1024] = "", error[128];

        listen_to(stage, names);
        assert_int_equal(stage_call(stage->bus, STAGE_PATH, STAGE_MANAGER, "SetIntervalUSec", error, "t",
                                    (uint64_t) 1000000), 0);
        stage->script->fail_next = 1 + CONTROL_FAILED;
        assert_true(stage_call(stage->bus, STAGE_PATH, STAGE_MANAGER, "SetIntervalUSec", error, "t",
                               (uint64_t) 2000000) < 0);
        drain(stage);
        assert_string_equal(names, "");
}

static void what_the_daemon_changes_itself_is_announced_once(void **state) {
        struct stage *stage = *state;
        char names[1024] = "";

        listen_to(stage, names);
        stage->script->readers = 3;
        stage->script->capacity[1] = 2048;
        stage_touch(stage);
        wait_for_names(stage, names, "Capacity");
        drain(stage);
        assert_string_equal(names, "Readers | Capacity | ");
}

/* What takes the daemon system calls is for who reads it: once here, with the value that is announced. */
static void what_nobody_reads_is_not_looked_at(void **state) {
        struct stage *stage = *state;
        char names[1024] = "";
        uint32_t before;

        listen_to(stage, names);
        before = stage->script->n_costly;
        stage->script->readers = 3;
        stage_touch(stage);
        wait_for_names(stage, names, "Readers");
        assert_true(stage->script->n_costly <= before + 1);
        drain(stage);
        assert_true(stage->script->n_costly > before);
}

static int take_incarnation(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        return sd_bus_message_read(message, "t", userdata);
}

static void a_new_segment_is_announced(void **state) {
        struct stage *stage = *state;
        uint64_t incarnation = 0;
        char names[1024] = "";

        assert_true(sd_bus_match_signal(stage->bus, NULL, STAGE_NAME, STAGE_PATH, STAGE_MANAGER, "SegmentReplaced",
                                        take_incarnation, &incarnation) >= 0);
        listen_to(stage, names);
        stage->script->incarnation = 8;
        stage_touch(stage);
        wait_for_names(stage, names, "Incarnation");
        drain(stage);
        assert_int_equal(incarnation, 8);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, stage_open, stage_close)

int main(void) {
        static const struct CMUnitTest cases[] = {
                CASE(what_the_daemon_changes_itself_is_announced_once),
                CASE(what_nobody_reads_is_not_looked_at),
                CASE(a_new_segment_is_announced),
                /* These need root. */
                CASE(a_change_is_announced_before_its_caller_hears),
                CASE(what_did_not_change_is_not_announced),
        };

        return stage_run(cases, sizeof cases / sizeof cases[0], 3);
}
