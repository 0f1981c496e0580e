/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The socktally command against segments whose every number is known: what it prints and how it ends. */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "libclient/socktally.h"
#include "tests/unit/tool-fixture.h"

static const char *const metric_names[] = {
#define X(id, name, kind, unit, module, help) #name,
        SOCKTALLY_METRICS(X)
#undef X
};

static struct json_object *get(struct json_object *object, const char *key) {
        struct json_object *value = NULL;

        if (!json_object_object_get_ex(object, key, &value))
                fail_msg("the key %s is missing", key);
        return value;
}

static uint64_t get_number(struct json_object *object, const char *key) {
        struct json_object *value = get(object, key);

        if (!value || json_object_get_type(value) != json_type_int)
                fail_msg("%s is no integer", key);
        return json_object_get_uint64(value);
}

static void expect_text(struct json_object *object, const char *key, const char *expected) {
        struct json_object *value = get(object, key);

        if (*expected == '\0')
                assert_null(value);
        else
                assert_string_equal(json_object_get_string(value), expected);
}

/* none: the number that stands for nothing. */
static void expect_identity(struct json_object *object, const char *key, uint64_t expected, uint64_t none) {
        if (expected == none)
                assert_null(get(object, key));
        else
                assert_int_equal(get_number(object, key), expected);
}

static void expect_counters(struct json_object *object, uint32_t table, size_t row, uint64_t sequence) {
        for (size_t i = 0; i < SOCKTALLY_N_METRICS; i++) {
                if (FIXTURE_UNKNOWN & UINT64_C(1) << i)
                        assert_null(get(object, metric_names[i]));
                else
                        assert_int_equal(get_number(object, metric_names[i]),
                                         fixture_counter(table, row, i, sequence));
        }
}

static struct json_object *parse(const char *text) {
        struct json_object *object = json_tokener_parse(text);

        if (!object)
                fail_msg("this is no JSON: %s", text);
        return object;
}

/* The row of the array that has value under key (NULL: null). */
static struct json_object *find(struct json_object *rows, const char *key, const char *value) {
        for (size_t i = 0; i < json_object_array_length(rows); i++) {
                struct json_object *row = json_object_array_get_idx(rows, i);

                if (json_object_get_string(get(row, key)) && strcmp(json_object_get_string(get(row, key)), value) == 0)
                        return row;
        }
        fail_msg("no row has %s %s", key, value);
        return NULL;
}

static struct json_object *run_json(struct fixture *fixture, const char *command) {
        struct outcome outcome;
        struct json_object *object;

        RUN(fixture, &outcome, command, "--json");
        assert_string_equal(outcome.err, "");
        assert_int_equal(outcome.status, 0);
        object = parse(outcome.out);
        outcome_done(&outcome);
        return object;
}

static void expect_frame(const struct fixture *fixture, struct json_object *object, const char *view) {
        uint64_t sequence = get_number(object, "sequence");

        assert_true(sequence >= 3 && sequence <= fixture->sequence);
        assert_int_equal(get_number(object, "time_ns"), fixture_time_ns(fixture, sequence));
        assert_int_equal(get_number(object, "interval_ns"), FIXTURE_INTERVAL_NS);
        expect_text(object, "view", view);
        expect_text(object, "freshness", "fresh");
        expect_counters(get(object, "host"), LAYOUT_TABLE_HOST, 0, sequence);
        expect_text(get(object, "host"), "kind", "host");
}

