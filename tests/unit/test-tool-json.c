/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The socktally command against segments whose every number is known: what it prints for programs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "libclient/socktally.h"
#include "tests/unit/json.h"
#include "tests/unit/tool-fixture.h"

static const char *const metric_names[] = {
#define X(id, name, kind, unit, module, mode, help) #name,
        SOCKTALLY_METRICS(X)
#undef X
};

static uint64_t get_number(struct json_object *object, const char *key) {
        struct json_object *value = json_get(object, key);

        if (!value || json_object_get_type(value) != json_type_int)
                fail_msg("%s is no integer", key);
        return json_object_get_uint64(value);
}

static void expect_text(struct json_object *object, const char *key, const char *expected) {
        struct json_object *value = json_get(object, key);

        if (*expected == '\0')
                assert_null(value);
        else
                assert_string_equal(json_object_get_string(value), expected);
}

/* none: the number that stands for nothing. */
static void expect_identity(struct json_object *object, const char *key, uint64_t expected, uint64_t none) {
        if (expected == none)
                assert_null(json_get(object, key));
        else
                assert_int_equal(get_number(object, key), expected);
}

static void expect_counters(struct json_object *object, uint32_t table, size_t row, uint64_t sequence) {
        for (size_t i = 0; i < SOCKTALLY_N_METRICS; i++) {
                if (FIXTURE_UNKNOWN & UINT64_C(1) << i)
                        assert_null(json_get(object, metric_names[i]));
                else
                        assert_int_equal(get_number(object, metric_names[i]),
                                         fixture_counter(table, row, i, sequence));
        }
}

/* The row of the array that has value under key. */
static struct json_object *find(struct json_object *rows, const char *key, const char *value) {
        for (size_t i = 0; i < json_object_array_length(rows); i++) {
                struct json_object *row = json_object_array_get_idx(rows, i);
                const char *text = json_object_get_string(json_get(row, key));

                if (text && strcmp(text, value) == 0)
                        return row;
        }
        fail_msg("no row has %s %s", key, value);
        return NULL;
}

static struct json_object *run_json(struct fixture *fixture, const char *command) {
        struct outcome outcome;
        struct json_object *object;

        RUN(fixture, &outcome, command, "--json");
        assert_string_equal(outcome.err, "");
        assert_int_equal(outcome.status, 0);
        object = json_parse(outcome.out);
        outcome_done(&outcome);
        return object;
}

static void expect_frame(const struct fixture *fixture, struct json_object *object, const char *view) {
        uint64_t sequence = get_number(object, "sequence");

        assert_true(sequence >= 3 && sequence <= fixture->sequence);
        assert_int_equal(get_number(object, "time_ns"), fixture_time_ns(fixture, sequence));
        assert_int_equal(get_number(object, "interval_ns"), FIXTURE_INTERVAL_NS);
        expect_text(object, "view", view);
        expect_text(object, "freshness", "fresh");
        expect_counters(json_get(object, "host"), LAYOUT_TABLE_HOST, 0, sequence);
        expect_text(json_get(object, "host"), "kind", "host");
}

static void every_process_row_is_in_the_json_key_by_key(void **state) {
        static const char *const kinds[] = { "process", "process", "process", "kernel", "overflow", "exited" };
        struct fixture fixture;
        struct json_object *object, *rows;
        uint64_t sequence;

        fixture_start(&fixture, true);
        object = run_json(&fixture, "processes");
        sequence = get_number(object, "sequence");
        expect_frame(&fixture, object, "full");
        rows = json_get(object, "processes");
        assert_int_equal(json_object_array_length(rows), FIXTURE_N_PROCESSES);
        for (size_t i = 0; i < FIXTURE_N_PROCESSES; i++) {
                struct layout_process_row expected;
                struct json_object *row;

                fixture_process(&expected, i, sequence);
                row = expected.comm[0] ? find(rows, "comm", expected.comm) : find(rows, "kind", kinds[i]);
                expect_counters(row, LAYOUT_TABLE_PROCESSES, i, sequence);
                expect_identity(row, "pid", expected.pid, 0);
                expect_identity(row, "start_time", expected.start_time, 0);
                expect_identity(row, "cgroup_id", expected.cgroup_id, 0);
                expect_identity(row, "uid", expected.uid, LAYOUT_NO_UID);
                assert_int_equal(get_number(row, "changed"), sequence);
                assert_int_equal(json_object_get_boolean(json_get(row, "exited")), expected.exited);
                expect_text(row, "kind", kinds[i]);
                expect_text(row, "comm", expected.comm);
                expect_text(row, "service", expected.service);
                expect_text(row, "app", expected.app);
                expect_text(row, "container", expected.container);
                expect_text(row, "command_line", expected.command_line);
                assert_int_equal(json_object_object_length(row), SOCKTALLY_N_METRICS + 12);
        }
        (void)json_object_put(object);
        fixture_done(&fixture);
}

