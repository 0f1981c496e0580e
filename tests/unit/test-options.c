/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line, and that it wins over the file. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/control/options.h"

static void assert_same(const struct settings *a, const struct settings *b) {
        assert_memory_equal(a, b, offsetof(struct settings, max_groups) + sizeof a->max_groups);
}

static int parse(const char *const arguments[], struct options *options, char message[256]) {
        char *argv[16] = { (char *) "socktallyd" };
        int argc = 1;

        while (arguments[argc - 1]) {
                argv[argc] = (char *) arguments[argc - 1];
                argc++;
        }
        message[0] = '\0';
        return options_parse(argc, argv, options, message, 256);
}

#define PARSE(options, message, ...) parse((const char *const[]) { __VA_ARGS__, NULL }, options, message)

static void without_options_the_defaults_run(void **state) {
        struct settings settings = settings_default(), before = settings;
        struct options options;
        char message[256];

        assert_int_equal(parse((const char *const[]) { NULL }, &options, message), OPTIONS_RUN);
        assert_null(options.config_path);
        assert_null(options.rules_path);
        assert_null(options.bus);
        assert_string_equal(options.runtime_directory, "/run/socktally");
        assert_false(options.debug);
        assert_false(options.is_check);
        options_apply(&options, &settings);
        assert_same(&settings, &before);
}

static void every_option_arrives(void **state) {
        struct settings settings = settings_default();
        struct options options;
        char message[256];

        assert_int_equal(PARSE(&options, message, "--config=/c", "--rules=/a", "--runtime-directory=/r",
                               "--interval=200ms", "--idle-interval", "1min", "--load-mode=passive",
                               "--attach-method=trampoline",
                               "--max-processes=99", "--max-sockets=98", "--max-services=97", "--check", "--debug",
                               "--bus=unix:path=/b"),
                         OPTIONS_RUN);
        options_apply(&options, &settings);
        assert_string_equal(options.config_path, "/c");
        assert_string_equal(options.rules_path, "/a");
        assert_string_equal(options.runtime_directory, "/r");
        assert_string_equal(options.bus, "unix:path=/b");
        assert_true(options.debug);
        assert_true(options.is_check);
        assert_int_equal(settings.interval_usec, 200000);
        assert_int_equal(settings.idle_interval_usec, 60000000);
        assert_int_equal(settings.load_mode, LOAD_PASSIVE);
        assert_int_equal(settings.attach_method, ATTACH_TRAMPOLINE);
        assert_int_equal(settings.max_processes, 99);
        assert_int_equal(settings.max_sockets, 98);
        assert_int_equal(settings.max_groups[BY_SERVICE], 97);
}

static void what_is_not_given_stays_as_the_file_had_it(void **state) {
        struct settings settings = settings_default();
        struct options options;
        char message[256];

        settings.interval_usec = 5000000;
        settings.max_processes = 50;
        assert_int_equal(PARSE(&options, message, "--max-processes=60"), OPTIONS_RUN);
        options_apply(&options, &settings);
        assert_int_equal(settings.interval_usec, 5000000);
        assert_int_equal(settings.max_processes, 60);
}

static void each_mistake_gets_its_one_line(void **state) {
        static const struct {
                const char *arguments[3], *message;
        } cases[] = {
                { { "--interval=5d" }, "--interval=5d: must be a time span from 100ms to 1h" },
                { { "--interval=" }, "--interval=: must be a time span from 100ms to 1h" },
                { { "--interval" }, "--interval needs a value" },
                { { "--load-mode=fast" }, "--load-mode=fast: must be passive, entry or return" },
                { { "--max-sockets=many" }, "--max-sockets=many: must be a number from 16 to 16777216" },
                { { "--nonsense" }, "unknown option --nonsense; --help lists them" },
                { { "-x" }, "unknown option -x; --help lists them" },
                { { "--debug=yes" }, "unknown option --debug=yes; --help lists them" },
                { { "--config=" }, "--config= needs a path" },
                { { "--bus=user" }, "--bus=user: must be system, session, none or an address such as "
                                    "unix:path=/run/dbus/system_bus_socket" },
                { { "now" }, "unexpected argument now; --help lists the options" },
                { { "--debug", "now" }, "unexpected argument now; --help lists the options" },
        };

        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                struct options options;
                char message[256];

                assert_int_equal(parse(cases[i].arguments, &options, message), -EINVAL);
                assert_string_equal(message, cases[i].message);
        }
}

static void help_names_every_setting(void **state) {
        const struct setting *table;
        struct options options;
        char message[256];

        assert_int_equal(settings_table(&table), N_SETTINGS);
        assert_int_equal(PARSE(&options, message, "--help"), OPTIONS_DONE);
        assert_int_equal(PARSE(&options, message, "--version"), OPTIONS_DONE);
}

static void a_setting_has_one_name_in_each_place(void **state) {
        const struct setting *table;
        size_t n = settings_table(&table);

        for (size_t i = 0; i < n; i++) {
                struct settings settings = settings_default(), before = settings;

                assert_ptr_equal(setting_by_key(table[i].key), &table[i]);
                assert_ptr_equal(setting_by_option(table[i].option), &table[i]);
                assert_int_equal(settings_set(&settings, i, table[i].initial, "default"), 0);
                assert_same(&settings, &before);
        }
        assert_null(setting_by_key("interval"));
        assert_null(setting_by_option("Interval"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(without_options_the_defaults_run),
                cmocka_unit_test(every_option_arrives),
                cmocka_unit_test(what_is_not_given_stays_as_the_file_had_it),
                cmocka_unit_test(each_mistake_gets_its_one_line),
                cmocka_unit_test(help_names_every_setting),
                cmocka_unit_test(a_setting_has_one_name_in_each_place),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
