/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Makes segments for tests with the daemon's own writer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "libclient/schema.h"
#include "tests/unit/fixture.h"

int fixture_setup(void **state) {
        struct fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        strcpy(f->directory, "/tmp/socktally-test-XXXXXX");
        assert_non_null(mkdtemp(f->directory));
        f->config = (struct segment_config){
                .directory = f->directory,
                .name = "full",
                .view = SOCKTALLY_VIEW_FULL,
                .mode = 0440,
                .gid = (gid_t) -1,
                .incarnation = 1,
                .capacity = { 1, 32, 32, 32, 32, 32 },
        };
        assert_int_equal(segment_new(&f->segment, &f->config), 0);
        *state = f;
        return 0;
}

int fixture_teardown(void **state) {
        struct fixture *f = *state;
        char path[128];

        socktally_close(f->reader);
        segment_free(f->segment, false);
        (void) unlink(fixture_path(f, path));
        (void) rmdir(f->directory);
        free(f);
        return 0;
}

uint64_t fixture_counter(uint64_t sequence, uint32_t i, uint32_t m) {
        return sequence * 1000000 + i * 1000 + m;
}

static void fill_counters(uint64_t *counters, uint64_t sequence, uint32_t i) {
        for (uint32_t m = 0; m < SOCKTALLY_N_METRICS; m++)
                counters[m] = fixture_counter(sequence, i, m);
}

static void fill_process(struct layout_process_row *row, uint64_t sequence, uint32_t i) {
        *row = (struct layout_process_row){
                .start_time = i * 10,
                .changed = sequence,
                .cgroup_id = 40000 + i,
                .pid = i ? FIXTURE_PID + i : 0,
                .uid = 500 + i,
                .kind = i ? SOCKTALLY_ROW_PROCESS : SOCKTALLY_ROW_KERNEL,
        };
        fill_counters(row->counters, sequence, i);
        snprintf(row->comm, sizeof(row->comm), "comm%u", i);
        snprintf(row->service, sizeof(row->service), "service%u.service", i);
        snprintf(row->app, sizeof(row->app), "app%u", i);
        snprintf(row->container, sizeof(row->container), "container%u", i);
        snprintf(row->command_line, sizeof(row->command_line), "/usr/bin/comm%u --option %u", i, i);
}

static void fill_service(struct layout_service_row *row, uint64_t sequence, uint32_t i) {
        *row = (struct layout_service_row){
                .start_time = i * 100,
                .changed = sequence,
                .uid = i % 2 ? LAYOUT_NO_UID : 1000,
                .kind = SOCKTALLY_ROW_SERVICE,
                .processes = i,
        };
        fill_counters(row->counters, sequence, i);
        snprintf(row->service, sizeof(row->service), "service%u.service", i / 2);
}

/* What a row of each group has. */
#define FILL_GROUP(row, row_kind, sequence, i)                                                                   \
        do {                                                                                                           \
                *(row) = (typeof(*(row))){                                                                             \
                        .start_time = (i) * 100,                                                                       \
                        .changed = (sequence),                                                                         \
                        .uid = 2000 + (i),                                                                             \
                        .kind = (row_kind),                                                                            \
                        .processes = (i),                                                                              \
                };                                                                                                     \
                fill_counters((row)->counters, sequence, i);                                                           \
        } while (0)

static void fill_app(struct layout_app_row *row, uint64_t sequence, uint32_t i) {
        FILL_GROUP(row, SOCKTALLY_ROW_APP, sequence, i);
        snprintf(row->app, sizeof(row->app), "app%u", i);
        snprintf(row->display_name, sizeof(row->display_name), "App %u", i);
        snprintf(row->app_kind, sizeof(row->app_kind), "kind%u", i);
}

static void fill_container(struct layout_container_row *row, uint64_t sequence, uint32_t i) {
        FILL_GROUP(row, SOCKTALLY_ROW_CONTAINER, sequence, i);
        snprintf(row->container, sizeof(row->container), "container%u", i);
        snprintf(row->display_name, sizeof(row->display_name), "Container %u", i);
        snprintf(row->container_runtime, sizeof(row->container_runtime), "runtime%u", i);
        snprintf(row->pod, sizeof(row->pod), "pod%u", i);
}

static void fill_user(struct layout_user_row *row, uint64_t sequence, uint32_t i) {
        FILL_GROUP(row, SOCKTALLY_ROW_USER, sequence, i);
}

