/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Callers who are not root: what polkit allows them, what it does not, and what happens while it thinks. */
#include <errno.h>
#include <fcntl.h>
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

#define TCP STAGE_PATH "/module/tcp"
#define PROCESSES STAGE_PATH "/table/processes"

/* What an act saw, as exit status. */
enum { DONE, DENIED, PASSWORD_NEEDED, INVALID, LIMITED, FAILED, ELSE };

static int outcome(int r, const char *error) {
        if (r >= 0)
                return DONE;
        if (strcmp(error, SD_BUS_ERROR_ACCESS_DENIED) == 0)
                return DENIED;
        if (strcmp(error, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED) == 0)
                return PASSWORD_NEEDED;
        if (strcmp(error, SD_BUS_ERROR_LIMITS_EXCEEDED) == 0)
                return LIMITED;
        if (strcmp(error, STAGE_NAME ".Error.InvalidArgument") == 0)
                return INVALID;
        if (strcmp(error, STAGE_NAME ".Error.Failed") == 0)
                return FAILED;
        fprintf(stderr, "unexpected error %s\n", error);
        return ELSE;
}

static int set_mode(struct stage *stage, sd_bus *bus) {
        char error[128];

        return outcome(stage_call(bus, STAGE_PATH, STAGE_MANAGER, "SetLoadMode", error, "s", "passive"), error);
}

static int set_mode_interactively(struct stage *stage, sd_bus *bus) {
        sd_bus_set_allow_interactive_authorization(bus, true);
        return set_mode(stage, bus);
}

static int set_bad_mode(struct stage *stage, sd_bus *bus) {
        char error[128];

        return outcome(stage_call(bus, STAGE_PATH, STAGE_MANAGER, "SetLoadMode", error, "s", "turbo"), error);
}

static int write_property(struct stage *stage, sd_bus *bus) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = sd_bus_set_property(bus, STAGE_NAME, STAGE_PATH, STAGE_MANAGER, "LoadMode", &error, "s", "passive");

        r = outcome(r, error.name);
        sd_bus_error_free(&error);
        return r;
}

static int write_log_level(struct stage *stage, sd_bus *bus) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = sd_bus_set_property(bus, STAGE_NAME, "/org/freedesktop/LogControl1", "org.freedesktop.LogControl1",
                                    "LogLevel", &error, "s", "debug");

        r = outcome(r, error.name);
        sd_bus_error_free(&error);
        return r;
}

static int change_everything_else(struct stage *stage, sd_bus *bus) {
        char error[128];
        int n = 0;

        n += outcome(stage_call(bus, TCP, STAGE_MODULE, "Enable", error, "t", (uint64_t) 0), error) == DENIED;
        n += outcome(stage_call(bus, TCP, STAGE_MODULE, "Disable", error, NULL), error) == DENIED;
        n += outcome(stage_call(bus, PROCESSES, STAGE_TABLE, "SetCapacity", error, "u", 32), error) == DENIED;
        n += outcome(stage_call(bus, STAGE_PATH, STAGE_MANAGER, "Reload", error, NULL), error) == DENIED;
        n += outcome(stage_call(bus, STAGE_PATH, STAGE_MANAGER, "Save", error, NULL), error) == DENIED;
        return n;
}

static int read_things(struct stage *stage, sd_bus *bus) {
        char error[128], *text = NULL;
        int r = sd_bus_get_property_string(bus, STAGE_NAME, TCP, STAGE_MODULE, "State", NULL, &text);

        free(text);
        return r < 0 ? ELSE : outcome(stage_call(bus, STAGE_PATH, STAGE_MANAGER, "Sync", error, NULL), error);
}

static int open_view(sd_bus *bus, const char *view) {
        sd_bus_message *reply = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        char text[16] = "";
        uint64_t incarnation;
        int fd, r;

        r = sd_bus_call_method(bus, STAGE_NAME, STAGE_PATH, STAGE_MANAGER, "OpenSegment", &error, &reply, "s", view);
        if (r < 0)
                r = outcome(r, error.name);
        else if (sd_bus_message_read(reply, "ht", &fd, &incarnation) < 0 || incarnation != 7 ||
                 pread(fd, text, sizeof text - 1, 0) < 0 || strcmp(text, view) != 0)
                r = ELSE;
        else
                r = DONE;
        sd_bus_error_free(&error);
        sd_bus_message_unref(reply);
        return r;
}

