/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The three tables that the totals are made of, each beside what it promises in its header. */
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
#include "daemon/totals/services.h"
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

static struct unit unit_of(const char *name, uint32_t uid) {
        struct unit unit = { .uid = uid };

        snprintf(unit.name, sizeof unit.name, "%s", name);
        return unit;
}

static void a_service_is_its_name_and_its_manager(void **state) {
        struct unit system = unit_of("a.service", UNIT_SYSTEM), user = unit_of("a.service", 1000);
        struct unit none = unit_of("", 0);
        struct services services;
        uint32_t a, b;

        assert_int_equal(services_init(&services, 100), 0);
        a = services_get(&services, &system, 5, 1);
        b = services_get(&services, &user, 6, 1);
        assert_int_not_equal(a, b);
        assert_int_equal(services_get(&services, &system, 7, 1), a);
        assert_int_equal(services_get(&services, &user, 7, 1), b);
        assert_int_equal(services_get(&services, &none, 7, 1), SERVICE_NO_UNIT);
        assert_int_equal(services.rows[a].start_time, 5);
        assert_int_equal(services.rows[a].uid, LAYOUT_NO_UID);
        assert_int_equal(services.rows[b].uid, 1000);
        assert_int_equal(services.rows[b].kind, SOCKTALLY_ROW_SERVICE);
        services_done(&services);
}

static void services_beyond_the_bound_share_the_overflow_row(void **state) {
        struct services services;
        char name[32];

        assert_int_equal(services_init(&services, N_SERVICE_SPECIALS + 100), 0);
        for (unsigned i = 0; i < 200; i++) {
                struct unit unit;
                uint32_t number;

                snprintf(name, sizeof name, "s%u.service", i);
                unit = unit_of(name, UNIT_SYSTEM);
                number = services_get(&services, &unit, 1, 1);
                assert_true(i < 100 ? number == N_SERVICE_SPECIALS + i : number == SERVICE_OVERFLOW);
                services_ref(&services, number);
        }
        assert_int_equal(services.n_overflowed, 100);
        services_done(&services);
}

static void a_service_that_nothing_feeds_makes_room_for_another(void **state) {
        struct unit a = unit_of("a.service", UNIT_SYSTEM), b = unit_of("b.service", 1000),
                    c = unit_of("c.service", UNIT_SYSTEM), d = unit_of("d.service", UNIT_SYSTEM);
        struct services services;
        uint32_t number;

        assert_int_equal(services_init(&services, N_SERVICE_SPECIALS + 2), 0);
        number = services_get(&services, &a, 1, 1);
        services_ref(&services, number);
        services.rows[number].counters[0] = 10;
        number = services_get(&services, &b, 1, 1);
        services_ref(&services, number);
        services.rows[number].counters[0] = 20;
        assert_int_equal(services_get(&services, &c, 2, 2), SERVICE_OVERFLOW);
        services_enter(&services, number);
        services_unref(&services, number); /* shown, although it has ended */
        assert_int_equal(services_get(&services, &c, 3, 3), SERVICE_OVERFLOW);
        services_leave(&services, number);
        assert_int_equal(services_get(&services, &c, 4, 4), number);
        assert_string_equal(services.rows[number].service, "c.service");
        assert_int_equal(services.rows[number].uid, LAYOUT_NO_UID);
        assert_int_equal(services.rows[number].counters[0], 0);
        assert_int_equal(services.rows[number].start_time, 4);
        assert_int_equal(services.rows[SERVICE_ENDED].counters[0], 20);
        assert_int_equal(services.rows[SERVICE_ENDED].changed, 4);
        assert_int_equal(services.rows[SERVICE_OVERFLOW].counters[0], 0);
        assert_int_equal(services.users_ended[0], 20);
        assert_int_equal(services_get(&services, &c, 5, 5), number);
        services_ref(&services, number);
        assert_int_equal(services_get(&services, &d, 6, 6), SERVICE_OVERFLOW);
        assert_int_equal(services_get(&services, &b, 6, 6), SERVICE_OVERFLOW); /* it has no row any more */
        assert_int_equal(services.n_overflowed, 4);
        services_done(&services);
}

static void the_service_that_ended_first_makes_room_first(void **state) {
        struct services services;
        struct unit units[9];
        char name[32];

        assert_int_equal(services_init(&services, N_SERVICE_SPECIALS + 8), 0);
        for (unsigned i = 0; i < 9; i++) {
                snprintf(name, sizeof name, "s%u.service", i);
                units[i] = unit_of(name, UNIT_SYSTEM);
        }
        for (unsigned i = 0; i < 8; i++)
                services_ref(&services, services_get(&services, &units[i], 1, 1));
        services_unref(&services, services_get(&services, &units[6], 1, 1));
        services_unref(&services, services_get(&services, &units[2], 1, 1));
        services_unref(&services, services_get(&services, &units[5], 1, 1));
        services_ref(&services, services_get(&services, &units[6], 1, 1)); /* it started again ... */
        services_unref(&services, services_get(&services, &units[6], 1, 1)); /* ... and ended last */
        assert_int_equal(services_get(&services, &units[8], 2, 2), N_SERVICE_SPECIALS + 2);
        services_ref(&services, N_SERVICE_SPECIALS + 2);
        assert_int_equal(services_get(&services, &units[2], 3, 3), N_SERVICE_SPECIALS + 5);
        services_ref(&services, N_SERVICE_SPECIALS + 5);
        assert_int_equal(services_get(&services, &units[5], 4, 4), N_SERVICE_SPECIALS + 6);
        services_ref(&services, N_SERVICE_SPECIALS + 6);
        assert_int_equal(services_get(&services, &units[6], 5, 5), SERVICE_OVERFLOW);
        assert_int_equal(services.n_overflowed, 1);
        services_done(&services);
}

static void shrinking_keeps_the_sum(void **state) {
        struct unit a = unit_of("a.service", UNIT_SYSTEM), b = unit_of("b.service", UNIT_SYSTEM);
        struct services services;

        assert_int_equal(services_init(&services, 100), 0);
        services.rows[services_get(&services, &a, 1, 1)].counters[0] = 10;
        services.rows[services_get(&services, &b, 1, 1)].counters[0] = 20;
        services_shrink(&services, N_SERVICE_SPECIALS + 1, 9);
        assert_int_equal(services.n_rows, N_SERVICE_SPECIALS + 1);
        assert_int_equal(services.rows[SERVICE_OVERFLOW].counters[0], 20);
        assert_int_equal(services.rows[SERVICE_OVERFLOW].changed, 9);
        services_shrink(&services, 0, 10);
        assert_int_equal(services.n_rows, N_SERVICE_SPECIALS);
        assert_int_equal(services.rows[SERVICE_OVERFLOW].counters[0], 30);
        assert_int_equal(services_get(&services, &a, 1, 1), N_SERVICE_SPECIALS);
        services_done(&services);
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
