/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A writer that publishes without a pause dies a thousand times over, and each time a successor takes the name. Half of
 * the writers are killed with SIGKILL at a random moment, wherever they are then. The others kill themselves after a
 * random number of publications with a random part of the next one written; so it does not depend on the machine how
 * many die in the middle of a write. One in twenty first waits until every reader is with it.
 *
 * Unprivileged readers check every snapshot whole and find each successor by themselves: half of them by the file's
 * name, half by the readers' socket; half of them look all the time, half sleep until they are woken. Nothing may be
 * torn, nothing may go backwards, and no reader may be left behind. The times are printed and judge nothing.
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

#include "daemon/publish/segment.h"
#include "libclient/frame.h"
#include "libclient/socktally.h"
#include "tests/unit/pattern.h"
#include "tests/unit/storm-server.h"

#define N_READERS 4
#define N_KILLS 1000
#define STAY_EVERY 20 /* this many successors have one among them that every reader must find */
#define MOST_PUBLICATIONS 64
#define MOST_ROWS 64  /* about as many as a publication has */
#define LONGEST_LIFE_NS 12000000
#define NOBODY 65534
#define PATIENCE_NS (UINT64_C(120) * 1000000000)

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
        uint64_t released; /* the newest incarnation that may end its own life */
        bool is_over;
        struct tally readers[N_READERS];
};

/* When a writer ends its own life. */
struct fate {
        bool is_own;             /* false: another one kills it */
        unsigned n_publications; /* before the one that it does not finish */
        unsigned n_rows;         /* of that one */
};

/* What came of the storm. */
struct outcome {
        unsigned n_own, n_own_odd; /* that ended by themselves, and those of them that left a slot half written */
        unsigned n_stays, n_found; /* successors that waited for the readers, and readers that came to each of them */
        unsigned n_killed_odd;     /* killed by another in the middle of a write, as it happened */
};

