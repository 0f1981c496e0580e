/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What root and everybody sees on the bus: properties, methods and errors. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/bus-stage.h"

#define TCP STAGE_PATH "/module/tcp"
#define UDP STAGE_PATH "/module/udp"
#define PROCESSES STAGE_PATH "/table/processes"
#define ERROR(name) STAGE_NAME ".Error." name

static uint64_t get_number(struct stage *stage, const char *path, const char *interface, const char *name, char type) {
        uint64_t large = 0;
        uint32_t small = 0;

        assert_true(sd_bus_get_property_trivial(stage->bus, STAGE_NAME, path, interface, name, NULL, type,
                                                type == 't' ? (void *) &large : (void *) &small) >= 0);
        return type == 't' ? large : small;
}

static void expect_text(struct stage *stage, const char *path, const char *interface, const char *name,
                        const char *expected) {
        char *text = NULL;

        assert_true(sd_bus_get_property_string(stage->bus, STAGE_NAME, path, interface, name, NULL, &text) >= 0);
        assert_string_equal(text, expected);
        free(text);
}

static void the_facts_of_the_daemon_can_be_read(void **state) {
        struct stage *stage = *state;

        expect_text(stage, STAGE_PATH, STAGE_MANAGER, "Version", "0.1.0");
        expect_text(stage, STAGE_PATH, STAGE_MANAGER, "KernelRelease", "6.1.0-test");
        assert_int_equal(get_number(stage, STAGE_PATH, STAGE_MANAGER, "Readers", 'u'), 2);
        assert_int_equal(get_number(stage, STAGE_PATH, STAGE_MANAGER, "Sequence", 't'), 100);
        assert_int_equal(get_number(stage, STAGE_PATH, STAGE_MANAGER, "Incarnation", 't'), 7);
        assert_int_equal(get_number(stage, STAGE_PATH, STAGE_MANAGER, "CostNSec", 't'), 12345);
        assert_int_equal(get_number(stage, STAGE_PATH, STAGE_MANAGER, "KernelMemoryBytes", 't'), 1 << 20);
        assert_int_equal(get_number(stage, STAGE_PATH, STAGE_MANAGER, "StartTimestampUSec", 't'), 1700000000000000);
        assert_int_equal(get_number(stage, STAGE_PATH, STAGE_MANAGER, "SocketsTracked", 't'), 17);
        assert_int_equal(get_number(stage, STAGE_PATH, STAGE_MANAGER, "SocketsOverflowed", 't'), 1);
        assert_int_equal(get_number(stage, STAGE_PATH, STAGE_MANAGER, "RowsOverflowed", 't'), 2);
        assert_int_equal(get_number(stage, STAGE_PATH, STAGE_MANAGER, "MissedTxCalls", 't'), 21);
        assert_int_equal(get_number(stage, STAGE_PATH, STAGE_MANAGER, "MissedRxCalls", 't'), 22);
        assert_int_equal(get_number(stage, STAGE_PATH, STAGE_MANAGER, "CurrentIntervalUSec", 't'), 1000000);
}

static void the_settings_can_be_read(void **state) {
        struct stage *stage = *state;

        expect_text(stage, STAGE_PATH, STAGE_MANAGER, "LoadMode", "entry");
        expect_text(stage, STAGE_PATH, STAGE_MANAGER, "AttachMethod", "auto");
        assert_int_equal(get_number(stage, STAGE_PATH, STAGE_MANAGER, "IntervalUSec", 't'), 1000000);
        assert_int_equal(get_number(stage, STAGE_PATH, STAGE_MANAGER, "IdleIntervalUSec", 't'), 10000000);
}

/* The longest value and source that there can be are among them. */
static void every_setting_is_shown_with_its_source(void **state) {
        struct stage *stage = *state;
        sd_bus_message *reply = NULL;
        const struct setting *table;
        const char *texts[3];
        char value[SETTINGS_VALUE_SIZE];
        size_t n = settings_table(&table);

        memset(stage->script->settings.sources, '/', sizeof stage->script->settings.sources);
        for (size_t i = 0; i < n; i++)
                stage->script->settings.sources[i][SETTINGS_SOURCE_SIZE - 1] = '\0';
        assert_true(sd_bus_get_property(stage->bus, STAGE_NAME, STAGE_PATH, STAGE_MANAGER, "Settings", NULL, &reply,
                                        "a(sss)") >= 0);
        assert_true(sd_bus_message_enter_container(reply, 'a', "(sss)") > 0);
        for (size_t i = 0; i < n; i++) {
                assert_true(sd_bus_message_read(reply, "(sss)", &texts[0], &texts[1], &texts[2]) > 0);
                settings_format(&stage->script->settings, i, value);
                assert_string_equal(texts[0], table[i].key);
                assert_string_equal(texts[1], value);
                assert_int_equal(strlen(texts[2]), SETTINGS_SOURCE_SIZE - 1);
        }
        assert_int_equal(sd_bus_message_at_end(reply, false), 1);
        sd_bus_message_unref(reply);
}

