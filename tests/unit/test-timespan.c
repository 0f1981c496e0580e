/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The forms of systemd.time(7), and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/control/timespan.h"

static void each_form_means_what_systemd_says(void **state) {
        static const struct {
                const char *text;
                uint64_t usec;
        } cases[] = {
                { "1", 1000000 },           { "100ms", 100000 },       { "1s", 1000000 },
                { "2min", 120000000 },      { "1h", 3600000000 },      { "1.5s", 1500000 },
                { "0.1", 100000 },          { ".5s", 500000 },         { "1min 30s", 90000000 },
                { "1h30min", 5400000000 },  { "  7 ms ", 7000 },       { "1 hour 2 minutes", 3720000000 },
                { "250us", 250 },           { "0", 0 },                { "2w", 1209600000000 },
                { "0.123456789s", 123456 }, { "1.0000005s", 1000000 },
                { "1s2", 3000000 },
        };

        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                uint64_t usec = 99;

                assert_int_equal(timespan_parse(cases[i].text, &usec), 0);
                assert_int_equal(usec, cases[i].usec);
        }
}

static void what_is_no_time_span_is_refused_and_nothing_set(void **state) {
        static const char *const texts[] = { "", " ", "s", "1x", "-1s", "1s s", "one", "1,5s", "0x10", ".", "1 min s",
                                             "infinity", "nan" };
        uint64_t usec = 99;

        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
                assert_int_equal(timespan_parse(texts[i], &usec), -EINVAL);
        assert_int_equal(timespan_parse("1s 5x", &usec), -EINVAL);
        assert_int_equal(usec, 99);
}

static void what_does_not_fit_is_out_of_range(void **state) {
        uint64_t usec;

        assert_int_equal(timespan_parse("99999999999999999999s", &usec), -ERANGE);
        assert_int_equal(timespan_parse("18446744073709551615s", &usec), -ERANGE);
        assert_int_equal(timespan_parse("18446744073709551615us 1us", &usec), -ERANGE);
}

static void what_is_written_reads_back(void **state) {
        static const uint64_t values[] = { 0, 1, 100000, 1500000, 90000000, 3600000000, 86400000001, UINT64_MAX };
        char text[64];
        uint64_t usec;

        assert_string_equal(timespan_format(text, sizeof text, 90500000), "1min 30s 500ms");
        for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
                assert_int_equal(timespan_parse(timespan_format(text, sizeof text, values[i]), &usec), 0);
                assert_int_equal(usec, values[i]);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_form_means_what_systemd_says),
                cmocka_unit_test(what_is_no_time_span_is_refused_and_nothing_set),
                cmocka_unit_test(what_does_not_fit_is_out_of_range),
                cmocka_unit_test(what_is_written_reads_back),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
