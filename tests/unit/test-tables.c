/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables that the totals are made of, each beside what it promises in its header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/totals/counters.h"
#include "daemon/totals/cursors.h"
#include "daemon/totals/processes.h"
#include "daemon/totals/groups.h"
#include "libclient/socktally.h"

static struct process_key key_of(uint32_t i) {
        return (struct process_key) { .tgid = i, .start_time = i * UINT64_C(77), .cgroup_id = i % 5 };
}

static void cursors_are_found_by_their_whole_key(void **state) {
        struct cursors cursors = CURSORS_NULL;
        struct process_key key;
        struct cursor *cursor;

        for (uint32_t i = 0; i < 1000; i++) {
                key = key_of(i);
                assert_int_equal(cursors_add(&cursors, &key, &cursor), 0);
                cursor->process = i;
        }
        for (uint32_t i = 0; i < 1000; i += 2) {
                key = key_of(i);
                cursors_remove(&cursors, cursors_find(&cursors, &key));
        }
        for (uint32_t i = 0; i < 1000; i++) {
                key = key_of(i);
                cursor = cursors_find(&cursors, &key);
                assert_true(i % 2 ? cursor && cursor->process == i : !cursor);
        }
        key.cgroup_id++;
        assert_null(cursors_find(&cursors, &key));
        assert_int_equal(cursors.n_used, 500);
        cursors_done(&cursors);
}

static void a_parts_place_is_used_again(void **state) {
        struct cursors cursors = CURSORS_NULL;
        struct cursor *cursor;

        for (uint32_t i = 0; i < 10000; i++) {
                struct process_key key = key_of(i);

                assert_int_equal(cursors_add(&cursors, &key, &cursor), 0);
                assert_null(cursor->taken[0] ? cursor : NULL);
                cursor->taken[0] = 1;
                cursors_remove(&cursors, cursor);
        }
        assert_int_equal(cursors.n_slots, 1);
        cursors_done(&cursors);
}

static void processes_are_found_by_pid_and_start(void **state) {
        struct processes processes;
        uint32_t a, b;

        assert_int_equal(processes_init(&processes, 100), 0);
        a = processes_add(&processes, 7, 70);
        b = processes_add(&processes, 7, 71);
        assert_int_not_equal(a, b);
        assert_int_equal(processes_find(&processes, 7, 70), a);
        assert_int_equal(processes_find(&processes, 7, 71), b);
        assert_int_equal(processes_find(&processes, 8, 70), LOOKUP_NONE);
        assert_int_equal(processes_find(&processes, 0, 0), LOOKUP_NONE); /* the specials are no processes */
        processes_remove(&processes, a);
        assert_int_equal(processes_find(&processes, 7, 70), LOOKUP_NONE);
        processes_done(&processes);
}

static void there_are_never_more_processes_than_allowed(void **state) {
        struct processes processes;

        assert_int_equal(processes_init(&processes, N_PROCESS_SPECIALS + 2), 0);
        assert_int_not_equal(processes_add(&processes, 1, 1), LOOKUP_NONE);
        assert_int_not_equal(processes_add(&processes, 2, 1), LOOKUP_NONE);
        assert_int_equal(processes_add(&processes, 3, 1), LOOKUP_NONE);
        processes_remove(&processes, processes_find(&processes, 1, 1));
        assert_int_not_equal(processes_add(&processes, 3, 1), LOOKUP_NONE);
        processes_done(&processes);
}

static void those_that_are_gone_stand_in_the_order_in_which_they_went(void **state) {
        struct processes processes;
        uint32_t numbers[5];

        assert_int_equal(processes_init(&processes, 100), 0);
        for (uint32_t i = 0; i < 5; i++) {
                numbers[i] = processes_add(&processes, i + 1, 1);
                processes_queue(&processes, numbers[i], i, i);
        }
        processes_queue(&processes, numbers[0], 9, 9); /* it moved again: to the end */
        processes_unqueue(&processes, numbers[2]);
        processes_unqueue(&processes, numbers[2]);
        processes_remove(&processes, numbers[4]);
        assert_int_equal(processes.first_gone, numbers[1]);
        assert_int_equal(processes.slots[numbers[1]].next, numbers[3]);
        assert_int_equal(processes.slots[numbers[3]].next, numbers[0]);
        assert_int_equal(processes.slots[numbers[0]].next, LOOKUP_NONE);
        assert_int_equal(processes.last_gone, numbers[0]);
        while (processes.first_gone != LOOKUP_NONE)
                processes_unqueue(&processes, processes.first_gone);
        assert_int_equal(processes.last_gone, LOOKUP_NONE);
        processes_done(&processes);
}

