/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is aggregated, seen as readers see it: through the library, in both views, while the tables grow. */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/publish/publication.h"
#include "libclient/socktally.h"
#include "tests/unit/scene.h"
#include "tests/unit/tree.h"

struct stage {
        struct tree *tree;
        struct scene scene;
        struct totals *totals;
        struct publish *publish;
        struct socktally *full, *public;
        unsigned replaced;
        int fit_outcome;
};

static int setup(void **state) {
        struct stage *stage = calloc(1, sizeof *stage);

        tree_setup((void **) &stage->tree);
        scene_init(&stage->scene);
        *state = stage;
        return 0;
}

static int teardown(void **state) {
        struct stage *stage = *state;

        socktally_close(stage->full);
        socktally_close(stage->public);
        publish_free(stage->publish);
        totals_free(stage->totals);
        scene_done(&stage->scene);
        tree_teardown((void **) &stage->tree);
        free(stage);
        return 0;
}

static void stage_open(struct stage *stage, uint32_t max_processes, uint32_t max_services) {
        struct totals_config totals = {
                .max = scene_rows(max_processes, max_services),
                .identity = scene_identify,
                .userdata = &stage->scene,
        };
        struct publish_config publish = {
                .directory = stage->tree->path,
                .gid = (gid_t) -1,
                .incarnation = 77,
                .max = scene_rows(max_processes, max_services),
        };

        assert_int_equal(totals_new(&stage->totals, &totals), 0);
        assert_int_equal(publish_new(&stage->publish, &publish), 0);
}

static void step(struct stage *stage) {
        struct layout_facts facts = {
                .time_ns = stage->scene.sample.time_ns,
                .interval_ns = SCENE_SECOND,
                .rows_overflowed = 1000,
        };
        uint64_t sequence = publish_next(stage->publish);

        totals_update(stage->totals, &stage->scene.sample, sequence);
        stage->fit_outcome = publish_fit(stage->publish, stage->totals);
        assert_int_equal(publish_write(stage->publish, stage->totals, &facts, stage->scene.sample.known,
                                       &stage->replaced), 0);
        assert_int_equal(publish_next(stage->publish), sequence + 1);
}

static struct socktally *reader_open(struct stage *stage, const char *name) {
        struct socktally_options options = { .size = sizeof options, .file_path = tree_path(stage->tree, name) };
        struct socktally *reader;

        assert_int_equal(socktally_open(&reader, &options), 0);
        return reader;
}

static void readers_refresh(struct stage *stage) {
        if (!stage->full) {
                stage->full = reader_open(stage, "full");
                stage->public = reader_open(stage, "public");
        }
        assert_true(socktally_refresh(stage->full) >= 0);
        assert_true(socktally_refresh(stage->public) >= 0);
}

static uint64_t value(const struct socktally *reader, const struct socktally_row *row, const char *name) {
        struct socktally_column column;
        uint64_t number;

        assert_int_equal(socktally_column(reader, row->table, name, &column), 0);
        assert_int_equal(socktally_value(row, &column, &number), SOCKTALLY_VALUE);
        return number;
}

static uint64_t sum(const struct socktally *reader, enum socktally_table table, const char *name) {
        size_t n = socktally_count(reader, table);
        struct socktally_row row;
        uint64_t total = 0;

        for (size_t i = 0; i < n; i++) {
                assert_int_equal(socktally_row(reader, table, i, &row), 0);
                total += value(reader, &row, name);
        }
        return total;
}

