/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What reading costs, as a table in Markdown. Times are CPU time of this thread, the median of many rounds, so other
 * work on the machine disturbs little. Exits with 1 when a target is missed.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/publish/segment.h"
#include "libclient/socktally.h"
#include "tests/unit/forbid.h"
#include "tests/unit/pattern.h"

#define ROUNDS 41
#define N_SOURCES 3 /* a segment has as many slots, */
#define N_TARGETS 2 /* a reader as many snapshots */

/* A segment of our own with one reader on it. */
struct bench {
        char directory[40], path[64];
        uint32_t rows;
        struct segment *segment;
        struct socktally *reader;
        uint32_t *pids; /* in random order */
        void *buffer, *sources[N_SOURCES], *targets[N_TARGETS];
        unsigned int turn;
        size_t size;    /* of all rows */
        struct socktally_column column;
        bool has_missed;
        uint64_t sink;  /* keeps the compiler from leaving work out */
};

typedef void step_fn(struct bench *bench, unsigned int calls);

static uint64_t cpu_ns(void) {
        struct timespec now;

        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
        return (uint64_t) now.tv_sec * 1000000000 + (uint64_t) now.tv_nsec;
}

static int compare(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;

        return (x > y) - (x < y);
}

/* Nanoseconds per call; before, if not NULL, is run before each round and not counted. */
static double measure(struct bench *bench, step_fn *before, step_fn *step, unsigned int calls) {
        double times[ROUNDS];

        for (int i = -3; i < ROUNDS; i++) {
                uint64_t start;

                if (before)
                        before(bench, calls);
                start = cpu_ns();
                step(bench, calls);
                if (i >= 0)
                        times[i] = (double) (cpu_ns() - start) / calls;
        }
        qsort(times, ROUNDS, sizeof(times[0]), compare);
        return times[ROUNDS / 2];
}

static void publish(struct bench *bench, unsigned int calls) {
        struct segment_fill fill;

        segment_begin(bench->segment, &fill);
        /* Four publications filled every slot; after that only numbers and index change. */
        if (segment_sequence(bench->segment) < 4) {
                pattern_fill(&fill, 7);
                fill.count[LAYOUT_TABLE_PROCESSES] = fill.capacity[LAYOUT_TABLE_PROCESSES];
                for (uint32_t i = 0; i < bench->rows; i++) {
                        fill.processes[i] = fill.processes[0];
                        fill.processes[i].pid = bench->pids[i];
                }
        } else {
                fill.count[LAYOUT_TABLE_HOST] = 1;
                fill.count[LAYOUT_TABLE_PROCESSES] = fill.capacity[LAYOUT_TABLE_PROCESSES];
        }
        memset(fill.known, 0xff, sizeof fill.known);
        fill.facts->interval_ns = UINT64_C(3600000000000);
        if (segment_publish(bench->segment, &fill) < 0)
                abort();
}

static void refresh(struct bench *bench, unsigned int calls) {
        for (unsigned int i = 0; i < calls; i++)
                bench->sink += (uint64_t) socktally_refresh(bench->reader);
}

static void look_up(struct bench *bench, unsigned int calls) {
        struct socktally_row row;

        for (unsigned int i = 0; i < calls; i++) {
                if (socktally_find_process(bench->reader, bench->pids[i % bench->rows], 0, &row) != SOCKTALLY_VALUE)
                        abort();
                bench->sink += row.index;
        }
}

static void read_value(struct bench *bench, unsigned int calls) {
        struct socktally_row row;
        uint64_t value = 0;

        if (socktally_row(bench->reader, SOCKTALLY_TABLE_PROCESSES, 0, &row) < 0)
                abort();
        for (unsigned int i = 0; i < calls; i++) {
                (void) socktally_value(&row, &bench->column, &value);
                bench->sink += value;
        }
}

static void copy_rows(struct bench *bench, unsigned int calls) {
        for (unsigned int i = 0; i < calls; i++)
                bench->sink += (uint64_t) socktally_copy_rows(bench->reader, SOCKTALLY_TABLE_PROCESSES, bench->buffer,
                                                              bench->size, NULL);
}

static void copy_memory(struct bench *bench, unsigned int calls) {
        for (unsigned int i = 0; i < calls; i++) {
                memcpy(bench->buffer, bench->sources[0], bench->size);
                __asm__ volatile("" ::: "memory");
        }
}

/* What a refresh does, without the rest of it: from one slot after the other, to one snapshot after the other. */
static void copy_memory_in_turn(struct bench *bench, unsigned int calls) {
        for (unsigned int i = 0; i < calls; i++, bench->turn++) {
                memcpy(bench->targets[bench->turn % N_TARGETS], bench->sources[bench->turn % N_SOURCES], bench->size);
                __asm__ volatile("" ::: "memory");
        }
}

static void print(struct bench *bench, const char *what, double ns, const char *target, bool is_reached) {
        char time[32];

        if (ns < 10000)
                snprintf(time, sizeof(time), "%.1f ns", ns);
        else
                snprintf(time, sizeof(time), "%.1f us", ns / 1000);
        printf("| %s | %" PRIu32 " | %s | %s%s |\n", what, bench->rows, time, target, is_reached ? "" : " **missed**");
        bench->has_missed = bench->has_missed || !is_reached;
}

