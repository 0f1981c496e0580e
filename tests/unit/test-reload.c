/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files say and what runs: Reload takes it over, Save writes what was changed at run time. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/data-line.h"
#include "daemon/identity/identities.h"
#include "tests/unit/control-stage.h"

static void reload_applies_what_differs_and_takes_back_what_was_not_saved(void **state) {
        struct stage *stage = control_start(state, NULL);

        assert_int_equal(set_text(stage, SETTING_LOAD_MODE, "passive"), 0);
        tree_file(stage->tree, MAIN_FILE, "[Socktally]\nInterval=2s\nProcesses=100\nModules=tcp\n");
        assert_int_equal(stage->ops->reload(stage->control, &stage->error), 0);
        assert_int_equal(get_number(stage, SETTING_INTERVAL), 2000000);
        assert_row(stage, "Interval", "2s", ":2");
        assert_row(stage, "Processes", "100", ":3");
        assert_row(stage, "LoadMode", "entry", "default");
        assert_row(stage, "Modules", "tcp", ":4");
        assert_int_equal(stage->script.config.load_mode, LOAD_ENTRY);
        assert_int_equal(stage->script.config.max_processes, 100);
        assert_int_equal(stage->script.config.modules, MODULE(MODULE_TCP));
        assert_int_equal(stage->script.n_changes, 5);
        assert_int_equal(stage->ops->reload(stage->control, &stage->error), 0);
        assert_int_equal(stage->script.n_changes, 5); /* nothing differs */
}

static void reload_with_a_bad_line_keeps_that_setting_and_applies_the_rest(void **state) {
        struct stage *stage = control_start(state, NULL);

        tree_file(stage->tree, MAIN_FILE, "[Socktally]\nInterval=2s\n");
        assert_int_equal(stage->ops->reload(stage->control, &stage->error), 0);
        tree_file(stage->tree, MAIN_FILE, "[Socktally]\nInterval=soon\nLoadMode=return\nSockets=-1\n");
        assert_error(stage, stage->ops->reload(stage->control, &stage->error), CONTROL_INVALID_ARGUMENT,
                     "socktally.conf:2: Interval=soon: must be a time span from 100ms to 1h");
        assert_non_null(strstr(stage->error.message, "and 1 more"));
        assert_row(stage, "Interval", "2s", ":2");
        assert_row(stage, "LoadMode", "return", ":3");
}

static void reload_with_a_file_that_cannot_be_read_changes_nothing(void **state) {
        struct stage *stage = control_start(state, NULL);

        tree_file(stage->tree, MAIN_FILE, "[Socktally]\nLoadMode=return\n");
        tree_directory(stage->tree, "etc/socktally.conf.d/50-a.conf");
        assert_error(stage, stage->ops->reload(stage->control, &stage->error), CONTROL_INVALID_ARGUMENT,
                     "50-a.conf: not a regular file; nothing was changed");
        assert_row(stage, "LoadMode", "entry", "default");
        assert_int_equal(stage->script.n_changes, 0);
}

static void the_file_that_cannot_be_read_is_named_not_the_line_before_it(void **state) {
        struct stage *stage = control_start(state, NULL);

        tree_file(stage->tree, MAIN_FILE, "[Socktally]\nInterval=soon\nLoadMode=return\n");
        tree_directory(stage->tree, "etc/socktally.conf.d");
        assert_int_equal(symlink("nowhere", tree_path(stage->tree, "etc/socktally.conf.d/50-a.conf")), 0);
        assert_error(stage, stage->ops->reload(stage->control, &stage->error), CONTROL_INVALID_ARGUMENT,
                     "50-a.conf: cannot be read: No such file or directory; nothing was changed");
        assert_row(stage, "LoadMode", "entry", "default");
        assert_int_equal(set_text(stage, SETTING_LOAD_MODE, "passive"), 0);
        assert_error(stage, stage->ops->save(stage->control, &stage->error), CONTROL_FAILED, "50-a.conf");
        assert_row(stage, "LoadMode", "passive", "run time");
}

