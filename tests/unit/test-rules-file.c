/* SPDX-License-Identifier: GPL-2.0-or-later */
/* apps.conf as administrators write it, and as they should not; what is said about each fault. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/identity/rules-file.h"
#include "tests/unit/tree.h"

/* What was said, without the file's path in front. */
struct said {
        char lines[8192];
        unsigned n;
        int error;
};

static void listen(void *userdata, const char *line, int error) {
        struct said *said = userdata;
        size_t used = strlen(said->lines);
        const char *name = strrchr(line, '/');

        said->n++;
        said->error = error;
        snprintf(said->lines + used, sizeof said->lines - used, "%s\n", name ? name + 1 : line);
}

static const char *write_bytes(struct tree *tree, const char *text, size_t n) {
        const char *path = tree_file(tree, "apps.conf", "");
        FILE *file = fopen(path, "w");

        assert_non_null(file);
        assert_int_equal(fwrite(text, 1, n, file), n);
        assert_int_equal(fclose(file), 0);
        return path;
}

static struct rules *load_bytes(struct tree *tree, const char *text, size_t n, struct said *said) {
        struct rules *rules;

        memset(said, 0, sizeof *said);
        assert_int_equal(rules_file_load(&rules, write_bytes(tree, text, n), listen, said), 0);
        return rules;
}

static struct rules *load(struct tree *tree, const char *text, struct said *said) {
        return load_bytes(tree, text, strlen(text), said);
}

static void assert_group(const struct rules *rules, const char *comm, const char *group, unsigned line) {
        struct rules_match match = { .group = "none", .line = 0 };

        (void) rules_find(rules, comm, NULL, 0, &match);
        assert_string_equal(match.group, group);
        assert_int_equal(match.line, line);
}

static void groups_have_patterns_and_may_be_repeated(void **state) {
        struct said said;
        struct rules *rules = load(*state,
                                   "# a comment\n"
                                   "  # another one, \xff\n"
                                   "\n"
                                   "web servers: nginx apache*\t*httpd  # not-a-pattern\n"
                                   "mail:postfix\n"
                                   "aws: '*aws s3*' \"it's\" \"it is\"\n"
                                   "  web servers  :  caddy\n"
                                   "times: 12:30 'a#b' c#d '#e'\n"
                                   "quotes: o'clock",
                                   &said);

        assert_string_equal(said.lines, "");
        assert_int_equal(rules_count(rules), 13);
        assert_group(rules, "nginx", "web servers", 4);
        assert_group(rules, "apache2", "web servers", 4);
        assert_group(rules, "lighttpd-httpd", "web servers", 4);
        assert_group(rules, "not-a-pattern", "none", 0);
        assert_group(rules, "postfix", "mail", 5);
        assert_group(rules, "my aws s3 cp", "aws", 6);
        assert_group(rules, "it's", "aws", 6);
        assert_group(rules, "it is", "aws", 6);
        assert_group(rules, "caddy", "web servers", 7);
        assert_group(rules, "12:30", "times", 8);
        assert_group(rules, "a#b", "times", 8);
        assert_group(rules, "c#d", "times", 8);
        assert_group(rules, "#e", "times", 8);
        assert_group(rules, "o'clock", "quotes", 9);
        rules_free(rules);
}

static void lines_of_other_systems_are_read(void **state) {
        struct said said;
        struct rules *rules = load(*state, "a: b\r\n\r\nc: 'd'\r\n", &said);

        assert_string_equal(said.lines, "");
        assert_group(rules, "b", "a", 1);
        assert_group(rules, "d", "c", 3);
        rules_free(rules);
}

static void a_file_without_rules_has_none(void **state) {
        static const char *const texts[] = { "", "\n", "\n\n# a: b\n", "   " };
        struct rules *rules;
        struct said said;

        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
                rules = load(*state, texts[i], &said);
                assert_string_equal(said.lines, "");
                assert_int_equal(rules_count(rules), 0);
                rules_free(rules);
        }
}

