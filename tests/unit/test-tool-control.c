/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * modules, tables, settings, enable, disable, set and the completion that asks the daemon: the command itself, on a bus
 * of the test's own, with a daemon of paper behind the real bus face and a polkit of paper.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "tests/unit/json.h"
#include "tests/unit/tool-stage.h"

static struct said said;

#define DONE(stage, ...) \
        do { \
                SAY(stage, &said, __VA_ARGS__); \
                assert_string_equal(said.err, ""); \
                assert_int_equal(said.status, 0); \
        } while (0)

#define REFUSED(code, stage, text, ...) \
        do { \
                SAY(stage, &said, __VA_ARGS__); \
                tool_stage_expect(said.err, text); \
                assert_string_equal(said.out, ""); \
                assert_int_equal(said.status, code); \
                assert_true(is_brief()); \
        } while (0)

/* One line, and perhaps where to read on. */
static bool is_brief(void) {
        const char *end = strchr(said.err, '\n');

        return end && (end[1] == '\0' || strcmp(end + 1, "Try 'socktally --help'.\n") == 0);
}

static struct json_object *parse(struct stage *stage, const char *command) {
        struct json_object *object;

        DONE(stage, command, "--json");
        object = json_parse(said.out);
        assert_int_equal(json_object_get_int64(json_get(object, "sequence")), stage->script->sequence);
        assert_true(json_object_get_int64(json_get(object, "time_ns")) > 0);
        assert_int_equal(json_object_get_int64(json_get(object, "interval_ns")),
                         stage->script->settings.interval_usec * 1000);
        assert_null(json_get(object, "view"));
        return object;
}

static void modules_are_listed_with_what_they_do(void **state) {
        struct stage *stage = *state;

        DONE(stage, "modules");
        assert_string_equal(said.out, "MODULE ENABLED STATE   METHOD     EXPIRES EVENTS MISSES NS/EVENT REASON\n"
                                      "tcp    yes     running tracepoint never     1000      3       42 -\n"
                                      "udp    no      off     -          never     1001      3       42 -\n");
        DONE(stage, "modules", "--no-legend");
        assert_int_equal(strncmp(said.out, "tcp ", 4), 0);
}

static void modules_are_json_with_null_for_never_and_nothing(void **state) {
        struct stage *stage = *state;
        struct json_object *object, *rows, *tcp, *udp;

        stage->script->expires[0] = 1800000000000000;
        object = parse(stage, "modules");
        rows = json_get(object, "modules");
        assert_int_equal(json_object_array_length(rows), 2);
        tcp = json_object_array_get_idx(rows, 0);
        udp = json_object_array_get_idx(rows, 1);
        assert_string_equal(json_object_get_string(json_get(tcp, "name")), "tcp");
        assert_true(json_object_get_boolean(json_get(tcp, "enabled")));
        assert_string_equal(json_object_get_string(json_get(tcp, "state")), "running");
        assert_string_equal(json_object_get_string(json_get(tcp, "method")), "tracepoint");
        assert_int_equal(json_object_get_int64(json_get(tcp, "expires_usec")), 1800000000000000);
        assert_int_equal(json_object_get_int64(json_get(tcp, "events")), 1000);
        assert_int_equal(json_object_get_int64(json_get(tcp, "misses")), 3);
        assert_int_equal(json_object_get_int64(json_get(tcp, "ns_per_event")), 42);
        assert_null(json_get(tcp, "reason"));
        assert_false(json_object_get_boolean(json_get(udp, "enabled")));
        assert_null(json_get(udp, "method"));
        assert_null(json_get(udp, "expires_usec"));
        json_object_put(object);
}

static void what_the_kernel_did_not_measure_is_unknown(void **state) {
        struct stage *stage = *state;
        struct json_object *object, *tcp;

        stage->script->is_unmeasured = true;
        DONE(stage, "modules");
        tool_stage_expect(said.out, "tcp    yes     running tracepoint never        -      3        - -\n");
        object = parse(stage, "modules");
        tcp = json_object_array_get_idx(json_get(object, "modules"), 0);
        assert_null(json_get(tcp, "events"));
        assert_null(json_get(tcp, "ns_per_event"));
        assert_int_equal(json_object_get_int64(json_get(tcp, "misses")), 3);
        json_object_put(object);
}