static void settings_of_files_that_contradict_each_other_are_named(void **state) {
        struct stage *stage = control_start(state, NULL);

        tree_file(stage->tree, MAIN_FILE, "[Socktally]\nInterval=30s\nIdleInterval=20s\nLoadMode=return\n");
        assert_error(stage, stage->ops->reload(stage->control, &stage->error), CONTROL_INVALID_ARGUMENT,
                     "socktally.conf:3: IdleInterval=20s: must be at least Interval=30s");
        assert_row(stage, "Interval", "30s", ":2");
        assert_row(stage, "IdleInterval", "30s", "default");
        assert_row(stage, "LoadMode", "return", ":4");
        tree_file(stage->tree, MAIN_FILE, "[Socktally]\nInterval=40s\nIdleInterval=50s\n");
        assert_int_equal(stage->ops->reload(stage->control, &stage->error), 0);
        assert_row(stage, "IdleInterval", "50s", ":3");
}

static void every_new_setting_comes_from_the_file_and_goes_back_to_one(void **state) {
        struct stage *stage = control_start(state, NULL);
        struct settings next = settings_default();

        tree_file(stage->tree, MAIN_FILE, "[Socktally]\nServices=no\nApps=no\nLogLevel=4\n");
        assert_int_equal(stage->ops->reload(stage->control, &stage->error), 0);
        assert_row(stage, "Services", "no", ":2");
        assert_row(stage, "LogLevel", "warning", ":4");
        assert_int_equal(set_number(stage, SETTING_SERVICES, 1), 0);
        assert_int_equal(stage->ops->set_log_level(stage->control, 5, &stage->error), 0);
        assert_int_equal(stage->ops->save(stage->control, &stage->error), 0);
        assert_int_equal(configuration_load(&next, stage->directories, NULL, NULL), 0);
        assert_true(next.has_services);
        assert_int_equal(next.log_level, 5);
        assert_int_equal(stage->ops->reload(stage->control, &stage->error), 0);
        assert_row(stage, "Services", "yes", ":3");
}

static void a_change_that_fails_in_a_reload_is_told_and_the_rest_applied(void **state) {
        struct stage *stage = control_start(state, NULL);

        tree_file(stage->tree, MAIN_FILE, "[Socktally]\nLoadMode=return\nInterval=3s\nSockets=100\n");
        atomic_store(&stage->script.change_error, -EOPNOTSUPP);
        assert_error(stage, stage->ops->reload(stage->control, &stage->error), CONTROL_NOT_SUPPORTED,
                     "socktally.conf:2: LoadMode=return: the script refuses");
        assert_row(stage, "LoadMode", "entry", "default");
        assert_row(stage, "Interval", "3s", ":3");
        assert_row(stage, "Sockets", "262144", "default");
}

static void what_waits_for_the_next_start_is_no_error(void **state) {
        struct stage *stage = control_start(state, NULL);

        tree_file(stage->tree, MAIN_FILE, "[Socktally]\nSockets=100\nAttachMethod=trampoline\nMapsPerCore=on\n"
                                          "Interval=3s\n");
        for (int i = 0; i < 2; i++)
                assert_int_equal(stage->ops->reload(stage->control, &stage->error), 0);
        assert_row(stage, "Interval", "3s", ":5");
        assert_row(stage, "Sockets", "262144", "default");
        assert_row(stage, "AttachMethod", "auto", "default");
        assert_row(stage, "MapsPerCore", "no", "default");
        assert_int_equal(stage->script.n_changes, 0);
}

static void what_stays_because_its_line_is_wrong_contradicts_nothing(void **state) {
        struct stage *stage = control_start(state, NULL);

        assert_int_equal(set_number(stage, SETTING_IDLE_INTERVAL, 5000000), 0);
        tree_file(stage->tree, MAIN_FILE, "[Socktally]\nInterval=7s\nIdleInterval=soon\n");
        assert_error(stage, stage->ops->reload(stage->control, &stage->error), CONTROL_INVALID_ARGUMENT,
                     "socktally.conf:3: IdleInterval=soon: must be");
        assert_non_null(strstr(stage->error.message, "and 1 more"));
        assert_row(stage, "Interval", "7s", ":2");
        assert_row(stage, "IdleInterval", "10s", "default");
        assert_int_equal(set_number(stage, SETTING_INTERVAL, 6000000), 0);
}

