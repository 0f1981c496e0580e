/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The manual page proved: a reader that was written from socktally-segment(5) alone and libsocktally read the same
 * segment, value by value, index by index, through growth of the numbers, another view, and the writer's death.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/publish/segment.h"
#include "libclient/socktally.h"
#include "tests/unit/foreign-reader.h"
#include "tests/unit/pattern.h"

#define UNKNOWN_METRICS (UINT64_C(1) << SOCKTALLY_METRIC_tcp_tx_calls | UINT64_C(1) << SOCKTALLY_METRIC_udp_rx_drops)

static unsigned int n_cases;
static bool has_failed;
static char directory[] = "/dev/shm/socktally-foreign.XXXXXX";

static void report(bool is_ok, const char *sentence) {
        printf("%s %u - %s\n", is_ok ? "ok" : "not ok", ++n_cases, sentence);
        has_failed = has_failed || !is_ok;
}

static struct segment *make(const char *name, uint32_t view, uint32_t services, uint32_t processes) {
        struct segment_config config = { .directory = directory, .name = name, .view = view, .mode = 0444,
                                         .gid = (gid_t) -1, .incarnation = 1, .capacity = { 1, services, processes } };
        struct segment *segment;

        return segment_new(&segment, &config) < 0 ? NULL : segment;
}

/* Some metrics are unknown and some rows are no process, as in life. */
static int publish(struct segment *segment) {
        struct segment_fill fill;

        segment_begin(segment, &fill);
        pattern_fill(&fill, segment_sequence(segment) + 1);
        fill.known[LAYOUT_TABLE_HOST] = fill.known[LAYOUT_TABLE_PROCESSES] = ~UNKNOWN_METRICS;
        if (fill.processes) {
                fill.processes[1].pid = 0;
                fill.processes[1].uid = LAYOUT_NO_UID;
                fill.processes[1].kind = SOCKTALLY_ROW_OVERFLOW;
                fill.processes[2].comm[0] = 0;
        }
        return segment_publish(segment, &fill);
}

static void print_value(const struct socktally_row *row, const struct socktally_column *column, FILE *file) {
        const char *text = "?";
        uint64_t value;

        if (column->type == SOCKTALLY_TEXT) {
                (void) socktally_text(row, column, &text);
                fprintf(file, "%s\n", text);
        } else if (socktally_value(row, column, &value) == SOCKTALLY_VALUE)
                fprintf(file, "%" PRIu64 "\n", value);
        else
                fprintf(file, "?\n");
}

/* The same text as foreign_print(), by libsocktally. */
static void print(const struct socktally *reader, FILE *file) {
        struct socktally_info info = { .size = sizeof(info) };
        struct socktally_column column;
        struct socktally_row row;

        (void) socktally_get_info(reader, &info);
        fprintf(file, "fact 0 %" PRIu64 "\nfact 1 %" PRIu64 "\nfact 2 %" PRIu64 "\nfact 3 %" PRIu64 "\n", info.sequence,
                info.time_ns, info.realtime_ns, info.interval_ns);
        fprintf(file, "fact 4 %" PRIu64 "\nfact 5 %" PRIu64 "\nfact 6 %" PRIu64 "\nfact 7 %" PRIu64 "\n",
                info.sockets_tracked, info.sockets_overflowed, info.rows_overflowed, info.cost_ns);
        fprintf(file, "fact 8 %" PRIu64 "\nfact 9 %" PRIu64 "\nfact 10 %" PRIu64 "\nfact 11 %" PRIu64 "\n",
                info.missed_tx_calls, info.missed_rx_calls, info.interval_missed_tx_calls,
                info.interval_missed_rx_calls);
        fprintf(file, "fact 12 %" PRIu32 "\nfact 13 %" PRIu64 "\n", info.missed_is_exact, info.complete_ns);
        for (uint32_t t = 0; t < LAYOUT_N_TABLES; t++) {
                if (socktally_row(reader, t, 0, &row) == SOCKTALLY_NOT_PERMITTED) {
                        fprintf(file, "%" PRIu32 " not permitted\n", t);
                        continue;
                }
                for (size_t i = 0; socktally_row(reader, t, i, &row) == 0; i++)
                        for (size_t c = 0; socktally_column_at(reader, t, c, &column) == 0; c++) {
                                fprintf(file, "%" PRIu32 " %zu %s (%s, %s) = ", t, i, column.name, column.unit,
                                        column.help);
                                print_value(&row, &column, file);
                        }
        }
}

