/* SPDX-License-Identifier: GPL-2.0-or-later */
/* socktally segment dump and verify: sound files, and copies of them with one thing wrong. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "libclient/frame.h"
#include "tests/unit/json.h"
#include "tests/unit/tool-fixture.h"

struct bytes {
        unsigned char *data;
        size_t size;
};

/* The bytes of the full segment, which nobody changes meanwhile. */
static struct bytes take(const struct fixture *fixture) {
        int fd = open(fixture_path(fixture, "full"), O_RDONLY | O_CLOEXEC);
        struct bytes bytes = { .data = NULL };
        struct stat status;

        assert_true(fd >= 0);
        assert_int_equal(fstat(fd, &status), 0);
        bytes.size = (size_t)status.st_size;
        bytes.data = malloc(bytes.size);
        assert_non_null(bytes.data);
        assert_int_equal(read(fd, bytes.data, bytes.size), bytes.size);
        (void)close(fd);
        return bytes;
}

static void put(const struct fixture *fixture, const struct bytes *bytes, size_t size) {
        int fd = open(fixture_path(fixture, "broken"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, bytes->data, size), size);
        (void)close(fd);
}

static struct layout_slot *newest_slot(struct bytes *bytes) {
        const struct layout_header *header = (const void *)bytes->data;
        const struct layout_dynamic *dynamic = (const void *)(bytes->data + header->dynamic_offset);

        return (void *)(bytes->data + header->slots_offset +
                        dynamic->published % header->n_slots * header->slot_stride);
}

static unsigned char *newest_rows(struct bytes *bytes, uint32_t id) {
        const struct layout_header *header = (const void *)bytes->data;
        const struct layout_table *table = (const void *)(bytes->data + header->tables_offset);

        while (table->id != id)
                table++;
        return (unsigned char *)newest_slot(bytes) + table->rows_offset;
}

/* Verifies the broken file; its complaint must have the word. */
static void expect_fault(struct fixture *fixture, const struct bytes *bytes, const char *word) {
        struct outcome outcome;

        put(fixture, bytes, bytes->size);
        RUN(fixture, &outcome, "segment", "verify", fixture_path(fixture, "broken"));
        if (outcome.status != 1 || !strstr(outcome.out, word))
                fail_msg("exit code %d, expected '%s' in: %s%s", outcome.status, word, outcome.out, outcome.err);
        assert_string_equal(outcome.err, "");
        assert_null(strchr(outcome.out, '\033'));
        outcome_done(&outcome);
}

static void a_sound_segment_is_ok_while_it_is_written_and_afterwards(void **state) {
        struct fixture fixture;
        struct outcome outcome;
        struct bytes bytes;

        fixture_start(&fixture, true);
        RUN(&fixture, &outcome, "segment", "verify", fixture_path(&fixture, "full"));
        assert_string_equal(outcome.err, "");
        assert_int_equal(strncmp(outcome.out, "ok: full view, layout 2.", 24), 0);
        assert_non_null(strstr(outcome.out, "6 processes"));
        assert_int_equal(outcome.status, 0);
        outcome_done(&outcome);
        bytes = take(&fixture);
        fixture_stop(&fixture);
        put(&fixture, &bytes, bytes.size);
        RUN(&fixture, &outcome, "segment", "verify", "--json", fixture_path(&fixture, "broken"));
        assert_int_equal(outcome.status, 0);
        assert_non_null(strstr(outcome.out, "\"ok\": true"));
        outcome_done(&outcome);
        free(bytes.data);
        fixture_done(&fixture);
}

static void a_segment_that_was_cut_anywhere_is_a_fault(void **state) {
        struct fixture fixture;
        struct outcome outcome;
        struct bytes bytes;

        fixture_start(&fixture, true);
        bytes = take(&fixture);
        fixture_stop(&fixture);
        const size_t sizes[] = { 0, 1, 8, 255, 256, 4096, bytes.size / 2, bytes.size - 4096, bytes.size - 1 };

        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
                put(&fixture, &bytes, sizes[i]);
                RUN(&fixture, &outcome, "segment", "verify", fixture_path(&fixture, "broken"));
                assert_int_equal(outcome.status, 1);
                assert_true(strlen(outcome.out) > 0);
                outcome_done(&outcome);
                RUN(&fixture, &outcome, "segment", "dump", fixture_path(&fixture, "broken"));
                assert_int_equal(outcome.status, 1);
                assert_string_equal(outcome.out, "");
                assert_non_null(strstr(outcome.err, "broken: "));
                outcome_done(&outcome);
        }
        free(bytes.data);
        fixture_done(&fixture);
}