static void every_process_row_is_in_the_json_key_by_key(void **state) {
        static const char *const kinds[] = { "process", "process", "process", "kernel", "overflow", "exited" };
        struct fixture fixture;
        struct json_object *object, *rows;
        uint64_t sequence;

        fixture_start(&fixture, true);
        object = run_json(&fixture, "processes");
        sequence = get_number(object, "sequence");
        expect_frame(&fixture, object, "full");
        rows = get(object, "processes");
        assert_int_equal(json_object_array_length(rows), FIXTURE_N_PROCESSES);
        for (size_t i = 0; i < FIXTURE_N_PROCESSES; i++) {
                struct layout_process_row expected;
                struct json_object *row;

                fixture_process(&expected, i, sequence);
                row = expected.comm[0] ? find(rows, "comm", expected.comm) : find(rows, "kind", kinds[i]);
                expect_counters(row, LAYOUT_TABLE_PROCESSES, i, sequence);
                expect_identity(row, "pid", expected.pid, 0);
                expect_identity(row, "start_time", expected.start_time, 0);
                expect_identity(row, "cgroup_id", expected.cgroup_id, 0);
                expect_identity(row, "uid", expected.uid, LAYOUT_NO_UID);
                assert_int_equal(get_number(row, "changed"), sequence);
                assert_int_equal(json_object_get_boolean(get(row, "exited")), expected.exited);
                expect_text(row, "kind", kinds[i]);
                expect_text(row, "comm", expected.comm);
                expect_text(row, "service", expected.service);
                expect_text(row, "app", expected.app);
                expect_text(row, "container", expected.container);
                assert_int_equal(json_object_object_length(row), SOCKTALLY_N_METRICS + 11);
        }
        (void)json_object_put(object);
        fixture_done(&fixture);
}

static void every_service_row_is_in_the_json_key_by_key(void **state) {
        static const char *const kinds[] = { "service", "service", "no-unit", "kernel" };
        struct fixture fixture;
        struct json_object *object, *rows;
        uint64_t sequence;

        fixture_start(&fixture, false);
        object = run_json(&fixture, "services");
        sequence = get_number(object, "sequence");
        expect_frame(&fixture, object, "public");
        rows = get(object, "services");
        assert_int_equal(json_object_array_length(rows), FIXTURE_N_SERVICES);
        for (size_t i = 0; i < FIXTURE_N_SERVICES; i++) {
                struct layout_service_row expected;
                struct json_object *row;

                fixture_service(&expected, i, sequence);
                row = expected.service[0] ? find(rows, "service", expected.service) : find(rows, "kind", kinds[i]);
                expect_counters(row, LAYOUT_TABLE_SERVICES, i, sequence);
                expect_text(row, "kind", kinds[i]);
                expect_text(row, "service", expected.service);
                expect_identity(row, "uid", expected.uid, LAYOUT_NO_UID);
                assert_int_equal(get_number(row, "processes"), expected.processes);
        }
        (void)json_object_put(object);
        fixture_done(&fixture);
}

static void rates_are_the_growth_per_second_and_null_where_unknown(void **state) {
        struct fixture fixture;
        struct json_object *object, *rates;
        struct outcome outcome;

        fixture_start(&fixture, true);
        RUN(&fixture, &outcome, "processes", "--json", "--rates");
        assert_int_equal(outcome.status, 0);
        object = parse(outcome.out);
        rates = get(find(get(object, "processes"), "comm", "nginx"), "rates");
        /* One more publication is one interval: 10 per second. Row 0 grows by 10 plus the metric's number. */
        for (size_t i = 0; i < SOCKTALLY_N_METRICS; i++) {
                if (FIXTURE_UNKNOWN & UINT64_C(1) << i || i == SOCKTALLY_METRIC_tcp_rtt_us)
                        continue;
                assert_float_equal(json_object_get_double(get(rates, metric_names[i])), 10.0 * (10.0 + (double)i),
                                   0.01);
        }
        assert_null(get(rates, "tcp_resets_sent"));
        /* Totals of rows that go are no traffic of the moment. */
        assert_null(get(get(find(get(object, "processes"), "kind", "exited"), "rates"), "tcp_tx_bytes"));
        (void)json_object_put(object);
        outcome_done(&outcome);
        fixture_done(&fixture);
}