static int open_public(struct stage *stage, sd_bus *bus) {
        return open_view(bus, "public");
}

static int open_full(struct stage *stage, sd_bus *bus) {
        return open_view(bus, "full");
}

static int open_unknown(struct stage *stage, sd_bus *bus) {
        return open_view(bus, "everything");
}

static void everybody_may_read(void **state) {
        assert_int_equal(stage_as_nobody(*state, false, read_things), DONE);
}

static int steal_name(struct stage *stage, sd_bus *bus) {
        int r = sd_bus_request_name(bus, STAGE_NAME, SD_BUS_NAME_REPLACE_EXISTING | SD_BUS_NAME_QUEUE);

        return r == -EACCES ? DENIED : ELSE;
}

static void nobody_can_take_the_name(void **state) {
        assert_int_equal(stage_as_nobody(*state, false, steal_name), DENIED);
}

static void without_polkit_only_root_may_change_anything(void **state) {
        struct stage *stage = *state;

        assert_int_equal(stage_as_nobody(stage, false, set_mode), DENIED);
        assert_int_equal(stage_as_nobody(stage, false, change_everything_else), 5);
        assert_int_equal(stage->script->n_sets, 0);
}

static void whom_polkit_allows_changes_settings(void **state) {
        struct stage *stage = *state;

        stage_start_polkit(stage, POLKIT_YES);
        assert_int_equal(stage_as_nobody(stage, false, set_mode), DONE);
        assert_int_equal(stage->script->settings.load_mode, LOAD_PASSIVE);
        assert_string_equal(stage->script->action, "org.socktally1.configure");
        assert_int_equal(stage->script->n_checks, 1);
        assert_int_equal(stage->script->subject[0], ':');
}

static void whom_polkit_denies_changes_nothing(void **state) {
        struct stage *stage = *state;

        stage_start_polkit(stage, POLKIT_NO);
        assert_int_equal(stage_as_nobody(stage, false, set_mode), DENIED);
        assert_int_equal(stage_as_nobody(stage, false, change_everything_else), 5);
        assert_int_equal(stage->script->n_sets + stage->script->n_reloads + stage->script->n_saves, 0);
        assert_int_equal(stage->script->n_checks, 6);
}

static void a_password_that_may_not_be_asked_for_is_said_to_be_needed(void **state) {
        struct stage *stage = *state;

        stage_start_polkit(stage, POLKIT_CHALLENGE);
        assert_int_equal(stage_as_nobody(stage, false, set_mode), PASSWORD_NEEDED);
        assert_int_equal(stage->script->flags, 0);
}

static void polkit_may_ask_when_the_caller_allows_it(void **state) {
        struct stage *stage = *state;

        stage_start_polkit(stage, POLKIT_YES);
        assert_int_equal(stage_as_nobody(stage, false, set_mode_interactively), DONE);
        assert_int_equal(stage->script->flags, 1);
}

static void a_polkit_that_fails_or_babbles_means_no(void **state) {
        struct stage *stage = *state;

        stage_start_polkit(stage, POLKIT_ERROR);
        assert_int_equal(stage_as_nobody(stage, false, set_mode), DENIED);
        stage_start_polkit(stage, POLKIT_GARBAGE);
        assert_int_equal(stage_as_nobody(stage, false, set_mode), DENIED);
        assert_int_equal(stage->script->n_sets, 0);
}

static void a_bad_value_is_refused_before_polkit_is_asked(void **state) {
        struct stage *stage = *state;

        stage_start_polkit(stage, POLKIT_YES);
        assert_int_equal(stage_as_nobody(stage, false, set_bad_mode), INVALID);
        assert_int_equal(stage->script->n_checks, 0);
}