static void each_broken_promise_has_its_line(void **state) {
        struct fixture fixture;
        struct bytes bytes;
        struct layout_header *header;
        struct layout_process_row *process;
        struct layout_host_row *host;

        fixture_start(&fixture, true);
        bytes = take(&fixture);
        header = (void *)bytes.data;
        process = (void *)newest_rows(&bytes, LAYOUT_TABLE_PROCESSES);
        host = (void *)newest_rows(&bytes, LAYOUT_TABLE_HOST);

        host->counters[SOCKTALLY_METRIC_udp_rx_bytes] += 1;
        expect_fault(&fixture, &bytes, "udp_rx_bytes of processes add up to");
        host->counters[SOCKTALLY_METRIC_udp_rx_bytes] -= 1;
        memcpy(process->comm, "a\033[2Jb", 7);
        expect_fault(&fixture, &bytes, "comm is not clean text");
        memcpy(process->comm, "nginx\0", 7);
        process->pid += 1000;
        expect_fault(&fixture, &bytes, "is not in the index");
        process->pid -= 1000;
        newest_slot(&bytes)->contents[LAYOUT_TABLE_PROCESSES].count = UINT32_MAX;
        expect_fault(&fixture, &bytes, "rows, room for");
        newest_slot(&bytes)->contents[LAYOUT_TABLE_PROCESSES].count = FIXTURE_N_PROCESSES;
        newest_slot(&bytes)->seq += 1;
        expect_fault(&fixture, &bytes, "slot");
        newest_slot(&bytes)->seq -= 1;
        header->magic ^= 1;
        expect_fault(&fixture, &bytes, "magic");
        header->magic ^= 1;
        header->incompatible = 1;
        expect_fault(&fixture, &bytes, "");
        header->incompatible = 0;
        header->slots_offset = UINT64_MAX - 63;
        expect_fault(&fixture, &bytes, "");
        free(bytes.data);
        fixture_done(&fixture);
}

static void no_flipped_byte_makes_it_crash_or_print_control_characters(void **state) {
        struct fixture fixture;
        struct outcome outcome;
        struct bytes bytes;
        uint32_t random = 1;

        fixture_start(&fixture, true);
        bytes = take(&fixture);
        fixture_stop(&fixture);
        for (int i = 0; i < 150; i++) {
                size_t place, space = i < 100 ? 24576 : bytes.size; /* what describes the rest comes first */
                unsigned char before;

                random = random * 1664525 + 1013904223;
                place = random % (space < bytes.size ? space : bytes.size);
                before = bytes.data[place];
                bytes.data[place] ^= (unsigned char)(1 + (random >> 24) % 255);
                put(&fixture, &bytes, bytes.size);
                RUN(&fixture, &outcome, "segment", i % 2 ? "dump" : "verify", fixture_path(&fixture, "broken"));
                if (outcome.status != 0 && outcome.status != 1)
                        fail_msg("exit code %d with byte %zu changed", outcome.status, place);
                for (const char *p = outcome.out; *p; p++)
                        if ((*p >= 0 && *p < ' ' && *p != '\n') || *p == '\177')
                                fail_msg("character %d with byte %zu changed", *p, place);
                outcome_done(&outcome);
                bytes.data[place] = before;
        }
        free(bytes.data);
        fixture_done(&fixture);
}