static void tables_are_listed_with_their_use(void **state) {
        struct stage *stage = *state;
        struct json_object *object, *row;

        DONE(stage, "tables");
        assert_string_equal(said.out, "TABLE     USED PEAK CAPACITY MIN     MAX OVERFLOWED\n"
                                      "processes   10   20    16384  16 1048576          5\n"
                                      "services    10   20     1024  16 1048576          5\n");
        object = parse(stage, "tables");
        row = json_object_array_get_idx(json_get(object, "tables"), 1);
        assert_string_equal(json_object_get_string(json_get(row, "name")), "services");
        assert_int_equal(json_object_get_int(json_get(row, "used")), 10);
        assert_int_equal(json_object_get_int(json_get(row, "peak")), 20);
        assert_int_equal(json_object_get_int(json_get(row, "capacity")), 1024);
        assert_int_equal(json_object_get_int(json_get(row, "capacity_min")), 16);
        assert_int_equal(json_object_get_int(json_get(row, "capacity_max")), 1048576);
        assert_int_equal(json_object_get_int(json_get(row, "overflowed")), 5);
        json_object_put(object);
}

static void settings_tell_where_they_came_from(void **state) {
        struct stage *stage = *state;
        struct json_object *object, *row;

        DONE(stage, "set", "LoadMode", "passive");
        object = parse(stage, "settings");
        row = json_object_array_get_idx(json_get(object, "settings"), SETTING_LOAD_MODE);
        assert_string_equal(json_object_get_string(json_get(row, "key")), "LoadMode");
        assert_string_equal(json_object_get_string(json_get(row, "value")), "passive");
        assert_string_equal(json_object_get_string(json_get(row, "source")), "run time");
        json_object_put(object);
        DONE(stage, "settings");
        tool_stage_expect(said.out, "LoadMode      passive         run time\n");
        tool_stage_expect(said.out, "Interval      1s              default\n");
}

static void enabling_says_until_when(void **state) {
        struct stage *stage = *state;

        DONE(stage, "enable", "udp", "--for", "5min");
        assert_true(stage->script->is_enabled[1]);
        assert_int_equal(stage->script->expires[1], 1700000000000000 + 300000000);
        tool_stage_expect(said.out, "udp is on until 2023-11-14 22:18:20");
        DONE(stage, "enable", "udp", "--for=1h 30min");
        assert_int_equal(stage->script->expires[1], 1700000000000000 + UINT64_C(5400000000));
        DONE(stage, "enable", "udp");
        assert_string_equal(said.out, "udp is on\n");
        assert_int_equal(stage->script->expires[1], 0);
        DONE(stage, "disable", "udp");
        assert_string_equal(said.out, "udp is off\n");
        assert_false(stage->script->is_enabled[1]);
}

static void a_module_that_is_not_there_is_refused_with_the_nearest(void **state) {
        struct stage *stage = *state;

        REFUSED(2, stage, "there is no module 'tpc'; did you mean 'tcp'? allowed are tcp, udp", "enable", "tpc");
        REFUSED(2, stage, "there is no module 'nfs'; allowed are tcp, udp", "disable", "nfs");
        REFUSED(2, stage, "there is no module '\\x1b[2J'; allowed are tcp, udp", "enable", "\033[2J");
        assert_int_equal(stage->script->n_sets, 0);
}

static void every_key_is_set_in_its_own_way(void **state) {
        struct stage *stage = *state;

        DONE(stage, "set", "interval", "250ms");
        assert_string_equal(said.out, "Interval=250ms is in force\n");
        assert_int_equal(stage->script->settings.interval_usec, 250000);
        DONE(stage, "set", "idle-interval", "1min", "30s");
        assert_string_equal(said.out, "IdleInterval=1min 30s is in force\n");
        assert_int_equal(stage->script->settings.idle_interval_usec, 90000000);
        DONE(stage, "set", "LOADMODE", "return");
        assert_int_equal(stage->script->settings.load_mode, LOAD_RETURN);
        DONE(stage, "set", "Processes", "32768");
        assert_string_equal(said.out, "Processes=32768 is in force\n");
        assert_int_equal(stage->script->capacity[0], 32768);
        DONE(stage, "set", "service-rows", "2048");
        assert_string_equal(said.out, "ServiceRows=2048 is in force\n");
        assert_int_equal(stage->script->capacity[1], 2048);
        DONE(stage, "set", "Services", "off");
        assert_string_equal(said.out, "Services=no is in force\n");
        assert_false(stage->script->settings.has_services);
        DONE(stage, "set", "Modules", "udp");
        assert_string_equal(said.out, "Modules=udp is in force\n");
        assert_false(stage->script->is_enabled[0]);
        assert_true(stage->script->is_enabled[1]);
        DONE(stage, "set", "Modules", "none");
        assert_false(stage->script->is_enabled[1]);
        DONE(stage, "set", "Modules", "tcp udp");
        assert_string_equal(said.out, "Modules=tcp udp is in force\n");
        DONE(stage, "set", "LogLevel", "debug");
        assert_int_equal(stage->script->log_level, 7);
        assert_int_equal(stage->script->n_saves, 0);
}