static void each_module_and_table_is_an_object(void **state) {
        struct stage *stage = *state;

        expect_text(stage, TCP, STAGE_MODULE, "Name", "tcp");
        expect_text(stage, TCP, STAGE_MODULE, "State", "running");
        expect_text(stage, TCP, STAGE_MODULE, "AttachMethod", "tracepoint");
        assert_int_equal(get_number(stage, TCP, STAGE_MODULE, "Enabled", 'b'), 1);
        assert_int_equal(get_number(stage, TCP, STAGE_MODULE, "NSecPerEvent", 't'), 42);
        expect_text(stage, UDP, STAGE_MODULE, "State", "off");
        assert_int_equal(get_number(stage, UDP, STAGE_MODULE, "Enabled", 'b'), 0);
        assert_int_equal(get_number(stage, UDP, STAGE_MODULE, "Events", 't'), 1001);
        expect_text(stage, PROCESSES, STAGE_TABLE, "Name", "processes");
        assert_int_equal(get_number(stage, PROCESSES, STAGE_TABLE, "Capacity", 'u'), 16384);
        assert_int_equal(get_number(stage, PROCESSES, STAGE_TABLE, "Used", 'u'), 10);
        assert_int_equal(get_number(stage, PROCESSES, STAGE_TABLE, "Overflowed", 't'), 5);
}

static void the_object_manager_lists_every_module_and_table(void **state) {
        struct stage *stage = *state;
        sd_bus_message *reply = NULL;
        const char *path;
        int n = 0;

        assert_true(sd_bus_call_method(stage->bus, STAGE_NAME, STAGE_PATH, "org.freedesktop.DBus.ObjectManager",
                                       "GetManagedObjects", NULL, &reply, NULL) >= 0);
        assert_true(sd_bus_message_enter_container(reply, 'a', "{oa{sa{sv}}}") > 0);
        while (sd_bus_message_enter_container(reply, 'e', "oa{sa{sv}}") > 0) {
                assert_true(sd_bus_message_read(reply, "o", &path) > 0);
                n += strcmp(path, TCP) == 0 || strcmp(path, UDP) == 0 || strcmp(path, PROCESSES) == 0;
                assert_true(sd_bus_message_skip(reply, "a{sa{sv}}") >= 0);
                assert_true(sd_bus_message_exit_container(reply) >= 0);
        }
        assert_int_equal(n, 3);
        sd_bus_message_unref(reply);
}

static void expect_refusal(struct stage *stage, const char *path, const char *interface, const char *member,
                           const char *name, const char *message) {
        sd_bus_error error = SD_BUS_ERROR_NULL;

        assert_true(sd_bus_call_method(stage->bus, STAGE_NAME, path, interface, member, &error, NULL, NULL) < 0);
        assert_string_equal(error.name, name);
        if (message)
                assert_string_equal(error.message, message);
        sd_bus_error_free(&error);
}

static void unknown_modules_and_tables_are_named_with_those_there_are(void **state) {
        struct stage *stage = *state;

        expect_refusal(stage, STAGE_PATH "/module/icmp", STAGE_MODULE, "Disable", ERROR("NoSuchModule"),
                       "There is no module \"icmp\"; there are tcp, udp");
        expect_refusal(stage, STAGE_PATH "/table/apps", STAGE_TABLE, "SetCapacity", ERROR("InvalidArgument"),
                       "There is no table \"apps\"; there are processes, services");
        expect_refusal(stage, STAGE_PATH "/thing", STAGE_MODULE, "Disable", SD_BUS_ERROR_UNKNOWN_OBJECT, NULL);
}

static void root_sets_properties(void **state) {
        struct stage *stage = *state;

        assert_true(sd_bus_set_property(stage->bus, STAGE_NAME, STAGE_PATH, STAGE_MANAGER, "IntervalUSec", NULL, "t",
                                        (uint64_t) 500000) >= 0);
        assert_int_equal(stage->script->settings.interval_usec, 500000);
        assert_true(sd_bus_set_property(stage->bus, STAGE_NAME, STAGE_PATH, STAGE_MANAGER, "LoadMode", NULL, "s",
                                        "passive") >= 0);
        expect_text(stage, STAGE_PATH, STAGE_MANAGER, "LoadMode", "passive");
}

