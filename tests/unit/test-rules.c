/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which group a process gets, by patterns of each kind and in each order. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/identity/procfs.h"
#include "daemon/identity/rules.h"
#include "tests/unit/tree.h"

#define LINE(text) text, sizeof text /* with a NUL behind the last argument, as the kernel has it */

/* Pairs of group and pattern, with NULL at the end. Each pattern's line is its place, from 1. */
static struct rules *make(const char *const pairs[]) {
        struct rules *rules;

        assert_int_equal(rules_new(&rules, "/etc/apps.conf"), 0);
        for (unsigned i = 0; pairs[i]; i += 2)
                assert_int_equal(rules_add(rules, pairs[i], pairs[i + 1], i / 2 + 1), 0);
        return rules;
}

#define MAKE(...) make((const char *const[]) { __VA_ARGS__, NULL })

static const char *find(const struct rules *rules, const char *comm, const char *line, size_t length) {
        struct rules_match match;

        return rules_find(rules, comm, line, length, &match) ? match.group : "none";
}

static const char *find_name(const struct rules *rules, const char *comm) {
        return find(rules, comm, NULL, 0);
}

static void each_kind_of_pattern_matches_what_it_should(void **state) {
        struct rules *rules = MAKE("exact", "nginx", "begins", "post*", "ends", "*-agent", "within", "*backup job*");

        assert_string_equal(find_name(rules, "nginx"), "exact");
        assert_string_equal(find_name(rules, "nginx2"), "none");
        assert_string_equal(find_name(rules, "ngin"), "none");
        assert_string_equal(find_name(rules, "postgres"), "begins");
        assert_string_equal(find_name(rules, "post"), "begins");
        assert_string_equal(find_name(rules, "a-post"), "none");
        assert_string_equal(find_name(rules, "ssh-agent"), "ends");
        assert_string_equal(find_name(rules, "ssh-agent2"), "none");
        assert_string_equal(find_name(rules, "-agent"), "ends");
        assert_string_equal(find_name(rules, "gent"), "none");
        assert_string_equal(find(rules, "sh", LINE("sh\0-c\0run the backup job now")), "within");
        assert_string_equal(find(rules, "sh", LINE("sh\0backup\0job")), "within"); /* arguments with spaces between */
        assert_string_equal(find(rules, "sh", LINE("sh\0backup  job")), "none");
        assert_string_equal(find_name(rules, "sh"), "none");
        assert_string_equal(find_name(rules, "a backup job"), "within"); /* the command line is not known */
        assert_string_equal(find_name(rules, ""), "none");
        assert_string_equal(find(NULL, "nginx", NULL, 0), "none");
        rules_free(rules);
}

static void the_first_pattern_that_matches_counts_whatever_its_kind(void **state) {
        struct rules *rules = MAKE("a", "py*", "b", "python3", "c", "*thon3", "d", "*app.py*", "e", "node", "f", "*ode",
                                   "g", "node");
        struct rules_match match;

        assert_string_equal(find(rules, "python3", LINE("python3\0app.py")), "a");
        assert_string_equal(find(rules, "thon3", LINE("thon3\0app.py")), "c");
        assert_string_equal(find(rules, "x", LINE("x\0app.py")), "d");
        assert_true(rules_find(rules, "node", NULL, 0, &match));
        assert_string_equal(match.group, "e");
        assert_string_equal(match.path, "/etc/apps.conf");
        assert_int_equal(match.line, 5);
        assert_string_equal(find_name(rules, "code"), "f");
        rules_free(rules);
}

static void one_star_is_every_process(void **state) {
        struct rules *rules = MAKE("web", "nginx", "rest", "*");

        assert_string_equal(find_name(rules, "nginx"), "web");
        assert_string_equal(find_name(rules, "anything"), "rest");
        rules_free(rules);
}

static void programs_of_one_interpreter_are_told_apart(void **state) {
        struct rules *rules = MAKE("first", "*app.py*", "second", "other.py", "third", "*y.jar*", "fourth", "z.jar",
                                   "rest", "python3");

        assert_string_equal(find(rules, "python3", LINE("python3\0/opt/x/app.py\0-v")), "first");
        assert_string_equal(find(rules, "python3", LINE("python3\0-u\0/opt/x/other.py\0/opt/app.p")), "second");
        assert_string_equal(find(rules, "python3", LINE("python3\0other.py")), "rest"); /* no absolute path */
        assert_string_equal(find(rules, "python3", LINE("python3\0/opt/first\0/opt/other.py")), "rest");
        assert_string_equal(find(rules, "python3", NULL, 0), "rest");
        assert_string_equal(find(rules, "other.py", LINE("/usr/bin/python3\0/opt/x/other.py")), "second");
        assert_string_equal(find(rules, "java", LINE("java\0-Xmx1g\0-jar\0y.jar")), "third");
        assert_string_equal(find(rules, "java", LINE("java\0-jar\0/srv/z.jar\0/srv/y")), "fourth");
        assert_string_equal(find(rules, "cat", LINE("cat\0/opt/x/other.py")), "none"); /* no interpreter */
        rules_free(rules);
        rules = MAKE("interpreter", "python3", "script", "other.py"); /* each name counts, and the order decides */
        assert_string_equal(find(rules, "python3", LINE("python3\0/opt/x/other.py")), "interpreter");
        rules_free(rules);
}