/* Every counter of every table, by name, against the host row of the same snapshot. */
static void check_sums(const struct socktally *reader, bool has_processes) {
        struct socktally_column column;

        for (size_t i = 0; socktally_column_at(reader, SOCKTALLY_TABLE_HOST, i, &column) == 0; i++) {
                uint64_t host;

                if (column.type != SOCKTALLY_COUNTER || column.field_id > 64)
                        continue;
                host = sum(reader, SOCKTALLY_TABLE_HOST, column.name);
                assert_int_equal(sum(reader, SOCKTALLY_TABLE_SERVICES, column.name), host);
                for (unsigned t = SOCKTALLY_TABLE_APPS; has_processes && t <= SOCKTALLY_TABLE_USERS; t++)
                        assert_int_equal(sum(reader, t, column.name), host);
                if (has_processes)
                        assert_int_equal(sum(reader, SOCKTALLY_TABLE_PROCESSES, column.name), host);
        }
}

static void check_both(struct stage *stage) {
        readers_refresh(stage);
        check_sums(stage->full, true);
        check_sums(stage->public, false);
}

static void both_views_add_up_and_have_one_sequence(void **state) {
        struct stage *stage = *state;
        struct socktally_info full = { .size = sizeof full }, public = { .size = sizeof public };

        stage_open(stage, 1000, 1000);
        scene_special(&stage->scene, SPECIAL_KERNEL, 3);
        scene_special(&stage->scene, SPECIAL_OVERFLOW, 4);
        scene_special(&stage->scene, SPECIAL_EXITED, 5);
        for (uint32_t pid = 1; pid <= 30; pid++)
                scene_row(&stage->scene, pid, pid * 200 % 3000, pid);
        step(stage);
        check_both(stage);
        socktally_get_info(stage->full, &full);
        socktally_get_info(stage->public, &public);
        assert_int_equal(full.sequence, 1);
        assert_int_equal(public.sequence, 1);
        assert_int_equal(full.incarnation, 77);
        assert_int_equal(full.rows_overflowed, 1000);
}

static void missed_calls_are_among_the_facts_of_each_view(void **state) {
        struct stage *stage = *state;
        struct socktally_info full = { .size = sizeof full }, public = { .size = sizeof public };

        stage_open(stage, 1000, 1000);
        step(stage);
        check_both(stage);
        socktally_get_info(stage->full, &full);
        assert_int_equal(full.missed_tx_calls | full.missed_rx_calls | full.interval_missed_tx_calls, 0);
        stage->scene.sample.missed[0] = 7;
        stage->scene.sample.missed[1] = 2;
        step(stage);
        stage->scene.sample.missed[1] = 5;
        step(stage);
        check_both(stage);
        socktally_get_info(stage->full, &full);
        socktally_get_info(stage->public, &public);
        assert_int_equal(full.missed_tx_calls, 7);
        assert_int_equal(full.missed_rx_calls, 5);
        assert_int_equal(full.interval_missed_tx_calls, 0);
        assert_int_equal(full.interval_missed_rx_calls, 3);
        assert_int_equal(full.missed_is_exact, 0);
        assert_int_equal(public.missed_rx_calls, 5);
        assert_int_equal(public.interval_missed_rx_calls, 3);
}

static void the_public_view_has_no_process_and_no_users_service(void **state) {
        struct stage *stage = *state;
        struct socktally_row row;

        stage_open(stage, 1000, 1000);
        scene_row(&stage->scene, 1, 0, 10);    /* outside every unit */
        scene_row(&stage->scene, 2, 5, 20);    /* of the system */
        scene_row(&stage->scene, 3, 1005, 40); /* of user 1 */
        step(stage);
        check_both(stage);
        assert_int_equal(socktally_count(stage->public, SOCKTALLY_TABLE_PROCESSES), 0);
        assert_int_equal(socktally_count(stage->public, SOCKTALLY_TABLE_SERVICES), N_GROUP_SPECIALS + 1);
        assert_int_equal(socktally_row(stage->public, SOCKTALLY_TABLE_SERVICES, GROUP_NONE, &row), 0);
        assert_int_equal(value(stage->public, &row, "kind"), SOCKTALLY_ROW_NO_UNIT);
        assert_int_equal(value(stage->public, &row, "tcp_tx_bytes"), 50);
        assert_int_equal(value(stage->public, &row, "processes"), 2);
        assert_int_equal(socktally_row(stage->public, SOCKTALLY_TABLE_HOST, 0, &row), 0);
        assert_int_equal(value(stage->public, &row, "services"), 1);
        assert_int_equal(socktally_find_service(stage->public, "unit-5.service", UINT32_MAX, &row), SOCKTALLY_VALUE);
        assert_int_equal(socktally_find_service(stage->public, "unit-1005.service", 1, &row), SOCKTALLY_NOT_PERMITTED);
        assert_int_equal(socktally_find_service(stage->full, "unit-1005.service", 1, &row), SOCKTALLY_VALUE);
        assert_int_equal(value(stage->full, &row, "tcp_tx_bytes"), 40);
}

