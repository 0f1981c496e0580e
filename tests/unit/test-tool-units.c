/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers and names as the socktally command prints them, at their edges. */
#include <errno.h>
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/units.h"
#include "tools/untrusted.h"

static void bytes_are_shown_by_powers_of_1024(void **state) {
        static const struct {
                uint64_t value;
                const char *text;
        } cases[] = {
                { 0, "0" }, { 1, "1" }, { 999, "999" }, { 1000, "1000" }, { 1023, "1023" }, { 1024, "1.00K" },
                { 1029, "1.00K" }, { 1030, "1.01K" }, { 10234, "9.99K" }, { 10235, "10.0K" }, { 10240, "10.0K" },
                { 102348, "99.9K" }, { 102349, "100K" }, { 102400, "100K" }, { 1048063, "1023K" },
                { 1048064, "1.00M" }, { 1048575, "1.00M" }, { 1048576, "1.00M" }, { 1268777, "1.21M" },
                { UINT64_C(1) << 30, "1.00G" }, { UINT64_C(1) << 40, "1.00T" }, { UINT64_C(1) << 50, "1.00P" },
                { UINT64_C(1) << 60, "1.00E" }, { UINT64_MAX, "16.0E" },
        };
        char text[UNITS_SIZE];

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
                assert_string_equal(units_readable(text, cases[i].value, UNIT_BYTES), cases[i].text);
}

static void counts_are_shown_by_powers_of_1000(void **state) {
        static const struct {
                uint64_t value;
                const char *text;
        } cases[] = {
                { 0, "0" }, { 999, "999" }, { 1000, "1.00k" }, { 1024, "1.02k" }, { 9994, "9.99k" },
                { 9995, "10.0k" }, { 99949, "99.9k" }, { 99950, "100k" }, { 999499, "999k" }, { 999500, "1.00M" },
                { 1000000, "1.00M" }, { UINT64_MAX, "18.4E" },
        };
        char text[UNITS_SIZE];

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
                assert_string_equal(units_readable(text, cases[i].value, UNIT_COUNT), cases[i].text);
}

static void no_readable_number_takes_more_than_five_columns(void **state) {
        char text[UNITS_SIZE];

        for (unsigned bit = 0; bit < 64; bit++)
                for (int64_t near = -3; near <= 3; near++) {
                        const uint64_t value = (UINT64_C(1) << bit) + (uint64_t)near;

                        assert_true(strlen(units_readable(text, value, UNIT_BYTES)) <= 5);
                        assert_true(strlen(units_readable(text, value, UNIT_COUNT)) <= 5);
                        assert_true(strlen(units_readable(text, value * 999, UNIT_COUNT)) <= 5);
                }
}

static void exact_numbers_keep_every_digit(void **state) {
        char text[UNITS_SIZE];

        assert_string_equal(units_exact(text, 0), "0");
        assert_string_equal(units_exact(text, UINT64_MAX), "18446744073709551615");
}

static void durations_are_shown_in_the_unit_that_fits(void **state) {
        static const struct {
                uint64_t value;
                const char *text;
        } cases[] = {
                { 0, "0 us" }, { 999999, "999 us" }, { 1000000, "1 ms" }, { 1499999, "1.4 ms" },
                { 999000000, "999 ms" }, { 1000000000, "1 s" }, { 1500000000, "1.5 s" }, { 59900000000, "59.9 s" },
                { 60000000000, "1 min 0 s" }, { 3600000000000, "1 h 0 min" }, { 90000000000000, "1 d 1 h" },
        };
        char text[UNITS_SIZE];

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
                assert_string_equal(units_duration(text, cases[i].value), cases[i].text);
        assert_true(strlen(units_duration(text, UINT64_MAX)) < UNITS_SIZE - 1);
}

static void durations_are_read_with_and_without_a_unit(void **state) {
        static const struct {
                const char *text;
                uint64_t usec;
        } cases[] = {
                { "1", 1000000 }, { "0.5", 500000 }, { "500ms", 500000 }, { "2s", 2000000 }, { "1.25s", 1250000 },
                { "1min", 60000000 }, { "1h", 3600000000 }, { "0", 0 }, { "7 s", 7000000 }, { "0.000001", 1 },
        };
        uint64_t usec;

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                assert_int_equal(units_parse_duration(cases[i].text, &usec), 0);
                assert_int_equal(usec, cases[i].usec);
        }
}