static void interpreters_are_added_and_all_are_forgotten(void **state) {
        struct rules *rules = MAKE("group", "script");

        assert_string_equal(find(rules, "guile", LINE("guile\0/opt/script")), "none");
        assert_int_equal(rules_add_interpreter(rules, "Gui*"), 0);
        assert_string_equal(find(rules, "guile", LINE("guile\0/opt/script")), "group");
        assert_string_equal(find(rules, "perl", LINE("perl\0/opt/script")), "group");
        rules_clear_interpreters(rules);
        assert_string_equal(find(rules, "guile", LINE("guile\0/opt/script")), "none");
        assert_string_equal(find(rules, "perl", LINE("perl\0/opt/script")), "none");
        assert_int_equal(rules_add_interpreter(rules, "*text*"), -EINVAL);
        assert_int_equal(rules_add_interpreter(rules, ""), -ENODATA);
        for (unsigned i = 0; i < RULES_INTERPRETERS_MAX; i++)
                assert_int_equal(rules_add_interpreter(rules, "x"), 0);
        assert_int_equal(rules_add_interpreter(rules, "x"), -ENOSPC);
        rules_free(rules);
}

static void a_name_that_the_kernel_has_cut_is_known_whole(void **state) {
        struct rules *rules = MAKE("whole", "systemd-networkd-wait", "cut", "systemd-network", "end", "*-server");

        assert_string_equal(find(rules, "systemd-network", LINE("/lib/systemd/systemd-networkd-wait\0-x")), "whole");
        assert_string_equal(find(rules, "systemd-network", LINE("/lib/systemd/systemd-networkd")), "cut");
        assert_string_equal(find(rules, "systemd-network", NULL, 0), "cut");
        assert_string_equal(find(rules, "gnome-calendar-", LINE("/usr/bin/gnome-calendar-server")), "end");
        assert_string_equal(find(rules, "gnome-calendar-", LINE("gnome-other-server")), "none"); /* another's name */
        assert_string_equal(find(rules, "short", LINE("short-server")), "none");
        rules_free(rules);
}

static void case_does_not_matter(void **state) {
        struct rules *rules = MAKE("Media", "Plex*", "Web", "*Isolated Web*", "n", "NGINXAZ", "u", "\xc3\x84pfel");

        assert_string_equal(find_name(rules, "plex Media"), "Media");
        assert_string_equal(find_name(rules, "PLEX"), "Media");
        assert_string_equal(find(rules, "x", LINE("/x\0-ISOLATED web")), "Web");
        assert_string_equal(find_name(rules, "nginxAz"), "n");
        assert_string_equal(find_name(rules, "\xc3\x84pfel"), "u");
        assert_string_equal(find_name(rules, "\xc3\xa4pfel"), "none"); /* letters of ASCII alone */
        rules_free(rules);
}

static void patterns_that_make_no_sense_are_refused(void **state) {
        struct rules *rules = MAKE("a", "b");

        assert_int_equal(rules_add(rules, "g", "a*b", 1), -EINVAL);
        assert_int_equal(rules_add(rules, "g", "***", 1), -EINVAL);
        assert_int_equal(rules_add(rules, "g", "**", 1), -ENODATA);
        assert_int_equal(rules_add(rules, "g", "", 1), -ENODATA);
        assert_int_equal(rules_count(rules), 1);
        rules_free(rules);
        assert_int_equal(rules_count(NULL), 0);
}

static void there_are_never_more_patterns_than_fit(void **state) {
        char pattern[32];
        struct rules *rules;

        assert_int_equal(rules_new(&rules, "x"), 0);
        for (unsigned i = 0; i < RULES_SUBSTRINGS_MAX; i++)
                assert_int_equal(rules_add(rules, "g", "*x*", 1), 0);
        assert_int_equal(rules_add(rules, "g", "*x*", 1), -E2BIG);
        for (unsigned i = RULES_SUBSTRINGS_MAX; i < RULES_PATTERNS_MAX; i++) {
                snprintf(pattern, sizeof pattern, i % 2 ? "n%u" : "n%u.*", i);
                assert_int_equal(rules_add(rules, i % 2 ? "odd" : "even", pattern, 1), 0);
        }
        assert_int_equal(rules_add(rules, "g", "one more", 1), -ENOSPC);
        assert_int_equal(rules_count(rules), RULES_PATTERNS_MAX);
        assert_string_equal(find_name(rules, "n16383"), "odd");
        assert_string_equal(find_name(rules, "n16382.y"), "even");
        assert_string_equal(find_name(rules, "n16384"), "none");
        rules_free(rules);
}