static void a_process_row_says_all_that_is_known(void **state) {
        struct stage *stage = *state;
        struct socktally_column column;
        struct socktally_row row;
        const char *text;

        stage_open(stage, 1000, 1000);
        scene_row(&stage->scene, 42, 5, 10);
        step(stage);
        readers_refresh(stage);
        assert_int_equal(socktally_find_process(stage->full, 42, 42000, &row), SOCKTALLY_VALUE);
        assert_int_equal(value(stage->full, &row, "uid"), 1000 + 42 % 5);
        assert_int_equal(value(stage->full, &row, "exited"), 0);
        assert_int_equal(value(stage->full, &row, "cgroup_id"), 5);
        assert_int_equal(value(stage->full, &row, "changed"), 1);
        assert_int_equal(value(stage->full, &row, "udp_tx_bytes"), 10 * 17);
        assert_int_equal(socktally_column(stage->full, SOCKTALLY_TABLE_PROCESSES, "comm", &column), 0);
        assert_int_equal(socktally_text(&row, &column, &text), SOCKTALLY_VALUE);
        assert_string_equal(text, "p42");
        assert_int_equal(socktally_column(stage->full, SOCKTALLY_TABLE_PROCESSES, "service", &column), 0);
        assert_int_equal(socktally_text(&row, &column, &text), SOCKTALLY_VALUE);
        assert_string_equal(text, "unit-5.service");
        assert_int_equal(socktally_column(stage->full, SOCKTALLY_TABLE_PROCESSES, "app", &column), 0);
        assert_int_equal(socktally_text(&row, &column, &text), SOCKTALLY_VALUE);
        assert_string_equal(text, "app-5");
        assert_int_equal(socktally_column(stage->full, SOCKTALLY_TABLE_PROCESSES, "container", &column), 0);
        assert_int_equal(socktally_text(&row, &column, &text), SOCKTALLY_VALUE);
        assert_string_equal(text, "container-5");
        assert_int_equal(socktally_find_app(stage->full, "app-5", UINT32_MAX, &row), SOCKTALLY_VALUE);
        assert_int_equal(value(stage->full, &row, "processes"), 1);
        assert_int_equal(socktally_find_container(stage->full, "container-5", UINT32_MAX, &row), SOCKTALLY_VALUE);
        assert_int_equal(socktally_find_user(stage->full, 1000 + 42 % 5, &row), SOCKTALLY_VALUE);
        assert_int_equal(value(stage->full, &row, "udp_tx_bytes"), 10 * 17);
        assert_int_equal(socktally_find_user(stage->public, 1000 + 42 % 5, &row), SOCKTALLY_NOT_PERMITTED);
}