static void a_value_out_of_range_is_named_and_changes_nothing(void **state) {
        struct stage *stage = *state;
        sd_bus_error error = SD_BUS_ERROR_NULL;

        assert_true(sd_bus_set_property(stage->bus, STAGE_NAME, STAGE_PATH, STAGE_MANAGER, "IntervalUSec", &error, "t",
                                        (uint64_t) 99999) < 0);
        assert_string_equal(error.name, ERROR("InvalidArgument"));
        assert_string_equal(error.message, "Interval: must be a time span from 100ms to 1h");
        sd_bus_error_free(&error);
        assert_int_equal(stage->script->settings.interval_usec, 1000000);
}

static void a_value_of_another_type_is_refused(void **state) {
        struct stage *stage = *state;
        sd_bus_error error = SD_BUS_ERROR_NULL;

        assert_true(sd_bus_set_property(stage->bus, STAGE_NAME, STAGE_PATH, STAGE_MANAGER, "IntervalUSec", &error, "s",
                                        "1s") < 0);
        assert_string_equal(error.name, SD_BUS_ERROR_INVALID_ARGS);
        sd_bus_error_free(&error);
        assert_true(sd_bus_set_property(stage->bus, STAGE_NAME, STAGE_PATH, STAGE_MANAGER, "LoadMode", &error, "u",
                                        3) < 0);
        assert_string_equal(error.name, SD_BUS_ERROR_INVALID_ARGS);
        sd_bus_error_free(&error);
}

static void facts_cannot_be_written(void **state) {
        struct stage *stage = *state;
        sd_bus_error error = SD_BUS_ERROR_NULL;

        assert_true(sd_bus_set_property(stage->bus, STAGE_NAME, STAGE_PATH, STAGE_MANAGER, "Version", &error, "s",
                                        "2") < 0);
        assert_string_equal(error.name, SD_BUS_ERROR_PROPERTY_READ_ONLY);
        sd_bus_error_free(&error);
        assert_true(sd_bus_set_property(stage->bus, STAGE_NAME, STAGE_PATH, STAGE_MANAGER, "Nothing", &error, "s",
                                        "2") < 0);
        assert_string_equal(error.name, SD_BUS_ERROR_UNKNOWN_PROPERTY);
        sd_bus_error_free(&error);
}

static void each_setting_has_its_method(void **state) {
        struct stage *stage = *state;
        struct stage_script *script = stage->script;
        char error[128];

        assert_int_equal(stage_call(stage->bus, STAGE_PATH, STAGE_MANAGER, "SetLoadMode", error, "s", "return"), 0);
        assert_int_equal(stage_call(stage->bus, STAGE_PATH, STAGE_MANAGER, "SetAttachMethod", error, "s",
                                    "tracepoint"), 0);
        assert_int_equal(stage_call(stage->bus, STAGE_PATH, STAGE_MANAGER, "SetIntervalUSec", error, "t",
                                    (uint64_t) 200000), 0);
        assert_int_equal(stage_call(stage->bus, STAGE_PATH, STAGE_MANAGER, "SetIdleIntervalUSec", error, "t",
                                    (uint64_t) 300000), 0);
        assert_int_equal(script->settings.load_mode, LOAD_RETURN);
        assert_int_equal(script->settings.attach_method, ATTACH_TRACEPOINT);
        assert_int_equal(script->settings.interval_usec, 200000);
        assert_int_equal(script->settings.idle_interval_usec, 300000);
}

static void modules_go_on_off_and_on_for_a_while(void **state) {
        struct stage *stage = *state;
        char error[128];

        assert_int_equal(stage_call(stage->bus, UDP, STAGE_MODULE, "Enable", error, "t", (uint64_t) 5000000), 0);
        assert_int_equal(get_number(stage, UDP, STAGE_MODULE, "Enabled", 'b'), 1);
        assert_int_equal(get_number(stage, UDP, STAGE_MODULE, "ExpiresUSec", 't'), 1700000005000000);
        assert_int_equal(stage_call(stage->bus, UDP, STAGE_MODULE, "Disable", error, NULL), 0);
        assert_int_equal(get_number(stage, UDP, STAGE_MODULE, "Enabled", 'b'), 0);
}

static void an_endless_lifetime_is_refused(void **state) {
        struct stage *stage = *state;
        char error[128];

        assert_true(stage_call(stage->bus, UDP, STAGE_MODULE, "Enable", error, "t", UINT64_MAX) < 0);
        assert_string_equal(error, ERROR("InvalidArgument"));
        assert_int_equal(stage->script->n_sets, 0);
}