/* Each line is wrong; the one before it and the one behind it apply. */
static void each_fault_is_named_and_the_rest_applies(void **state) {
        static const struct {
                const char *line, *said;
        } faults[] = {
                { "Apps=yes", "\"Apps=yes\" is not of the form group: pattern..., ignoring it" },
                { " [Socktally] ", "\"[Socktally]\" is not of the form group: pattern..., ignoring it" },
                { "x: 'abc", "the quotation 'abc is not closed, ignoring the rest of the line" },
                { "x: \"abc'", "the quotation \"abc' is not closed, ignoring the rest of the line" },
                { "x: 'abc'd", "the quotation 'abc'd has no space behind it, ignoring the rest of the line" },
                { "x:", "x: has no pattern, ignoring it" },
                { "x y: # z", "x y: has no pattern, ignoring it" },
                { ": abc", "no group stands before the ':', ignoring the line" },
                { "x: a*b", "pattern a*b: a '*' can be its first and its last character only, ignoring it" },
                { "x: **", "pattern \"**\" has no text, ignoring it; '*' alone is every process" },
                { "x: ''", "pattern \"\" has no text, ignoring it; '*' alone is every process" },
                { "x: \xff\xfe", "invalid UTF-8 or a control character, ignoring the line" },
                { "x\xc3: a", "invalid UTF-8 or a control character, ignoring the line" },
                { "x\x1b[1m: a", "invalid UTF-8 or a control character, ignoring the line" },
                { "x\xe2\x80\xae: a", "invalid UTF-8 or a control character, ignoring the line" },
                { "managers: init", "managers: is not known, ignoring it; each process is matched by itself, and "
                                    "children inherit no group" },
                { "interpreters: *x*", "interpreter \"*x*\": must be a name, name* or *name, ignoring it" },
                { "interpreters:", "interpreters: has no pattern, ignoring it" },
        };
        char text[512], expected[512];
        struct rules *rules;
        struct said said;

        for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
                snprintf(text, sizeof text, "before: one\n%s\nbehind: two\n", faults[i].line);
                snprintf(expected, sizeof expected, "apps.conf:2: %s\n", faults[i].said);
                rules = load(*state, text, &said);
                assert_string_equal(said.lines, expected);
                assert_int_equal(said.error, 0);
                assert_int_equal(rules_count(rules), 2);
                assert_group(rules, "one", "before", 1);
                assert_group(rules, "two", "behind", 3);
                rules_free(rules);
        }
}

static void patterns_beside_a_wrong_one_apply(void **state) {
        struct said said;
        struct rules *rules = load(*state, "g: a b*c d 'e f\nh: i\n", &said);

        assert_int_equal(said.n, 2);
        assert_group(rules, "a", "g", 1);
        assert_group(rules, "d", "g", 1);
        assert_group(rules, "i", "h", 2);
        assert_int_equal(rules_count(rules), 3);
        rules_free(rules);
}

static void a_nul_byte_spoils_its_line_alone(void **state) {
        static const char text[] = "a: b\nc: d\0e\nf: g\n\0";
        struct said said;
        struct rules *rules = load_bytes(*state, text, sizeof text - 1, &said);

        assert_string_equal(said.lines, "apps.conf:2: a NUL byte is no text, ignoring the line\n"
                                        "apps.conf:4: a NUL byte is no text, ignoring the line\n");
        assert_group(rules, "b", "a", 1);
        assert_group(rules, "g", "f", 3);
        assert_group(rules, "d", "none", 0);
        rules_free(rules);
}

static void a_line_of_a_megabyte_is_left_out(void **state) {
        size_t n = 1 << 20;
        char *text = malloc(n + 64), expected[128];
        struct rules *rules;
        struct said said;

        assert_non_null(text);
        memset(text, 'x', n);
        memcpy(text, "a: b\nc: ", 8);
        strcpy(text + n, "\nd: e\n");
        rules = load(*state, text, &said);
        snprintf(expected, sizeof expected, "apps.conf:2: a line of more than %d bytes, ignoring it\n",
                 RULES_FILE_LINE_MAX);
        assert_string_equal(said.lines, expected);
        assert_group(rules, "b", "a", 1);
        assert_group(rules, "e", "d", 3);
        rules_free(rules);
        free(text);
}

static void the_longest_line_is_read(void **state) {
        char text[RULES_FILE_LINE_MAX + 64];
        struct rules *rules;
        struct said said;

        memset(text, ' ', sizeof text);
        memcpy(text, "a:", 2);
        strcpy(text + RULES_FILE_LINE_MAX - 1, "b\nc: d\n");
        rules = load(*state, text, &said);
        assert_string_equal(said.lines, "");
        assert_group(rules, "b", "a", 1);
        assert_group(rules, "d", "c", 2);
        rules_free(rules);
}

static void a_groups_name_is_bounded(void **state) {
        char text[512], expected[256];
        struct rules *rules;
        struct said said;

        memset(text, 'g', 255);
        strcpy(text + 255, ": a\n");
        rules = load(*state, text, &said);
        assert_int_equal(said.n, 0);
        memcpy(expected, text, 255);
        expected[255] = '\0';
        assert_group(rules, "a", expected, 1);
        rules_free(rules);
        memset(text, 'g', 256);
        strcpy(text + 256, ": a\n");
        rules = load(*state, text, &said);
        assert_string_equal(said.lines,
                            "apps.conf:1: the name of a group has more than 255 bytes, ignoring the line\n");
        rules_free(rules);
}