static void the_command_line_is_wanted_only_where_it_can_matter(void **state) {
        struct rules *rules = MAKE("a", "b", "c", "d*");

        assert_false(rules_need_command_line(NULL, "python3"));
        assert_false(rules_need_command_line(rules, "nginx"));
        assert_true(rules_need_command_line(rules, "python3"));
        assert_true(rules_need_command_line(rules, "123456789012345"));
        assert_int_equal(rules_add(rules, "e", "*f*", 3), 0);
        assert_true(rules_need_command_line(rules, "nginx"));
        rules_free(rules);
}

static void other_rules_are_told_from_the_same(void **state) {
        struct rules *a = MAKE("a", "b", "c", "*d*", "e", "f*"), *b = MAKE("a", "b", "c", "*d*", "e", "f*"),
                     *c = MAKE("a", "b", "c", "*d*", "e", "*f"), *d = MAKE("a", "b", "c", "*d*"),
                     *e = MAKE("a", "b", "c", "*d*", "e", "g*");

        assert_true(rules_is_same(a, b));
        assert_true(rules_is_same(NULL, NULL));
        assert_false(rules_is_same(a, c));
        assert_false(rules_is_same(a, d));
        assert_false(rules_is_same(a, e));
        assert_false(rules_is_same(a, NULL));
        assert_false(rules_is_same(NULL, a));
        rules_clear_interpreters(b);
        assert_false(rules_is_same(a, b));
        rules_free(a);
        rules_free(b);
        rules_free(c);
        rules_free(d);
        rules_free(e);
}

static void strange_command_lines_do_no_harm(void **state) {
        struct rules *rules = MAKE("end", "*end*", "name", "abcdefghijklmnop", "last", "last");
        char longest[10000];

        memset(longest, 'x', sizeof longest);
        memcpy(longest + 4093, "end", 3);
        assert_string_equal(find(rules, "sh", longest, sizeof longest), "end");
        memcpy(longest + 4093, "xend", 4);
        assert_string_equal(find(rules, "sh", longest, sizeof longest), "none");
        assert_string_equal(find(rules, "sh", LINE("\0\0\0")), "none");
        assert_string_equal(find(rules, "sh", LINE("\0/last")), "last");
        assert_string_equal(find(rules, "sh", "sh\0/last", 8), "last"); /* no NUL behind it */
        assert_string_equal(find(rules, "sh", LINE("sh\0/\0//\0/last")), "last");
        assert_string_equal(find(rules, "abcdefghijklmno", LINE("/")), "none");
        assert_string_equal(find(rules, "abcdefghijklmno", LINE("abcdefghijklmnop/")), "none");
        memset(longest, 'y', sizeof longest - 1);
        longest[sizeof longest - 1] = '\0';
        assert_string_equal(find(rules, longest, "", 0), "none");
        rules_free(rules);
}

static void a_process_is_asked_for_its_command_line(void **state) {
        static const char stat[] = "42 (python3) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 12345 20\n";
        struct rules *rules = MAKE("app", "*app.py*", "rest", "python*");
        struct procfs procfs = PROCFS_NULL;
        struct rules_match match;

        tree_file(*state, "proc/42/stat", stat);
        tree_file(*state, "proc/42/cmdline", "python3 app.py");
        assert_int_equal(procfs_open(&procfs, tree_path(*state, "proc")), 0);
        assert_true(rules_find_process(rules, &procfs, 42, UINT64_C(123450000000), "python3", &match));
        assert_string_equal(match.group, "app");
        assert_true(rules_find_process(rules, &procfs, 42, 0, "python3", &match));
        assert_string_equal(match.group, "app");
        assert_true(rules_find_process(rules, &procfs, 42, UINT64_C(999000000000), "python3", &match));
        assert_string_equal(match.group, "rest"); /* another process has that PID now */
        assert_true(rules_find_process(rules, &procfs, 43, 0, "python3", &match));
        assert_string_equal(match.group, "rest");
        assert_true(rules_find_process(rules, &procfs, 0, 0, "python3", &match));
        assert_string_equal(match.group, "rest");
        assert_false(rules_find_process(NULL, &procfs, 42, 0, "python3", &match));
        procfs_close(&procfs);
        rules_free(rules);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_kind_of_pattern_matches_what_it_should),
                cmocka_unit_test(the_first_pattern_that_matches_counts_whatever_its_kind),
                cmocka_unit_test(one_star_is_every_process),
                cmocka_unit_test(programs_of_one_interpreter_are_told_apart),
                cmocka_unit_test(interpreters_are_added_and_all_are_forgotten),
                cmocka_unit_test(a_name_that_the_kernel_has_cut_is_known_whole),
                cmocka_unit_test(case_does_not_matter),
                cmocka_unit_test(patterns_that_make_no_sense_are_refused),
                cmocka_unit_test(there_are_never_more_patterns_than_fit),
                cmocka_unit_test(the_command_line_is_wanted_only_where_it_can_matter),
                cmocka_unit_test(other_rules_are_told_from_the_same),
                cmocka_unit_test(strange_command_lines_do_no_harm),
                cmocka_unit_test_setup_teardown(a_process_is_asked_for_its_command_line, tree_setup, tree_teardown),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