static void dump_prints_header_slots_columns_and_rows(void **state) {
        static const char *const words[] = {
                "layout       2.", "view         full", "state        live", "the newest", "interval_ns 100000000",
                "sockets_overflowed 12", "missed_rx_calls 42, interval_missed_tx_calls 43,",
                "table host: 1 of 1 rows", "table processes: 6 of 16 rows",
                "TCP payload written by the process", "comm='nginx'", "tcp_rtt_us=-", "pid=101",
        };
        struct fixture fixture;
        struct outcome outcome;

        fixture_start(&fixture, true);
        fixture.missed[1] = 42;
        fixture.missed_in_interval[0] = 43;
        fixture_publish(&fixture);
        RUN(&fixture, &outcome, "segment", "dump", fixture_path(&fixture, "full"));
        assert_string_equal(outcome.err, "");
        assert_int_equal(outcome.status, 0);
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
                if (!strstr(outcome.out, words[i]))
                        fail_msg("'%s' is missing", words[i]);
        outcome_done(&outcome);
        fixture_done(&fixture);
}

static void dump_as_json_has_every_row_with_its_numbers(void **state) {
        struct fixture fixture;
        struct outcome outcome;
        struct json_object *dump, *tables, *rows;
        uint64_t sequence;

        fixture_start(&fixture, true);
        RUN(&fixture, &outcome, "segment", "dump", "--json", fixture_path(&fixture, "full"));
        assert_int_equal(outcome.status, 0);
        dump = json_parse(outcome.out);
        assert_int_equal(json_object_get_uint64(json_get(json_get(dump, "header"), "writer_pid")), getpid());
        tables = json_get(dump, "tables");
        assert_int_equal(json_object_array_length(tables), LAYOUT_N_TABLES);
        for (size_t t = 0; t < LAYOUT_N_TABLES; t++) {
                struct json_object *table = json_object_array_get_idx(tables, t);
                uint32_t id = (uint32_t)json_object_get_uint64(json_get(table, "id"));

                rows = json_get(table, "rows");
                sequence = json_object_get_uint64(json_get(json_object_array_get_idx(rows, 0), "changed"));
                for (size_t i = 0; i < json_object_array_length(rows); i++)
                        assert_int_equal(
                                json_object_get_uint64(json_get(json_object_array_get_idx(rows, i), "udp_tx_bytes")),
                                fixture_counter(id, i, SOCKTALLY_METRIC_udp_tx_bytes, sequence));
                assert_null(json_get(json_object_array_get_idx(rows, 0), "tcp_rtt_us"));
        }
        (void)json_object_put(dump);
        outcome_done(&outcome);
        fixture_done(&fixture);
}

static void a_file_that_cannot_be_opened_is_named(void **state) {
        static const char *const actions[] = { "dump", "verify" };
        struct fixture fixture;
        struct outcome outcome;

        fixture_start(&fixture, true);
        for (size_t i = 0; i < 2; i++) {
                RUN(&fixture, &outcome, "segment", actions[i], fixture_path(&fixture, "nothing"));
                assert_int_equal(outcome.status, 1);
                assert_string_equal(outcome.out, "");
                assert_non_null(strstr(outcome.err, "nothing: No such file or directory"));
                outcome_done(&outcome);
                RUN(&fixture, &outcome, "segment", actions[i], fixture.directory);
                assert_int_equal(outcome.status, 1);
                outcome_done(&outcome);
        }
        if (geteuid() == 0) {
                fixture_run(&fixture, &outcome, 65534,
                            (const char *const[]){ "segment", "dump", fixture_path(&fixture, "full"), NULL });
                /* 127: the build directory is closed to others. */
                assert_true(outcome.status == 4 || outcome.status == 127);
                outcome_done(&outcome);
        }
        fixture_done(&fixture);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_sound_segment_is_ok_while_it_is_written_and_afterwards),
                cmocka_unit_test(a_segment_that_was_cut_anywhere_is_a_fault),
                cmocka_unit_test(each_broken_promise_has_its_line),
                cmocka_unit_test(no_flipped_byte_makes_it_crash_or_print_control_characters),
                cmocka_unit_test(dump_prints_header_slots_columns_and_rows),
                cmocka_unit_test(dump_as_json_has_every_row_with_its_numbers),
                cmocka_unit_test(a_file_that_cannot_be_opened_is_named),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests_name("segment", tests, NULL, NULL);
}
