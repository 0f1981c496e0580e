/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The operations that the bus calls, on a whole daemon whose collector follows a script. The test turns the daemon's
 * loop itself; what readers see is read with the library from what was published.
 */
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

#include "daemon/daemon-private.h"
#include "daemon/privilege.h"
#include "libclient/socktally.h"
#include "tests/unit/script-collect.h"
#include "tests/unit/tree.h"

#define MAIN_FILE "etc/socktally.conf"
#define RUNTIME_FILE "etc/socktally.conf.d/90-runtime.conf"

struct stage {
        struct tree *tree;
        struct script script;
        struct daemon *daemon;
        const struct control_operations *ops;
        struct socktally *reader;
        struct control_error error;
        const char *directories[2];
        unsigned n_told;
};

static int setup(void **state) {
        struct stage *stage = calloc(1, sizeof *stage);
        char missing[64];

        if (privilege_missing(missing, sizeof missing) > 0) {
                free(stage);
                *state = NULL; /* the daemon would not start */
                return 0;
        }
        tree_setup((void **) &stage->tree);
        stage->directories[0] = strdup(tree_directory(stage->tree, "etc"));
        stage->ops = control_operations();
        script_use(&stage->script);
        *state = stage;
        return 0;
}

static int teardown(void **state) {
        struct stage *stage = *state;

        if (!stage)
                return 0;
        socktally_close(stage->reader);
        daemon_free(stage->daemon);
        free((char *) stage->directories[0]);
        tree_teardown((void **) &stage->tree);
        free(stage);
        return 0;
}

static struct stage *start(void **state, const char *option) {
        char directory[256], config[256], message[256];
        char *argv[] = { (char *) "socktallyd", directory, config, (char *) option, NULL };
        struct stage *stage = *state;
        struct options options;

        if (!stage)
                skip();
        snprintf(directory, sizeof directory, "--runtime-directory=%s", tree_path(stage->tree, "run"));
        snprintf(config, sizeof config, "--config=%s", tree_file(stage->tree, "empty.conf", ""));
        assert_int_equal(options_parse(option ? 4 : 3, argv, &options, message, sizeof message), OPTIONS_RUN);
        assert_int_equal(daemon_new(&stage->daemon, &options), 0);
        stage->daemon->directories = stage->directories;
        assert_int_equal(stage->ops->reload(stage->daemon, &stage->error), 0);
        return stage;
}

static int set_text(struct stage *stage, size_t setting, const char *text) {
        return stage->ops->set(stage->daemon, setting, &(struct control_value) { .text = text }, &stage->error);
}

static int set_number(struct stage *stage, size_t setting, uint64_t number) {
        return stage->ops->set(stage->daemon, setting, &(struct control_value) { .number = number }, &stage->error);
}

static uint64_t get_number(struct stage *stage, size_t setting) {
        struct control_value value;

        assert_int_equal(stage->ops->get(stage->daemon, setting, &value), 0);
        return value.number;
}

static const char *get_text(struct stage *stage, size_t setting) {
        struct control_value value;

        assert_int_equal(stage->ops->get(stage->daemon, setting, &value), 0);
        return value.text;
}

static void assert_error(struct stage *stage, int r, enum control_failure failure, const char *message) {
        assert_true(r < 0);
        assert_int_equal(stage->error.failure, failure);
        assert_non_null(strstr(stage->error.message, message));
}

static struct control_settings_row row_of(struct stage *stage, const char *key) {
        struct control_settings_row row = { 0 };

        for (size_t i = 0; i < stage->ops->n_settings; i++) {
                assert_int_equal(stage->ops->settings_row(stage->daemon, i, &row), 0);
                if (strcmp(row.key, key) == 0)
                        return row;
        }
        fail_msg("there is no setting %s", key);
        return row;
}