/* Slots are used again and again; nothing of an earlier row may be left in one. */
static void a_row_shows_nothing_of_what_was_in_its_place_before(void **state) {
        struct stage *stage = *state;
        struct socktally_column column;
        struct socktally_row row;
        const char *text;

        stage_open(stage, 1000, 1000);
        for (uint32_t i = 0; i < 12; i++) {
                scene_next(&stage->scene, SCENE_SECOND);
                scene_row(&stage->scene, 7, i < 6 ? 123456000 : 0, i + 1);
                step(stage);
        }
        readers_refresh(stage);
        assert_int_equal(socktally_find_process(stage->full, 7, 0, &row), SOCKTALLY_VALUE);
        assert_int_equal(socktally_column(stage->full, SOCKTALLY_TABLE_PROCESSES, "service", &column), 0);
        assert_int_equal(socktally_text(&row, &column, &text), SOCKTALLY_NOT_TRACKED);
        for (uint32_t i = 0; i < column.bytes; i++)
                assert_int_equal(((const char *) row.data)[column.offset + i], 0);
}

static void tables_grow_by_new_segments_and_readers_follow(void **state) {
        struct socktally_info info = { .size = sizeof info };
        struct stage *stage = *state;
        unsigned n_replaced = 0;
        ino_t first, last;
        struct stat st;

        stage_open(stage, 5000, 1000);
        step(stage);
        assert_int_equal(stage->replaced, 1U << PUBLISH_PUBLIC | 1U << PUBLISH_FULL);
        assert_int_equal(stage->fit_outcome, 1);
        readers_refresh(stage);
        assert_int_equal(stat(tree_path(stage->tree, "full"), &st), 0);
        first = st.st_ino;
        for (uint32_t n = 1; n <= 4000; n *= 2) {
                scene_next(&stage->scene, SCENE_SECOND);
                for (uint32_t pid = 1; pid <= n; pid++)
                        scene_row(&stage->scene, pid, pid % 700, n);
                step(stage);
                n_replaced += stage->replaced >> PUBLISH_FULL & 1;
                check_both(stage);
                assert_int_equal(socktally_count(stage->full, SOCKTALLY_TABLE_PROCESSES), N_PROCESS_SPECIALS + n);
                socktally_get_info(stage->full, &info);
                assert_int_equal(info.sequence, publish_next(stage->publish) - 1);
        }
        assert_int_equal(stat(tree_path(stage->tree, "full"), &st), 0);
        last = st.st_ino;
        assert_int_not_equal(first, last);
        assert_in_range(n_replaced, 5, 7); /* 64, 128, 256, 512, 1024, 2048, with one more for each that is full */
        assert_true(publish_fd(stage->publish, PUBLISH_FULL) >= 0);
}

static void at_the_configured_size_the_rest_is_overflow(void **state) {
        struct stage *stage = *state;
        struct socktally_row row;

        stage_open(stage, N_PROCESS_SPECIALS + 20, N_GROUP_SPECIALS + 10);
        for (uint32_t pid = 1; pid <= 100; pid++)
                scene_row(&stage->scene, pid, pid, 1);
        step(stage);
        check_both(stage);
        assert_int_equal(socktally_count(stage->full, SOCKTALLY_TABLE_PROCESSES), N_PROCESS_SPECIALS + 20);
        assert_int_equal(socktally_row(stage->full, SOCKTALLY_TABLE_PROCESSES, PROCESS_OVERFLOW, &row), 0);
        assert_int_equal(value(stage->full, &row, "tcp_tx_bytes"), 80);
}

static void without_memory_to_grow_the_small_segment_goes_on_and_adds_up(void **state) {
        struct stage *stage = *state;
        struct socktally_row row;

        if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("none", stage->tree->path, "tmpfs", 0, "size=1200k") < 0)
                skip();
        stage_open(stage, 5000, 1000);
        for (unsigned i = 1; i <= 3; i++) {
                scene_next(&stage->scene, SCENE_SECOND);
                for (uint32_t pid = 1; pid <= 1000; pid++)
                        scene_row(&stage->scene, pid, pid % 300, i);
                step(stage);
                assert_int_equal(stage->fit_outcome, i == 1 ? -ENOSPC : 0); /* what was merged asks for no room again */
                check_both(stage);
        }
        assert_int_equal(socktally_count(stage->full, SOCKTALLY_TABLE_PROCESSES), 64);
        assert_int_equal(socktally_row(stage->full, SOCKTALLY_TABLE_PROCESSES, PROCESS_OVERFLOW, &row), 0);
        assert_int_equal(value(stage->full, &row, "tcp_tx_bytes"), 3 * (1000 - 64 + N_PROCESS_SPECIALS));
        publish_free(stage->publish);
        stage->publish = NULL;
        socktally_close(stage->full);
        socktally_close(stage->public);
        stage->full = stage->public = NULL;
        assert_int_equal(umount2(stage->tree->path, MNT_DETACH), 0);
}