static void status_tells_what_the_daemon_published(void **state) {
        struct fixture fixture;
        struct json_object *object, *health;
        uint64_t sequence;

        fixture_start(&fixture, true);
        object = run_json(&fixture, "status");
        sequence = get_number(object, "sequence");
        expect_text(object, "view", "full");
        expect_text(object, "freshness", "fresh");
        expect_text(object, "version", socktally_version());
        assert_int_equal(get_number(object, "pid"), getpid());
        assert_int_equal(get_number(object, "time_ns"), fixture_time_ns(&fixture, sequence));
        assert_int_equal(get_number(object, "interval_ns"), FIXTURE_INTERVAL_NS);
        assert_int_equal(get_number(object, "processes"), 3);
        assert_int_equal(get_number(object, "services"), 2);
        assert_int_equal(get_number(object, "counting_since_ns"), fixture.base_ns);
        assert_int_equal(get_number(object, "cost_ns"), 1400000);
        assert_int_not_equal(get_number(object, "incarnation"), 0);
        health = get(object, "health");
        assert_int_equal(get_number(health, "sockets_tracked"), 11);
        assert_int_equal(get_number(health, "sockets_overflowed"), 12);
        assert_int_equal(get_number(health, "rows_overflowed"), 13);
        assert_int_equal(json_object_array_length(get(object, "unknown")), 3);
        assert_int_equal(json_object_array_length(get(object, "known")), SOCKTALLY_N_METRICS - 3);
        assert_string_equal(json_object_get_string(json_object_array_get_idx(get(object, "unknown"), 0)),
                            "tcp_resets_sent");
        expect_counters(get(object, "host"), LAYOUT_TABLE_HOST, 0, sequence);
        (void)json_object_put(object);
        fixture_done(&fixture);
}

static void top_prints_one_object_per_line_and_refresh(void **state) {
        struct fixture fixture;
        struct outcome outcome;
        uint64_t last = 0;
        char *line, *rest;
        int n = 0;

        fixture_start(&fixture, true);
        RUN(&fixture, &outcome, "top", "--json", "--count=3", "--limit=1", "--sort=pid");
        assert_int_equal(outcome.status, 0);
        for (line = strtok_r(outcome.out, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest), n++) {
                struct json_object *object = parse(line), *rows = get(object, "processes");

                expect_frame(&fixture, object, "full");
                assert_true(get_number(object, "sequence") > last);
                last = get_number(object, "sequence");
                assert_int_equal(json_object_array_length(rows), 1);
                assert_int_equal(get_number(json_object_array_get_idx(rows, 0), "pid"), 101);
                assert_non_null(get(get(json_object_array_get_idx(rows, 0), "rates"), "tcp_tx_bytes"));
                (void)json_object_put(object);
        }
        assert_int_equal(n, 3);
        outcome_done(&outcome);
        fixture_done(&fixture);
}

static void top_without_a_terminal_prints_one_refresh_as_text(void **state) {
        struct fixture fixture;
        struct outcome outcome;

        fixture_start(&fixture, true);
        RUN(&fixture, &outcome, "top", "--bytes");
        assert_string_equal(outcome.err, "");
        assert_int_equal(outcome.status, 0);
        assert_non_null(strstr(outcome.out, "fresh"));
        assert_non_null(strstr(outcome.out, "TX/s"));
        assert_non_null(strstr(outcome.out, "nginx.service"));
        outcome_done(&outcome);
        RUN(&fixture, &outcome, "top", "services", "--count", "2", "--no-legend");
        assert_int_equal(outcome.status, 0);
        assert_null(strstr(outcome.out, "TX/s"));
        assert_non_null(strstr(strstr(outcome.out, "app-firefox.scope") + 1, "app-firefox.scope"));
        outcome_done(&outcome);
        fixture_done(&fixture);
}

/* The line that has the word, cut out of the text. */
static char *line_with(char *text, const char *word) {
        char *found = strstr(text, word), *begin = found;

        if (!found)
                fail_msg("no line has %s", word);
        while (begin > text && begin[-1] != '\n')
                begin--;
        found[strcspn(found, "\n")] = '\0';
        return begin;
}

static void lists_show_readable_numbers_and_dashes_for_unknown(void **state) {
        struct fixture fixture;
        struct outcome outcome;
        char *line;

        fixture_start(&fixture, true);
        RUN(&fixture, &outcome, "processes", "--columns", "tx,tcp_resets_sent,tcp_rtt_us");
        assert_int_equal(outcome.status, 0);
        assert_int_equal(strncmp(outcome.out, "PID ", 0), 0);
        line = line_with(outcome.out, "huge");
        assert_non_null(strstr(line, "102"));
        assert_non_null(strstr(line, "16.0E")); /* three counters near 2^64: the sum stays there */
        assert_non_null(strstr(line, " - "));
        outcome_done(&outcome);
        RUN(&fixture, &outcome, "processes", "--bytes", "--columns", "tcp_tx_bytes");
        line = line_with(outcome.out, "huge");
        assert_non_null(strstr(line, " 1844674307370955"));
        outcome_done(&outcome);
        fixture_done(&fixture);
}