static void an_empty_value_is_nobodys(void **state) {
        struct stage *stage = control_start(state, NULL);

        tree_file(stage->tree, MAIN_FILE, "[Socktally]\nInterval=20s\nIdleInterval=15s\nIdleInterval=\n");
        assert_int_equal(stage->ops->reload(stage->control, &stage->error), 0);
        assert_row(stage, "Interval", "20s", ":2");
        assert_row(stage, "IdleInterval", "20s", "default");
}

static void a_hangup_signal_reloads(void **state) {
        struct stage *stage = control_start(state, NULL);

        tree_file(stage->tree, MAIN_FILE, "[Socktally]\nLoadMode=return\n");
        kill(getpid(), SIGHUP);
        while (stage->script.n_changes == 0)
                assert_true(sd_event_run(stage->control->modules->event, UINT64_MAX) >= 0);
        assert_row(stage, "LoadMode", "return", ":2");
}

static void assert_saved(struct stage *stage, const char *wanted) {
        FILE *file = fopen(tree_path(stage->tree, RUNTIME_FILE), "r");
        char text[1024];

        assert_non_null(file);
        text[fread(text, 1, sizeof text - 1, file)] = '\0';
        fclose(file);
        assert_int_equal(text[0], '#');
        assert_string_equal(text + strcspn(text, "\n") + 1, wanted);
}

static void save_writes_what_differs_and_the_next_start_has_it(void **state) {
        struct stage *stage = control_start(state, "--interval=500ms");
        struct settings next = settings_default();

        tree_file(stage->tree, MAIN_FILE, "[Socktally]\nServiceRows=50\nIdleInterval=20s\n");
        assert_int_equal(stage->ops->reload(stage->control, &stage->error), 0);
        assert_int_equal(set_text(stage, SETTING_LOAD_MODE, "return"), 0);
        assert_int_equal(set_number(stage, SETTING_IDLE_INTERVAL, 1500001), 0);
        assert_int_equal(stage->ops->table_set_capacity(stage->control, 1, 60, &stage->error), 0);
        /* As the file says. */
        assert_int_equal(stage->ops->table_set_capacity(stage->control, 1, 50, &stage->error), 0);
        assert_int_equal(stage->ops->module_disable(stage->control, MODULE_UDP, &stage->error), 0);
        assert_int_equal(stage->ops->save(stage->control, &stage->error), 0);
        assert_saved(stage, "[Socktally]\nIdleInterval=1s 500ms 1us\nLoadMode=return\nModules=tcp connect\n");
        assert_row(stage, "LoadMode", "return", ":4");
        assert_row(stage, "ServiceRows", "50", ":2");
        assert_row(stage, "Interval", "500ms", "command line");
        assert_int_equal(configuration_load(&next, stage->directories, NULL, NULL), 0);
        assert_int_equal(next.load_mode, LOAD_RETURN);
        assert_int_equal(next.idle_interval_usec, 1500001);
        assert_int_equal(next.modules, 1 << MODULE_TCP | 1 << MODULE_CONNECT);
        /* What was saved stays with the next save; what is as before leaves. */
        assert_int_equal(set_text(stage, SETTING_LOAD_MODE, "entry"), 0);
        assert_int_equal(stage->ops->save(stage->control, &stage->error), 0);
        assert_saved(stage, "[Socktally]\nIdleInterval=1s 500ms 1us\nModules=tcp connect\n");
}

static void save_removes_its_file_when_nothing_differs(void **state) {
        struct stage *stage = control_start(state, NULL);
        struct stat st;

        assert_int_equal(stage->ops->save(stage->control, &stage->error), 0);
        assert_int_equal(stat(tree_path(stage->tree, RUNTIME_FILE), &st), -1);
        assert_int_equal(set_text(stage, SETTING_LOAD_MODE, "return"), 0);
        assert_int_equal(stage->ops->save(stage->control, &stage->error), 0);
        assert_int_equal(stat(tree_path(stage->tree, RUNTIME_FILE), &st), 0);
        assert_int_equal(st.st_mode & 0777, 0644);
        assert_int_equal(set_text(stage, SETTING_LOAD_MODE, "entry"), 0);
        assert_int_equal(stage->ops->save(stage->control, &stage->error), 0);
        assert_int_equal(stat(tree_path(stage->tree, RUNTIME_FILE), &st), -1);
        assert_row(stage, "LoadMode", "entry", "default");
}