static void assert_row(struct stage *stage, const char *key, const char *value, const char *source) {
        struct control_settings_row row = row_of(stage, key);

        assert_string_equal(row.value, value);
        if (source[0] == ':') /* a line of a file */
                assert_true(strlen(row.source) > strlen(source) &&
                            strcmp(row.source + strlen(row.source) - strlen(source), source) == 0);
        else
                assert_string_equal(row.source, source);
}

static void turn_until_published(struct stage *stage) {
        uint64_t next = publish_next(stage->daemon->publish);

        while (publish_next(stage->daemon->publish) == next)
                assert_true(sd_event_run(stage->daemon->event, UINT64_MAX) >= 0);
}

static void refresh(struct stage *stage) {
        struct socktally_options options = { .size = sizeof options, .view = SOCKTALLY_VIEW_FULL };
        char path[256];

        if (!stage->reader) {
                snprintf(path, sizeof path, "%s", tree_path(stage->tree, "run/full"));
                options.file_path = path;
                assert_int_equal(socktally_open(&stage->reader, &options), 0);
        }
        assert_true(socktally_refresh(stage->reader) >= 0);
}

static int read_bytes(struct stage *stage, enum socktally_table table, uint32_t number, uint64_t *ret_bytes) {
        struct socktally_column column;
        struct socktally_row row;

        assert_int_equal(socktally_row(stage->reader, table, number, &row), 0);
        assert_int_equal(socktally_column(stage->reader, table, "tcp_tx_bytes", &column), 0);
        return socktally_value(&row, &column, ret_bytes);
}

static void a_setting_takes_effect_and_says_where_it_came_from(void **state) {
        struct stage *stage = start(state, "--idle-interval=5s");

        assert_row(stage, "LoadMode", "entry", "default");
        assert_row(stage, "IdleInterval", "5s", "command line");
        assert_int_equal(set_text(stage, SETTING_LOAD_MODE, "passive"), 0);
        assert_int_equal(stage->script.config.load_mode, LOAD_PASSIVE);
        assert_string_equal(get_text(stage, SETTING_LOAD_MODE), "passive");
        assert_row(stage, "LoadMode", "passive", "run time");
        assert_int_equal(set_text(stage, SETTING_ATTACH_METHOD, "trampoline"), 0);
        assert_int_equal(stage->script.config.attach_method, ATTACH_TRAMPOLINE);
        assert_int_equal(set_number(stage, SETTING_INTERVAL, 123456), 0);
        assert_int_equal(get_number(stage, SETTING_INTERVAL), 123456);
        assert_row(stage, "Interval", "123ms 456us", "run time");
        assert_int_equal(stage->script.n_changes, 2);
        assert_int_equal(set_text(stage, SETTING_LOAD_MODE, "passive"), 0);
        assert_int_equal(stage->script.n_changes, 2); /* nothing to do */
}

static void an_interval_moves_the_next_publication(void **state) {
        struct stage *stage = start(state, NULL);
        struct control_facts facts;
        uint64_t before = stage->daemon->published_usec;

        assert_int_equal(set_number(stage, SETTING_IDLE_INTERVAL, UINT64_C(3600000000)), 0);
        assert_int_equal(set_number(stage, SETTING_INTERVAL, UINT64_C(3600000000)), 0);
        assert_int_equal(stage->daemon->due_usec, before + UINT64_C(3600000000));
        assert_int_equal(set_number(stage, SETTING_INTERVAL, 100000), 0);
        assert_int_equal(stage->daemon->due_usec, before + 100000);
        turn_until_published(stage);
        stage->ops->facts(stage->daemon, &facts);
        assert_int_equal(facts.interval_usec, 100000);
}

