/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Calls that the kernel skipped: what is published of them, and how often a person hears of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/totals/missed.h"
#include "daemon/totals/totals.h"
#include "tests/unit/scene.h"

#define MINUTE UINT64_C(60000000)
#define CLOCK (1000 * MINUTE)

static void take(struct missed *missed, uint64_t tx, uint64_t rx) {
        missed_take(missed, &(struct sample) { .missed = { tx, rx } });
}

static void expect(const struct missed *missed, uint64_t tx, uint64_t rx, uint64_t interval_tx, uint64_t interval_rx) {
        assert_int_equal(missed->calls[0], tx);
        assert_int_equal(missed->calls[1], rx);
        assert_int_equal(missed->interval[0], interval_tx);
        assert_int_equal(missed->interval[1], interval_rx);
}

static void an_interval_has_what_the_number_grew_by(void **state) {
        struct missed missed = { 0 };

        take(&missed, 0, 0);
        expect(&missed, 0, 0, 0, 0);
        take(&missed, 12, 3);
        expect(&missed, 12, 3, 12, 3);
        take(&missed, 12, 4);
        expect(&missed, 12, 4, 0, 1);
        take(&missed, 12, 4);
        expect(&missed, 12, 4, 0, 0);
}

static void a_number_that_falls_takes_nothing_back_and_hides_nothing(void **state) {
        struct missed missed = { 0 };

        take(&missed, 10, 0);
        take(&missed, 8, 0); /* two were under way and have been counted since */
        expect(&missed, 10, 0, 0, 0);
        take(&missed, 9, 0); /* one more is missed, though the total need not grow */
        expect(&missed, 10, 0, 1, 0);
        take(&missed, 11, 0);
        expect(&missed, 11, 0, 2, 0);
}

static void the_total_goes_on_with_another_collector(void **state) {
        struct missed missed = { 0 };

        take(&missed, 10, 5);
        missed_forget(&missed);
        take(&missed, 0, 0);
        expect(&missed, 10, 5, 0, 0);
        take(&missed, 2, 1);
        expect(&missed, 12, 6, 2, 1);
}

/* The next process of the daemon goes on from the bytes that the one before left. */
static struct totals *restart(struct totals *totals, struct scene *scene, bool has_programs) {
        struct totals_config config = { .max = scene_rows(100, 100), .identity = scene_identify, .userdata = scene };
        struct totals *restored;
        FILE *file = tmpfile();

        assert_int_equal(totals_keep(totals, file), 0);
        rewind(file);
        assert_int_equal(totals_restore(&restored, &config, file), 0);
        fclose(file);
        totals_free(totals);
        if (!has_programs)
                totals_forget_rows(restored);
        return restored;
}

/* What there is to publish of it then. */
static struct missed update(struct totals *totals, struct scene *scene, uint64_t tx, uint64_t rx) {
        struct totals_result result;

        scene->sample.missed[0] = tx;
        scene->sample.missed[1] = rx;
        totals_update(totals, &scene->sample, 1);
        totals_get(totals, &result);
        return *result.missed;
}

static void it_is_kept_with_the_totals(void **state) {
        struct totals_config config = { .max = scene_rows(100, 100), .identity = scene_identify };
        struct totals *totals;
        struct scene scene = { 0 };
        struct missed seen;

        scene_init(&scene);
        config.userdata = &scene;
        assert_int_equal(totals_new(&totals, &config), 0);
        (void) update(totals, &scene, 10, 4);
        totals = restart(totals, &scene, true);
        seen = update(totals, &scene, 11, 4); /* the same programs went on */
        expect(&seen, 11, 4, 1, 0);
        totals = restart(totals, &scene, false);
        seen = update(totals, &scene, 0, 2); /* others begin at 0 */
        expect(&seen, 11, 6, 0, 2);
        totals_free(totals);
        scene_done(&scene);
}

static void one_sample_with_an_upper_bound_makes_the_total_one(void **state) {
        struct missed missed = { 0 };

        missed_take(&missed, &(struct sample) { .missed = { 0, 0 } });
        assert_false(missed.is_bound); /* nothing is exact */
        missed_take(&missed, &(struct sample) { .missed = { 7, 0 }, .is_missed_exact = true });
        assert_false(missed.is_bound);
        missed_take(&missed, &(struct sample) { .missed = { 8, 0 } });
        assert_true(missed.is_bound);
        missed_take(&missed, &(struct sample) { .missed = { 9, 0 }, .is_missed_exact = true });
        assert_true(missed.is_bound);
}

/* Takes a sample at that minute and tells whether something was said. */
static bool says(struct missed *missed, struct missed_news *news, uint64_t minute, uint64_t tx, char line[256]) {
        take(missed, tx, 0);
        return missed_say(missed, news, CLOCK + minute * MINUTE, line, 256);
}

static void it_is_said_once_and_again_after_a_quiet_hour(void **state) {
        struct missed_news news = { 0 };
        struct missed missed = { 0 };
        char line[256];

        assert_false(says(&missed, &news, 0, 0, line));
        assert_true(says(&missed, &news, 1, 5, line));
        assert_string_equal(line, "The kernel skipped 5 calls (preemptible kernel), copies of the programs recover "
                                  "further ones; UDP bytes and calls are lower bounds by at most that many");
        assert_false(says(&missed, &news, 2, 9, line));
        assert_false(says(&missed, &news, 100, 10, line)); /* it never stopped */
        assert_false(says(&missed, &news, 101, 10, line));
        assert_true(says(&missed, &news, 102, 12, line));
        assert_false(says(&missed, &news, 103, 12, line));
        assert_false(says(&missed, &news, 161, 13, line)); /* 59 minutes after it was said */
        assert_false(says(&missed, &news, 162, 13, line));
        assert_true(says(&missed, &news, 163, 14, line));
}

static void an_exact_number_is_said_to_be_one(void **state) {
        struct missed_news news = { 0 };
        struct missed missed = { 0 };
        char line[256];

        missed_take(&missed, &(struct sample) { .missed = { 2, 3 }, .is_missed_exact = true });
        assert_true(missed_say(&missed, &news, CLOCK, line, sizeof line));
        assert_string_equal(line, "The kernel skipped 5 calls (preemptible kernel); UDP bytes and calls are lower "
                                  "bounds by that many");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_interval_has_what_the_number_grew_by),
                cmocka_unit_test(a_number_that_falls_takes_nothing_back_and_hides_nothing),
                cmocka_unit_test(the_total_goes_on_with_another_collector),
                cmocka_unit_test(it_is_kept_with_the_totals),
                cmocka_unit_test(one_sample_with_an_upper_bound_makes_the_total_one),
                cmocka_unit_test(it_is_said_once_and_again_after_a_quiet_hour),
                cmocka_unit_test(an_exact_number_is_said_to_be_one),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