static void fill_groups(struct fixture *f, uint64_t sequence, uint32_t n) {
        for (uint32_t i = 0; i < n && f->fill.services; i++)
                fill_service(&f->fill.services[i], sequence, i);
        for (uint32_t i = 0; i < n && f->fill.apps; i++)
                fill_app(&f->fill.apps[i], sequence, i);
        for (uint32_t i = 0; i < n && f->fill.containers; i++)
                fill_container(&f->fill.containers[i], sequence, i);
        for (uint32_t i = 0; i < n && f->fill.users; i++)
                fill_user(&f->fill.users[i], sequence, i);
        f->fill.count[LAYOUT_TABLE_SERVICES] = f->fill.services ? n : 0;
        f->fill.count[LAYOUT_TABLE_APPS] = f->fill.apps ? n : 0;
        f->fill.count[LAYOUT_TABLE_CONTAINERS] = f->fill.containers ? n : 0;
        f->fill.count[LAYOUT_TABLE_USERS] = f->fill.users ? n : 0;
}

void fixture_fill(struct fixture *f, uint32_t n) {
        uint64_t sequence = segment_sequence(f->segment) + 1;

        segment_begin(f->segment, &f->fill);
        for (uint32_t i = 0; i < n && f->fill.processes; i++)
                fill_process(&f->fill.processes[i], sequence, i);
        fill_groups(f, sequence, n);
        *f->fill.host = (struct layout_host_row){
                .start_time = 1,
                .changed = sequence,
                .kind = SOCKTALLY_ROW_HOST,
                .processes = n,
                .services = n,
        };
        for (uint32_t m = 0; m < SOCKTALLY_N_METRICS; m++)
                for (uint32_t i = 0; i < n; i++)
                        f->fill.host->counters[m] += fixture_counter(sequence, i, m);
        f->fill.count[LAYOUT_TABLE_HOST] = 1;
        f->fill.count[LAYOUT_TABLE_PROCESSES] = f->fill.processes ? n : 0;
        memset(f->fill.known, 0xff, sizeof(f->fill.known));
        *f->fill.facts = (struct layout_facts){
                .time_ns = sequence * FIXTURE_SECOND,
                .realtime_ns = sequence * FIXTURE_SECOND + 17,
                .interval_ns = FIXTURE_SECOND,
                .sockets_tracked = 11,
                .sockets_overflowed = 12,
                .rows_overflowed = 13,
                .cost_ns = 14,
                .missed_tx_calls = 25,
                .missed_rx_calls = 26,
                .interval_missed_tx_calls = 15,
                .interval_missed_rx_calls = 16,
                .missed_is_exact = 1,
                .complete_ns = 17,
        };
}

void fixture_publish(struct fixture *f, uint32_t n) {
        fixture_fill(f, n);
        assert_int_equal(segment_publish(f->segment, &f->fill), 0);
}

void fixture_replace(struct fixture *f, uint32_t capacity, uint32_t n, uint64_t incarnation) {
        struct segment *old = f->segment;

        for (uint32_t t = LAYOUT_TABLE_SERVICES; t < LAYOUT_N_TABLES; t++)
                f->config.capacity[t] = f->config.capacity[t] ? capacity : 0;
        f->config.incarnation = incarnation;
        assert_int_equal(segment_new(&f->segment, &f->config), 0);
        segment_set_sequence(f->segment, segment_sequence(old));
        fixture_publish(f, n);
        segment_free(old, true);
}

int fixture_open(struct fixture *f) {
        char path[128];
        struct socktally_options options = { .size = sizeof(options), .file_path = fixture_path(f, path) };

        return socktally_open(&f->reader, &options);
}

void fixture_take(struct fixture *f) {
        assert_int_equal(fixture_open(f), 0);
        assert_int_equal(socktally_refresh(f->reader), SOCKTALLY_NEW);
}

struct socktally_info fixture_info(const struct fixture *f) {
        struct socktally_info info = { .size = sizeof(info) };

        assert_int_equal(socktally_get_info(f->reader, &info), 0);
        return info;
}

const unsigned char *fixture_row(const struct fixture *f, uint32_t table, uint32_t index) {
        return (const unsigned char *) f->fill.rows[table] + (size_t) index * stly_schema_table(table)->row_size;
}

const char *fixture_path(const struct fixture *f, char path[static 128]) {
        snprintf(path, 128, "%s/%s", f->directory, f->config.name);
        return path;
}