static void bad_values_are_named_with_what_is_allowed_and_change_nothing(void **state) {
        struct stage *stage = start(state, NULL);
        char hostile[5000];

        assert_error(stage, set_text(stage, SETTING_LOAD_MODE, "all"), CONTROL_INVALID_ARGUMENT,
                     "LoadMode=all: must be passive, entry or return");
        assert_error(stage, set_text(stage, SETTING_LOAD_MODE, NULL), CONTROL_INVALID_ARGUMENT, "must be passive");
        assert_error(stage, set_text(stage, SETTING_ATTACH_METHOD, ""), CONTROL_INVALID_ARGUMENT, "must be auto");
        assert_error(stage, set_number(stage, SETTING_INTERVAL, 99999), CONTROL_INVALID_ARGUMENT,
                     "Interval=99999us: must be a time span from 100ms to 1h");
        assert_error(stage, set_number(stage, SETTING_INTERVAL, UINT64_MAX), CONTROL_INVALID_ARGUMENT, "1h");
        assert_error(stage, set_number(stage, SETTING_IDLE_INTERVAL, 500000), CONTROL_INVALID_ARGUMENT,
                     "IdleInterval=500ms: must be at least the interval, 1s, and at most 1h");
        assert_error(stage, set_number(stage, SETTING_IDLE_INTERVAL, 0), CONTROL_INVALID_ARGUMENT, "100ms to 1h");
        assert_error(stage, set_number(stage, N_SETTINGS, 1), CONTROL_INVALID_ARGUMENT, "no such setting");
        memset(hostile, '\n', sizeof hostile);
        hostile[sizeof hostile - 1] = '\0';
        assert_error(stage, set_text(stage, SETTING_LOAD_MODE, hostile), CONTROL_INVALID_ARGUMENT, "...: must be");
        assert_null(strchr(stage->error.message, '\n'));
        for (size_t i = 0; i < stage->ops->n_settings; i++) {
                struct control_settings_row row;

                assert_int_equal(stage->ops->settings_row(stage->daemon, i, &row), 0);
                assert_string_equal(row.source, "default");
        }
        assert_int_equal(stage->script.n_changes, 0);
}

static void what_the_kernel_refuses_changes_nothing(void **state) {
        struct stage *stage = start(state, NULL);
        struct control_module module;

        atomic_store(&stage->script.change_error, -EOPNOTSUPP);
        assert_error(stage, set_text(stage, SETTING_LOAD_MODE, "return"), CONTROL_NOT_SUPPORTED,
                     "LoadMode=return: the script refuses");
        assert_row(stage, "LoadMode", "entry", "default");
        assert_error(stage, stage->ops->module_disable(stage->daemon, MODULE_UDP, &stage->error),
                     CONTROL_NOT_SUPPORTED, "udp off: the script refuses");
        assert_int_equal(stage->ops->module(stage->daemon, MODULE_UDP, &module), 0);
        assert_true(module.is_enabled);
        atomic_store(&stage->script.change_error, -ENOMEM);
        assert_error(stage, stage->ops->table_set_capacity(stage->daemon, 0, 100, &stage->error), CONTROL_NO_MEMORY,
                     "Processes=100: the script refuses");
        assert_row(stage, "Processes", "16384", "default");
}

static void a_module_that_is_off_is_unknown_and_comes_back(void **state) {
        struct stage *stage = start(state, NULL);
        struct control_module module;
        uint64_t bytes;

        atomic_store(&stage->script.n_rows, 1);
        atomic_store(&stage->script.bytes, 50);
        assert_int_equal(stage->ops->module_disable(stage->daemon, MODULE_TCP, &stage->error), 0);
        assert_int_equal(stage->ops->module(stage->daemon, MODULE_TCP, &module), 0);
        assert_string_equal(module.name, "tcp");
        assert_string_equal(module.state, "off");
        assert_string_equal(module.method, "");
        assert_row(stage, "Modules", "udp", "run time");
        refresh(stage);
        assert_int_equal(read_bytes(stage, SOCKTALLY_TABLE_HOST, 0, &bytes), SOCKTALLY_NOT_TRACKED);
        assert_int_equal(stage->ops->module_enable(stage->daemon, MODULE_TCP, 0, &stage->error), 0);
        assert_int_equal(stage->ops->module(stage->daemon, MODULE_TCP, &module), 0);
        assert_string_equal(module.state, "running");
        assert_string_equal(module.method, "tracepoint");
        assert_int_equal(module.expires_usec, 0);
        assert_row(stage, "Modules", "tcp udp", "run time");
        refresh(stage);
        assert_int_equal(read_bytes(stage, SOCKTALLY_TABLE_HOST, 0, &bytes), SOCKTALLY_VALUE);
        assert_int_equal(bytes, 50);
        assert_int_equal(stage->ops->module(stage->daemon, MODULE_UDP, &module), 0);
        assert_string_equal(module.state, "failed");
        assert_string_equal(module.reason, "the script has none");
}

