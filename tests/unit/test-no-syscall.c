/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Refreshing and looking up make no system call: the reader forbids itself every one and then does what a monitor does
 * every tick, with and without news from the writer. A clock source that the vDSO cannot read would make
 * clock_gettime() a real call; the test then says so and is skipped.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/publish/segment.h"
#include "libclient/socktally.h"
#include "tests/unit/forbid.h"
#include "tests/unit/pattern.h"

#define ROUNDS 1000

enum step {
        STEP_NONE,
        STEP_CLOCK,
        STEP_UNCHANGED,
        STEP_NEW,
        STEP_INFO,
        STEP_LOOKUP,
        STEP_VALUE,
        STEP_RATE,
        STEP_COPY,
        STEP_DONE
};

static const char *const step_names[] = {
        [STEP_CLOCK] = "clock_gettime()",
        [STEP_UNCHANGED] = "socktally_refresh() without news",
        [STEP_NEW] = "socktally_refresh() with news",
        [STEP_INFO] = "socktally_get_info()",
        [STEP_LOOKUP] = "socktally_find_process() and socktally_find_service()",
        [STEP_VALUE] = "socktally_value() and socktally_text() of every column",
        [STEP_RATE] = "socktally_rate()",
        [STEP_COPY] = "socktally_copy_rows()",
};

/* Shared with the parent, who publishes and learns how far the child came. */
struct board {
        uint32_t wanted, published; /* publications */
        int32_t step, trapped_call, fault;
};

static struct board *board; /* for expect(), which is everywhere */

static void expect(bool is_ok, int line) {
        if (is_ok)
                return;
        board->fault = line;
        forbidden_exit(1);
}
#define EXPECT(condition) expect(condition, __LINE__)

/* The parent publishes when it sees the number change. */
static void await_publication(void) {
        uint32_t wanted = board->wanted + 1;

        __atomic_store_n(&board->wanted, wanted, __ATOMIC_RELEASE);
        while (__atomic_load_n(&board->published, __ATOMIC_ACQUIRE) != wanted)
                ;
}

static void look_up(const struct socktally *reader) {
        struct socktally_row row, found;
        struct socktally_column pid, service;
        const char *unit;
        uint64_t number;

        EXPECT(socktally_column(reader, SOCKTALLY_TABLE_PROCESSES, "pid", &pid) == 0);
        EXPECT(socktally_column(reader, SOCKTALLY_TABLE_SERVICES, "service", &service) == 0);
        EXPECT(socktally_row(reader, SOCKTALLY_TABLE_PROCESSES, 3, &row) == 0);
        EXPECT(socktally_value(&row, &pid, &number) == SOCKTALLY_VALUE);
        EXPECT(socktally_find_process(reader, (uint32_t) number, 0, &found) == SOCKTALLY_VALUE && found.index == 3);
        EXPECT(socktally_find_process(reader, 1 << 30, 0, &found) == SOCKTALLY_NOT_TRACKED);
        EXPECT(socktally_row(reader, SOCKTALLY_TABLE_SERVICES, 2, &row) == 0);
        EXPECT(socktally_text(&row, &service, &unit) == SOCKTALLY_VALUE);
        EXPECT(socktally_find_service(reader, unit, UINT32_MAX, &found) == SOCKTALLY_VALUE && found.index == 2);
}

static void take_rates(const struct socktally *reader) {
        struct socktally_column column;
        struct socktally_row row;
        double rate;

        for (size_t c = 0; socktally_column_at(reader, SOCKTALLY_TABLE_PROCESSES, c, &column) == 0; c++)
                for (size_t i = 0; socktally_row(reader, SOCKTALLY_TABLE_PROCESSES, i, &row) == 0; i++)
                        if (column.type == SOCKTALLY_COUNTER)
                                EXPECT(socktally_rate(&row, &column, &rate) >= 0);
}

