/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of numbers beside a plain array that does the same slowly, with a hash that collides as much as it can. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <stdlib.h>

#include <cmocka.h>

#include "daemon/lookup.h"

#define N 500

static bool match(const void *owner, uint32_t number, const void *key) {
        const uint32_t *keys = owner;

        return keys[number] == *(const uint32_t *) key;
}

static void compare(unsigned collisions) {
        struct lookup lookup = LOOKUP_NULL;
        uint32_t keys[N], used[N] = { 0 };

        for (uint32_t i = 0; i < N; i++)
                keys[i] = i * 7919;
        for (unsigned step = 0; step < 20000; step++) {
                uint32_t i = (uint32_t) rand() % N, hash = lookup_hash(&keys[i], sizeof keys[i]) % collisions;

                assert_int_equal(lookup_find(&lookup, hash, match, keys, &keys[i]), used[i] ? i : LOOKUP_NONE);
                if (used[i])
                        lookup_remove(&lookup, hash, i);
                else {
                        assert_int_equal(lookup_reserve(&lookup), 0);
                        lookup_add(&lookup, hash, i);
                }
                used[i] = !used[i];
        }
        for (uint32_t i = 0; i < N; i++)
                assert_int_equal(lookup_find(&lookup, lookup_hash(&keys[i], sizeof keys[i]) % collisions, match, keys,
                                             &keys[i]),
                                 used[i] ? i : LOOKUP_NONE);
        lookup_done(&lookup);
}

static void it_finds_exactly_what_was_added_and_not_removed(void **state) {
        srand(1);
        compare(UINT32_MAX);
}

static void collisions_change_nothing(void **state) {
        compare(1);
        compare(3);
        compare(70);
}

static void an_empty_one_finds_nothing(void **state) {
        struct lookup lookup = LOOKUP_NULL;
        uint32_t key = 1;

        assert_int_equal(lookup_find(&lookup, 5, match, &key, &key), LOOKUP_NONE);
        lookup_remove(&lookup, 5, 0);
        lookup_done(&lookup);
}

static void removing_what_is_not_there_is_harmless(void **state) {
        struct lookup lookup = LOOKUP_NULL;
        uint32_t key = 1;

        assert_int_equal(lookup_reserve(&lookup), 0);
        lookup_add(&lookup, 5, 0);
        lookup_remove(&lookup, 6, 0);
        lookup_remove(&lookup, 5, 1);
        assert_int_equal(lookup_find(&lookup, 5, match, &key, &key), 0);
        lookup_done(&lookup);
}

static void with_room_for_all_nothing_moves_while_they_are_added(void **state) {
        struct lookup lookup = LOOKUP_NULL;
        const uint64_t *entries;
        uint32_t keys[N];

        assert_int_equal(lookup_reserve_all(&lookup, N), 0);
        entries = lookup.entries;
        for (unsigned round = 0; round < 2; round++) {
                lookup_clear(&lookup);
                assert_int_equal(lookup.used, 0);
                for (uint32_t i = 0; i < N; i++) {
                        keys[i] = i * 7919 + round;
                        assert_int_equal(lookup_find(&lookup, i, match, keys, &keys[i]), LOOKUP_NONE);
                        assert_int_equal(lookup_reserve(&lookup), 0);
                        lookup_add(&lookup, i, i);
                }
        }
        assert_ptr_equal(lookup.entries, entries);
        for (uint32_t i = 0; i < N; i++)
                assert_int_equal(lookup_find(&lookup, i, match, keys, &keys[i]), i);
        lookup_done(&lookup);
}

static void what_is_left_is_found_after_room_was_given_back(void **state) {
        struct lookup lookup = LOOKUP_NULL;
        uint32_t keys[N], full;

        for (uint32_t i = 0; i < N; i++) {
                keys[i] = i * 7919;
                assert_int_equal(lookup_reserve(&lookup), 0);
                lookup_add(&lookup, i, i);
        }
        full = lookup.size;
        lookup_shrink(&lookup);
        assert_int_equal(lookup.size, full);
        for (uint32_t i = 20; i < N; i++)
                lookup_remove(&lookup, i, i);
        lookup_shrink(&lookup);
        assert_int_equal(lookup.size, 64);
        for (uint32_t i = 0; i < N; i++)
                assert_int_equal(lookup_find(&lookup, i, match, keys, &keys[i]), i < 20 ? i : LOOKUP_NONE);
        lookup_done(&lookup);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(it_finds_exactly_what_was_added_and_not_removed),
                cmocka_unit_test(collisions_change_nothing),
                cmocka_unit_test(an_empty_one_finds_nothing),
                cmocka_unit_test(removing_what_is_not_there_is_harmless),
                cmocka_unit_test(with_room_for_all_nothing_moves_while_they_are_added),
                cmocka_unit_test(what_is_left_is_found_after_room_was_given_back),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