static void every_service_row_is_in_the_json_key_by_key(void **state) {
        static const char *const kinds[] = { "service", "service", "no-unit", "kernel" };
        struct fixture fixture;
        struct json_object *object, *rows;
        uint64_t sequence;

        fixture_start(&fixture, false);
        object = run_json(&fixture, "services");
        sequence = get_number(object, "sequence");
        expect_frame(&fixture, object, "public");
        rows = json_get(object, "services");
        assert_int_equal(json_object_array_length(rows), FIXTURE_N_SERVICES);
        for (size_t i = 0; i < FIXTURE_N_SERVICES; i++) {
                struct layout_service_row expected;
                struct json_object *row;

                fixture_service(&expected, i, sequence);
                row = expected.service[0] ? find(rows, "service", expected.service) : find(rows, "kind", kinds[i]);
                expect_counters(row, LAYOUT_TABLE_SERVICES, i, sequence);
                expect_text(row, "kind", kinds[i]);
                expect_text(row, "service", expected.service);
                expect_identity(row, "uid", expected.uid, LAYOUT_NO_UID);
                assert_int_equal(get_number(row, "processes"), expected.processes);
        }
        (void)json_object_put(object);
        fixture_done(&fixture);
}

static void rates_are_the_growth_per_second_and_null_where_unknown(void **state) {
        struct fixture fixture;
        struct json_object *object, *rates;
        struct outcome outcome;

        fixture_start(&fixture, true);
        RUN(&fixture, &outcome, "processes", "--json", "--rates");
        assert_int_equal(outcome.status, 0);
        object = json_parse(outcome.out);
        rates = json_get(find(json_get(object, "processes"), "comm", "nginx"), "rates");
        /* One more publication is one interval: 10 per second. Row 0 grows by 10 plus the metric's number. */
        for (size_t i = 0; i < SOCKTALLY_N_METRICS; i++) {
                if (FIXTURE_UNKNOWN & UINT64_C(1) << i || i == SOCKTALLY_METRIC_tcp_rtt_us ||
                    i == SOCKTALLY_METRIC_tcp_connect_us)
                        continue;
                assert_float_equal(json_object_get_double(json_get(rates, metric_names[i])), 10.0 * (10.0 + (double)i),
                                   0.01);
        }
        assert_null(json_get(rates, "tcp_resets_sent"));
        /* Totals of rows that go are no traffic of the moment. */
        assert_null(json_get(json_get(find(json_get(object, "processes"), "kind", "exited"), "rates"), "tcp_tx_bytes"));
        (void)json_object_put(object);
        outcome_done(&outcome);
        fixture_done(&fixture);
}

static void status_tells_what_the_daemon_published(void **state) {
        struct fixture fixture;
        struct json_object *object, *health;
        uint64_t sequence;

        fixture_start(&fixture, true);
        object = run_json(&fixture, "status");
        sequence = get_number(object, "sequence");
        expect_text(object, "view", "full");
        expect_text(object, "freshness", "fresh");
        expect_text(object, "version", socktally_version());
        assert_int_equal(get_number(object, "pid"), getpid());
        assert_int_equal(get_number(object, "time_ns"), fixture_time_ns(&fixture, sequence));
        assert_int_equal(get_number(object, "interval_ns"), FIXTURE_INTERVAL_NS);
        assert_int_equal(get_number(object, "processes"), 3);
        assert_int_equal(get_number(object, "services"), 2);
        assert_int_equal(get_number(object, "counting_since_ns"), fixture.base_ns);
        assert_int_equal(get_number(object, "cost_ns"), 1400000);
        assert_int_not_equal(get_number(object, "incarnation"), 0);
        health = json_get(object, "health");
        assert_int_equal(get_number(health, "sockets_tracked"), 11);
        assert_int_equal(get_number(health, "sockets_overflowed"), 12);
        assert_int_equal(get_number(health, "rows_overflowed"), 13);
        assert_int_equal(json_object_array_length(json_get(object, "unknown")), 3);
        assert_int_equal(json_object_array_length(json_get(object, "known")), SOCKTALLY_N_METRICS - 3);
        assert_string_equal(json_object_get_string(json_object_array_get_idx(json_get(object, "unknown"), 0)),
                            "tcp_resets_sent");
        expect_counters(json_get(object, "host"), LAYOUT_TABLE_HOST, 0, sequence);
        (void)json_object_put(object);
        fixture_done(&fixture);
}

static void top_prints_one_object_per_line_and_refresh(void **state) {
        struct fixture fixture;
        struct outcome outcome;
        uint64_t last = 0;
        char *line, *rest;
        int n = 0;

        fixture_start(&fixture, true);
        RUN(&fixture, &outcome, "top", "--json", "--count=3", "--limit=1", "--sort=pid");
        assert_int_equal(outcome.status, 0);
        for (line = strtok_r(outcome.out, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest), n++) {
                struct json_object *object = json_parse(line), *rows = json_get(object, "processes");

                expect_frame(&fixture, object, "full");
                assert_true(get_number(object, "sequence") > last);
                last = get_number(object, "sequence");
                assert_int_equal(json_object_array_length(rows), 1);
                assert_int_equal(get_number(json_object_array_get_idx(rows, 0), "pid"), 101);
                assert_non_null(json_get(json_get(json_object_array_get_idx(rows, 0), "rates"), "tcp_tx_bytes"));
                (void)json_object_put(object);
        }
        assert_int_equal(n, 3);
        outcome_done(&outcome);
        fixture_done(&fixture);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_process_row_is_in_the_json_key_by_key),
                cmocka_unit_test(every_service_row_is_in_the_json_key_by_key),
                cmocka_unit_test(rates_are_the_growth_per_second_and_null_where_unknown),
                cmocka_unit_test(status_tells_what_the_daemon_published),
                cmocka_unit_test(top_prints_one_object_per_line_and_refresh),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests_name("tool-json", tests, NULL, NULL);
}