/* What a monitor does each tick. One round before the filter, so that the C library has done what it does only once. */
static void tick(struct socktally *reader, void *buffer, size_t size) {
        struct socktally_info info = { .size = sizeof(info) };
        char text[160];
        size_t row_size;

        board->step = STEP_NEW;
        await_publication();
        EXPECT(socktally_refresh(reader) > 0);
        board->step = STEP_UNCHANGED;
        EXPECT(socktally_refresh(reader) == SOCKTALLY_UNCHANGED);
        board->step = STEP_INFO;
        EXPECT(socktally_get_info(reader, &info) == 0 && info.freshness == SOCKTALLY_FRESH);
        board->step = STEP_LOOKUP;
        look_up(reader);
        board->step = STEP_VALUE;
        EXPECT(pattern_check(reader, text, sizeof(text)) == 0);
        board->step = STEP_RATE;
        take_rates(reader);
        board->step = STEP_COPY;
        EXPECT(socktally_copy_rows(reader, SOCKTALLY_TABLE_PROCESSES, buffer, size, &row_size) > 0);
}

static void child(const char *path) {
        struct socktally_options options = { .size = sizeof(options), .file_path = path };
        static char buffer[1 << 18];
        struct socktally *reader;
        struct timespec now;

        EXPECT(socktally_open(&reader, &options) == 0);
        tick(reader, buffer, sizeof(buffer));
        board->step = STEP_CLOCK;
        EXPECT(forbid_calls(&board->trapped_call) == 0);
        clock_gettime(CLOCK_MONOTONIC, &now);
        for (int i = 0; i < ROUNDS; i++)
                tick(reader, buffer, sizeof(buffer));
        board->step = STEP_DONE;
        forbidden_exit(0);
}

static int publish(struct segment *segment) {
        struct segment_fill fill;

        segment_begin(segment, &fill);
        pattern_fill(&fill, segment_sequence(segment) + 1);
        return segment_publish(segment, &fill);
}

/* Publishes whenever the child wants it, until the child ends. */
static int serve(struct segment *segment, pid_t pid) {
        int status = 0;

        while (waitpid(pid, &status, WNOHANG) == 0) {
                uint32_t wanted = __atomic_load_n(&board->wanted, __ATOMIC_ACQUIRE);

                if (wanted == board->published)
                        continue;
                if (publish(segment) < 0)
                        return -1;
                __atomic_store_n(&board->published, wanted, __ATOMIC_RELEASE);
        }
        return status;
}

static int judge(int status) {
        if (status == 0 && board->step == STEP_DONE) {
                printf("1..1\nok 1 - %d refreshes with news, %d without, and all lookups make no system call\n", ROUNDS,
                       ROUNDS);
                return 0;
        }
        if (board->step == STEP_CLOCK && board->trapped_call == SYS_clock_gettime) {
                printf("1..0 # SKIP this machine's clock source needs a system call\n");
                return 0;
        }
        printf("1..1\nnot ok 1 - refreshing and looking up make no system call\n");
        printf("# status %#x, step \"%s\", system call %d, unexpected result at line %d\n", (unsigned int) status,
               board->step > STEP_NONE && board->step < STEP_DONE ? step_names[board->step] : "?", board->trapped_call,
               board->fault);
        return 1;
}

int main(void) {
        char directory[] = "/dev/shm/socktally-calls.XXXXXX", path[64];
        struct segment_config config = { .name = "full", .view = SOCKTALLY_VIEW_FULL, .mode = 0444, .gid = (gid_t) -1,
                                         .incarnation = 1, .capacity = { 1, 16, 200 } };
        struct segment *segment = NULL;
        pid_t pid;
        int r;

        board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (board == MAP_FAILED || !mkdtemp(directory))
                return 99;
        board->trapped_call = -1;
        config.directory = directory;
        snprintf(path, sizeof(path), "%s/full", directory);
        if (segment_new(&segment, &config) < 0 || publish(segment) < 0)
                return 99;
        fflush(stdout);
        pid = fork();
        if (pid == 0)
                child(path);
        r = judge(serve(segment, pid));
        segment_free(segment, false);
        (void) rmdir(directory);
        return r;
}