static void a_lifetime_ends_by_itself_and_can_be_extended(void **state) {
        struct stage *stage = start(state, NULL);
        struct control_module module;
        uint64_t now = daemon_clock_usec(CLOCK_REALTIME);

        assert_int_equal(stage->ops->module_enable(stage->daemon, MODULE_TCP, 1000, &stage->error), 0);
        assert_int_equal(stage->ops->module_enable(stage->daemon, MODULE_TCP, CONTROL_LIFETIME_MAX_USEC,
                                                   &stage->error), 0);
        assert_int_equal(stage->ops->module(stage->daemon, MODULE_TCP, &module), 0);
        assert_in_range(module.expires_usec, now + CONTROL_LIFETIME_MAX_USEC,
                        now + CONTROL_LIFETIME_MAX_USEC + 60000000);
        assert_int_equal(stage->ops->module_enable(stage->daemon, MODULE_TCP, 1, &stage->error), 0);
        while (stage->daemon->modules[MODULE_TCP].is_enabled)
                assert_true(sd_event_run(stage->daemon->event, UINT64_MAX) >= 0);
        assert_true(stage->script.config.is_tcp_off);
        assert_int_equal(stage->ops->module(stage->daemon, MODULE_TCP, &module), 0);
        assert_int_equal(module.expires_usec, 0);
        assert_row(stage, "Modules", "udp", "run time"); /* it was not on for good */
}

static void a_lifetime_that_does_not_fit_is_refused(void **state) {
        static const uint64_t lifetimes[] = { CONTROL_LIFETIME_MAX_USEC + 1, UINT64_MAX / 2, UINT64_MAX };
        struct stage *stage = start(state, NULL);
        struct control_module module;

        for (size_t i = 0; i < 3; i++)
                assert_error(stage, stage->ops->module_enable(stage->daemon, MODULE_TCP, lifetimes[i], &stage->error),
                             CONTROL_INVALID_ARGUMENT, "up to 315360000000000 us (10 years)");
        assert_int_equal(stage->ops->module(stage->daemon, MODULE_TCP, &module), 0);
        assert_int_equal(module.expires_usec, 0);
        assert_error(stage, stage->ops->module_enable(stage->daemon, N_MODULES, 0, &stage->error),
                     CONTROL_NO_SUCH_MODULE, "tcp udp");
        assert_error(stage, stage->ops->module_disable(stage->daemon, SIZE_MAX, &stage->error),
                     CONTROL_NO_SUCH_MODULE, "tcp udp");
        assert_int_equal(stage->ops->module(stage->daemon, N_MODULES, &module), -ENOENT);
}

static void the_end_of_a_lifetime_is_tried_again_when_the_kernel_refuses(void **state) {
        struct stage *stage = start(state, NULL);

        assert_int_equal(stage->ops->module_enable(stage->daemon, MODULE_TCP, 1, &stage->error), 0);
        atomic_store(&stage->script.change_error, -EIO);
        for (unsigned i = 0; i < 3; i++) /* not longer than it takes to be called once */
                assert_true(sd_event_run(stage->daemon->event, 100000) >= 0);
        assert_true(stage->daemon->modules[MODULE_TCP].is_enabled);
        assert_int_not_equal(stage->daemon->modules[MODULE_TCP].expires_usec, 0);
        atomic_store(&stage->script.change_error, 0);
        while (stage->daemon->modules[MODULE_TCP].is_enabled)
                assert_true(sd_event_run(stage->daemon->event, UINT64_MAX) >= 0);
}

