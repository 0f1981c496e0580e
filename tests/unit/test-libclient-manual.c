/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libsocktally(3) promises that a reader can be written from it alone: its tables of columns must be the library's, all
 * of them and in order, and every name of the public header must be on the page.
 */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "libclient/layout.h"
#include "libclient/schema.h"
#include "libclient/socktally.h"

static const char *const type_names[] = { "counter", "gauge", "text", "id" };

/* The file without roff's escapes. */
static char *read_plain(const char *name) {
        const char *top = getenv("srcdir");
        char path[4096], *text;
        size_t n = 0;
        FILE *file;
        int c;

        snprintf(path, sizeof(path), "%s/%s", top ? top : ".", name);
        file = fopen(path, "re");
        assert_non_null(file);
        text = malloc(1 << 20);
        assert_non_null(text);
        while ((c = getc(file)) != EOF && n < (1 << 20) - 1) {
                if (c == '\\') {
                        c = getc(file);
                        if (c == '(') { /* \(aq, \(dq */
                                c = getc(file) == 'a' ? '\'' : '"';
                                (void) getc(file);
                        }
                }
                text[n++] = (char) c;
        }
        text[n] = 0;
        fclose(file);
        return text;
}

static void add_line(char *text, size_t size, const struct schema_column *column) {
        size_t n = strlen(text);

        snprintf(text + n, size - n, "%s\t%s\t%s\tT{\n%s\nT}\n", column->name, type_names[column->type],
                 *column->unit ? column->unit : "-", column->help);
}

static void check_table(const char *page, const char *marker, const char *expected) {
        const char *start, *end;
        char line[64];

        snprintf(line, sizeof(line), ".\" table %s\n", marker);
        start = strstr(page, line);
        assert_non_null(start);
        start = strstr(start, "Meaning\n");
        assert_non_null(start);
        start += strlen("Meaning\n");
        end = strstr(start, ".TE\n");
        assert_non_null(end);
        if (strlen(expected) != (size_t) (end - start) || strncmp(start, expected, strlen(expected)) != 0)
                fail_msg("table %s should be\n%s", marker, expected);
}

static void the_tables_of_columns_are_the_librarys(void **state) {
        char *page = read_plain("man/libsocktally.3"), expected[16384] = "";
        struct schema_column column;

        (void) state;
        for (uint32_t c = 0; c < SOCKTALLY_N_METRICS; c++) {
                assert_true(stly_schema_column(stly_schema_table(SOCKTALLY_TABLE_HOST), c, &column));
                add_line(expected, sizeof(expected), &column);
        }
        check_table(page, "metrics", expected);
        for (uint32_t t = 0; t < LAYOUT_N_TABLES; t++) {
                const struct schema_table *table = stly_schema_table(t);

                expected[0] = 0;
                for (uint32_t c = 0; stly_schema_column(table, c, &column); c++)
                        if (column.field_id > FIELD_LAST_METRIC)
                                add_line(expected, sizeof(expected), &column);
                check_table(page, table->name, expected);
        }
        free(page);
}

static bool is_name(char c) {
        return isalnum((unsigned char) c) || c == '_';
}

/* On the page as a word of its own. */
static bool mentions(const char *page, const char *name) {
        const char *p = page;

        while ((p = strstr(p, name))) {
                if (!is_name(p[-1]) && !is_name(p[strlen(name)]))
                        return true;
                p++;
        }
        return false;
}

static void every_name_of_the_header_is_on_the_page(void **state) {
        char *page = read_plain("man/libsocktally.3"), *header = read_plain("libclient/socktally.h");
        unsigned int n = 0;

        (void) state;
        for (char *p = header; *p;) {
                char name[64];
                size_t length = 0;

                while (is_name(p[length]))
                        length++;
                if (length == 0) {
                        p++;
                        continue;
                }
                snprintf(name, sizeof(name), "%.*s", (int) length, p);
                p += length;
                if ((strncmp(name, "socktally_", 10) != 0 && strncmp(name, "SOCKTALLY_", 10) != 0) ||
                    strcmp(name, "SOCKTALLY_H") == 0 || strcmp(name, "SOCKTALLY_PUBLIC_API") == 0 ||
                    strcmp(name, "socktally_answer") == 0 || strcmp(name, "socktally_row_kind") == 0 ||
                    strcmp(name, "socktally_refresh_result") == 0)
                        continue;
                if (!mentions(page, name))
                        fail_msg("%s is in the header, but not in libsocktally(3)", name);
                n++;
        }
        assert_true(n > 50);
        free(page);
        free(header);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_tables_of_columns_are_the_librarys),
                cmocka_unit_test(every_name_of_the_header_is_on_the_page),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