static void a_tab_in_a_groups_name_does_no_harm(void **state) {
        struct said said;
        struct rules *rules = load(*state, "a\tb: c\n", &said);

        assert_group(rules, "c", "a?b", 1);
        rules_free(rules);
}

static void interpreters_are_named_in_the_file(void **state) {
        struct said said;
        struct rules *rules = load(*state, "interpreters: clear guile\ng: x.scm\n", &said);
        struct rules_match match;

        assert_string_equal(said.lines, "");
        assert_true(rules_find(rules, "guile", "guile\0/x.scm", 13, &match));
        assert_false(rules_find(rules, "python3", "python3\0/x.scm", 15, &match));
        rules_free(rules);
}

/* So many lines that most do not fit, and so many faults that most are not told. */
static void a_hundred_thousand_lines_are_read_as_far_as_they_fit(void **state) {
        size_t n = 100000, used = 0, size = n * 32;
        char *text = malloc(size), expected[128];
        struct rules *rules;
        struct said said;

        assert_non_null(text);
        for (size_t i = 0; i < n; i++)
                used += (size_t) snprintf(text + used, size - used, "group%zu: name%zu\n", i % 100, i);
        rules = load_bytes(*state, text, used, &said);
        snprintf(expected, sizeof expected, "apps.conf:%d: more than %d patterns, ignoring this and all that follows\n",
                 RULES_PATTERNS_MAX + 1, RULES_PATTERNS_MAX);
        assert_string_equal(said.lines, expected);
        assert_int_equal(rules_count(rules), RULES_PATTERNS_MAX);
        assert_group(rules, "name0", "group0", 1);
        assert_group(rules, "name16383", "group83", 16384);
        assert_group(rules, "name16384", "none", 0);
        rules_free(rules);
        used = 0;
        for (size_t i = 0; i < n; i++)
                used += (size_t) snprintf(text + used, size - used, "nonsense\n");
        used += (size_t) snprintf(text + used, size - used, "a: b\n");
        rules = load_bytes(*state, text, used, &said);
        assert_int_equal(said.n, RULES_FILE_REPORTS_MAX + 1);
        assert_non_null(strstr(said.lines, "apps.conf: 99990 more things are wrong\n"));
        assert_group(rules, "b", "a", 100001);
        rules_free(rules);
        free(text);
}

static void too_many_texts_to_look_for_leave_out_themselves_alone(void **state) {
        size_t used = 0, size = (RULES_SUBSTRINGS_MAX + 4) * 16;
        char *text = malloc(size);
        struct rules *rules;
        struct said said;

        assert_non_null(text);
        for (unsigned i = 0; i <= RULES_SUBSTRINGS_MAX; i++)
                used += (size_t) snprintf(text + used, size - used, "g: *text%u*\n", i);
        snprintf(text + used, size - used, "h: last\n");
        rules = load(*state, text, &said);
        assert_string_equal(said.lines, "apps.conf:513: pattern *text512*: more than 512 patterns of the form *text*, "
                                        "ignoring it\n");
        assert_group(rules, "last", "h", RULES_SUBSTRINGS_MAX + 2);
        rules_free(rules);
        free(text);
}

static void assert_unreadable(const char *path, int error, const char *message) {
        struct said said = { .n = 0 };
        struct rules *rules;

        assert_int_equal(rules_file_load(&rules, path, listen, &said), error);
        assert_int_equal(said.n, 1);
        assert_int_equal(said.error, error);
        assert_non_null(strstr(said.lines, message));
}

static void a_file_that_cannot_be_read_is_named(void **state) {
        const char *path;

        assert_unreadable(tree_path(*state, "nowhere"), -ENOENT,
                          "nowhere: cannot be read: No such file or directory, ignoring it");
        assert_unreadable(tree_directory(*state, "directory"), -EISDIR, "directory: not a regular file, ignoring it");
        assert_unreadable("/dev/zero", -EISDIR, "zero: not a regular file");
        path = tree_file(*state, "large", "");
        assert_int_equal(truncate(path, RULES_FILE_SIZE_MAX + 1), 0);
        assert_unreadable(path, -EFBIG, "large: more than 16777216 bytes, ignoring all of it");
}