/* What the terminal cannot show in place; a unit's own escapes are as systemctl prints them. */
static void names_are_escaped_once_in_every_table(void **state) {
        static const char *const commands[] = { "processes", "top" };
        struct fixture fixture;
        struct outcome outcome;

        fixture_start(&fixture, true);
        for (size_t i = 0; i < 2; i++) {
                RUN(&fixture, &outcome, commands[i]);
                assert_int_equal(outcome.status, 0);
                assert_non_null(strstr(outcome.out, " batch-my\\x2djob.service\n"));
                assert_non_null(strstr(outcome.out, " gone\\xe2\\x80\\xae "));
                outcome_done(&outcome);
        }
        fixture_done(&fixture);
}

static void rows_that_are_no_process_have_a_name_in_brackets_and_no_pid(void **state) {
        struct fixture fixture;
        struct outcome outcome;

        fixture_start(&fixture, true);
        RUN(&fixture, &outcome, "processes", "--no-legend", "--sort", "pid");
        assert_int_equal(outcome.status, 0);
        assert_non_null(strstr(outcome.out, "(kernel)"));
        assert_non_null(strstr(outcome.out, "(exited)"));
        assert_int_equal(strspn(line_with(outcome.out, "(overflow)"), " "), 2);
        outcome_done(&outcome);
        fixture_done(&fixture);
}

static void rows_come_in_the_order_that_was_asked_for(void **state) {
        struct fixture fixture;
        struct outcome outcome;

        fixture_start(&fixture, true);
        RUN(&fixture, &outcome, "processes", "--no-legend", "--sort=process", "--limit=3");
        assert_true(strstr(outcome.out, "gone") < strstr(outcome.out, "huge"));
        assert_true(strstr(outcome.out, "huge") < strstr(outcome.out, "nginx"));
        assert_null(strstr(outcome.out, "(kernel)"));
        outcome_done(&outcome);
        RUN(&fixture, &outcome, "processes", "--no-legend", "--sort=process", "--reverse");
        assert_true(strstr(outcome.out, "gone") > strstr(outcome.out, "nginx"));
        outcome_done(&outcome);
        RUN(&fixture, &outcome, "processes", "--no-legend", "--sort=tcp_tx_bytes", "--limit=1");
        assert_non_null(strstr(outcome.out, "huge"));
        outcome_done(&outcome);
        fixture_done(&fixture);
}

static void without_a_daemon_it_says_how_to_start_one_and_exits_3(void **state) {
        static const char *const commands[] = { "processes", "services", "status", "top" };
        struct fixture fixture;
        struct outcome outcome;

        fixture_start(&fixture, false);
        fixture_stop(&fixture);
        (void)unlink(fixture_path(&fixture, "public"));
        for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
                RUN(&fixture, &outcome, commands[i]);
                assert_int_equal(outcome.status, 3);
                assert_string_equal(outcome.out, "");
                assert_non_null(strstr(outcome.err, "systemctl start socktally"));
                assert_non_null(strstr(outcome.err, fixture.directory));
                outcome_done(&outcome);
        }
        fixture_done(&fixture);
}

/* Leaves the segments of a daemon that was killed. */
static void publish_and_die(struct fixture *fixture) {
        int ready[2];
        pid_t pid;

        assert_int_equal(pipe(ready), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                fixture_start(fixture, true);
                (void)!write(ready[1], fixture, sizeof(*fixture));
                (void)raise(SIGKILL);
        }
        assert_int_equal(read(ready[0], fixture, sizeof(*fixture)), sizeof(*fixture));
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        (void)close(ready[0]);
        (void)close(ready[1]);
        fixture->public = fixture->full = NULL;
}