static void save_keeps_hiding_a_file_of_its_name_elsewhere(void **state) {
        struct stage *stage = control_start(state, NULL);
        const char *const directories[] = { stage->directories[0], strdup(tree_directory(stage->tree, "run")), NULL };
        struct settings next = settings_default();

        tree_file(stage->tree, "run/socktally.conf.d/90-runtime.conf", "[Socktally]\nLoadMode=passive\n");
        stage->control->reload->directories = directories;
        assert_int_equal(stage->ops->reload(stage->control, &stage->error), 0);
        assert_row(stage, "LoadMode", "passive", ":2");
        assert_int_equal(set_text(stage, SETTING_LOAD_MODE, "entry"), 0);
        assert_int_equal(stage->ops->save(stage->control, &stage->error), 0);
        assert_int_equal(configuration_load(&next, directories, NULL, NULL), 0);
        assert_int_equal(next.load_mode, LOAD_ENTRY);
        stage->control->reload->directories = stage->directories;
        free((char *) directories[1]);
}

static void save_names_the_file_that_would_win(void **state) {
        struct stage *stage = control_start(state, NULL);
        struct stat st;

        tree_file(stage->tree, "etc/socktally.conf.d/95-local.conf", "[Socktally]\nLoadMode=passive\n");
        tree_file(stage->tree, "etc/socktally.conf.d/10-first.conf", "[Socktally]\nInterval=3s\n");
        assert_int_equal(stage->ops->reload(stage->control, &stage->error), 0);
        assert_int_equal(set_number(stage, SETTING_INTERVAL, 2000000), 0);
        assert_int_equal(set_text(stage, SETTING_LOAD_MODE, "return"), 0);
        assert_error(stage, stage->ops->save(stage->control, &stage->error), CONTROL_FAILED, "95-local.conf:2");
        assert_int_equal(stat(tree_path(stage->tree, RUNTIME_FILE), &st), -1);
        assert_int_equal(set_text(stage, SETTING_LOAD_MODE, "passive"), 0);
        assert_int_equal(stage->ops->save(stage->control, &stage->error), 0);
        assert_saved(stage, "[Socktally]\nInterval=2s\n");
}

static void save_says_why_it_cannot(void **state) {
        struct stage *stage = control_start(state, NULL);

        assert_int_equal(set_text(stage, SETTING_LOAD_MODE, "return"), 0);
        tree_file(stage->tree, "etc/socktally.conf.d", "not a directory");
        assert_error(stage, stage->ops->save(stage->control, &stage->error), CONTROL_FAILED, "Not a directory");
        assert_row(stage, "LoadMode", "return", "run time");
        stage->control->reload->directories = NULL;
        assert_error(stage, stage->ops->save(stage->control, &stage->error), CONTROL_NOT_SUPPORTED, "--config=");
}

/* The app of a process with this name. */
static void assert_app(struct stage *stage, const char *comm, const char *app) {
        struct process_key key = { .tgid = 42, .cgroup_id = 1 };
        struct identity identity;

        (void) identities_find(stage->control->line->identities, &key, 0, comm, &identity);
        assert_string_equal(identity.app.id, app);
}

static void reload_reads_the_rules_for_apps_too(void **state) {
        struct stage *stage = control_start(state, NULL);
        uint32_t generation = identities_generation(stage->control->line->identities);

        assert_app(stage, "nginx", "nginx"); /* after its program */
        tree_file(stage->tree, "etc/apps.conf", "web: nginx\n");
        assert_int_equal(stage->ops->reload(stage->control, &stage->error), 0);
        assert_app(stage, "nginx", "web");
        assert_int_equal(identities_generation(stage->control->line->identities), generation + 1);
        assert_int_equal(stage->ops->reload(stage->control, &stage->error), 0);
        assert_int_equal(identities_generation(stage->control->line->identities), generation + 1);
        assert_int_equal(unlink(tree_path(stage->tree, "etc/apps.conf")), 0);
        assert_int_equal(stage->ops->reload(stage->control, &stage->error), 0);
        assert_app(stage, "nginx", "nginx"); /* after its program */
}

