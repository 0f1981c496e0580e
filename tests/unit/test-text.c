/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names are bytes from strangers: whatever they are, what comes out is bounded, printable UTF-8. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/text.h"

static void check(const char *in, const char *out) {
        char cleaned[16];

        memset(cleaned, 'x', sizeof cleaned);
        assert_int_equal(text_clean(cleaned, sizeof cleaned, in, strlen(in)), strlen(out));
        assert_string_equal(cleaned, out);
        for (size_t i = strlen(out); i < sizeof cleaned; i++)
                assert_int_equal(cleaned[i], 0);
}

static void plain_names_pass_unchanged(void **state) {
        check("", "");
        check("nginx", "nginx");
        check("Web Content", "Web Content");
        check("na\xc3\xafve", "na\xc3\xafve");
        check("\xe6\xbc\xa2\xe5\xad\x97", "\xe6\xbc\xa2\xe5\xad\x97");
        check("\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80");
}

static void control_characters_become_question_marks(void **state) {
        check("a\nb\tc", "a?b?c");
        check("\033[31m", "?[31m");
        check("a\x7f", "a?");
        check("a\xc2\x9b" "b", "a??b"); /* CSI of C1 */
        check("a\xe2\x80\xa8", "a???"); /* line separator */
}

static void what_is_not_utf_8_becomes_question_marks(void **state) {
        check("\x80", "?");
        check("\xff\xfe", "??");
        check("\xc0\xaf", "??");          /* overlong slash */
        check("\xe0\x80\xaf", "???");
        check("\xed\xa0\x80", "???");     /* surrogate */
        check("\xf4\x90\x80\x80", "????"); /* past the end */
        check("ab\xe2\x82", "ab??");      /* cut */
}

static void a_character_is_never_cut_in_two(void **state) {
        check("12345678901234\xc3\xa4", "12345678901234");
        check("1234567890123\xc3\xa4", "1234567890123\xc3\xa4");
}

static void bytes_past_the_given_end_are_not_read(void **state) {
        static const char bytes[3] = { 'a', 'b', (char) 0xe2 };
        char cleaned[8];

        assert_int_equal(text_clean(cleaned, sizeof cleaned, bytes, sizeof bytes), 3);
        assert_string_equal(cleaned, "ab?");
}

static void anything_random_comes_out_plain(void **state) {
        srand(7);
        for (unsigned i = 0; i < 100000; i++) {
                char noise[16], cleaned[16], again[16];

                for (size_t j = 0; j < sizeof noise; j++)
                        noise[j] = (char) (rand() >> 7);
                text_clean(cleaned, sizeof cleaned, noise, sizeof noise);
                assert_true(text_is_plain(cleaned, strlen(cleaned)));
                text_clean(again, sizeof again, cleaned, sizeof cleaned);
                assert_string_equal(again, cleaned);
        }
}

static void a_text_with_lines_is_plain_and_a_binary_is_not(void **state) {
        assert_true(text_is_plain("a=b\r\n\tc", 7));
        assert_false(text_is_plain("a\0b", 3));
        assert_false(text_is_plain("\x7f" "ELF", 4));
        assert_false(text_is_plain("\xff\xff", 2));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(plain_names_pass_unchanged),
                cmocka_unit_test(control_characters_become_question_marks),
                cmocka_unit_test(what_is_not_utf_8_becomes_question_marks),
                cmocka_unit_test(a_character_is_never_cut_in_two),
                cmocka_unit_test(bytes_past_the_given_end_are_not_read),
                cmocka_unit_test(anything_random_comes_out_plain),
                cmocka_unit_test(a_text_with_lines_is_plain_and_a_binary_is_not),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