static void capacities_change_within_their_bounds(void **state) {
        struct stage *stage = *state;
        char error[128];

        assert_int_equal(stage_call(stage->bus, PROCESSES, STAGE_TABLE, "SetCapacity", error, "u", 65536), 0);
        assert_int_equal(get_number(stage, PROCESSES, STAGE_TABLE, "Capacity", 'u'), 65536);
        assert_true(stage_call(stage->bus, PROCESSES, STAGE_TABLE, "SetCapacity", error, "u", 0) < 0);
        assert_string_equal(error, ERROR("InvalidArgument"));
        assert_true(stage_call(stage->bus, PROCESSES, STAGE_TABLE, "SetCapacity", error, "u", UINT32_MAX) < 0);
        assert_string_equal(error, ERROR("InvalidArgument"));
        assert_int_equal(stage->script->capacity[0], 65536);
}

static void every_failure_of_the_daemon_has_its_name(void **state) {
        static const char *const names[] = { ERROR("InvalidArgument"), ERROR("NotSupported"), ERROR("NoSuchModule"),
                                             ERROR("NotPermitted"), ERROR("NoMemory"), ERROR("Failed") };
        struct stage *stage = *state;
        char error[128];

        for (int i = 0; i <= CONTROL_FAILED; i++) {
                snprintf(stage->script->fail_text, sizeof stage->script->fail_text, "as the script says");
                stage->script->fail_next = 1 + i;
                assert_true(stage_call(stage->bus, STAGE_PATH, STAGE_MANAGER, "Reload", error, NULL) < 0);
                assert_string_equal(error, names[i]);
        }
        assert_int_equal(stage->script->n_reloads, 0);
}

static void a_message_cut_within_a_character_is_still_sent(void **state) {
        struct stage *stage = *state;
        char error[128];

        memset(stage->script->fail_text, 'x', 254);
        stage->script->fail_text[254] = (char) 0xc3;
        stage->script->fail_text[255] = '\0';
        stage->script->fail_next = 1 + CONTROL_FAILED;
        assert_true(stage_call(stage->bus, STAGE_PATH, STAGE_MANAGER, "Save", error, NULL) < 0);
        assert_string_equal(error, ERROR("Failed"));
}

static uint64_t sync_returns_a_publication(struct stage *stage) {
        sd_bus_message *reply = NULL;
        uint64_t sequence;

        assert_true(sd_bus_call_method(stage->bus, STAGE_NAME, STAGE_PATH, STAGE_MANAGER, "Sync", NULL, &reply,
                                       NULL) >= 0);
        assert_true(sd_bus_message_read(reply, "t", &sequence) > 0);
        sd_bus_message_unref(reply);
        return sequence;
}

static void sync_returns_the_publication(void **state) {
        assert_int_equal(sync_returns_a_publication(*state), 101);
}

static int count_reply(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        *(int *) userdata += !sd_bus_message_is_method_error(message, NULL);
        return 0;
}

static void ask_for_sync(sd_bus *bus, unsigned n_calls, int *n) {
        for (unsigned i = 0; i < n_calls; i++)
                assert_true(sd_bus_call_method_async(bus, NULL, STAGE_NAME, STAGE_PATH, STAGE_MANAGER, "Sync",
                                                     count_reply, n, NULL) >= 0);
        assert_true(sd_bus_flush(bus) >= 0);
}

static void drain_until(sd_bus *bus, const int *n, int wanted) {
        while (*n < wanted) {
                while (sd_bus_process(bus, NULL) > 0)
                        ;
                if (*n < wanted)
                        stage_wait_message(bus);
        }
}

static void callers_of_sync_share_a_fold(void **state) {
        struct stage *stage = *state;
        sd_bus *buses[50];
        int n = 0;

        for (int i = 0; i < 50; i++)
                buses[i] = stage_connect(stage);
        for (int i = 0; i < 50; i++)
                ask_for_sync(buses[i], 4, &n);
        for (int i = 0; i < 50; i++) {
                drain_until(buses[i], &n, 4 * (i + 1));
                sd_bus_close_unref(buses[i]);
        }
        assert_in_range(stage->script->n_syncs, 1, 100);
}

static int count_refusal(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        *(int *) userdata += sd_bus_message_is_method_error(message, SD_BUS_ERROR_LIMITS_EXCEEDED);
        return 0;
}

