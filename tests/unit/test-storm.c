/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A writer that publishes without a pause is killed with SIGKILL at a random moment, a thousand times over, and each
 * time a successor takes the name. Unprivileged readers check every snapshot whole and find each successor by
 * themselves. Nothing may be torn, nothing may go backwards, and no reader may be left behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/segment.h"
#include "libclient/frame.h"
#include "libclient/socktally.h"
#include "tests/unit/pattern.h"

#define N_READERS 3
#define N_KILLS 1000
#define LONGEST_LIFE_NS 12000000
#define NOBODY 65534
#define PATIENCE_NS (UINT64_C(20) * 1000000000)

/* What a reader found; its own, until it ends. */
struct tally {
        uint64_t good, torn, backwards, failed, reattached;
        uint64_t incarnation;                 /* of the newest good snapshot */
        uint32_t after_birth_us[N_KILLS + 2]; /* from a successor's first publication to its first good read, plus 1 */
        uint32_t after_death_us[N_KILLS + 2]; /* from the predecessor's death */
        char fault[160];
};

/* Shared by all the processes of this test. Incarnations count from 1. */
struct board {
        uint64_t born_ns[N_KILLS + 2], died_ns[N_KILLS + 2];
        bool is_over;
        struct tally readers[N_READERS];
};

static uint64_t now_ns(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * 1000000000 + (uint64_t) now.tv_nsec;
}

static void die_with_parent(pid_t parent) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
                _exit(99);
}

/* The successor goes on where the newest publication of its predecessor is, read as every reader would. */
static uint64_t newest_sequence(const char *path) {
        struct socktally_options options = { .size = sizeof(options), .file_path = path };
        struct socktally_info info = { .size = sizeof(info) };
        struct socktally *reader;

        if (socktally_open(&reader, &options) < 0)
                return 0;
        if (socktally_refresh(reader) >= 0)
                (void) socktally_get_info(reader, &info);
        socktally_close(reader);
        return info.sequence;
}

static void write_for_ever(struct board *board, const char *directory, const char *path, uint64_t incarnation) {
        struct segment_config config = { .directory = directory, .name = "public", .view = SOCKTALLY_VIEW_PUBLIC,
                                         .mode = 0444, .gid = (gid_t) -1, .incarnation = incarnation,
                                         .capacity = { 1, 16, 48 } };
        struct segment_fill fill;
        struct segment *segment;

        if (segment_new(&segment, &config) < 0)
                _exit(98);
        segment_set_sequence(segment, newest_sequence(path));
        for (;;) {
                segment_begin(segment, &fill);
                pattern_fill(&fill, segment_sequence(segment) + 1);
                if (segment_publish(segment, &fill) < 0)
                        _exit(97);
                if (!__atomic_load_n(&board->born_ns[incarnation], __ATOMIC_RELAXED))
                        __atomic_store_n(&board->born_ns[incarnation], now_ns(), __ATOMIC_RELEASE);
        }
}

static pid_t start_writer(struct board *board, const char *directory, const char *path, uint64_t incarnation) {
        pid_t parent = getpid(), pid = fork();

        if (pid == 0) {
                die_with_parent(parent);
                write_for_ever(board, directory, path, incarnation);
        }
        return pid;
}

static uint32_t since_us(uint64_t then) {
        uint64_t now = now_ns();

        return then && now > then ? (uint32_t) ((now - then) / 1000 + 1) : 1;
}

static void note_segment(struct board *board, struct tally *tally, uint64_t incarnation) {
        if (incarnation == tally->incarnation || incarnation > N_KILLS + 1)
                return;
        if (tally->incarnation) {
                tally->reattached++;
                tally->after_birth_us[incarnation] =
                        since_us(__atomic_load_n(&board->born_ns[incarnation], __ATOMIC_ACQUIRE));
                tally->after_death_us[incarnation] =
                        since_us(__atomic_load_n(&board->died_ns[tally->incarnation], __ATOMIC_ACQUIRE));
        }
        __atomic_store_n(&tally->incarnation, incarnation, __ATOMIC_RELEASE);
}

static void note_snapshot(struct board *board, struct tally *tally, const struct socktally *reader, uint64_t *last) {
        struct socktally_info info = { .size = sizeof(info) };

        (void) socktally_get_info(reader, &info);
        if (pattern_check(reader, tally->fault, sizeof(tally->fault)) < 0) {
                tally->torn++;
                return;
        }
        if (info.sequence <= *last) {
                tally->backwards++;
                snprintf(tally->fault, sizeof(tally->fault), "%" PRIu64 " after %" PRIu64, info.sequence, *last);
                return;
        }
        *last = info.sequence;
        tally->good++;
        note_segment(board, tally, info.incarnation);
}

