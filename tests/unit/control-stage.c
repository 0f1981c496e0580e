/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A whole daemon whose collector follows a script, in a tree of the test's own; the test turns its loop itself. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/privilege.h"
#include "tests/unit/control-stage.h"

int control_setup(void **state) {
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

int control_teardown(void **state) {
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

struct stage *control_start(void **state, const char *option) {
        struct stage *stage = *state;
        char *argv[] = { (char *) "socktallyd", NULL, NULL, (char *) option, NULL }, message[256];
        struct options options;

        if (!stage)
                skip();
        argv[1] = stage->directory;
        argv[2] = stage->config;
        snprintf(stage->directory, sizeof stage->directory, "--runtime-directory=%s", tree_path(stage->tree, "run"));
        snprintf(stage->config, sizeof stage->config, "--config=%s", tree_file(stage->tree, "empty.conf", ""));
        assert_int_equal(options_parse(option ? 4 : 3, argv, &options, message, sizeof message), OPTIONS_RUN);
        assert_int_equal(daemon_new(&stage->daemon, &options, &script_operations), 0);
        stage->control = daemon_control(stage->daemon);
        stage->control->reload->directories = stage->directories;
        assert_int_equal(stage->ops->reload(stage->control, &stage->error), 0);
        return stage;
}

int set_text(struct stage *stage, size_t setting, const char *text) {
        return stage->ops->set(stage->control, setting, &(struct control_value) { .text = text }, &stage->error);
}

int set_number(struct stage *stage, size_t setting, uint64_t number) {
        return stage->ops->set(stage->control, setting, &(struct control_value) { .number = number }, &stage->error);
}

uint64_t get_number(struct stage *stage, size_t setting) {
        struct control_value value;

        assert_int_equal(stage->ops->get(stage->control, setting, &value), 0);
        return value.number;
}

const char *get_text(struct stage *stage, size_t setting) {
        struct control_value value;

        assert_int_equal(stage->ops->get(stage->control, setting, &value), 0);
        return value.text;
}

void assert_error(struct stage *stage, int r, enum control_failure failure, const char *message) {
        assert_true(r < 0);
        assert_int_equal(stage->error.failure, failure);
        assert_non_null(strstr(stage->error.message, message));
}

struct control_settings_row row_of(struct stage *stage, const char *key) {
        struct control_settings_row row = { 0 };

        for (size_t i = 0; i < stage->ops->n_settings; i++) {
                assert_int_equal(stage->ops->settings_row(stage->control, i, &row), 0);
                if (strcmp(row.key, key) == 0)
                        return row;
        }
        fail_msg("there is no setting %s", key);
        return row;
}

void assert_row(struct stage *stage, const char *key, const char *value, const char *source) {
        struct control_settings_row row = row_of(stage, key);

        assert_string_equal(row.value, value);
        if (source[0] == ':') /* a line of a file */
                assert_true(strlen(row.source) > strlen(source) &&
                            strcmp(row.source + strlen(row.source) - strlen(source), source) == 0);
        else
                assert_string_equal(row.source, source);
}

void refresh(struct stage *stage) {
        struct socktally_options options = { .size = sizeof options, .view = SOCKTALLY_VIEW_FULL };
        char path[256];

        if (!stage->reader) {
                snprintf(path, sizeof path, "%s", tree_path(stage->tree, "run/full"));
                options.file_path = path;
                assert_int_equal(socktally_open(&stage->reader, &options), 0);
        }
        assert_true(socktally_refresh(stage->reader) >= 0);
}

int read_bytes(struct stage *stage, enum socktally_table table, uint32_t number, uint64_t *ret_bytes) {
        struct socktally_column column;
        struct socktally_row row;

        assert_int_equal(socktally_row(stage->reader, table, number, &row), 0);
        assert_int_equal(socktally_column(stage->reader, table, "tcp_tx_bytes", &column), 0);
        return socktally_value(&row, &column, ret_bytes);
}
