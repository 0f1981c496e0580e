/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files as administrators write them, and as they should not; what is said about each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/control/configuration.h"
#include "daemon/directories.h"
#include "daemon/module.h"
#include "tests/unit/tree.h"

static void assert_same(const struct settings *a, const struct settings *b) {
        assert_memory_equal(a, b, offsetof(struct settings, rejected));
}

struct said {
        char lines[4096];
        unsigned n;
};

static void listen(void *userdata, const char *line, int error) {
        struct said *said = userdata;
        size_t used = strlen(said->lines);

        snprintf(said->lines + used, sizeof said->lines - used, "%s\n", line);
        said->n++;
}

static struct settings load_text(struct tree *tree, const char *text, struct said *said) {
        struct settings settings = settings_default();

        memset(said, 0, sizeof *said);
        configuration_load_file(&settings, tree_file(tree, "a.conf", text), listen, said);
        return settings;
}

static void every_setting_can_be_set(void **state) {
        struct said said;
        struct settings s = load_text(*state,
                                      "# a comment\n; another\n\n [Socktally] \r\n"
                                      "Interval = 250ms\nIdleInterval=1min\nLoadMode=return\n"
                                      "AttachMethod=trampoline\nProcesses=100\nSockets=200\nServiceRows=300\n"
                                      "Modules=udp  tcp\nModules= none\nModules=udp\n",
                                      &said);

        assert_string_equal(said.lines, "");
        assert_int_equal(s.interval_usec, 250000);
        assert_int_equal(s.idle_interval_usec, 60000000);
        assert_int_equal(s.load_mode, LOAD_RETURN);
        assert_int_equal(s.attach_method, ATTACH_TRAMPOLINE);
        assert_int_equal(s.max_processes, 100);
        assert_int_equal(s.max_sockets, 200);
        assert_int_equal(s.max_groups[BY_SERVICE], 300);
        assert_int_equal(s.modules, 1 << MODULE_UDP);
        assert_string_equal(strrchr(s.sources[SETTING_SERVICE_ROWS], ':'), ":11");
}

static void a_bad_line_is_named_with_its_place_and_what_is_allowed(void **state) {
        struct said said;
        struct settings s = load_text(*state, "[Socktally]\nInterval=5d\nProcesses=200\nColour=red\nwhat\n", &said);
        char expected[1024];
        const char *path = tree_path(*state, "a.conf");

        snprintf(expected, sizeof expected,
                 "%s:2: Interval=5d: must be a time span from 100ms to 1h, ignoring it\n"
                 "%s:4: unknown setting Colour=, ignoring it; see socktally.conf(5)\n"
                 "%s:5: \"what\" is not of the form Key=value, ignoring it\n", path, path, path);
        assert_string_equal(said.lines, expected);
        assert_int_equal(s.interval_usec, 1000000);
        assert_int_equal(s.max_processes, 200);
}

static void values_out_of_range_change_nothing(void **state) {
        static const char *const lines[] = {
                "Interval=99ms", "Interval=3601s", "Interval=soon", "IdleInterval=0", "LoadMode=all",
                "AttachMethod=magic", "Processes=0", "Processes=-1", "Processes=1e3", "Processes=99999999999999999999",
                "Sockets=1.5", "ServiceRows=1048577", "Modules=icmp", "Modules=tcp,udp", "Services=4096", "Apps=2",
                "AppRows=15",
                "MapsPerCore=2", "LogLevel=loud", "LogLevel=8",
        };
        struct settings defaults = settings_default();

        for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
                char text[128];
                struct said said;
                struct settings s;

                snprintf(text, sizeof text, "[Socktally]\n%s\n", lines[i]);
                s = load_text(*state, text, &said);
                assert_int_equal(said.n, 1);
                assert_same(&s, &defaults);
        }
}

static void an_empty_value_is_the_default_again(void **state) {
        struct said said;
        struct settings s = load_text(*state, "[Socktally]\nInterval=5s\nProcesses=77\nInterval=\nProcesses=\n", &said);

        assert_int_equal(said.n, 0);
        assert_int_equal(s.interval_usec, 1000000);
        assert_int_equal(s.max_processes, 16384);
}

static void sections_of_others_are_left_alone(void **state) {
        struct said said;
        struct settings s = load_text(*state,
                                      "Interval=5s\n[X-Mine]\nFoo=1\n[Other]\nInterval=7s\n"
                                      "[Socktally]\nInterval=2s\n",
                                      &said);

        assert_int_equal(said.n, 2); /* before the section; the unknown one */
        assert_non_null(strstr(said.lines, ":1: Interval= stands before the section [Socktally]"));
        assert_non_null(strstr(said.lines, ":4: unknown section [Other]"));
        assert_int_equal(s.interval_usec, 2000000);
}

