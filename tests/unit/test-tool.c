/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The socktally command against segments whose every number is known: what it prints for people and how it ends. */
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

#include "tests/unit/json.h"
#include "tests/unit/tool-fixture.h"

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
                assert_non_null(strstr(outcome.out, " batch-my\\x2djob.service "));
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
        object = json_parse(outcome.out);
        assert_string_equal(json_object_get_string(json_get(object, "freshness")), "stale");
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
        object = json_parse(outcome.out);
        assert_int_equal(json_object_array_length(json_get(object, "services")), 1);
        json_object_put(object);
        outcome_done(&outcome);
        RUN(&fixture, &outcome, "services", "ngin");
        assert_int_equal(outcome.status, 1);
        assert_string_equal(outcome.out, "");
        assert_non_null(strstr(outcome.err, "nothing was counted for ngin;"));
        outcome_done(&outcome);
        RUN(&fixture, &outcome, "processes", "ngin");
        assert_non_null(strstr(outcome.err, "; or it is in the row '(overflow)', as the table is full"));
        outcome_done(&outcome);
        RUN(&fixture, &outcome, "complete", "services", "ng");
        assert_string_equal(outcome.out, "nginx.service\n");
        outcome_done(&outcome);
        fixture_done(&fixture);
}

static void expect_list(struct fixture *fixture, const char *expected, const char *const arguments[]) {
        struct outcome outcome;

        fixture_run(fixture, &outcome, (uid_t)-1, arguments);
        if (outcome.status != 0 || !strstr(outcome.out, expected))
                fail_msg("'%s' is not in '%s', exit code %d", expected, outcome.out, outcome.status);
        outcome_done(&outcome);
}
#define LIST(fixture, expected, ...) expect_list(fixture, expected, (const char *const[]){ __VA_ARGS__, NULL })

static void each_group_has_a_list_that_begins_with_what_people_call_it(void **state) {
        struct fixture fixture;
        struct outcome outcome;
        struct json_object *object, *row;

        fixture_start(&fixture, true);
        LIST(&fixture, "APP            KIND    USER   PROCS", "apps");
        LIST(&fixture, "Huge Downloads flatpak nobody     1", "apps", "--app", "org.example.*");
        LIST(&fixture, "(no-app)", "apps");
        LIST(&fixture, "box       podman  system     1", "containers", "--no-legend", "box0*");
        LIST(&fixture, "(no-container)", "containers");
        LIST(&fixture, "root     1", "users", "--no-legend", "root");
        LIST(&fixture, "root     1", "users", "--no-legend", "0");
        LIST(&fixture, "(no-user)", "users");
        RUN(&fixture, &outcome, "apps", "--json", "Huge Downloads");
        object = json_parse(outcome.out);
        assert_int_equal(json_object_array_length(json_get(object, "apps")), 1);
        row = json_object_array_get_idx(json_get(object, "apps"), 0);
        assert_string_equal(json_object_get_string(json_get(row, "app")), "org.example.Huge");
        assert_string_equal(json_object_get_string(json_get(row, "kind")), "app");
        assert_string_equal(json_object_get_string(json_get(row, "app_kind")), "flatpak");
        json_object_put(object);
        outcome_done(&outcome);
        fixture_done(&fixture);
}

/* The pids of a list, in ascending order, each followed by a space. */
static void expect_pids(struct fixture *fixture, const char *pids, const char *option, const char *value) {
        const char *const arguments[] = { "processes", "--json", "--sort=pid", option, value, NULL };
        struct outcome outcome;
        struct json_object *object, *rows;
        char found[64] = "";

        fixture_run(fixture, &outcome, (uid_t)-1, arguments);
        assert_int_equal(outcome.status, *pids ? 0 : 1);
        object = *pids ? json_parse(outcome.out) : json_object_new_object();
        rows = *pids ? json_get(object, "processes") : NULL;
        for (size_t i = 0; rows && i < json_object_array_length(rows); i++)
                (void)snprintf(found + strlen(found), sizeof(found) - strlen(found), "%s ",
                               json_object_get_string(json_get(json_object_array_get_idx(rows, i), "pid")));
        assert_string_equal(found, pids);
        json_object_put(object);
        outcome_done(&outcome);
}

static void processes_can_be_chosen_by_what_they_are(void **state) {
        struct fixture fixture;

        fixture_start(&fixture, true);
        expect_pids(&fixture, "102 ", "--pid", "102");
        expect_pids(&fixture, "101 ", "--user", "root");
        expect_pids(&fixture, "102 ", "--user", "65534");
        expect_pids(&fixture, "101 ", "--service", "nginx");
        expect_pids(&fixture, "103 ", "--service", "batch-my\\x2djob.service");
        expect_pids(&fixture, "102 ", "--app", "org.*.Huge");
        expect_pids(&fixture, "102 ", "--container", "box");
        expect_pids(&fixture, "101 ", "--", "ngin?");
        expect_pids(&fixture, "102 ", "--", "102");
        expect_pids(&fixture, "", "--service", "ngin");
        expect_pids(&fixture, "", "--pid", "4711");
        fixture_done(&fixture);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
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
                cmocka_unit_test(each_group_has_a_list_that_begins_with_what_people_call_it),
                cmocka_unit_test(processes_can_be_chosen_by_what_they_are),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests_name("tool", tests, NULL, NULL);
}