static void without_a_directory_it_is_an_error_until_there_is_one(void **state) {
        struct stage *stage = *state;
        struct layout_facts facts = { .interval_ns = SCENE_SECOND };
        unsigned replaced;

        stage_open(stage, 100, 100);
        assert_int_equal(rmdir(stage->tree->path), 0);
        scene_row(&stage->scene, 1, 1, 10);
        totals_update(stage->totals, &stage->scene.sample, 1);
        assert_int_equal(publish_fit(stage->publish, stage->totals), -ENOENT);
        assert_true(publish_write(stage->publish, stage->totals, &facts, 0, &replaced) < 0);
        assert_int_equal(replaced, 0);
        assert_int_equal(publish_fd(stage->publish, PUBLISH_FULL), -1);
        assert_int_equal(mkdir(stage->tree->path, 0755), 0);
        step(stage);
        check_both(stage);
}

static uint64_t bytes_of_kind(const struct socktally *reader, enum socktally_row_kind kind) {
        struct socktally_row row;

        for (size_t i = 0; i < socktally_count(reader, SOCKTALLY_TABLE_SERVICES); i++) {
                assert_int_equal(socktally_row(reader, SOCKTALLY_TABLE_SERVICES, i, &row), 0);
                if (value(reader, &row, "kind") == (uint64_t) kind)
                        return value(reader, &row, "tcp_tx_bytes");
        }
        fail();
        return 0;
}

static void a_new_unit_takes_the_place_of_one_that_is_over(void **state) {
        struct stage *stage = *state;
        struct sample_row *row;
        struct socktally_info info = { .size = sizeof info };

        stage_open(stage, 100, N_GROUP_SPECIALS + 1);
        scene_row(&stage->scene, 1, 1001, 10); /* of a user */
        step(stage);
        check_both(stage);
        assert_int_equal(bytes_of_kind(stage->public, SOCKTALLY_ROW_NO_UNIT), 10);
        scene_next(&stage->scene, SCENE_SECOND);
        row = scene_row(&stage->scene, 1, 1001, 10);
        row->row.exited = 1;
        row->is_last = true;
        for (unsigned i = 0; i < 12; i++) {
                step(stage);
                scene_next(&stage->scene, SCENE_SECOND);
        }
        scene_row(&stage->scene, 2, 2, 5);
        step(stage);
        check_both(stage);
        assert_int_equal(bytes_of_kind(stage->full, SOCKTALLY_ROW_SERVICE), 5);
        assert_int_equal(bytes_of_kind(stage->full, SOCKTALLY_ROW_ENDED), 10);
        assert_int_equal(bytes_of_kind(stage->public, SOCKTALLY_ROW_SERVICE), 5);
        assert_int_equal(bytes_of_kind(stage->public, SOCKTALLY_ROW_ENDED), 0);
        assert_int_equal(bytes_of_kind(stage->public, SOCKTALLY_ROW_NO_UNIT), 10); /* as before */
        assert_int_equal(socktally_get_info(stage->full, &info), 0);
        assert_int_equal(info.rows_overflowed, 1000);
}