static void only_root_writes_properties_whatever_polkit_says(void **state) {
        struct stage *stage = *state;

        stage_start_polkit(stage, POLKIT_YES);
        assert_int_equal(stage_as_nobody(stage, true, write_property), DENIED);
        assert_int_equal(stage_as_nobody(stage, true, write_log_level), DENIED);
        assert_int_equal(stage->script->n_sets, 0);
        assert_int_equal(stage->script->n_checks, 0);
        assert_int_equal(stage->script->log_level, 6);
}

static void the_public_view_is_for_everybody(void **state) {
        assert_int_equal(stage_as_nobody(*state, false, open_public), DONE);
        assert_int_equal(stage_as_nobody(*state, false, open_unknown), INVALID);
}

static void the_full_view_is_for_root_the_group_and_whom_polkit_allows(void **state) {
        struct stage *stage = *state;

        assert_int_equal(stage_as_nobody(stage, false, open_full), DENIED);
        assert_int_equal(stage_as_nobody(stage, true, open_full), DONE);
        assert_int_equal(open_full(stage, stage->bus), DONE);
        stage_start_polkit(stage, POLKIT_YES);
        assert_int_equal(stage_as_nobody(stage, false, open_full), DONE);
        assert_string_equal(stage->script->action, "org.socktally1.read-full");
}

static void members_of_the_group_may_not_change_settings(void **state) {
        assert_int_equal(stage_as_nobody(*state, true, set_mode), DENIED);
}

static void the_daemon_goes_on_while_polkit_thinks(void **state) {
        struct stage *stage = *state;
        char error[128];
        pid_t pid;

        stage_start_polkit(stage, POLKIT_SILENT);
        pid = stage_fork_nobody(stage, false, set_mode);
        stage_wait(&stage->script->n_checks, 1);
        assert_int_equal(stage_call(stage->bus, STAGE_PATH, STAGE_MANAGER, "SetIntervalUSec", error, "t",
                                    (uint64_t) 300000), 0);
        assert_int_equal(stage->script->n_sets, 1);
        assert_int_equal(stage->script->settings.load_mode, LOAD_ENTRY);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
}

static void who_leaves_before_the_answer_changes_nothing(void **state) {
        struct stage *stage = *state;
        pid_t pid;

        stage_start_polkit(stage, POLKIT_SILENT);
        pid = stage_fork_nobody(stage, false, set_mode);
        stage_wait(&stage->script->n_checks, 1);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        stage_wait(&stage->script->n_cancels, 1);
        assert_int_equal(stage->script->n_sets, 0);
}

static void a_polkit_that_dies_with_the_question_means_no(void **state) {
        struct stage *stage = *state;
        int status;
        pid_t pid;

        stage_start_polkit(stage, POLKIT_SILENT);
        pid = stage_fork_nobody(stage, false, set_mode);
        stage_wait(&stage->script->n_checks, 1);
        kill(stage->polkit, SIGTERM);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(WEXITSTATUS(status), DENIED);
        assert_int_equal(stage->script->n_sets, 0);
}

static int say_that_the_asker_left(struct stage *stage, sd_bus *bus) {
        const char *subject = stage->script->subject;
        sd_bus_message *lie = NULL;
        char error[128];
        int r;

        r = sd_bus_message_new_signal(bus, &lie, "/org/freedesktop/DBus", "org.freedesktop.DBus", "NameOwnerChanged");
        if (r >= 0)
                r = sd_bus_message_append(lie, "sss", subject, subject, "");
        if (r >= 0)
                r = sd_bus_message_set_destination(lie, STAGE_NAME);
        if (r >= 0)
                r = sd_bus_send(bus, lie, NULL);
        sd_bus_message_unref(lie);
        /* What comes behind it is answered: so it was seen. */
        if (r >= 0)
                r = stage_call(bus, STAGE_PATH, "org.freedesktop.DBus.Peer", "Ping", error, NULL);
        return r < 0 ? ELSE : DONE;
}

static void only_the_bus_says_who_left(void **state) {
        struct stage *stage = *state;
        int status;
        pid_t pid;

        stage_start_polkit(stage, POLKIT_SILENT);
        pid = stage_fork_nobody(stage, false, set_mode);
        stage_wait(&stage->script->n_checks, 1);
        assert_int_equal(stage_as_nobody(stage, false, say_that_the_asker_left), DONE);
        kill(stage->polkit, SIGTERM);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(WEXITSTATUS(status), DENIED);
        assert_int_equal(stage->script->n_cancels, 0);
}