static void check_table(struct stage *stage, uint64_t host_bytes) {
        uint64_t sum = 0, bytes;
        uint32_t n = 0;

        refresh(stage);
        assert_int_equal(read_bytes(stage, SOCKTALLY_TABLE_HOST, 0, &bytes), SOCKTALLY_VALUE);
        assert_int_equal(bytes, host_bytes);
        n = (uint32_t) socktally_count(stage->reader, SOCKTALLY_TABLE_PROCESSES);
        for (uint32_t i = 0; i < n; i++) {
                assert_int_equal(read_bytes(stage, SOCKTALLY_TABLE_PROCESSES, i, &bytes), SOCKTALLY_VALUE);
                sum += bytes;
        }
        assert_int_equal(sum, host_bytes);
}

static void a_table_gets_smaller_and_larger_and_readers_follow(void **state) {
        struct stage *stage = start(state, NULL);
        struct control_table table;

        atomic_store(&stage->script.n_rows, 60);
        atomic_store(&stage->script.bytes, 10);
        assert_int_equal(stage->ops->sync(stage->daemon, &(uint64_t) { 0 }, &stage->error), 0);
        check_table(stage, 10 * 60 * 61 / 2);
        atomic_store(&stage->script.bytes, 11);
        assert_int_equal(stage->ops->table_set_capacity(stage->daemon, 0, 16, &stage->error), 0);
        turn_until_published(stage);
        check_table(stage, 11 * 60 * 61 / 2);
        assert_int_equal(stage->ops->table(stage->daemon, 0, &table), 0);
        assert_string_equal(table.name, "processes");
        assert_int_equal(table.capacity, 16);
        assert_int_equal(table.used, 16);
        assert_int_equal(table.peak, 60);
        assert_int_equal(table.overflowed, 44);
        assert_int_equal(table.capacity_min, 16);
        assert_int_equal(table.capacity_max, 1048576);
        atomic_store(&stage->script.bytes, 12);
        assert_int_equal(stage->ops->table_set_capacity(stage->daemon, 0, 1048576, &stage->error), 0);
        turn_until_published(stage);
        check_table(stage, 12 * 60 * 61 / 2);
        assert_row(stage, "Processes", "1048576", "run time");
        assert_int_equal(stage->ops->table_set_capacity(stage->daemon, 1, 16, &stage->error), 0);
        turn_until_published(stage);
        check_table(stage, 12 * 60 * 61 / 2);
        assert_int_equal(stage->ops->table(stage->daemon, 1, &table), 0);
        assert_string_equal(table.name, "services");
        assert_int_equal(table.capacity, 16);
}

static void capacities_out_of_range_are_refused(void **state) {
        static const uint32_t capacities[] = { 0, 15, 1048577, UINT32_MAX };
        struct stage *stage = start(state, NULL);

        for (size_t number = 0; number < stage->ops->n_tables; number++)
                for (size_t i = 0; i < 4; i++)
                        assert_error(stage, stage->ops->table_set_capacity(stage->daemon, number, capacities[i],
                                                                           &stage->error),
                                     CONTROL_INVALID_ARGUMENT, "must be a number from 16 to 1048576");
        assert_error(stage, stage->ops->table_set_capacity(stage->daemon, 2, 100, &stage->error),
                     CONTROL_INVALID_ARGUMENT, "processes and services");
        assert_int_equal(stage->script.n_changes, 0);
}

static void tell(void *userdata) {
        ((struct stage *) userdata)->n_told++;
}

