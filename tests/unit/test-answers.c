/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of answers: who waits how long, and what happens when it is full. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/identity/answers.h"

#define AGE 100

static struct question question_of(uint32_t owner, unsigned i) {
        struct question question = { .magic = QUESTION_MAGIC, .kind = QUESTION_CONTAINER, .owner = owner };

        snprintf(question.id, sizeof question.id, "%u", i);
        return question;
}

static uint32_t find(struct answers *answers, uint32_t owner, unsigned i, uint64_t now) {
        struct question question = question_of(owner, i);

        return answers_find(answers, &question, now, AGE);
}

static uint32_t find_and_wait(struct answers *answers, uint32_t owner, unsigned i, uint64_t now) {
        uint32_t place = find(answers, owner, i, now);

        assert_true(place != LOOKUP_NONE);
        assert_true(answers_is_due(answers, place, now, AGE));
        answers_wait(answers, place);
        return place;
}

static void check_next(const struct answers *answers, const char *id) {
        const struct question *next = answers_next(answers);

        assert_int_equal(!next, !id);
        if (id)
                assert_string_equal(next->id, id);
}

static int setup(void **state) {
        return answers_new((struct answers **) state);
}

static int teardown(void **state) {
        answers_free(*state);
        return 0;
}

static void the_first_that_waits_is_the_first_that_is_asked(void **state) {
        struct answers *answers = *state;

        check_next(answers, NULL);
        for (unsigned i = 1; i <= 3; i++)
                (void) find_and_wait(answers, QUESTION_SYSTEM, i, 1);
        assert_false(answers_is_due(answers, find(answers, QUESTION_SYSTEM, 2, 1), 1000, AGE)); /* it waits */
        check_next(answers, "1");
        assert_true(answers_take(answers, "one", 1));
        check_next(answers, "2");
        answers_put_off(answers, 1); /* behind the others */
        check_next(answers, "3");
        assert_false(answers_take(answers, "", 1));
        check_next(answers, "2");
        answers_put_off(answers, 1); /* for good */
        check_next(answers, NULL);
        assert_string_equal(answers_name(answers, find(answers, QUESTION_SYSTEM, 1, 1)), "one");
        assert_string_equal(answers_name(answers, find(answers, QUESTION_SYSTEM, 2, 1)), "");
}

static void an_answer_is_stale_after_a_while_and_stays_until_there_is_another(void **state) {
        struct answers *answers = *state;
        uint32_t place = find_and_wait(answers, 7, 1, 1);

        assert_true(answers_take(answers, "one", 1));
        assert_false(answers_is_due(answers, place, AGE, AGE));
        assert_true(answers_is_due(answers, place, 1 + AGE, AGE));
        answers_wait(answers, place);
        assert_string_equal(answers_name(answers, place), "one");
        answers_put_off(answers, 200);
        answers_put_off(answers, 200);
        check_next(answers, NULL);
        assert_string_equal(answers_name(answers, place), "one");
        assert_false(answers_is_due(answers, place, 200, AGE));
        answers_set(answers, place, "", 300);
        assert_string_equal(answers_name(answers, place), "");
}

static void a_question_of_another_owner_is_another_question(void **state) {
        struct answers *answers = *state;

        assert_true(find(answers, 7, 1, 1) != find(answers, 8, 1, 1));
        assert_true(find(answers, 7, 1, 1) != find(answers, QUESTION_SYSTEM, 1, 1));
        assert_int_equal(find(answers, 7, 1, 1), find(answers, 7, 1, 1));
}

static void what_is_stale_makes_room_and_nothing_else(void **state) {
        struct answers *answers = *state;

        for (unsigned i = 0; i < ANSWERS_OF_USERS; i++)
                (void) find_and_wait(answers, 7, i, 1);
        assert_int_equal(find(answers, 7, ANSWERS_OF_USERS, 1000), LOOKUP_NONE); /* all wait */
        for (unsigned i = 0; i < ANSWERS_OF_USERS; i++)
                (void) answers_take(answers, "x", 1000);
        check_next(answers, NULL);
        assert_int_equal(find(answers, 7, ANSWERS_OF_USERS, 1000), LOOKUP_NONE); /* all are fresh */
        for (unsigned i = 0; i < 3 * ANSWERS_OF_USERS; i++) {
                uint64_t now = 2000 + UINT64_C(200) * i;
                uint32_t place = find(answers, 8, i, now);

                assert_true(place != LOOKUP_NONE);
                assert_string_equal(answers_name(answers, place), "");
                answers_set(answers, place, "y", now);
                assert_int_equal(find(answers, 8, i, now), place);
        }
        assert_string_equal(answers_name(answers, find(answers, 7, 1, UINT64_C(1) << 40)), "");
}

static void users_do_not_drive_out_what_is_the_machines(void **state) {
        struct answers *answers = *state;

        answers_set(answers, find(answers, QUESTION_SYSTEM, 1, 1), "web", 1);
        for (unsigned i = 0; i < 3 * ANSWERS_MAX; i++) {
                uint32_t place = find(answers, 1000 + i % 7, i, 1000 + 200 * i);

                assert_true(place != LOOKUP_NONE);
                answers_set(answers, place, "x", 1000 + 200 * i);
        }
        assert_string_equal(answers_name(answers, find(answers, QUESTION_SYSTEM, 1, UINT64_C(1) << 40)), "web");
        for (unsigned i = 2; i <= ANSWERS_OF_SYSTEM; i++)
                assert_true(find(answers, QUESTION_SYSTEM, i, 1) != LOOKUP_NONE);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(the_first_that_waits_is_the_first_that_is_asked),
                CASE(an_answer_is_stale_after_a_while_and_stays_until_there_is_another),
                CASE(a_question_of_another_owner_is_another_question),
                CASE(what_is_stale_makes_room_and_nothing_else),
                CASE(users_do_not_drive_out_what_is_the_machines),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
