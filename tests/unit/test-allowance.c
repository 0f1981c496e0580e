/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the live tests let pass where the kernel skipped calls, and what they do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/live/allowance.h"

#define M(name) SOCKTALLY_METRIC_##name

/* A row of a process that sent ten datagrams of 100 bytes and received five. */
static const uint64_t moved[SOCKTALLY_N_METRICS] = {
        [M(udp_tx_calls)] = 10, [M(udp_tx_bytes)] = 1000, [M(udp_rx_calls)] = 5, [M(udp_rx_bytes)] = 500,
        [M(tcp_tx_calls)] = 4,  [M(tcp_tx_bytes)] = 400,  [M(tcp_tx_errors)] = 2, [M(tcp_closes)] = 1,
};

static void without_a_miss_nothing_may_lack(void **state) {
        struct allowance allowance = { .missed = { 0, 0 } };
        uint64_t seen[SOCKTALLY_N_METRICS] = { [M(udp_tx_calls)] = 9, [M(udp_tx_bytes)] = 900 };

        assert_false(allowance_excuses(&allowance, M(udp_tx_calls), moved, seen));
        assert_false(allowance_excuses(&allowance, M(udp_tx_bytes), moved, seen));
        assert_false(allowance_is_used(&allowance));
}

static void calls_that_lack_are_added_up_and_no_more_than_were_missed(void **state) {
        struct allowance allowance = { .missed = { 3, 0 } };
        uint64_t seen[SOCKTALLY_N_METRICS] = { [M(udp_tx_calls)] = 8, [M(udp_tx_bytes)] = 800, [M(tcp_tx_calls)] = 3 };

        assert_true(allowance_excuses(&allowance, M(udp_tx_calls), moved, seen));
        assert_true(allowance_excuses(&allowance, M(udp_tx_bytes), moved, seen));
        assert_true(allowance_excuses(&allowance, M(tcp_tx_calls), moved, seen));
        assert_true(allowance_excuses(&allowance, M(tcp_tx_errors), moved, seen));
        assert_true(allowance_is_used(&allowance));
        assert_false(allowance_is_exceeded(&allowance));
        assert_true(allowance_excuses(&allowance, M(tcp_tx_calls), moved, seen)); /* of another row */
        assert_true(allowance_is_exceeded(&allowance));
}

static void the_other_direction_has_its_own(void **state) {
        struct allowance allowance = { .missed = { 100, 1 } };
        uint64_t seen[SOCKTALLY_N_METRICS] = { [M(udp_rx_calls)] = 3 };

        assert_true(allowance_excuses(&allowance, M(udp_rx_calls), moved, seen));
        assert_true(allowance_is_exceeded(&allowance));
        allowance = (struct allowance) { .missed = { 100, 0 } };
        assert_false(allowance_excuses(&allowance, M(udp_rx_calls), moved, seen));
}

static void bytes_lack_only_where_a_call_does(void **state) {
        struct allowance allowance = { .missed = { 3, 3 } };
        uint64_t seen[SOCKTALLY_N_METRICS] = { [M(udp_tx_calls)] = 10, [M(udp_tx_bytes)] = 999,
                                               [M(udp_rx_calls)] = 4, [M(udp_rx_bytes)] = 400 };

        assert_false(allowance_excuses(&allowance, M(udp_tx_bytes), moved, seen));
        assert_true(allowance_excuses(&allowance, M(udp_rx_bytes), moved, seen));
}

static void more_than_was_moved_is_never_right(void **state) {
        struct allowance allowance = { .missed = { 100, 100 } };
        uint64_t seen[SOCKTALLY_N_METRICS] = { [M(udp_tx_calls)] = 11, [M(udp_rx_calls)] = 4, [M(udp_rx_bytes)] = 501 };

        assert_false(allowance_excuses(&allowance, M(udp_tx_calls), moved, seen));
        assert_false(allowance_excuses(&allowance, M(udp_rx_bytes), moved, seen));
        assert_false(allowance_is_exceeded(&allowance));
}

static void what_the_kernel_counts_itself_stays_equal(void **state) {
        struct allowance allowance = { .missed = { 100, 100 } };
        uint64_t seen[SOCKTALLY_N_METRICS] = { [M(tcp_tx_calls)] = 3, [M(tcp_tx_bytes)] = 399 };

        assert_false(allowance_excuses(&allowance, M(tcp_tx_bytes), moved, seen));
        assert_false(allowance_excuses(&allowance, M(tcp_closes), moved, seen));
        assert_false(allowance_is_used(&allowance));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(without_a_miss_nothing_may_lack),
                cmocka_unit_test(calls_that_lack_are_added_up_and_no_more_than_were_missed),
                cmocka_unit_test(the_other_direction_has_its_own),
                cmocka_unit_test(bytes_lack_only_where_a_call_does),
                cmocka_unit_test(more_than_was_moved_is_never_right),
                cmocka_unit_test(what_the_kernel_counts_itself_stays_equal),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