static void a_bad_key_or_value_is_refused_with_what_is_allowed(void **state) {
        struct stage *stage = *state;

        REFUSED(2, stage, "there is no setting 'Inteval'; did you mean 'Interval'?", "set", "Inteval", "2s");
        REFUSED(2, stage, "must be passive, entry or return; did you mean 'passive'?", "set", "LoadMode", "pasive");
        REFUSED(2, stage, "must be a time span from 100ms to 1h", "set", "Interval", "5ms");
        REFUSED(2, stage, "'5parsec' is no time; allowed are", "set", "Interval", "5parsec");
        REFUSED(2, stage, "is too long; allowed are", "set", "Interval", "4000000000w");
        REFUSED(2, stage, "allowed are 16 to 1048576", "set", "Processes", "0");
        REFUSED(2, stage, "allowed are 16 to 1048576", "set", "Processes", "5000000000");
        REFUSED(2, stage, "'many' is no number; allowed are 16 to 1048576 rows", "set", "Processes", "many");
        REFUSED(2, stage, "there is no module 'upd'; did you mean 'udp'?", "set", "Modules", "tcp", "upd");
        REFUSED(2, stage, "did you mean 'debug'?", "set", "LogLevel", "debuk");
        REFUSED(2, stage, "'2048' is neither; allowed are yes and no", "set", "Services", "2048");
        REFUSED(2, stage, "'maybe' is neither; allowed are yes and no", "set", "Apps", "maybe");
        REFUSED(2, stage, "systemctl restart socktally", "set", "Sockets", "1000");
        REFUSED(2, stage, "systemctl restart socktally", "set", "attach-method", "tracepoint");
        REFUSED(2, stage, "systemctl restart socktally", "set", "maps-per-core", "yes");
        assert_int_equal(stage->script->n_sets, 0);
}

static void saving_comes_after_the_change(void **state) {
        struct stage *stage = *state;

        DONE(stage, "set", "Interval", "2s", "--save");
        assert_string_equal(said.out, "Interval=2s is in force and saved\n");
        assert_int_equal(stage->script->n_saves, 1);
        REFUSED(2, stage, "from 100ms to 1h", "set", "--save", "Interval", "2h");
        assert_int_equal(stage->script->n_saves, 1);
}

/* The paper daemon's next operation fails; of its two ways to be asked, enable is one step. */
static void fail_next(struct stage *stage, enum control_failure failure, const char *text) {
        stage->script->fail_next = 1 + (int) failure;
        snprintf(stage->script->fail_text, sizeof stage->script->fail_text, "%s", text);
}

static void errors_of_the_daemon_are_one_line_and_an_exit_code(void **state) {
        struct stage *stage = *state;

        fail_next(stage, CONTROL_NOT_SUPPORTED, "This kernel refuses it");
        REFUSED(1, stage, "enable udp: This kernel refuses it", "enable", "udp");
        fail_next(stage, CONTROL_NO_MEMORY, "No memory for 65536 rows");
        REFUSED(1, stage, "No memory for 65536 rows", "set", "Processes", "65536");
        fail_next(stage, CONTROL_FAILED, "Odd \033[2J things");
        REFUSED(1, stage, "Odd \\x1b[2J things", "disable", "tcp");
        fail_next(stage, CONTROL_NOT_PERMITTED, "The kernel does not permit it");
        REFUSED(4, stage, "The kernel does not permit it", "enable", "udp");
        assert_int_equal(stage->script->n_sets, 0);
}

