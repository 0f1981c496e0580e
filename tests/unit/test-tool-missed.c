/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the kernel skipped calls, numbers are lower bounds: every view of them says so, and no other does. A
 * publication that may lack something says by how much it is late.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/tool-fixture.h"

/* One more publication. */
static void miss(struct fixture *fixture, uint64_t tx, uint64_t rx, uint64_t interval_tx, uint64_t interval_rx) {
        fixture->missed[0] = tx;
        fixture->missed[1] = rx;
        fixture->missed_in_interval[0] = interval_tx;
        fixture->missed_in_interval[1] = interval_rx;
        fixture_publish(fixture);
}

/* text NULL: nothing of the kind. */
static void expect(struct fixture *fixture, const char *command, const char *option, const char *text) {
        struct outcome outcome;

        RUN(fixture, &outcome, command, option);
        assert_int_equal(outcome.status, 0);
        if (text ? !strstr(outcome.out, text) : strstr(outcome.out, "at least") != NULL)
                fail_msg("socktally %s %s should say %s: %s", command, option, text ? text : "nothing", outcome.out);
        outcome_done(&outcome);
}

static void nothing_is_said_where_nothing_was_missed(void **state) {
        struct fixture fixture;

        fixture_start(&fixture, true);
        expect(&fixture, "status", "--bytes", "Missed: none\n");
        expect(&fixture, "processes", "--rates", NULL);
        expect(&fixture, "services", "--bytes", NULL);
        expect(&fixture, "top", "--once", NULL);
        fixture_done(&fixture);
}

static void status_says_how_late_a_publication_may_be(void **state) {
        struct fixture fixture;

        fixture_start(&fixture, true);
        expect(&fixture, "status", "--bytes", "Late: nothing\n");
        fixture.late_ns = UINT64_C(4200000000);
        fixture_publish(&fixture);
        expect(&fixture, "status", "--bytes",
               "Late: calls are complete; splice, drops, names and the like are as of 4.2 s before\n");
        expect(&fixture, "status", "--json", "\"late_ns\": 4200000000,");
        fixture_done(&fixture);
}

static void lists_and_top_say_it_too(void **state) {
        struct fixture fixture;

        fixture_start(&fixture, true);
        expect(&fixture, "top", "--once", "  every 1 s  full view  ");
        expect(&fixture, "processes", "--json", "\"late_ns\": 0,");
        fixture.late_ns = UINT64_C(4200000000);
        fixture_publish(&fixture);
        expect(&fixture, "top", "--once", "  every 1 s  late by up to 4.2 s  full view  ");
        expect(&fixture, "processes", "--json", "\"late_ns\": 4200000000,");
        expect(&fixture, "services", "--json", "\"late_ns\": 4200000000,");
        fixture_done(&fixture);
}

static void an_interval_that_missed_some_makes_lower_bounds(void **state) {
        struct fixture fixture;

        fixture_start(&fixture, true);
        miss(&fixture, 40, 9, 12, 3);
        expect(&fixture, "status", "--bytes",
               "Missed: at most 12 calls sending, 3 receiving in the last interval, 40 and 9 since counting began; "
               "UDP bytes and calls are at least what is shown\n");
        expect(&fixture, "processes", "--rates",
               "\nUDP bytes and calls are at least what is shown: the kernel skipped at most 12 calls sending, "
               "3 receiving in the last interval.\n");
        expect(&fixture, "services", "--bytes", "at most 40 calls sending, 9 receiving since counting began.\n");
        expect(&fixture, "top", "--once", "at most 12 calls sending, 3 receiving in the last interval.\n");
        expect(&fixture, "top", "--no-legend", NULL);
        fixture_done(&fixture);
}

static void an_interval_that_missed_none_is_exact_and_totals_are_not(void **state) {
        struct fixture fixture;

        fixture_start(&fixture, true);
        miss(&fixture, 40, 9, 0, 0);
        expect(&fixture, "status", "--bytes", "Missed: none in the last interval, at most 40 calls sending, ");
        expect(&fixture, "top", "--once", NULL);
        expect(&fixture, "processes", "--bytes", "at most 40 calls sending, 9 receiving since counting began.\n");
        fixture_done(&fixture);
}

static void programs_read_it_in_the_json(void **state) {
        struct fixture fixture;

        fixture_start(&fixture, true);
        miss(&fixture, 40, 9, 12, 3);
        expect(&fixture, "status", "--json", "\"missed_tx_calls\": 12,\n  \"missed_rx_calls\": 3,\n");
        expect(&fixture, "status", "--json", "\"missed_tx_calls\": 40,\n    \"missed_rx_calls\": 9\n");
        expect(&fixture, "services", "--json", "\"missed_tx_calls\": 12,\n  \"missed_rx_calls\": 3,\n"
                                               "  \"missed_is_exact\": false,");
        fixture_done(&fixture);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(nothing_is_said_where_nothing_was_missed),
                cmocka_unit_test(status_says_how_late_a_publication_may_be),
                cmocka_unit_test(lists_and_top_say_it_too),
                cmocka_unit_test(an_interval_that_missed_some_makes_lower_bounds),
                cmocka_unit_test(an_interval_that_missed_none_is_exact_and_totals_are_not),
                cmocka_unit_test(programs_read_it_in_the_json),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