static void what_a_killed_daemon_left_behind_is_stale_and_no_data(void **state) {
        static const char *const commands[] = { "processes", "services", "top" };
        struct fixture fixture;
        struct outcome outcome;
        struct json_object *object;

        publish_and_die(&fixture);
        for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
                RUN(&fixture, &outcome, commands[i]);
                assert_int_equal(outcome.status, 3);
                assert_string_equal(outcome.out, "");
                assert_non_null(strstr(outcome.err, "stale"));
                outcome_done(&outcome);
        }
        RUN(&fixture, &outcome, "status");
        assert_int_equal(outcome.status, 3);
        assert_non_null(strstr(outcome.out, "stale since "));
        outcome_done(&outcome);
        RUN(&fixture, &outcome, "status", "--json");
        assert_int_equal(outcome.status, 3);
        object = parse(outcome.out);
        expect_text(object, "freshness", "stale");
        (void)json_object_put(object);
        outcome_done(&outcome);
        fixture_done(&fixture);
}

static void a_view_without_processes_says_who_may_see_them_and_exits_4(void **state) {
        struct fixture fixture;
        struct outcome outcome;

        fixture_start(&fixture, false);
        RUN(&fixture, &outcome, "processes");
        assert_int_equal(outcome.status, 4);
        assert_string_equal(outcome.out, "");
        assert_non_null(strstr(outcome.err, "group socktally"));
        outcome_done(&outcome);
        RUN(&fixture, &outcome, "top"); /* shows the services instead */
        assert_int_equal(outcome.status, 0);
        assert_non_null(strstr(outcome.out, "nginx.service"));
        outcome_done(&outcome);
        fixture_done(&fixture);
}

static void an_ordinary_user_gets_the_public_view_and_not_the_full_one(void **state) {
        struct fixture fixture;
        struct outcome outcome;

        if (geteuid() != 0)
                skip();
        fixture_start(&fixture, true);
        fixture_run(&fixture, &outcome, 65534, (const char *const[]){ "--version", NULL });
        if (outcome.status == 126 || outcome.status == 127) { /* the build directory is nobody's business */
                outcome_done(&outcome);
                fixture_done(&fixture);
                skip();
        }
        outcome_done(&outcome);
        fixture_run(&fixture, &outcome, 65534, (const char *const[]){ "processes", "--view", "full", NULL });
        assert_int_equal(outcome.status, 4);
        assert_non_null(strstr(outcome.err, "group socktally"));
        outcome_done(&outcome);
        fixture_run(&fixture, &outcome, 65534, (const char *const[]){ "services", NULL });
        assert_string_equal(outcome.err, "");
        assert_int_equal(outcome.status, 0);
        assert_non_null(strstr(outcome.out, "nginx.service"));
        outcome_done(&outcome);
        fixture_done(&fixture);
}

static void garbage_in_place_of_a_segment_costs_an_error(void **state) {
        struct fixture fixture;
        struct outcome outcome;
        FILE *file;

        fixture_start(&fixture, false);
        fixture_stop(&fixture);
        (void)unlink(fixture_path(&fixture, "public"));
        file = fopen(fixture_path(&fixture, "public"), "w");
        assert_non_null(file);
        for (int i = 0; i < 10000; i++)
                (void)fprintf(file, "garbage %d\n", i);
        (void)fclose(file);
        (void)chmod(fixture_path(&fixture, "public"), 0444);
        RUN(&fixture, &outcome, "services");
        assert_int_equal(outcome.status, 1);
        assert_non_null(strstr(outcome.err, "not a valid segment"));
        outcome_done(&outcome);
        fixture_done(&fixture);
}