static void without_a_daemon_it_says_how_to_start_one(void **state) {
        struct stage *stage = *state;
        const char *const commands[] = { "modules", "tables", "settings" };

        kill(stage->daemon, SIGTERM);
        waitpid(stage->daemon, NULL, 0);
        stage->daemon = 0;
        for (size_t i = 0; i < 3; i++)
                REFUSED(3, stage, "systemctl start socktally", commands[i]);
        REFUSED(3, stage, "systemctl start socktally", "enable", "tcp");
        REFUSED(3, stage, "systemctl start socktally", "set", "Interval", "1s");
}

static void without_a_bus_it_says_so(void **state) {
        struct stage *stage = *state;
        char address[sizeof stage->address];

        memcpy(address, stage->address, sizeof address);
        snprintf(stage->address, sizeof stage->address, "unix:path=%s/none", stage->directory);
        REFUSED(3, stage, "cannot reach the system bus", "modules");
        memcpy(stage->address, address, sizeof address);
}

static void the_completion_knows_what_the_daemon_has(void **state) {
        struct stage *stage = *state;

        DONE(stage, "complete", "enable", "");
        assert_string_equal(said.out, "tcp\trunning\nudp\toff\n");
        DONE(stage, "complete", "set", "Idle");
        assert_string_equal(said.out, "IdleInterval\t10s\n");
        DONE(stage, "complete", "set", "Proc");
        assert_string_equal(said.out, "Processes\t16384\n");
}

static void polkit_is_asked_for_others_than_root(void **state) {
        struct stage *stage = *state;

        if (!tool_stage_is_open(stage))
                skip();
        stage_start_polkit(stage, POLKIT_YES);
        SAY_AS_NOBODY(stage, &said, "set", "LoadMode", "passive");
        assert_string_equal(said.err, "");
        assert_string_equal(said.out, "LoadMode=passive is in force\n");
        assert_int_equal(said.status, 0);
        assert_string_equal(stage->script->action, "org.socktally1.configure");
        assert_int_equal(stage->script->flags, 1); /* it may ask for a password */
        SAY_AS_NOBODY(stage, &said, "enable", "udp");
        assert_int_equal(said.status, 0);
        assert_int_equal(stage->script->n_sets, 2);
}

static void without_permission_it_says_what_to_do(void **state) {
        struct stage *stage = *state;

        if (!tool_stage_is_open(stage))
                skip();
        SAY_AS_NOBODY(stage, &said, "disable", "tcp"); /* no polkit at all */
        assert_int_equal(said.status, 4);
        assert_true(is_brief());
        tool_stage_expect(said.err, "run it as root");
        stage_start_polkit(stage, POLKIT_NO);
        SAY_AS_NOBODY(stage, &said, "set", "Processes", "2048");
        assert_int_equal(said.status, 4);
        assert_true(is_brief());
        tool_stage_expect(said.err, "org.socktally1.configure");
        stage_start_polkit(stage, POLKIT_CHALLENGE);
        SAY_AS_NOBODY(stage, &said, "enable", "tcp", "--for", "1min");
        assert_int_equal(said.status, 4);
        assert_true(is_brief());
        tool_stage_expect(said.err, "nobody could be asked for a password");
        SAY_AS_NOBODY(stage, &said, "modules");
        assert_int_equal(said.status, 0);
        assert_int_equal(stage->script->n_sets, 0);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, stage_open, stage_close)
        const struct CMUnitTest cases[] = {
                CASE(modules_are_listed_with_what_they_do),
                CASE(modules_are_json_with_null_for_never_and_nothing),
                CASE(what_the_kernel_did_not_measure_is_unknown),
                CASE(tables_are_listed_with_their_use),
                CASE(a_module_that_is_not_there_is_refused_with_the_nearest),
                CASE(without_a_daemon_it_says_how_to_start_one),
                CASE(without_a_bus_it_says_so),
                CASE(the_completion_knows_what_the_daemon_has),
                /* They change something: root. */
                CASE(settings_tell_where_they_came_from),
                CASE(enabling_says_until_when),
                CASE(every_key_is_set_in_its_own_way),
                CASE(a_bad_key_or_value_is_refused_with_what_is_allowed),
                CASE(saving_comes_after_the_change),
                CASE(errors_of_the_daemon_are_one_line_and_an_exit_code),
                CASE(polkit_is_asked_for_others_than_root),
                CASE(without_permission_it_says_what_to_do),
        };

        return stage_run(cases, sizeof cases / sizeof cases[0], 8);
}