static void sync_publishes_now_and_tells_the_sequence(void **state) {
        struct stage *stage = start(state, NULL);
        struct control_facts facts;
        uint64_t first, second, bytes;

        assert_int_equal(stage->ops->sync(stage->daemon, &first, &stage->error), 0);
        stage->ops->watch(stage->daemon, tell, stage);
        atomic_store(&stage->script.n_rows, 1);
        atomic_store(&stage->script.bytes, 77);
        assert_int_equal(stage->ops->sync(stage->daemon, &second, &stage->error), 0);
        assert_int_equal(second, first + 1);
        assert_int_equal(stage->n_told, 1);
        refresh(stage);
        assert_int_equal(read_bytes(stage, SOCKTALLY_TABLE_HOST, 0, &bytes), SOCKTALLY_VALUE);
        assert_int_equal(bytes, 77);
        stage->ops->facts(stage->daemon, &facts);
        assert_int_equal(facts.sequence, second);
        assert_true(facts.started_usec > 0 && facts.kernel[0] && facts.version[0]);
        atomic_store(&stage->script.read_error, -EIO);
        assert_error(stage, stage->ops->sync(stage->daemon, &second, &stage->error), CONTROL_FAILED, "Input/output");
}

static void segments_are_handed_out_by_name(void **state) {
        struct stage *stage = start(state, NULL);
        int full, public, other = -7;

        assert_int_equal(stage->ops->open_segment(stage->daemon, "full", &full, &stage->error), 0);
        assert_int_equal(stage->ops->open_segment(stage->daemon, "public", &public, &stage->error), 0);
        assert_int_not_equal(full, public);
        assert_error(stage, stage->ops->open_segment(stage->daemon, "user\033[2J", &other, &stage->error),
                     CONTROL_INVALID_ARGUMENT, "View \"user?[2J\": must be public or full");
        assert_int_equal(other, -7);
}

static void reload_applies_what_differs_and_takes_back_what_was_not_saved(void **state) {
        struct stage *stage = start(state, NULL);

        assert_int_equal(set_text(stage, SETTING_LOAD_MODE, "passive"), 0);
        tree_file(stage->tree, MAIN_FILE, "[Socktally]\nInterval=2s\nProcesses=100\nModules=tcp\n");
        assert_int_equal(stage->ops->reload(stage->daemon, &stage->error), 0);
        assert_int_equal(get_number(stage, SETTING_INTERVAL), 2000000);
        assert_row(stage, "Interval", "2s", ":2");
        assert_row(stage, "Processes", "100", ":3");
        assert_row(stage, "LoadMode", "entry", "default");
        assert_row(stage, "Modules", "tcp", ":4");
        assert_int_equal(stage->script.config.load_mode, LOAD_ENTRY);
        assert_int_equal(stage->script.config.max_processes, 100);
        assert_true(stage->script.config.is_udp_off);
        assert_int_equal(stage->script.n_changes, 4);
        assert_int_equal(stage->ops->reload(stage->daemon, &stage->error), 0);
        assert_int_equal(stage->script.n_changes, 4); /* nothing differs */
}

static void reload_with_a_bad_line_keeps_that_setting_and_applies_the_rest(void **state) {
        struct stage *stage = start(state, NULL);

        tree_file(stage->tree, MAIN_FILE, "[Socktally]\nInterval=2s\n");
        assert_int_equal(stage->ops->reload(stage->daemon, &stage->error), 0);
        tree_file(stage->tree, MAIN_FILE, "[Socktally]\nInterval=soon\nLoadMode=return\nSockets=-1\n");
        assert_error(stage, stage->ops->reload(stage->daemon, &stage->error), CONTROL_INVALID_ARGUMENT,
                     "socktally.conf:2: Interval=soon: must be a time span from 100ms to 1h");
        assert_non_null(strstr(stage->error.message, "and 1 more"));
        assert_row(stage, "Interval", "2s", ":2");
        assert_row(stage, "LoadMode", "return", ":3");
}