static int run_shell(const struct fixture *fixture, const char *arguments) {
        char line[512];
        int status;

        (void)snprintf(line, sizeof(line), "SOCKTALLY_RUNTIME_DIRECTORY=%s %s %s", fixture->directory,
                       fixture_command(), arguments);
        status = system(line);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void output_that_cannot_be_written_is_a_failure(void **state) {
        struct fixture fixture;

        fixture_start(&fixture, true);
        assert_int_equal(run_shell(&fixture, "processes >/dev/full 2>/dev/null"), 1);
        assert_int_equal(run_shell(&fixture, "status --json >/dev/full 2>/dev/null"), 1);
        assert_int_equal(run_shell(&fixture, "--help 2>&1 >/dev/full | grep -q 'cannot write to standard output'"), 0);
        fixture_done(&fixture);
}

static void a_reader_that_closes_the_pipe_early_hears_no_complaint(void **state) {
        struct fixture fixture;
        char line[256];

        fixture_start(&fixture, true);
        (void)snprintf(line, sizeof(line), "processes --columns all --json 2>%s | true",
                       fixture_path(&fixture, "broken"));
        assert_int_equal(run_shell(&fixture, line), 0);
        (void)snprintf(line, sizeof(line), "--version >/dev/null; test ! -s %s", fixture_path(&fixture, "broken"));
        assert_int_equal(run_shell(&fixture, line), 0);
        fixture_done(&fixture);
}

static void services_that_are_not_kept_are_no_empty_list(void **state) {
        struct fixture fixture;
        struct outcome outcome;

        fixture_start(&fixture, true);
        fixture.is_without_services = true;
        fixture_publish(&fixture);
        RUN(&fixture, &outcome, "services");
        assert_int_equal(outcome.status, 0);
        assert_non_null(strstr(outcome.err, "the daemon keeps no services now; 'socktally set Services yes'"));
        outcome_done(&outcome);
        RUN(&fixture, &outcome, "services", "nginx");
        assert_int_equal(outcome.status, 1);
        assert_non_null(strstr(outcome.err, "keeps no services now"));
        outcome_done(&outcome);
        fixture_done(&fixture);
}

static void services_can_be_named(void **state) {
        struct fixture fixture;
        struct outcome outcome;
        struct json_object *object;

        fixture_start(&fixture, true);
        RUN(&fixture, &outcome, "services", "nginx", "--no-legend");
        assert_int_equal(outcome.status, 0);
        assert_non_null(strstr(outcome.out, "nginx.service"));
        assert_ptr_equal(strchr(outcome.out, '\n'), strrchr(outcome.out, '\n')); /* one line */
        outcome_done(&outcome);
        RUN(&fixture, &outcome, "services", "nginx.service", "nothing", "--json");
        object = parse(outcome.out);
        assert_int_equal(json_object_array_length(get(object, "services")), 1);
        json_object_put(object);
        outcome_done(&outcome);
        RUN(&fixture, &outcome, "services", "ngin");
        assert_int_equal(outcome.status, 1);
        assert_string_equal(outcome.out, "");
        assert_non_null(strstr(outcome.err, "nothing was counted for ngin;"));
        outcome_done(&outcome);
        RUN(&fixture, &outcome, "complete", "services", "ng");
        assert_string_equal(outcome.out, "nginx.service\n");
        outcome_done(&outcome);
        fixture_done(&fixture);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_process_row_is_in_the_json_key_by_key),
                cmocka_unit_test(every_service_row_is_in_the_json_key_by_key),
                cmocka_unit_test(rates_are_the_growth_per_second_and_null_where_unknown),
                cmocka_unit_test(status_tells_what_the_daemon_published),
                cmocka_unit_test(top_prints_one_object_per_line_and_refresh),
                cmocka_unit_test(top_without_a_terminal_prints_one_refresh_as_text),
                cmocka_unit_test(lists_show_readable_numbers_and_dashes_for_unknown),
                cmocka_unit_test(names_are_escaped_once_in_every_table),
                cmocka_unit_test(rows_that_are_no_process_have_a_name_in_brackets_and_no_pid),
                cmocka_unit_test(rows_come_in_the_order_that_was_asked_for),
                cmocka_unit_test(without_a_daemon_it_says_how_to_start_one_and_exits_3),
                cmocka_unit_test(what_a_killed_daemon_left_behind_is_stale_and_no_data),
                cmocka_unit_test(a_view_without_processes_says_who_may_see_them_and_exits_4),
                cmocka_unit_test(an_ordinary_user_gets_the_public_view_and_not_the_full_one),
                cmocka_unit_test(garbage_in_place_of_a_segment_costs_an_error),
                cmocka_unit_test(output_that_cannot_be_written_is_a_failure),
                cmocka_unit_test(a_reader_that_closes_the_pipe_early_hears_no_complaint),
                cmocka_unit_test(services_that_are_not_kept_are_no_empty_list),
                cmocka_unit_test(services_can_be_named),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests_name("tool", tests, NULL, NULL);
}