static void print_copies(struct bench *bench) {
        unsigned int calls = bench->rows > 4000 ? 4 : 64;
        double memory = measure(bench, NULL, copy_memory, calls), rows = measure(bench, NULL, copy_rows, calls);
        double in_turn = measure(bench, NULL, copy_memory_in_turn, calls);
        double news = measure(bench, publish, refresh, 1), calm = measure(bench, NULL, refresh, 100000);
        char target[64];

        print(bench, "refresh, no news", calm, "", true);
        print(bench, "memcpy() of all rows, 3 sources and 2 targets in turn", in_turn, "", true);
        snprintf(target, sizeof(target), "at most twice that: %.2f times", news / in_turn);
        print(bench, "refresh with news: copies all tables and indexes", news, target, news <= 2 * in_turn);
        print(bench, "memcpy() of all rows, in place", memory, "", true);
        snprintf(target, sizeof(target), "at most twice that: %.2f times", rows / memory);
        print(bench, "copy of all rows", rows, target, rows <= 2 * memory);
}

static void run_table(struct bench *bench) {
        double lookup = measure(bench, NULL, look_up, 100000), value = measure(bench, NULL, read_value, 100000);

        print(bench, "lookup of a process by PID, in random order", lookup, "at most 50 ns", lookup <= 50);
        print(bench, "value of a column", value, "", true);
        print_copies(bench);
}

/* Every PID once, spread as on a busy machine, in random order. */
static void choose_pids(struct bench *bench) {
        unsigned int seed = 1;

        for (uint32_t i = 0; i < bench->rows; i++)
                bench->pids[i] = 300 + i * 7 % 4000000;
        for (uint32_t i = bench->rows - 1; i > 0; i--) {
                uint32_t j = (uint32_t) rand_r(&seed) % (i + 1), pid = bench->pids[i];

                bench->pids[i] = bench->pids[j];
                bench->pids[j] = pid;
        }
}

static int bench_init(struct bench *bench, uint32_t rows) {
        struct segment_config config = { .name = "full", .view = SOCKTALLY_VIEW_FULL, .mode = 0444, .gid = (gid_t) -1,
                                         .incarnation = 1, .capacity = { 1, 16, rows } };
        struct socktally_options options = { .size = sizeof(options), .file_path = bench->path };

        *bench = (struct bench){ .directory = "/dev/shm/socktally-bench.XXXXXX", .rows = rows,
                                 .size = rows * sizeof(struct layout_process_row) };
        bench->pids = calloc(rows, sizeof(bench->pids[0]));
        bench->buffer = calloc(1, bench->size);
        if (!bench->pids || !bench->buffer || !mkdtemp(bench->directory))
                return -1;
        for (int i = 0; i < N_SOURCES + N_TARGETS; i++) {
                void *memory = malloc(bench->size);

                if (!memory)
                        return -1;
                *(i < N_SOURCES ? &bench->sources[i] : &bench->targets[i - N_SOURCES]) = memset(memory, 1, bench->size);
        }
        choose_pids(bench);
        config.directory = bench->directory;
        snprintf(bench->path, sizeof(bench->path), "%s/full", bench->directory);
        if (segment_new(&bench->segment, &config) < 0)
                return -1;
        for (int i = 0; i < 5; i++)
                publish(bench, 1);
        if (socktally_open(&bench->reader, &options) < 0 || socktally_refresh(bench->reader) < 0)
                return -1;
        return socktally_column(bench->reader, SOCKTALLY_TABLE_PROCESSES, "tcp_tx_bytes", &bench->column);
}

static void bench_done(struct bench *bench) {
        socktally_close(bench->reader);
        segment_free(bench->segment, false);
        (void) rmdir(bench->directory);
        free(bench->pids);
        free(bench->buffer);
        for (int i = 0; i < N_SOURCES; i++)
                free(bench->sources[i]);
        for (int i = 0; i < N_TARGETS; i++)
                free(bench->targets[i]);
}

/* In a child that may make no system call at all. */
static void print_calls(struct bench *bench) {
        int32_t *call = mmap(NULL, sizeof(*call), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        int status = 0;
        pid_t pid;

        if (call == MAP_FAILED)
                abort();
        *call = -1;
        fflush(stdout);
        pid = fork();
        if (pid == 0) {
                if (forbid_calls(call) < 0)
                        _exit(2);
                refresh(bench, 1000);
                look_up(bench, 1000);
                read_value(bench, 1000);
                forbidden_exit(0);
        }
        if (waitpid(pid, &status, 0) == pid && status == 0) {
                printf("| system calls of 1,000 refreshes, lookups and values | %" PRIu32 " | 0 | 0 |\n", bench->rows);
                return;
        }
        printf("| system calls of 1,000 refreshes, lookups and values | %" PRIu32 " | number %d | 0 **missed** |\n",
               bench->rows, *call);
        bench->has_missed = true;
}

int main(void) {
        static const uint32_t sizes[] = { 1000, 16384 };
        bool has_missed = false;

        printf("| what | rows | time | target |\n|---|---|---|---|\n");
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
                struct bench bench;

                if (bench_init(&bench, sizes[i]) < 0) {
                        fprintf(stderr, "bench-reader: cannot make a segment of %" PRIu32 " rows in /dev/shm\n",
                                sizes[i]);
                        return 1;
                }
                run_table(&bench);
                print_calls(&bench);
                has_missed = has_missed || bench.has_missed;
                bench_done(&bench);
        }
        return has_missed;
}