/* The first reader looks all the time, the others sleep until they are woken. */
static void read_until_over(struct board *board, const char *path, int index) {
        struct socktally_options options = { .size = sizeof(options), .file_path = path };
        struct tally *tally = &board->readers[index];
        struct socktally *reader;
        uint64_t last = 0;
        int r;

        if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setgid(NOBODY) < 0 || setuid(NOBODY) < 0))
                _exit(96);
        if (socktally_open(&reader, &options) < 0)
                _exit(95);
        while (!__atomic_load_n(&board->is_over, __ATOMIC_ACQUIRE)) {
                r = index == 0 ? socktally_refresh(reader) : socktally_wait(reader, 100000);
                if (r > 0)
                        note_snapshot(board, tally, reader, &last);
                else if (index == 0)
                        sched_yield();
                if (r < 0 && r != -EINTR) {
                        tally->failed++;
                        snprintf(tally->fault, sizeof(tally->fault), "refresh: %s", strerror(-r));
                }
        }
        socktally_close(reader);
        _exit(0);
}

static pid_t start_reader(struct board *board, const char *path, int index) {
        pid_t parent = getpid(), pid = fork();

        if (pid == 0) {
                die_with_parent(parent);
                read_until_over(board, path, index);
        }
        return pid;
}

/* Was the writer of this incarnation in the middle of a slot? */
static bool has_odd_slot(const char *path, uint64_t incarnation) {
        const struct layout_header *header;
        bool is_odd = false;
        struct stat st;
        int fd;

        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return false;
        header = mmap(NULL, (size_t) st.st_size, PROT_READ, MAP_SHARED, fd, 0);
        close(fd);
        if (header == MAP_FAILED)
                return false;
        for (uint32_t i = 0; i < header->n_slots && header->incarnation == incarnation; i++) {
                const char *slot = (const char *) header + header->slots_offset + i * header->slot_stride;

                is_odd = is_odd || ((const struct layout_slot *) (const void *) slot)->seq % 2 == 1;
        }
        (void) munmap((void *) header, (size_t) st.st_size);
        return is_odd;
}

static int kill_writer(pid_t pid) {
        int status;

        if (kill(pid, SIGKILL) < 0 || waitpid(pid, &status, 0) != pid)
                return -1;
        if (WIFSIGNALED(status))
                return 0;
        printf("# a writer ended by itself with %d\n", WEXITSTATUS(status));
        return -1;
}

/* Kills after a random time from the fork on, so that some die before they publish anything. */
static int storm(struct board *board, const char *directory, const char *path, unsigned int *ret_midwrite) {
        unsigned int seed = (unsigned int) now_ns();

        printf("# seed %u\n", seed);
        for (uint64_t i = 2; i <= N_KILLS; i++) {
                pid_t pid = start_writer(board, directory, path, i);
                uint64_t life = (uint64_t) rand_r(&seed) % LONGEST_LIFE_NS;
                struct timespec pause = { 0, (long) life };

                if (pid < 0)
                        return -1;
                nanosleep(&pause, NULL);
                if (kill_writer(pid) < 0)
                        return -1;
                __atomic_store_n(&board->died_ns[i], now_ns(), __ATOMIC_RELEASE);
                *ret_midwrite += has_odd_slot(path, i);
        }
        return 0;
}

/* Until the word has the value, or has another one. False if that takes too long. */
static bool wait_until(const uint64_t *word, uint64_t value, bool is_equal) {
        struct timespec pause = { 0, 1000000 };
        uint64_t deadline = now_ns() + PATIENCE_NS;

        while ((__atomic_load_n(word, __ATOMIC_ACQUIRE) == value) != is_equal && now_ns() < deadline)
                nanosleep(&pause, NULL);
        return (__atomic_load_n(word, __ATOMIC_ACQUIRE) == value) == is_equal;
}

static int compare(const void *a, const void *b) {
        uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

        return (x > y) - (x < y);
}

