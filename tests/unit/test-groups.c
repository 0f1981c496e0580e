/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Apps, containers and users: whose traffic a process's is when it changes, and what is told of full tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/totals/overflow.h"
#include "libclient/socktally.h"
#include "tests/unit/totals-stage.h"

static const struct group_row *find_group(const struct stage *stage, enum grouping grouping, const char *name,
                                          uint32_t uid) {
        const struct groups *groups = &stage->result.groups[grouping];

        for (uint32_t i = N_GROUP_SPECIALS; i < groups->n_rows; i++)
                if (strcmp(groups->rows[i].name, name) == 0 && groups->rows[i].uid == uid)
                        return &groups->rows[i];
        return NULL;
}

static uint64_t bytes(const struct stage *stage, enum grouping grouping, const char *name, uint32_t uid) {
        const struct group_row *row = find_group(stage, grouping, name, uid);

        assert_non_null(row);
        return row->counters[METRIC];
}

static void move_as(struct stage *stage, uint32_t uid, const char *comm, int64_t n) {
        struct sample_row *row;

        scene_next(&stage->scene, SECOND);
        row = scene_row(&stage->scene, 7, 5, n);
        row->row.uid = uid;
        snprintf(row->row.comm, sizeof row->row.comm, "%s", comm);
        stage_update(stage);
}

static void what_a_process_moves_after_it_became_another_users_is_that_users(void **state) {
        struct stage *stage = *state;

        stage_open(stage, 10, 10);
        move_as(stage, 0, "sshd", 100);
        move_as(stage, 1000, "sshd", 150);
        move_as(stage, 1000, "sshd", 160);
        assert_int_equal(bytes(stage, BY_USER, "", 0), 100);
        assert_int_equal(bytes(stage, BY_USER, "", 1000), 60);
        assert_int_equal(find_group(stage, BY_USER, "", 0)->processes, 0);
        assert_int_equal(find_group(stage, BY_USER, "", 1000)->processes, 1);
        stage_restart(stage, 10, 10, true);
        move_as(stage, 0, "sshd", 161);
        assert_int_equal(bytes(stage, BY_USER, "", 0), 101);
        move_as(stage, LAYOUT_NO_UID, "sshd", 165);
        assert_int_equal(stage->result.groups[BY_USER].rows[GROUP_NONE].counters[METRIC], 4);
        assert_int_equal(stage->result.groups[BY_USER].rows[GROUP_NONE].kind, SOCKTALLY_ROW_NO_USER);
}

/* Apps after the name of the program, as an administrator's rule would have it; their title is that and its pid. */
static bool name_by_program(void *userdata, const struct process_key *key, uint32_t pid, const char *comm,
                            struct identity *ret_identity) {
        *ret_identity = IDENTITY_NULL;
        snprintf(ret_identity->app.id, sizeof ret_identity->app.id, "%s", comm);
        snprintf(ret_identity->app.name, sizeof ret_identity->app.name, "%s %u", comm, pid);
        ret_identity->app.kind = APP_PROCESS;
        return pid != 0;
}

static void a_program_with_another_name_is_another_app(void **state) {
        struct stage *stage = *state;

        stage->config.identity = name_by_program;
        stage_open(stage, 10, 10);
        move_as(stage, 0, "sh", 100);
        move_as(stage, 0, "curl", 150);
        assert_int_equal(bytes(stage, BY_APP, "sh", LAYOUT_NO_UID), 100);
        assert_int_equal(bytes(stage, BY_APP, "curl", LAYOUT_NO_UID), 50);
        assert_string_equal(find_group(stage, BY_APP, "curl", LAYOUT_NO_UID)->label.title, "curl 7");
        assert_string_equal(find_group(stage, BY_APP, "curl", LAYOUT_NO_UID)->label.type, "process");
        assert_string_equal(stage->result.groups[BY_APP].rows[find(stage, 7)->groups[BY_APP]].name, "curl");
}