static const struct group_label no_label;

static struct group_key unit_of(const char *name, uint32_t uid) {
        return (struct group_key) { name, uid };
}

static void a_service_is_its_name_and_its_manager(void **state) {
        struct group_key system = unit_of("a.service", LAYOUT_NO_UID), user = unit_of("a.service", 1000);
        struct group_key none = { NULL, 0 };
        struct groups services;
        uint32_t a, b;

        assert_int_equal(groups_init(&services, BY_SERVICE, 100), 0);
        a = groups_get(&services, &system, &no_label, 5, 1);
        b = groups_get(&services, &user, &no_label, 6, 1);
        assert_int_not_equal(a, b);
        assert_int_equal(groups_get(&services, &system, &no_label, 7, 1), a);
        assert_int_equal(groups_get(&services, &user, &no_label, 7, 1), b);
        assert_int_equal(groups_get(&services, &none, &no_label, 7, 1), GROUP_NONE);
        assert_int_equal(services.rows[a].start_time, 5);
        assert_int_equal(services.rows[a].uid, LAYOUT_NO_UID);
        assert_int_equal(services.rows[b].uid, 1000);
        assert_int_equal(services.rows[b].kind, SOCKTALLY_ROW_SERVICE);
        groups_done(&services);
}

static void services_beyond_the_bound_share_the_overflow_row(void **state) {
        struct groups services;
        char name[32];

        assert_int_equal(groups_init(&services, BY_SERVICE, N_GROUP_SPECIALS + 100), 0);
        for (unsigned i = 0; i < 200; i++) {
                struct group_key unit;
                uint32_t number;

                snprintf(name, sizeof name, "s%u.service", i);
                unit = unit_of(name, LAYOUT_NO_UID);
                number = groups_get(&services, &unit, &no_label, 1, 1);
                assert_true(i < 100 ? number == N_GROUP_SPECIALS + i : number == GROUP_OVERFLOW);
                groups_ref(&services, number);
        }
        assert_int_equal(services.n_overflowed, 100);
        groups_done(&services);
}

static void a_service_that_nothing_feeds_makes_room_for_another(void **state) {
        struct group_key a = unit_of("a.service", LAYOUT_NO_UID), b = unit_of("b.service", 1000),
                    c = unit_of("c.service", LAYOUT_NO_UID), d = unit_of("d.service", LAYOUT_NO_UID);
        struct groups services;
        uint32_t number;

        assert_int_equal(groups_init(&services, BY_SERVICE, N_GROUP_SPECIALS + 2), 0);
        number = groups_get(&services, &a, &no_label, 1, 1);
        groups_ref(&services, number);
        services.rows[number].counters[0] = 10;
        number = groups_get(&services, &b, &no_label, 1, 1);
        groups_ref(&services, number);
        services.rows[number].counters[0] = 20;
        assert_int_equal(groups_get(&services, &c, &no_label, 2, 2), GROUP_OVERFLOW);
        groups_enter(&services, number);
        groups_unref(&services, number); /* shown, although it has ended */
        assert_int_equal(groups_get(&services, &c, &no_label, 3, 3), GROUP_OVERFLOW);
        groups_leave(&services, number);
        assert_int_equal(groups_get(&services, &c, &no_label, 4, 4), number);
        assert_string_equal(services.rows[number].name, "c.service");
        assert_int_equal(services.rows[number].uid, LAYOUT_NO_UID);
        assert_int_equal(services.rows[number].counters[0], 0);
        assert_int_equal(services.rows[number].start_time, 4);
        assert_int_equal(services.rows[GROUP_ENDED].counters[0], 20);
        assert_int_equal(services.rows[GROUP_ENDED].changed, 4);
        assert_int_equal(services.rows[GROUP_OVERFLOW].counters[0], 0);
        assert_int_equal(services.users_ended[0], 20);
        assert_int_equal(groups_get(&services, &c, &no_label, 5, 5), number);
        groups_ref(&services, number);
        assert_int_equal(groups_get(&services, &d, &no_label, 6, 6), GROUP_OVERFLOW);
        assert_int_equal(groups_get(&services, &b, &no_label, 6, 6), GROUP_OVERFLOW); /* it has no row any more */
        assert_int_equal(services.n_overflowed, 4);
        groups_done(&services);
}