static void print_times(const struct board *board, const char *since, bool is_birth) {
        static uint32_t all[N_READERS * (N_KILLS + 2)];
        size_t n = 0;

        for (int i = 0; i < N_READERS; i++)
                for (int k = 0; k < N_KILLS + 2; k++) {
                        const struct tally *tally = &board->readers[i];
                        uint32_t us = is_birth ? tally->after_birth_us[k] : tally->after_death_us[k];

                        if (us)
                                all[n++] = us - 1;
                }
        qsort(all, n, sizeof(all[0]), compare);
        if (n)
                printf("# good read after %s: median %u us, 99 of 100 within %u us, longest %u us\n", since, all[n / 2],
                       all[n * 99 / 100], all[n - 1]);
}

static unsigned int n_cases, n_failed;

static void report(bool is_ok, const char *sentence) {
        printf("%s %u - %s\n", is_ok ? "ok" : "not ok", ++n_cases, sentence);
        n_failed += !is_ok;
}

static void judge(const struct board *board, unsigned int midwrite, bool has_everyone_arrived) {
        uint64_t good = 0, torn = 0, backwards = 0, failed = 0, reattached = 0;

        for (int i = 0; i < N_READERS; i++) {
                const struct tally *tally = &board->readers[i];

                good += tally->good;
                torn += tally->torn;
                backwards += tally->backwards;
                failed += tally->failed;
                reattached += tally->reattached;
                if (tally->fault[0])
                        printf("# reader %d: %s\n", i, tally->fault);
        }
        printf("# kills %d, in the middle of a write %u, readers %d, good reads %" PRIu64 ", torn %" PRIu64
               ", backwards %" PRIu64 ", failed %" PRIu64 ", re-attached %" PRIu64 "\n",
               N_KILLS, midwrite, N_READERS, good, torn, backwards, failed, reattached);
        print_times(board, "a successor's first publication", true);
        print_times(board, "the predecessor's death", false);
        report(midwrite > N_KILLS / 5, "many writers die in the middle of a write");
        report(good > N_KILLS && torn == 0, "no snapshot is torn");
        report(backwards == 0, "no reader goes backwards");
        report(failed == 0, "no refresh fails");
        report(reattached > N_READERS * N_KILLS / 10, "readers find the successors by themselves");
        report(has_everyone_arrived, "every reader is with the last successor in the end");
}

/* One writer before the readers start, and one after the last kill for all of them to arrive at. */
static int run(struct board *board, const char *directory, const char *path) {
        unsigned int midwrite = 0;
        pid_t first, last, readers[N_READERS];
        bool has_arrived = true;

        first = start_writer(board, directory, path, 1);
        if (first < 0 || !wait_until(&board->born_ns[1], 0, false))
                return -1;
        for (int i = 0; i < N_READERS; i++)
                readers[i] = start_reader(board, path, i);
        if (kill_writer(first) < 0)
                return -1;
        __atomic_store_n(&board->died_ns[1], now_ns(), __ATOMIC_RELEASE);
        if (storm(board, directory, path, &midwrite) < 0)
                return -1;
        last = start_writer(board, directory, path, N_KILLS + 1);
        for (int i = 0; i < N_READERS; i++)
                has_arrived = wait_until(&board->readers[i].incarnation, N_KILLS + 1, true) && has_arrived;
        __atomic_store_n(&board->is_over, true, __ATOMIC_RELEASE);
        for (int i = 0; i < N_READERS; i++) {
                int status = 0;

                if (waitpid(readers[i], &status, 0) != readers[i] || status != 0) {
                        printf("# reader %d ended with status %d\n", i, status);
                        has_arrived = false;
                }
        }
        (void) kill_writer(last);
        judge(board, midwrite, has_arrived);
        return 0;
}

int main(void) {
        char directory[] = "/dev/shm/socktally-storm.XXXXXX", path[64], temporary[64];
        struct board *board;
        int r;

        setvbuf(stdout, NULL, _IOLBF, 0);
        board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (board == MAP_FAILED || !mkdtemp(directory) || chmod(directory, 0755) < 0) {
                printf("1..0 # SKIP cannot make a directory in /dev/shm: %s\n", strerror(errno));
                return 0;
        }
        snprintf(path, sizeof(path), "%s/public", directory);
        snprintf(temporary, sizeof(temporary), "%s/.public.new", directory);
        r = run(board, directory, path);
        (void) unlink(path);
        (void) unlink(temporary);
        (void) rmdir(directory);
        if (r < 0) {
                printf("Bail out! the storm could not go on\n");
                return 99;
        }
        printf("1..%u\n", n_cases);
        return n_failed > 0;
}