/* The cgroup of a process that is gone may not be known any more; its program and its user are. */
static void who_is_not_known_has_an_app_and_a_user(void **state) {
        struct stage *stage = *state;
        struct sample_row *row;

        stage->config.identity = name_by_program;
        stage_open(stage, 10, 10);
        row = scene_row(&stage->scene, 7, 5, 100);
        row->row.pid = 0;
        stage_update(stage);
        assert_int_equal(bytes(stage, BY_APP, "p7", LAYOUT_NO_UID), 100);
        assert_int_equal(bytes(stage, BY_USER, "", 1000 + 7 % 5), 100);
        assert_int_equal(stage->result.groups[BY_SERVICE].rows[GROUP_NONE].counters[METRIC], 100);
        assert_int_equal(stage->result.groups[BY_CONTAINER].rows[GROUP_NONE].counters[METRIC], 100);
}

/* The process is gone when it is asked for the third time. */
static void tell_command_line(void *userdata, uint32_t pid, uint64_t start_time, char *ret_line, size_t size) {
        static unsigned n;

        assert_int_equal(pid, 7);
        assert_int_equal(start_time, 7000);
        if (n++ < 2)
                snprintf(ret_line, size, "/bin/x --number %u", n);
}

static void a_command_line_is_read_when_the_program_may_be_another(void **state) {
        struct stage *stage = *state;

        stage->config.command_line = tell_command_line;
        stage_open(stage, 10, 10);
        move_as(stage, 0, "a", 100);
        move_as(stage, 0, "a", 150);
        assert_string_equal(find(stage, 7)->command_line, "/bin/x --number 1");
        move_as(stage, 0, "b", 160);
        assert_string_equal(find(stage, 7)->command_line, "/bin/x --number 2");
        move_as(stage, 0, "c", 170);
        assert_string_equal(find(stage, 7)->command_line, "/bin/x --number 2");
}

static void each_table_is_switched_off_and_on_alone_and_loses_nothing(void **state) {
        struct stage *stage = *state;

        stage_open(stage, 10, 10);
        move_as(stage, 0, "a", 100);
        totals_keep_groups(stage->totals, BY_APP, false, stage->sequence + 1);
        move_as(stage, 0, "a", 150);
        assert_true(stage->result.is_without[BY_APP]);
        assert_false(stage->result.is_without[BY_SERVICE]);
        totals_keep_groups(stage->totals, BY_APP, true, stage->sequence + 1);
        move_as(stage, 0, "a", 160);
        assert_int_equal(bytes(stage, BY_APP, "app-5", LAYOUT_NO_UID), 160);
}

static void a_table_that_is_full_is_told_once(void **state) {
        struct overflow_news news = { 0 };
        struct ledger_health health = { 0 };
        struct stage *stage = *state;
        char line[256];

        stage_open(stage, 10, 2);
        scene_row(&stage->scene, 1, 1, 10);
        stage_update(stage);
        assert_false(overflow_say(&stage->result, &health, &news, line, sizeof line));
        for (uint32_t pid = 2; pid < 5; pid++)
                scene_row(&stage->scene, pid, 1, 10);
        stage_update(stage);
        assert_true(overflow_say(&stage->result, &health, &news, line, sizeof line));
        assert_string_equal(line, "The table of users is full; what does not fit is counted in its overflow row, "
                                  "UserRows= makes it larger");
        assert_false(overflow_say(&stage->result, &health, &news, line, sizeof line));
        health.sockets_overflowed = 1;
        assert_true(overflow_say(&stage->result, &health, &news, line, sizeof line));
        assert_non_null(strstr(line, " Sockets= "));
        assert_false(overflow_say(&stage->result, &health, &news, line, sizeof line));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, totals_setup, totals_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(what_a_process_moves_after_it_became_another_users_is_that_users),
                CASE(a_program_with_another_name_is_another_app),
                CASE(who_is_not_known_has_an_app_and_a_user),
                CASE(a_command_line_is_read_when_the_program_may_be_another),
                CASE(each_table_is_switched_off_and_on_alone_and_loses_nothing),
                CASE(a_table_that_is_full_is_told_once),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