static void a_smaller_table_of_services_takes_nothing_back(void **state) {
        const struct totals_rows smaller = scene_rows(100, N_GROUP_SPECIALS + 1);
        struct stage *stage = *state;

        stage_open(stage, 100, N_GROUP_SPECIALS + 3);
        scene_row(&stage->scene, 1, 1, 5);
        scene_row(&stage->scene, 2, 1001, 10); /* of a user */
        step(stage);
        check_both(stage);
        assert_int_equal(bytes_of_kind(stage->public, SOCKTALLY_ROW_NO_UNIT), 10);
        assert_int_equal(totals_resize(stage->totals, &smaller, 2), 0);
        scene_next(&stage->scene, SCENE_SECOND);
        step(stage);
        check_both(stage);
        assert_int_equal(bytes_of_kind(stage->full, SOCKTALLY_ROW_OVERFLOW), 10);
        assert_int_equal(bytes_of_kind(stage->public, SOCKTALLY_ROW_NO_UNIT), 10); /* as before */
        assert_int_equal(bytes_of_kind(stage->public, SOCKTALLY_ROW_OVERFLOW), 0);
}

/* As if publish_fit() had a fault, or had not been called. */
static void more_rows_than_there_is_room_for_are_not_written(void **state) {
        static const struct {
                uint32_t n_pids, n_units;
        } cases[] = { { 2000, 1 }, { 300, 300 } };
        struct stage *stage = *state;
        struct layout_facts facts = { .interval_ns = SCENE_SECOND };
        unsigned replaced;

        stage_open(stage, 5000, 5000);
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                uint64_t sequence;

                scene_next(&stage->scene, SCENE_SECOND);
                scene_row(&stage->scene, 1, 1, 10);
                step(stage);
                check_both(stage);
                sequence = publish_next(stage->publish);
                scene_next(&stage->scene, SCENE_SECOND);
                for (uint32_t pid = 1; pid <= cases[i].n_pids; pid++)
                        scene_row(&stage->scene, pid, pid % cases[i].n_units, 10);
                totals_update(stage->totals, &stage->scene.sample, sequence);
                assert_int_equal(publish_write(stage->publish, stage->totals, &facts, 0, &replaced), -ENOBUFS);
                assert_int_equal(replaced, 0);
                assert_int_equal(publish_next(stage->publish), sequence);
                assert_int_equal(socktally_refresh(stage->full), SOCKTALLY_UNCHANGED);
                assert_int_equal(socktally_refresh(stage->public), SOCKTALLY_UNCHANGED);
                step(stage); /* with room it goes on */
                check_both(stage);
        }
}

static void files_have_their_modes_and_go_with_the_publisher(void **state) {
        struct stage *stage = *state;
        struct stat st;

        stage_open(stage, 100, 100);
        assert_int_equal(stat(tree_path(stage->tree, "full"), &st), -1); /* nothing was published yet */
        step(stage);
        assert_int_equal(stat(tree_path(stage->tree, "full"), &st), 0);
        assert_int_equal(st.st_mode & 07777, 0440);
        assert_int_equal(stat(tree_path(stage->tree, "public"), &st), 0);
        assert_int_equal(st.st_mode & 07777, 0444);
        stage->publish = publish_free(stage->publish);
        assert_int_equal(rmdir(stage->tree->path), 0); /* it is empty */
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(both_views_add_up_and_have_one_sequence),
                CASE(missed_calls_are_among_the_facts_of_each_view),
                CASE(the_public_view_has_no_process_and_no_users_service),
                CASE(a_process_row_says_all_that_is_known),
                CASE(a_row_shows_nothing_of_what_was_in_its_place_before),
                CASE(tables_grow_by_new_segments_and_readers_follow),
                CASE(at_the_configured_size_the_rest_is_overflow),
                CASE(without_memory_to_grow_the_small_segment_goes_on_and_adds_up),
                CASE(without_a_directory_it_is_an_error_until_there_is_one),
                CASE(a_new_unit_takes_the_place_of_one_that_is_over),
                CASE(a_smaller_table_of_services_takes_nothing_back),
                CASE(more_rows_than_there_is_room_for_are_not_written),
                CASE(files_have_their_modes_and_go_with_the_publisher),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