#define N_ASKED 50
#define N_ALLOWED 16 /* of one user at polkit */

static int count_limited(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        *(int *) userdata += sd_bus_message_is_method_error(message, SD_BUS_ERROR_LIMITS_EXCEEDED);
        return 0;
}

static int ask_too_often(struct stage *stage, sd_bus *bus) {
        int n = 0;

        for (int i = 0; i < N_ASKED; i++)
                sd_bus_call_method_async(bus, NULL, STAGE_NAME, STAGE_PATH, STAGE_MANAGER, "SetLoadMode", count_limited,
                                         &n, "s", "passive");
        while (n < N_ASKED - N_ALLOWED) {
                while (sd_bus_process(bus, NULL) > 0)
                        ;
                if (n < N_ASKED - N_ALLOWED && sd_bus_wait(bus, 10000000) <= 0)
                        return ELSE;
        }
        return LIMITED;
}

static int ask_too_often_and_stay(struct stage *stage, sd_bus *bus) {
        if (ask_too_often(stage, bus) != LIMITED)
                return ELSE;
        for (;;)
                pause();
}

static void one_caller_cannot_keep_others_from_asking(void **state) {
        struct stage *stage = *state;
        pid_t greedy;

        stage_start_polkit(stage, POLKIT_SILENT);
        greedy = stage_fork_nobody(stage, false, ask_too_often_and_stay);
        stage_wait(&stage->script->n_checks, N_ALLOWED);
        /* The user has no place left, whatever name it calls by; another has. */
        assert_int_equal(stage_as_nobody(stage, false, set_mode), LIMITED);
        stage_start_polkit(stage, POLKIT_YES);
        assert_int_equal(stage_as(stage, STAGE_SOMEBODY, set_mode), DONE);
        kill(greedy, SIGKILL);
        assert_int_equal(waitpid(greedy, NULL, 0), greedy);
        stage_wait(&stage->script->n_cancels, N_ALLOWED);
        assert_int_equal(stage_as_nobody(stage, false, set_mode), DONE);
}

static void a_daemon_that_ends_answers_who_waits(void **state) {
        struct stage *stage = *state;
        int status;
        pid_t pid;

        stage_start_polkit(stage, POLKIT_SILENT);
        pid = stage_fork_nobody(stage, false, set_mode);
        stage_wait(&stage->script->n_checks, 1);
        kill(stage->daemon, SIGTERM);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(WEXITSTATUS(status), FAILED);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, stage_open, stage_close)

int main(void) {
        static const struct CMUnitTest cases[] = {
                /* These need root. */
                CASE(everybody_may_read),
                CASE(nobody_can_take_the_name),
                CASE(without_polkit_only_root_may_change_anything),
                CASE(whom_polkit_allows_changes_settings),
                CASE(whom_polkit_denies_changes_nothing),
                CASE(a_password_that_may_not_be_asked_for_is_said_to_be_needed),
                CASE(polkit_may_ask_when_the_caller_allows_it),
                CASE(a_polkit_that_fails_or_babbles_means_no),
                CASE(a_bad_value_is_refused_before_polkit_is_asked),
                CASE(only_root_writes_properties_whatever_polkit_says),
                CASE(the_public_view_is_for_everybody),
                CASE(the_full_view_is_for_root_the_group_and_whom_polkit_allows),
                CASE(members_of_the_group_may_not_change_settings),
                CASE(the_daemon_goes_on_while_polkit_thinks),
                CASE(who_leaves_before_the_answer_changes_nothing),
                CASE(a_polkit_that_dies_with_the_question_means_no),
                CASE(only_the_bus_says_who_left),
                CASE(one_caller_cannot_keep_others_from_asking),
                CASE(a_daemon_that_ends_answers_who_waits),
        };

        return stage_run(cases, sizeof cases / sizeof cases[0], 19);
}