static void the_first_directory_with_a_file_counts(void **state) {
        const char *directories[] = { strdup(tree_directory(*state, "etc")), strdup(tree_directory(*state, "run")),
                                      NULL };
        struct said said = { .n = 0 };
        struct rules *rules;

        assert_int_equal(rules_file_find(&rules, directories, listen, &said), 0);
        assert_null(rules);
        tree_file(*state, "run/apps.conf", "a: b\n");
        assert_int_equal(rules_file_find(&rules, directories, listen, &said), 0);
        assert_group(rules, "b", "a", 1);
        rules_free(rules);
        assert_int_equal(symlink("/dev/null", tree_path(*state, "etc/apps.conf")), 0); /* hides the other one */
        assert_int_equal(rules_file_find(&rules, directories, listen, &said), 0);
        assert_int_equal(rules_count(rules), 0);
        rules_free(rules);
        assert_int_equal(said.n, 0);
        assert_int_equal(unlink(tree_path(*state, "etc/apps.conf")), 0);
        tree_directory(*state, "etc/apps.conf");
        assert_int_equal(rules_file_find(&rules, directories, listen, &said), -EISDIR);
        assert_null(rules);
        free((char *) directories[0]);
        free((char *) directories[1]);
}

static void the_shipped_file_has_examples_that_are_right(void **state) {
        const char *top = getenv("srcdir");
        char path[1024], line[512], text[8192] = "";
        struct said said = { .n = 0 };
        struct rules *rules;
        size_t used = 0;
        FILE *file;

        snprintf(path, sizeof path, "%s/data/apps.conf", top ? top : ".");
        assert_int_equal(rules_file_load(&rules, path, listen, &said), 0);
        assert_int_equal(said.n, 0);
        assert_int_equal(rules_count(rules), 0); /* no name changes unless somebody wants that */
        rules_free(rules);
        file = fopen(path, "r");
        assert_non_null(file);
        while (fgets(line, sizeof line, file))
                if (line[0] == '#' && !strchr(" \n", line[1]))
                        used += (size_t) snprintf(text + used, sizeof text - used, "%s", line + 1);
        fclose(file);
        rules = load(*state, text, &said);
        assert_string_equal(said.lines, "");
        assert_group(rules, "postgres", "databases", 2);
        assert_group(rules, "aws s3 sync", "backups", 5);
        rules_free(rules);
}

/* A file that was right, with a few bytes changed at random: whatever comes out, the table can be asked, and what is
 * said is text of bounded length. */
static void files_with_random_faults_do_no_harm(void **state) {
        static const char good[] = "# comment\nweb: nginx apache* *httpd\naws: '*aws s3*' \"it is\"\n"
                                   "interpreters: clear python*\nx y: \xc3\xa4* 'b'\n";
        static const char bytes[] = ":*'\"# \n\r\t\0\xff\xc3x";
        char text[sizeof good];
        struct rules_match match;
        struct rules *rules;
        struct said said;

        srand(4711);
        for (unsigned i = 0; i < 5000; i++) {
                size_t n = sizeof good - 1 - (size_t) rand() % 20;

                memcpy(text, good, sizeof good);
                for (int j = rand() % 6; j >= 0; j--)
                        text[(size_t) rand() % n] = bytes[(size_t) rand() % (sizeof bytes - 1)];
                rules = load_bytes(*state, text, n, &said);
                assert_true(said.n <= RULES_FILE_REPORTS_MAX + 1);
                if (rules_find(rules, "python3", text, n, &match)) {
                        assert_in_range(match.line, 1, 8 + 6);
                        assert_in_range(strlen(match.group), 1, sizeof good);
                }
                rules_free(rules);
        }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, tree_setup, tree_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(groups_have_patterns_and_may_be_repeated),
                CASE(lines_of_other_systems_are_read),
                CASE(a_file_without_rules_has_none),
                CASE(each_fault_is_named_and_the_rest_applies),
                CASE(patterns_beside_a_wrong_one_apply),
                CASE(a_nul_byte_spoils_its_line_alone),
                CASE(a_line_of_a_megabyte_is_left_out),
                CASE(the_longest_line_is_read),
                CASE(a_groups_name_is_bounded),
                CASE(a_tab_in_a_groups_name_does_no_harm),
                CASE(interpreters_are_named_in_the_file),
                CASE(a_hundred_thousand_lines_are_read_as_far_as_they_fit),
                CASE(too_many_texts_to_look_for_leave_out_themselves_alone),
                CASE(a_file_that_cannot_be_read_is_named),
                CASE(the_first_directory_with_a_file_counts),
                CASE(the_shipped_file_has_examples_that_are_right),
                CASE(files_with_random_faults_do_no_harm),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