static void garbage_gets_one_line_and_the_defaults_run(void **state) {
        struct settings defaults = settings_default(), s;
        char noise[3000];
        struct said said;

        srand(3);
        for (size_t i = 0; i < sizeof noise - 1; i++)
                noise[i] = (char) (1 + rand() % 255);
        noise[sizeof noise - 1] = '\0';
        s = load_text(*state, noise, &said);
        assert_int_equal(said.n, 1);
        assert_non_null(strstr(said.lines, "not a configuration file"));
        assert_same(&s, &defaults);
}

static void text_that_is_no_configuration_gets_a_few_lines(void **state) {
        char text[20000] = "[Socktally]\n";
        struct said said;

        for (unsigned i = 0; i < 1000; i++)
                strcat(text, "lorem ipsum\n");
        load_text(*state, text, &said);
        assert_int_equal(said.n, 11);
        assert_non_null(strstr(said.lines, "990 more lines are wrong"));
}

static void a_file_that_cannot_be_read_is_named(void **state) {
        struct settings settings = settings_default();
        struct said said = { 0 };

        configuration_load_file(&settings, tree_path(*state, "missing.conf"), listen, &said);
        assert_non_null(strstr(said.lines, "missing.conf: cannot be read: No such file or directory"));
        configuration_load_file(&settings, tree_directory(*state, "directory.conf"), listen, &said);
        assert_non_null(strstr(said.lines, "directory.conf: not a regular file"));
        assert_int_equal(mkfifo(tree_path(*state, "fifo.conf"), 0600), 0);
        configuration_load_file(&settings, tree_path(*state, "fifo.conf"), listen, &said); /* returns at all */
        assert_non_null(strstr(said.lines, "fifo.conf: not a regular file"));
        assert_int_equal(said.n, 3);
}

static struct settings load_tree(struct tree *tree, struct said *said) {
        const char *const directories[] = {
                tree_path(tree, "etc"),
                tree_path(tree, "run"),
                tree_path(tree, "usr"),
                NULL,
        };
        struct settings settings = settings_default();

        memset(said, 0, sizeof *said);
        configuration_load(&settings, directories, listen, said);
        return settings;
}

static void nothing_at_all_is_fine(void **state) {
        struct settings defaults = settings_default(), s;
        struct said said;

        s = load_tree(*state, &said);
        assert_int_equal(said.n, 0);
        assert_same(&s, &defaults);
}

static void dropins_come_after_the_main_file_in_the_order_of_their_names(void **state) {
        struct said said;
        struct settings s;

        tree_file(*state, "etc/socktally.conf",
                  "[Socktally]\nInterval=2s\nProcesses=100\nSockets=100\nServiceRows=100\n");
        tree_file(*state, "usr/socktally.conf", "[Socktally]\nInterval=9s\nIdleInterval=9s\n"); /* hidden by etc's */
        tree_file(*state, "usr/socktally.conf.d/90-late.conf", "[Socktally]\nProcesses=900\n");
        tree_file(*state, "etc/socktally.conf.d/10-early.conf", "[Socktally]\nProcesses=200\nSockets=200\n");
        tree_file(*state, "run/socktally.conf.d/50-mid.conf", "[Socktally]\nSockets=500\n");
        tree_file(*state, "usr/socktally.conf.d/ignored.txt", "[Socktally]\nServiceRows=999\n");
        s = load_tree(*state, &said);
        assert_int_equal(said.n, 0);
        assert_int_equal(s.interval_usec, 2000000);
        assert_int_equal(s.idle_interval_usec, 10000000);
        assert_int_equal(s.max_processes, 900);
        assert_int_equal(s.max_sockets, 500);
        assert_int_equal(s.max_groups[BY_SERVICE], 100);
}

static void a_dropin_hides_those_of_its_name_further_down(void **state) {
        struct said said;
        struct settings s;

        tree_file(*state, "etc/socktally.conf.d/a.conf", "[Socktally]\nProcesses=100\n");
        tree_file(*state, "run/socktally.conf.d/a.conf", "[Socktally]\nProcesses=200\nSockets=200\n");
        tree_file(*state, "usr/socktally.conf.d/b.conf", "[Socktally]\nServiceRows=300\n");
        assert_int_equal(symlink("/dev/null", tree_path(*state, "etc/socktally.conf.d/b.conf")), 0);
        s = load_tree(*state, &said);
        assert_int_equal(said.n, 0);
        assert_int_equal(s.max_processes, 100);
        assert_int_equal(s.max_sockets, settings_default().max_sockets);
        assert_int_equal(s.max_groups[BY_SERVICE], settings_default().max_groups[BY_SERVICE]);
}

static void an_empty_file_hides_like_dev_null(void **state) {
        struct said said;
        struct settings s;

        tree_file(*state, "run/socktally.conf.d/a.conf", "");
        tree_file(*state, "usr/socktally.conf.d/a.conf", "[Socktally]\nProcesses=200\n");
        tree_file(*state, "etc/socktally.conf", "");
        tree_file(*state, "usr/socktally.conf", "[Socktally]\nSockets=300\n");
        s = load_tree(*state, &said);
        assert_int_equal(said.n, 0);
        assert_int_equal(s.max_processes, settings_default().max_processes);
        assert_int_equal(s.max_sockets, settings_default().max_sockets);
        unlink(tree_path(*state, "etc/socktally.conf"));
        assert_int_equal(symlink("/dev/null", tree_path(*state, "etc/socktally.conf")), 0);
        s = load_tree(*state, &said);
        assert_int_equal(s.max_sockets, settings_default().max_sockets);
}