static void show_difference(const char *ours, const char *theirs) {
        size_t start = 0;

        for (size_t i = 0; ours[i] && ours[i] == theirs[i]; i++)
                if (ours[i] == '\n')
                        start = i + 1;
        printf("# libsocktally:    %.*s\n# the page's reader: %.*s\n", (int) strcspn(ours + start, "\n"), ours + start,
               (int) strcspn(theirs + start, "\n"), theirs + start);
}

static bool is_same(const struct socktally *reader, const struct foreign *foreign) {
        char *ours = NULL, *theirs = NULL;
        size_t ours_size, theirs_size;
        FILE *a = open_memstream(&ours, &ours_size), *b = open_memstream(&theirs, &theirs_size);
        bool is_equal;

        print(reader, a);
        foreign_print(foreign, b);
        fclose(a);
        fclose(b);
        is_equal = ours_size > 1000 && strcmp(ours, theirs) == 0;
        if (!is_equal)
                show_difference(ours, theirs);
        free(ours);
        free(theirs);
        return is_equal;
}

static bool are_processes_found(const struct socktally *reader, const struct foreign *foreign) {
        bool is_ok = foreign_find_pid(foreign, 99999999) < 0 && foreign_find_pid(foreign, 0) < 0;
        struct socktally_column pid;
        struct socktally_row row;
        uint64_t number;

        (void) socktally_column(reader, SOCKTALLY_TABLE_PROCESSES, "pid", &pid);
        for (size_t i = 0; socktally_row(reader, SOCKTALLY_TABLE_PROCESSES, i, &row) == 0; i++)
                if (socktally_value(&row, &pid, &number) == 0 && number > 0)
                        is_ok = is_ok && foreign_find_pid(foreign, (uint32_t) number) == (int64_t) i;
        return is_ok;
}

static bool are_services_found(const struct socktally *reader, const struct foreign *foreign) {
        bool is_ok = foreign_find_service(foreign, "no-such.service", UINT32_MAX) < 0;
        struct socktally_column service;
        struct socktally_row row;
        const char *unit;

        (void) socktally_column(reader, SOCKTALLY_TABLE_SERVICES, "service", &service);
        for (size_t i = 0; socktally_row(reader, SOCKTALLY_TABLE_SERVICES, i, &row) == 0; i++)
                is_ok = is_ok && socktally_text(&row, &service, &unit) == 0 &&
                        foreign_find_service(foreign, unit, UINT32_MAX) == (int64_t) i &&
                        foreign_find_service(foreign, unit, 1000) < 0;
        return is_ok;
}

static struct socktally *open_ours(const char *path) {
        struct socktally_options options = { .size = sizeof(options), .file_path = path };
        struct socktally *reader;

        return socktally_open(&reader, &options) < 0 ? NULL : reader;
}

static void compare_view(const char *name, uint32_t view, uint32_t processes) {
        struct segment *segment = make(name, view, 20, processes);
        bool is_equal = true, are_found = true;
        const char *why = NULL;
        struct foreign *foreign;
        struct socktally *reader;
        char path[64], sentence[96];

        snprintf(path, sizeof(path), "%s/%s", directory, name);
        if (!segment || publish(segment) < 0)
                abort();
        reader = open_ours(path);
        foreign = foreign_open(path, &why);
        if (!reader || !foreign) {
                printf("# %s: %s\n", name, reader ? why : "libsocktally refuses it");
                abort();
        }
        for (int i = 0; i < 50; i++) {
                if (socktally_refresh(reader) < 0 || foreign_take(foreign) < 0)
                        abort();
                is_equal = is_equal && is_same(reader, foreign);
                are_found = are_found && are_services_found(reader, foreign) &&
                            (processes == 0 || are_processes_found(reader, foreign));
                if (publish(segment) < 0)
                        abort();
        }
        snprintf(sentence, sizeof(sentence), "the page's reader and libsocktally read the same from view %s", name);
        report(is_equal, sentence);
        snprintf(sentence, sizeof(sentence), "the page's hash functions find every row of view %s", name);
        report(are_found, sentence);
        snprintf(sentence, sizeof(sentence), "the page's schema hash is that of view %s", name);
        report(foreign_schema_hash(foreign) == foreign_header_hash(foreign), sentence);
        report(foreign_state(foreign) == 0, "a segment with a writer is live");
        segment_free(segment, true);
        report(foreign_state(foreign) == 1, "a replaced segment says so");
        foreign_close(foreign);
        socktally_close(reader);
}