static void reload_with_a_file_that_cannot_be_read_changes_nothing(void **state) {
        struct stage *stage = start(state, NULL);

        tree_file(stage->tree, MAIN_FILE, "[Socktally]\nLoadMode=return\n");
        tree_directory(stage->tree, "etc/socktally.conf.d/50-a.conf");
        assert_error(stage, stage->ops->reload(stage->daemon, &stage->error), CONTROL_INVALID_ARGUMENT,
                     "50-a.conf: not a regular file; nothing was changed");
        assert_row(stage, "LoadMode", "entry", "default");
        assert_int_equal(stage->script.n_changes, 0);
}

static void a_change_that_fails_in_a_reload_is_told_and_the_rest_applied(void **state) {
        struct stage *stage = start(state, NULL);

        tree_file(stage->tree, MAIN_FILE, "[Socktally]\nLoadMode=return\nInterval=3s\nSockets=100\n");
        atomic_store(&stage->script.change_error, -EOPNOTSUPP);
        assert_error(stage, stage->ops->reload(stage->daemon, &stage->error), CONTROL_NOT_SUPPORTED,
                     "LoadMode=return: the script refuses");
        assert_row(stage, "LoadMode", "entry", "default");
        assert_row(stage, "Interval", "3s", ":3");
        assert_row(stage, "Sockets", "262144", "default");
}

static void a_hangup_signal_reloads(void **state) {
        struct stage *stage = start(state, NULL);

        tree_file(stage->tree, MAIN_FILE, "[Socktally]\nLoadMode=return\n");
        kill(getpid(), SIGHUP);
        while (stage->script.n_changes == 0)
                assert_true(sd_event_run(stage->daemon->event, UINT64_MAX) >= 0);
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
        struct stage *stage = start(state, "--interval=500ms");
        struct settings next = settings_default();

        tree_file(stage->tree, MAIN_FILE, "[Socktally]\nServiceRows=50\nIdleInterval=20s\n");
        assert_int_equal(stage->ops->reload(stage->daemon, &stage->error), 0);
        assert_int_equal(set_text(stage, SETTING_LOAD_MODE, "return"), 0);
        assert_int_equal(set_number(stage, SETTING_IDLE_INTERVAL, 1500001), 0);
        assert_int_equal(stage->ops->table_set_capacity(stage->daemon, 1, 60, &stage->error), 0);
        assert_int_equal(stage->ops->table_set_capacity(stage->daemon, 1, 50, &stage->error), 0); /* as the file says */
        assert_int_equal(stage->ops->module_disable(stage->daemon, MODULE_UDP, &stage->error), 0);
        assert_int_equal(stage->ops->save(stage->daemon, &stage->error), 0);
        assert_saved(stage, "[Socktally]\nIdleInterval=1s 500ms 1us\nLoadMode=return\nModules=tcp\n");
        assert_row(stage, "LoadMode", "return", ":4");
        assert_row(stage, "ServiceRows", "50", ":2");
        assert_row(stage, "Interval", "500ms", "command line");
        assert_int_equal(configuration_load(&next, stage->directories, NULL, NULL), 0);
        assert_int_equal(next.load_mode, LOAD_RETURN);
        assert_int_equal(next.idle_interval_usec, 1500001);
        assert_int_equal(next.modules, 1 << MODULE_TCP);
        /* What was saved stays with the next save; what is as before leaves. */
        assert_int_equal(set_text(stage, SETTING_LOAD_MODE, "entry"), 0);
        assert_int_equal(stage->ops->save(stage->daemon, &stage->error), 0);
        assert_saved(stage, "[Socktally]\nIdleInterval=1s 500ms 1us\nModules=tcp\n");
}