static void directories_come_in_the_order_of_systemd(void **state) {
        static const char *const expected[] = { "/etc/socktally", "/run/socktally", "/usr/local/lib/socktally",
                                                "/usr/lib/socktally" };
        size_t n = 0;

        for (size_t i = 0; configuration_directories[i] && n < 4; i++)
                n += strcmp(configuration_directories[i], expected[n]) == 0;
        assert_int_equal(n, 4);
}

static void dropins_that_cannot_be_read_are_named(void **state) {
        char path[64], expected[256];
        struct said said;

        tree_file(*state, "run/socktally.conf.d", "no directory");
        tree_file(*state, "usr/socktally.conf.d/z.conf", "[Socktally]\nProcesses=200\n");
        tree_directory(*state, "etc/socktally.conf.d");
        assert_int_equal(symlink("nowhere", tree_path(*state, "etc/socktally.conf.d/a.conf")), 0);
        assert_int_equal(load_tree(*state, &said).max_processes, 200);
        assert_int_equal(said.n, 2);
        snprintf(expected, sizeof expected, "%s: cannot be read: Not a directory, ignoring it\n",
                 tree_path(*state, "run/socktally.conf.d"));
        assert_non_null(strstr(said.lines, expected));
        assert_non_null(strstr(said.lines, "a.conf: cannot be read: No such file or directory, ignoring it\n"));
        for (unsigned i = 0; i < 260; i++) {
                snprintf(path, sizeof path, "usr/socktally.conf.d/n%u.conf", i);
                tree_file(*state, path, "");
        }
        (void) load_tree(*state, &said);
        assert_non_null(strstr(said.lines, "more than 256 drop-ins, ignoring the others"));
}

static void the_shipped_file_changes_nothing(void **state) {
        struct settings defaults = settings_default(), s = settings_default();
        const char *top = getenv("srcdir");
        struct said said = { 0 };
        char path[1024];

        snprintf(path, sizeof path, "%s/data/socktally.conf", top ? top : ".");
        configuration_load_file(&s, path, listen, &said);
        assert_string_equal(said.lines, "");
        assert_same(&s, &defaults);
}

static void read_source(const char *name, char text[16384]) {
        const char *top = getenv("srcdir");
        char path[1024];
        FILE *file;

        snprintf(path, sizeof path, "%s/%s", top ? top : ".", name);
        file = fopen(path, "re");
        assert_non_null(file);
        text[fread(text, 1, 16383, file)] = '\0';
        fclose(file);
}

/* Each comment in it is a setting with its default: were they no comments, nothing would change either. */
static void the_shipped_file_shows_every_default(void **state) {
        const struct setting *table;
        size_t n = settings_table(&table);
        char text[16384], line[256];

        read_source("data/socktally.conf", text);
        for (size_t i = 0; i < n; i++) {
                snprintf(line, sizeof line, "\n#%s=%s\n", table[i].key, table[i].initial);
                assert_non_null(strstr(text, line));
        }
}

static void the_manual_pages_name_every_setting_and_option(void **state) {
        const struct setting *table;
        size_t n = settings_table(&table);
        char file[16384], command[16384], wanted[256];

        read_source("man/socktally.conf.5", file);
        read_source("man/socktallyd.8", command);
        for (size_t i = 0; i < n; i++) {
                snprintf(wanted, sizeof wanted, " %s= ", table[i].key);
                assert_non_null(strstr(file, wanted));
                snprintf(wanted, sizeof wanted, "default %s", table[i].initial);
                assert_true(strstr(file, wanted) || strstr(file, "default\n.BR "));
                snprintf(wanted, sizeof wanted, "%s=", table[i].key);
                assert_non_null(strstr(command, wanted));
        }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, tree_setup, tree_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(every_setting_can_be_set),
                CASE(a_bad_line_is_named_with_its_place_and_what_is_allowed),
                CASE(values_out_of_range_change_nothing),
                CASE(an_empty_value_is_the_default_again),
                CASE(sections_of_others_are_left_alone),
                CASE(garbage_gets_one_line_and_the_defaults_run),
                CASE(text_that_is_no_configuration_gets_a_few_lines),
                CASE(a_file_that_cannot_be_read_is_named),
                CASE(nothing_at_all_is_fine),
                CASE(dropins_come_after_the_main_file_in_the_order_of_their_names),
                CASE(a_dropin_hides_those_of_its_name_further_down),
                CASE(an_empty_file_hides_like_dev_null),
                CASE(directories_come_in_the_order_of_systemd),
                CASE(dropins_that_cannot_be_read_are_named),
                CASE(the_shipped_file_changes_nothing),
                CASE(the_shipped_file_shows_every_default),
                CASE(the_manual_pages_name_every_setting_and_option),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