static void the_service_that_ended_first_makes_room_first(void **state) {
        struct groups services;
        struct group_key units[9];
        char names[9][32];

        assert_int_equal(groups_init(&services, BY_SERVICE, N_GROUP_SPECIALS + 8), 0);
        for (unsigned i = 0; i < 9; i++) {
                snprintf(names[i], sizeof names[i], "s%u.service", i);
                units[i] = unit_of(names[i], LAYOUT_NO_UID);
        }
        for (unsigned i = 0; i < 8; i++)
                groups_ref(&services, groups_get(&services, &units[i], &no_label, 1, 1));
        groups_unref(&services, groups_get(&services, &units[6], &no_label, 1, 1));
        groups_unref(&services, groups_get(&services, &units[2], &no_label, 1, 1));
        groups_unref(&services, groups_get(&services, &units[5], &no_label, 1, 1));
        groups_ref(&services, groups_get(&services, &units[6], &no_label, 1, 1)); /* it started again ... */
        groups_unref(&services, groups_get(&services, &units[6], &no_label, 1, 1)); /* ... and ended last */
        assert_int_equal(groups_get(&services, &units[8], &no_label, 2, 2), N_GROUP_SPECIALS + 2);
        groups_ref(&services, N_GROUP_SPECIALS + 2);
        assert_int_equal(groups_get(&services, &units[2], &no_label, 3, 3), N_GROUP_SPECIALS + 5);
        groups_ref(&services, N_GROUP_SPECIALS + 5);
        assert_int_equal(groups_get(&services, &units[5], &no_label, 4, 4), N_GROUP_SPECIALS + 6);
        groups_ref(&services, N_GROUP_SPECIALS + 6);
        assert_int_equal(groups_get(&services, &units[6], &no_label, 5, 5), GROUP_OVERFLOW);
        assert_int_equal(services.n_overflowed, 1);
        groups_done(&services);
}

static void shrinking_keeps_the_sum(void **state) {
        struct group_key a = unit_of("a.service", LAYOUT_NO_UID), b = unit_of("b.service", LAYOUT_NO_UID);
        struct groups services;

        assert_int_equal(groups_init(&services, BY_SERVICE, 100), 0);
        services.rows[groups_get(&services, &a, &no_label, 1, 1)].counters[0] = 10;
        services.rows[groups_get(&services, &b, &no_label, 1, 1)].counters[0] = 20;
        groups_shrink(&services, N_GROUP_SPECIALS + 1, 9);
        assert_int_equal(services.n_rows, N_GROUP_SPECIALS + 1);
        assert_int_equal(services.rows[GROUP_OVERFLOW].counters[0], 20);
        assert_int_equal(services.rows[GROUP_OVERFLOW].changed, 9);
        groups_shrink(&services, 0, 10);
        assert_int_equal(services.n_rows, N_GROUP_SPECIALS);
        assert_int_equal(services.rows[GROUP_OVERFLOW].counters[0], 30);
        assert_int_equal(groups_get(&services, &a, &no_label, 1, 1), N_GROUP_SPECIALS);
        groups_done(&services);
}

static void counters_add_up_and_gauges_do_not(void **state) {
        uint64_t a[SOCKTALLY_N_METRICS], b[SOCKTALLY_N_METRICS];

        for (unsigned m = 0; m < SOCKTALLY_N_METRICS; m++) {
                a[m] = 10;
                b[m] = 3;
        }
        counters_add(a, b);
        assert_int_equal(a[SOCKTALLY_METRIC_udp_rx_bytes], 13);
        assert_int_equal(a[SOCKTALLY_METRIC_tcp_rtt_us], 10);
        assert_true(counter_is_gauge(SOCKTALLY_METRIC_tcp_rtt_us));
        assert_false(counter_is_gauge(SOCKTALLY_METRIC_tcp_tx_bytes));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(cursors_are_found_by_their_whole_key),
                cmocka_unit_test(a_parts_place_is_used_again),
                cmocka_unit_test(processes_are_found_by_pid_and_start),
                cmocka_unit_test(there_are_never_more_processes_than_allowed),
                cmocka_unit_test(those_that_are_gone_stand_in_the_order_in_which_they_went),
                cmocka_unit_test(a_service_is_its_name_and_its_manager),
                cmocka_unit_test(services_beyond_the_bound_share_the_overflow_row),
                cmocka_unit_test(a_service_that_nothing_feeds_makes_room_for_another),
                cmocka_unit_test(the_service_that_ended_first_makes_room_first),
                cmocka_unit_test(shrinking_keeps_the_sum),
                cmocka_unit_test(counters_add_up_and_gauges_do_not),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