static void compare_after_death(void) {
        const char *why = NULL;
        struct foreign *foreign;
        char path[64];
        int status;
        pid_t pid;

        snprintf(path, sizeof(path), "%s/dead", directory);
        fflush(stdout);
        pid = fork();
        if (pid == 0) {
                struct segment *segment = make("dead", SOCKTALLY_VIEW_FULL, 20, 20);
                struct segment_fill fill;

                if (!segment || publish(segment) < 0)
                        _exit(1);
                segment_begin(segment, &fill);
                memset(fill.processes, 0xff, sizeof(fill.processes[0]) * fill.capacity[LAYOUT_TABLE_PROCESSES]);
                raise(SIGKILL);
        }
        (void) waitpid(pid, &status, 0);
        foreign = foreign_open(path, &why);
        report(foreign && WIFSIGNALED(status) && foreign_state(foreign) == 3, "the page's owner word tells a death");
        report(foreign && foreign_take(foreign) == 0 && foreign_sequence(foreign) == 1 &&
                       foreign_find_pid(foreign, 2) == 0,
               "the last publication of a dead writer is whole");
        if (foreign)
                foreign_close(foreign);
        (void) unlink(path);
}

/* The example at the end of the page, run as it stands but for the name of the file. */
static void run_example(void) {
        const char *srcdir = getenv("srcdir");
        struct segment *segment = make("public", SOCKTALLY_VIEW_PUBLIC, 20, 0);
        struct socktally_column column;
        struct socktally_row row;
        struct socktally *reader;
        char command[1024], path[64], expected[64], output[256] = "";
        uint64_t bytes = 0;
        FILE *pipe;

        for (int i = 0; i < 5; i++)
                if (!segment || publish(segment) < 0)
                        abort();
        snprintf(path, sizeof(path), "%s/public", directory);
        reader = open_ours(path);
        if (!reader || socktally_refresh(reader) < 0 || socktally_row(reader, SOCKTALLY_TABLE_HOST, 0, &row) < 0 ||
            socktally_column(reader, SOCKTALLY_TABLE_HOST, "tcp_tx_bytes", &column) < 0 ||
            socktally_value(&row, &column, &bytes) != 0)
                abort();
        snprintf(expected, sizeof(expected), "publication 5: %" PRIu64 "\n", bytes);
        snprintf(command, sizeof(command),
                 "sed -n '/^\\.\\\\\" example/,/^\\.EE/p' '%s/man/socktally-segment.5' |"
                 " sed -e '/^\\./d' -e 's/\\\\-/-/g' -e 's|^f=.*|f=%s|' | sh 2>&1",
                 srcdir ? srcdir : ".", path);
        pipe = popen(command, "r");
        (void) !fread(output, 1, sizeof(output) - 1, pipe);
        (void) pclose(pipe);
        report(strcmp(output, expected) == 0, "the page's example reads the right number by hand");
        if (strcmp(output, expected) != 0)
                printf("# expected %s# the example says %s\n", expected, output);
        socktally_close(reader);
        segment_free(segment, false);
}

int main(void) {
        if (!mkdtemp(directory)) {
                printf("1..0 # SKIP cannot make a directory in /dev/shm\n");
                return 0;
        }
        compare_view("full", SOCKTALLY_VIEW_FULL, 100);
        compare_view("public", SOCKTALLY_VIEW_PUBLIC, 0);
        compare_after_death();
        run_example();
        (void) rmdir(directory);
        printf("1..%u\n", n_cases);
        return has_failed;
}