static void save_removes_its_file_when_nothing_differs(void **state) {
        struct stage *stage = start(state, NULL);
        struct stat st;

        assert_int_equal(stage->ops->save(stage->daemon, &stage->error), 0);
        assert_int_equal(stat(tree_path(stage->tree, RUNTIME_FILE), &st), -1);
        assert_int_equal(set_text(stage, SETTING_LOAD_MODE, "return"), 0);
        assert_int_equal(stage->ops->save(stage->daemon, &stage->error), 0);
        assert_int_equal(stat(tree_path(stage->tree, RUNTIME_FILE), &st), 0);
        assert_int_equal(st.st_mode & 0777, 0644);
        assert_int_equal(set_text(stage, SETTING_LOAD_MODE, "entry"), 0);
        assert_int_equal(stage->ops->save(stage->daemon, &stage->error), 0);
        assert_int_equal(stat(tree_path(stage->tree, RUNTIME_FILE), &st), -1);
        assert_row(stage, "LoadMode", "entry", "default");
}

static void save_names_the_file_that_would_win(void **state) {
        struct stage *stage = start(state, NULL);
        struct stat st;

        tree_file(stage->tree, "etc/socktally.conf.d/95-local.conf", "[Socktally]\nLoadMode=passive\n");
        tree_file(stage->tree, "etc/socktally.conf.d/10-first.conf", "[Socktally]\nInterval=3s\n");
        assert_int_equal(stage->ops->reload(stage->daemon, &stage->error), 0);
        assert_int_equal(set_number(stage, SETTING_INTERVAL, 2000000), 0);
        assert_int_equal(set_text(stage, SETTING_LOAD_MODE, "return"), 0);
        assert_error(stage, stage->ops->save(stage->daemon, &stage->error), CONTROL_FAILED, "95-local.conf:2");
        assert_int_equal(stat(tree_path(stage->tree, RUNTIME_FILE), &st), -1);
        assert_int_equal(set_text(stage, SETTING_LOAD_MODE, "passive"), 0);
        assert_int_equal(stage->ops->save(stage->daemon, &stage->error), 0);
        assert_saved(stage, "[Socktally]\nInterval=2s\n");
}

static void save_says_why_it_cannot(void **state) {
        struct stage *stage = start(state, NULL);

        assert_int_equal(set_text(stage, SETTING_LOAD_MODE, "return"), 0);
        tree_file(stage->tree, "etc/socktally.conf.d", "not a directory");
        assert_error(stage, stage->ops->save(stage->daemon, &stage->error), CONTROL_FAILED, "Not a directory");
        assert_row(stage, "LoadMode", "return", "run time");
        stage->daemon->directories = NULL;
        assert_error(stage, stage->ops->save(stage->daemon, &stage->error), CONTROL_NOT_SUPPORTED, "--config=");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(a_setting_takes_effect_and_says_where_it_came_from),
                CASE(an_interval_moves_the_next_publication),
                CASE(bad_values_are_named_with_what_is_allowed_and_change_nothing),
                CASE(what_the_kernel_refuses_changes_nothing),
                CASE(a_module_that_is_off_is_unknown_and_comes_back),
                CASE(a_lifetime_ends_by_itself_and_can_be_extended),
                CASE(a_lifetime_that_does_not_fit_is_refused),
                CASE(the_end_of_a_lifetime_is_tried_again_when_the_kernel_refuses),
                CASE(a_table_gets_smaller_and_larger_and_readers_follow),
                CASE(capacities_out_of_range_are_refused),
                CASE(sync_publishes_now_and_tells_the_sequence),
                CASE(segments_are_handed_out_by_name),
                CASE(reload_applies_what_differs_and_takes_back_what_was_not_saved),
                CASE(reload_with_a_bad_line_keeps_that_setting_and_applies_the_rest),
                CASE(reload_with_a_file_that_cannot_be_read_changes_nothing),
                CASE(a_change_that_fails_in_a_reload_is_told_and_the_rest_applied),
                CASE(a_hangup_signal_reloads),
                CASE(save_writes_what_differs_and_the_next_start_has_it),
                CASE(save_removes_its_file_when_nothing_differs),
                CASE(save_names_the_file_that_would_win),
                CASE(save_says_why_it_cannot),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