static void what_is_no_duration_or_number_is_refused(void **state) {
        static const char *const durations[] = { "", "-1", "+1", "1x", "s", ".5", "1.", "1.s", "1e3", "0x10", "1 s s",
                                                 "99999999999999999999", "nan" };
        static const char *const numbers[] = { "", "-1", "+1", "1x", " 1", "1 ", "0x10" };
        uint64_t value;

        for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++)
                assert_int_equal(units_parse_duration(durations[i], &value), -EINVAL);
        for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
                assert_int_equal(units_parse_number(numbers[i], UINT64_MAX, &value), -EINVAL);
        assert_int_equal(units_parse_number("18446744073709551616", UINT64_MAX, &value), -ERANGE);
        assert_int_equal(units_parse_number("11", 10, &value), -ERANGE);
        assert_int_equal(units_parse_number("10", 10, &value), 0);
        assert_int_equal(value, 10);
}

static void control_and_direction_characters_never_reach_the_terminal(void **state) {
        static const struct {
                const char *name, *text;
        } cases[] = {
                { "nginx", "nginx" },
                { "a\033[31mb", "a\\x1b[31mb" },
                { "a\nb\tc\177", "a\\x0ab\\x09c\\x7f" },
                { "na\xc3\xafve", "na\xc3\xafve" },
                { "a\xff" "b", "a\\xffb" },
                { "a\xc3", "a\\xc3" },
                { "\xc2\x9b" "31m", "\\xc2\\x9b31m" },             /* CSI as one character */
                { "\xe2\x80\xae" "cod.exe", "\\xe2\\x80\\xaecod.exe" }, /* right-to-left override */
                { "", "" },
        };
        char text[128];

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
                assert_string_equal(untrusted_printable(text, sizeof(text), cases[i].name), cases[i].text);
}

static void a_name_that_does_not_fit_is_cut_at_a_whole_character(void **state) {
        char text[8];

        assert_string_equal(untrusted_printable(text, sizeof(text), "abcdefghij"), "abcdefg");
        assert_string_equal(untrusted_printable(text, sizeof(text), "abcdef\xc3\xaf"), "abcdef");
        assert_string_equal(untrusted_printable(text, sizeof(text), "abcd\033"), "abcd");
        assert_string_equal(untrusted_printable(text, 1, "abc"), "");
}

static void the_width_of_a_name_is_counted_in_columns(void **state) {
        size_t bytes;

        assert_int_equal(untrusted_width("abc", 10, &bytes), 3);
        assert_int_equal(bytes, 3);
        assert_int_equal(untrusted_width("na\xc3\xafve", 4, &bytes), 4);
        assert_int_equal(bytes, 5);
        assert_int_equal(untrusted_width("\xe6\xbc\xa2\xe5\xad\x97", 3, &bytes), 2); /* two wide characters */
        assert_int_equal(bytes, 3);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(bytes_are_shown_by_powers_of_1024),
                cmocka_unit_test(counts_are_shown_by_powers_of_1000),
                cmocka_unit_test(no_readable_number_takes_more_than_five_columns),
                cmocka_unit_test(exact_numbers_keep_every_digit),
                cmocka_unit_test(durations_are_shown_in_the_unit_that_fits),
                cmocka_unit_test(durations_are_read_with_and_without_a_unit),
                cmocka_unit_test(what_is_no_duration_or_number_is_refused),
                cmocka_unit_test(control_and_direction_characters_never_reach_the_terminal),
                cmocka_unit_test(a_name_that_does_not_fit_is_cut_at_a_whole_character),
                cmocka_unit_test(the_width_of_a_name_is_counted_in_columns),
        };

        if (!setlocale(LC_CTYPE, "C.UTF-8"))
                return 77;
        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests_name("units", tests, NULL, NULL);
}