/* A fold rests after another: while it does, calls wait. */
static void who_asks_for_sync_without_waiting_is_refused(void **state) {
        struct stage *stage = *state;
        sd_bus *greedy = stage_connect(stage);
        int n_refused = 0;

        for (int i = 0; i < 500; i++)
                assert_true(sd_bus_call_method_async(greedy, NULL, STAGE_NAME, STAGE_PATH, STAGE_MANAGER, "Sync",
                                                     count_refusal, &n_refused, NULL) >= 0);
        drain_until(greedy, &n_refused, 1);
        sync_returns_a_publication(stage);
        sd_bus_close_unref(greedy);
}

static void the_log_level_is_changed_like_that_of_other_services(void **state) {
        struct stage *stage = *state;
        sd_bus_error error = SD_BUS_ERROR_NULL;

        expect_text(stage, "/org/freedesktop/LogControl1", "org.freedesktop.LogControl1", "LogLevel", "info");
        assert_true(sd_bus_set_property(stage->bus, STAGE_NAME, "/org/freedesktop/LogControl1",
                                        "org.freedesktop.LogControl1", "LogLevel", NULL, "s", "debug") >= 0);
        assert_int_equal(stage->script->log_level, 7);
        assert_true(sd_bus_set_property(stage->bus, STAGE_NAME, "/org/freedesktop/LogControl1",
                                        "org.freedesktop.LogControl1", "LogLevel", &error, "s", "loud") < 0);
        assert_string_equal(error.name, ERROR("InvalidArgument"));
        sd_bus_error_free(&error);
        assert_true(sd_bus_set_property(stage->bus, STAGE_NAME, "/org/freedesktop/LogControl1",
                                        "org.freedesktop.LogControl1", "LogTarget", &error, "s", "kmsg") < 0);
        assert_string_equal(error.name, ERROR("NotSupported"));
        sd_bus_error_free(&error);
}

static void a_daemon_finds_the_bus_when_it_comes_back(void **state) {
        struct stage *stage = *state;

        stage_restart_broker(stage);
        expect_text(stage, STAGE_PATH, STAGE_MANAGER, "Version", "0.1.0");
        each_module_and_table_is_an_object(state);
}

/* sd-bus waits for a bus that is not there. Without a descriptor to wait with it cannot. Nothing tells when the daemon
 * has tried, which it does after a second: should it be later, there are descriptors again. */
static void a_daemon_that_lacks_descriptors_finds_the_bus_later(void **state) {
        struct stage *stage = *state;
        struct rlimit before, few;
        pid_t child;

        assert_return_code(prlimit(stage->daemon, RLIMIT_NOFILE, NULL, &before), errno);
        few = (struct rlimit) { 3, before.rlim_max };
        assert_return_code(prlimit(stage->daemon, RLIMIT_NOFILE, &few, NULL), errno);
        child = fork();
        assert_return_code(child, errno);
        if (child == 0) {
                usleep(1500000);
                _exit(prlimit(stage->daemon, RLIMIT_NOFILE, &before, NULL) < 0);
        }
        stage_restart_broker(stage);
        assert_int_equal(waitpid(child, NULL, 0), child);
        expect_text(stage, STAGE_PATH, STAGE_MANAGER, "Version", "0.1.0");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, stage_open, stage_close)

int main(void) {
        static const struct CMUnitTest cases[] = {
                CASE(the_facts_of_the_daemon_can_be_read),
                CASE(the_settings_can_be_read),
                CASE(every_setting_is_shown_with_its_source),
                CASE(each_module_and_table_is_an_object),
                CASE(the_object_manager_lists_every_module_and_table),
                CASE(unknown_modules_and_tables_are_named_with_those_there_are),
                CASE(a_value_out_of_range_is_named_and_changes_nothing),
                CASE(a_value_of_another_type_is_refused),
                CASE(facts_cannot_be_written),
                CASE(an_endless_lifetime_is_refused),
                CASE(sync_returns_the_publication),
                CASE(callers_of_sync_share_a_fold),
                CASE(who_asks_for_sync_without_waiting_is_refused),
                CASE(a_daemon_finds_the_bus_when_it_comes_back),
                CASE(a_daemon_that_lacks_descriptors_finds_the_bus_later),
                /* These need root. */
                CASE(root_sets_properties),
                CASE(each_setting_has_its_method),
                CASE(modules_go_on_off_and_on_for_a_while),
                CASE(capacities_change_within_their_bounds),
                CASE(every_failure_of_the_daemon_has_its_name),
                CASE(a_message_cut_within_a_character_is_still_sent),
                CASE(the_log_level_is_changed_like_that_of_other_services),
        };

        return stage_run(cases, sizeof cases / sizeof cases[0], 7);
}