struct scene {
        char directory[40], segment_path[64], socket_path[64], temporary_path[64];
        int listen_fd;
        struct board *board;
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

static void die_writing(struct segment *segment, const struct fate *fate) {
        struct segment_fill fill;

        segment_begin(segment, &fill);
        pattern_fill_part(&fill, segment_sequence(segment) + 1, fate->n_rows);
        (void) kill(getpid(), SIGKILL);
}

static void publish(struct segment *segment) {
        struct segment_fill fill;

        segment_begin(segment, &fill);
        pattern_fill(&fill, segment_sequence(segment) + 1);
        if (segment_publish(segment, &fill) < 0)
                _exit(97);
}

static void write_until_death(const struct scene *scene, uint64_t incarnation, const struct fate *fate) {
        struct segment_config config = { .directory = scene->directory, .name = "public", .view = SOCKTALLY_VIEW_PUBLIC,
                                         .mode = 0444, .gid = (gid_t) -1, .incarnation = incarnation,
                                         .capacity = { 1, 16, 48 } };
        struct storm_server server = { .listen_fd = scene->listen_fd };
        uint64_t *born_ns = &scene->board->born_ns[incarnation];
        struct segment *segment;

        if (segment_new(&segment, &config) < 0)
                _exit(98);
        segment_set_sequence(segment, newest_sequence(scene->segment_path));
        for (unsigned n = 0;; n++) {
                if (fate->is_own && n >= fate->n_publications &&
                    __atomic_load_n(&scene->board->released, __ATOMIC_ACQUIRE) >= incarnation)
                        die_writing(segment, fate);
                publish(segment);
                if (!__atomic_load_n(born_ns, __ATOMIC_RELAXED))
                        __atomic_store_n(born_ns, now_ns(), __ATOMIC_RELEASE);
                storm_serve(&server, segment);
        }
}

static pid_t start_writer(const struct scene *scene, uint64_t incarnation, const struct fate *fate) {
        pid_t parent = getpid(), pid = fork();

        if (pid == 0) {
                die_with_parent(parent);
                write_until_death(scene, incarnation, fate);
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

static void read_until_over(const struct scene *scene, int index) {
        struct socktally_options options = { .size = sizeof(options) };
        struct board *board = scene->board;
        struct tally *tally = &board->readers[index];
        bool is_by_file = index % 2 == 0, is_looking = index < N_READERS / 2;
        struct socktally *reader;
        uint64_t last = 0;
        int r;

        if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setgid(NOBODY) < 0 || setuid(NOBODY) < 0))
                _exit(96);
        close(scene->listen_fd);
        if (is_by_file)
                options.file_path = scene->segment_path;
        else
                options.socket_path = scene->socket_path;
        if (socktally_open(&reader, &options) < 0)
                _exit(95);
        while (!__atomic_load_n(&board->is_over, __ATOMIC_ACQUIRE)) {
                r = is_looking ? socktally_refresh(reader) : socktally_wait(reader, 100000);
                if (r > 0)
                        note_snapshot(board, tally, reader, &last);
                else if (is_looking)
                        sched_yield();
                if (r < 0 && r != -EINTR) {
                        tally->failed++;
                        snprintf(tally->fault, sizeof(tally->fault), "refresh: %s", strerror(-r));
                }
        }
        socktally_close(reader);
        _exit(0);
}

static pid_t start_reader(const struct scene *scene, int index) {
        pid_t parent = getpid(), pid = fork();

        if (pid == 0) {
                die_with_parent(parent);
                read_until_over(scene, index);
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

/* Until the word has the value, or has another one. False if that takes too long. */
static bool wait_until(const uint64_t *word, uint64_t value, bool is_equal) {
        struct timespec pause = { 0, 1000000 };
        uint64_t deadline = now_ns() + PATIENCE_NS;

        while ((__atomic_load_n(word, __ATOMIC_ACQUIRE) == value) != is_equal && now_ns() < deadline)
                nanosleep(&pause, NULL);
        return (__atomic_load_n(word, __ATOMIC_ACQUIRE) == value) == is_equal;
}

/* The end of a writer that was killed, whoever did it. */
static int bury(const struct scene *scene, uint64_t incarnation, pid_t pid) {
        int status;

        if (waitpid(pid, &status, 0) != pid)
                return -1;
        __atomic_store_n(&scene->board->died_ns[incarnation], now_ns(), __ATOMIC_RELEASE);
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
                return 0;
        printf("# a writer ended with status %#x\n", (unsigned) status);
        return -1;
}

static int kill_writer(const struct scene *scene, uint64_t incarnation, pid_t pid) {
        return kill(pid, SIGKILL) < 0 ? -1 : bury(scene, incarnation, pid);
}

/* Kills after a random time from the fork on, so that some die before they publish anything. */
static int live_and_be_killed(const struct scene *scene, uint64_t incarnation, unsigned *seed,
                              struct outcome *outcome) {
        struct timespec pause = { 0, (long) ((uint64_t) rand_r(seed) % LONGEST_LIFE_NS) };
        pid_t pid = start_writer(scene, incarnation, &(struct fate) { .is_own = false });

        if (pid < 0)
                return -1;
        nanosleep(&pause, NULL);
        if (kill_writer(scene, incarnation, pid) < 0)
                return -1;
        outcome->n_killed_odd += has_odd_slot(scene->segment_path, incarnation);
        return 0;
}

static unsigned count_arrived(const struct scene *scene, uint64_t incarnation) {
        unsigned n = 0;

        for (int i = 0; i < N_READERS; i++)
                n += wait_until(&scene->board->readers[i].incarnation, incarnation, true);
        return n;
}

static int live_and_die(const struct scene *scene, uint64_t incarnation, unsigned *seed, struct outcome *outcome) {
        bool stays = incarnation % STAY_EVERY == 0;
        struct fate fate = {
                .is_own = true,
                .n_publications = (unsigned) rand_r(seed) % MOST_PUBLICATIONS,
                .n_rows = (unsigned) rand_r(seed) % MOST_ROWS,
        };
        pid_t pid = start_writer(scene, incarnation, &fate);

        if (pid < 0)
                return -1;
        if (stays) {
                outcome->n_stays++;
                outcome->n_found += count_arrived(scene, incarnation);
        }
        __atomic_store_n(&scene->board->released, incarnation, __ATOMIC_RELEASE);
        if (bury(scene, incarnation, pid) < 0)
                return -1;
        outcome->n_own++;
        /* Without a publication the file has not got its name. Who was to make none has made one if it was released
         * late. */
        outcome->n_own_odd += has_odd_slot(scene->segment_path, incarnation) ||
                              has_odd_slot(scene->temporary_path, incarnation);
        return 0;
}

static int storm(const struct scene *scene, struct outcome *outcome) {
        unsigned int seed = (unsigned int) now_ns();
        int r = 0;

        printf("# seed %u\n", seed);
        for (uint64_t i = 2; i <= N_KILLS && r >= 0; i++)
                r = i % 2 == 0 ? live_and_die(scene, i, &seed, outcome) : live_and_be_killed(scene, i, &seed, outcome);
        return r;
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

static void judge(const struct board *board, const struct outcome *outcome, bool has_everyone_arrived) {
        uint64_t good = 0, torn = 0, backwards = 0, failed = 0, reattached = 0;

        for (int i = 0; i < N_READERS; i++) {
                const struct tally *tally = &board->readers[i];

                good += tally->good;
                torn += tally->torn;
                backwards += tally->backwards;
                failed += tally->failed;
                reattached += tally->reattached;
                printf("# reader %d, by %s, %s: good reads %" PRIu64 ", re-attached %" PRIu64 "%s%s\n", i,
                       i % 2 ? "socket" : "file", i < N_READERS / 2 ? "looking" : "waiting", tally->good,
                       tally->reattached, tally->fault[0] ? ", " : "", tally->fault);
        }
        printf("# kills %d, in the middle of a write %u and %u, readers %d, good reads %" PRIu64 ", torn %" PRIu64
               ", backwards %" PRIu64 ", failed %" PRIu64 ", re-attached %" PRIu64 "\n",
               N_KILLS, outcome->n_own_odd, outcome->n_killed_odd, N_READERS, good, torn, backwards, failed,
               reattached);
        print_times(board, "a successor's first publication", true);
        print_times(board, "the predecessor's death", false);
        report(outcome->n_own == N_KILLS / 2 && outcome->n_own_odd == outcome->n_own,
               "half of the writers die in the middle of a write");
        report(torn == 0, "no snapshot is torn");
        report(backwards == 0, "no reader goes backwards");
        report(failed == 0, "no refresh fails");
        report(outcome->n_stays == N_KILLS / STAY_EVERY && outcome->n_found == N_READERS * outcome->n_stays,
               "every reader finds by itself each successor that stays");
        report(has_everyone_arrived, "every reader is with the last successor in the end");
}

/* One writer before the readers start, and one after the last kill for all of them to arrive at. */
static int run(const struct scene *scene) {
        const struct fate immortal = { .is_own = false };
        struct board *board = scene->board;
        struct outcome outcome = { 0 };
        pid_t first, last, readers[N_READERS];
        bool has_arrived;

        first = start_writer(scene, 1, &immortal);
        if (first < 0 || !wait_until(&board->born_ns[1], 0, false))
                return -1;
        for (int i = 0; i < N_READERS; i++)
                readers[i] = start_reader(scene, i);
        if (count_arrived(scene, 1) < N_READERS || kill_writer(scene, 1, first) < 0 || storm(scene, &outcome) < 0)
                return -1;
        last = start_writer(scene, N_KILLS + 1, &immortal);
        has_arrived = count_arrived(scene, N_KILLS + 1) == N_READERS;
        __atomic_store_n(&board->is_over, true, __ATOMIC_RELEASE);
        for (int i = 0; i < N_READERS; i++) {
                int status = 0;

                if (waitpid(readers[i], &status, 0) != readers[i] || status != 0) {
                        printf("# reader %d ended with status %d\n", i, status);
                        has_arrived = false;
                }
        }
        (void) kill_writer(scene, N_KILLS + 1, last);
        judge(board, &outcome, has_arrived);
        return 0;
}

static int scene_init(struct scene *scene) {
        struct board *board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

        *scene = (struct scene){ .directory = "/dev/shm/socktally-storm.XXXXXX", .board = board };
        if (board == MAP_FAILED || !mkdtemp(scene->directory) || chmod(scene->directory, 0755) < 0)
                return -errno;
        snprintf(scene->segment_path, sizeof(scene->segment_path), "%s/public", scene->directory);
        snprintf(scene->socket_path, sizeof(scene->socket_path), "%s/readers", scene->directory);
        snprintf(scene->temporary_path, sizeof(scene->temporary_path), "%s/.public.new", scene->directory);
        scene->listen_fd = storm_listen(scene->socket_path);
        return scene->listen_fd < 0 ? scene->listen_fd : 0;
}

static void scene_done(struct scene *scene) {
        (void) unlink(scene->segment_path);
        (void) unlink(scene->socket_path);
        (void) unlink(scene->temporary_path);
        (void) rmdir(scene->directory);
}

int main(void) {
        struct scene scene;
        int r;

        setvbuf(stdout, NULL, _IOLBF, 0);
        r = scene_init(&scene);
        if (r < 0) {
                printf("1..0 # SKIP cannot make files and a socket in /dev/shm: %s\n", strerror(-r));
                return 0;
        }
        r = run(&scene);
        scene_done(&scene);
        if (r < 0) {
                printf("Bail out! the storm could not go on\n");
                return 99;
        }
        printf("1..%u\n", n_cases);
        return n_failed > 0;
}