static void a_wrong_line_in_the_rules_is_told_and_the_rest_applies(void **state) {
        struct stage *stage = control_start(state, NULL);

        tree_file(stage->tree, MAIN_FILE, "[Socktally]\nInterval=3s\n");
        tree_file(stage->tree, "etc/apps.conf", "nonsense\nweb: nginx\nmail: 'post\n");
        assert_error(stage, stage->ops->reload(stage->control, &stage->error), CONTROL_INVALID_ARGUMENT,
                     "apps.conf:1: \"nonsense\" is not of the form group: pattern..., ignoring it (and 1 more");
        assert_app(stage, "nginx", "web");
        assert_row(stage, "Interval", "3s", ":2");
}

static void rules_that_cannot_be_read_leave_those_that_there_are(void **state) {
        struct stage *stage = control_start(state, NULL);

        tree_file(stage->tree, "etc/apps.conf", "web: nginx\n");
        assert_int_equal(stage->ops->reload(stage->control, &stage->error), 0);
        assert_int_equal(unlink(tree_path(stage->tree, "etc/apps.conf")), 0);
        tree_directory(stage->tree, "etc/apps.conf");
        tree_file(stage->tree, MAIN_FILE, "[Socktally]\nInterval=3s\n");
        assert_error(stage, stage->ops->reload(stage->control, &stage->error), CONTROL_INVALID_ARGUMENT,
                     "apps.conf: not a regular file");
        assert_app(stage, "nginx", "web");
        assert_row(stage, "Interval", "3s", ":2"); /* the other files are applied */
}

static void the_rules_of_the_command_line_are_read_at_the_start_and_in_a_reload(void **state) {
        struct stage *stage = *state;
        char option[256], message[256], *argv[] = { (char *) "socktallyd", NULL, NULL, option, NULL };
        struct options options;

        if (!stage)
                skip();
        snprintf(option, sizeof option, "--rules=%s", tree_file(stage->tree, "my.conf", "web: nginx\n"));
        snprintf(stage->directory, sizeof stage->directory, "--runtime-directory=%s", tree_path(stage->tree, "run"));
        snprintf(stage->config, sizeof stage->config, "--config=%s", tree_file(stage->tree, "empty.conf", ""));
        argv[1] = stage->directory;
        argv[2] = stage->config;
        assert_int_equal(options_parse(4, argv, &options, message, sizeof message), OPTIONS_RUN);
        assert_int_equal(daemon_new(&stage->daemon, &options, &script_operations), 0);
        stage->control = daemon_control(stage->daemon);
        stage->control->reload->directories = stage->directories;
        assert_app(stage, "nginx", "web");
        tree_file(stage->tree, "etc/apps.conf", "other: nginx\n");
        tree_file(stage->tree, "my.conf", "mine: nginx\n");
        assert_int_equal(stage->ops->reload(stage->control, &stage->error), 0);
        assert_app(stage, "nginx", "mine");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, control_setup, control_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(reload_applies_what_differs_and_takes_back_what_was_not_saved),
                CASE(reload_with_a_bad_line_keeps_that_setting_and_applies_the_rest),
                CASE(reload_with_a_file_that_cannot_be_read_changes_nothing),
                CASE(the_file_that_cannot_be_read_is_named_not_the_line_before_it),
                CASE(settings_of_files_that_contradict_each_other_are_named),
                CASE(every_new_setting_comes_from_the_file_and_goes_back_to_one),
                CASE(a_change_that_fails_in_a_reload_is_told_and_the_rest_applied),
                CASE(what_waits_for_the_next_start_is_no_error),
                CASE(what_stays_because_its_line_is_wrong_contradicts_nothing),
                CASE(an_empty_value_is_nobodys),
                CASE(reload_reads_the_rules_for_apps_too),
                CASE(a_wrong_line_in_the_rules_is_told_and_the_rest_applies),
                CASE(rules_that_cannot_be_read_leave_those_that_there_are),
                CASE(the_rules_of_the_command_line_are_read_at_the_start_and_in_a_reload),
                CASE(a_hangup_signal_reloads),
                CASE(save_writes_what_differs_and_the_next_start_has_it),
                CASE(save_removes_its_file_when_nothing_differs),
                CASE(save_keeps_hiding_a_file_of_its_name_elsewhere),
                CASE(save_names_the_file_that_would_win),
                CASE(save_says_why_it_cannot),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
