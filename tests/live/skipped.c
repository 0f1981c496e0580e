/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel skips programs where it can preempt them, and copies of them count what was skipped. Processes move
 * datagrams as fast as they can; their own books are compared with the collector's rows and with what it says was
 * missed. Never may a row have more than its process did, never may more be lost than is missed, and while copies count
 * they stand in for more than is lost; how much that is, is printed. Then copies come and go, which may cost what is
 * missed, and no more.
 *
 *     skipped [NUMBER-OF-STEPS [METHOD]]
 *
 * On a kernel that skips nothing (preempt=full makes those before Linux 7 do it) the rows must be exact. Needs root and
 * two processors. Prints TAP.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/collect/collector-private.h"
#include "tests/live/mover.h"

#define N_WORKERS 8
#define READ_USEC 100000
#define STEP_USEC 20000
#define TRY_USEC 500000
#define FIRST_TRIES 10  /* until something must have been skipped, if it ever is */
#define STEP_READS 100  /* until copies must have come */
#define COPIES_READS 80 /* while copies count */
#define FORGET_STEPS 3  /* one step of so many lasts until no mark is left */

struct worker {
        sem_t held, go;
        uint64_t moved[SOCKTALLY_N_METRICS];
        pid_t pid;
};

/* In memory that all processes share. */
struct stage {
        struct worker workers[N_WORKERS];
        bool is_held;
};

struct play {
        struct stage *stage;
        struct collect *collect;
        const struct sample *sample;
        uint64_t lost, missed; /* when the workers rested last */
        unsigned n_reports;
};

/* A socket that sends to itself: over IPv4, over IPv6, and over IPv4 by the functions of IPv6. */
static int open_socket(unsigned number) {
        static const char *const addresses[] = { "::1", "::ffff:127.0.0.1" };
        struct sockaddr_in6 address = { .sin6_family = AF_INET6 };
        socklen_t size = sizeof address;
        int fd;

        if (number % 4 < 2)
                return self_socket(SOCK_DGRAM, 0);
        inet_pton(AF_INET6, addresses[number % 2], &address.sin6_addr);
        fd = need(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
        need(bind(fd, (struct sockaddr *) &address, size), "bind");
        need(getsockname(fd, (struct sockaddr *) &address, &size), "getsockname");
        need(connect(fd, (struct sockaddr *) &address, size), "connect");
        return fd;
}

static _Noreturn void work(struct stage *stage, unsigned number) {
        struct worker *worker = &stage->workers[number];
        int fd;

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close_range(3, ~0U, 0); /* the collector's links are its own, so that they can end */
        own_network();
        fd = open_socket(number);
        for (unsigned i = 1;; i++) {
                move_datagram(worker->moved, fd, 1 + i % 1000, SOCKTALLY_METRIC_udp_tx_bytes,
                              SOCKTALLY_METRIC_udp_rx_bytes);
                worker->moved[SOCKTALLY_METRIC_udp_tx_calls]++;
                worker->moved[SOCKTALLY_METRIC_udp_rx_calls]++;
                if (!__atomic_load_n(&stage->is_held, __ATOMIC_ACQUIRE))
                        continue;
                sem_post(&worker->held);
                while (sem_wait(&worker->go) < 0)
                        ;
        }
}

static void start_workers(struct stage *stage) {
        for (unsigned i = 0; i < N_WORKERS; i++) {
                struct worker *worker = &stage->workers[i];
                pid_t pid;

                sem_init(&worker->held, 1, 0);
                sem_init(&worker->go, 1, 0);
                pid = need(fork(), "fork");
                if (pid == 0)
                        work(stage, i);
                worker->pid = pid;
        }
}

static void read_once(struct play *play, unsigned usec) {
        usleep(usec);
        need(collect_read(play->collect, &play->sample), "collect_read");
}

/* More than its process did? */
static bool is_double(const struct worker *worker, const uint64_t *counted) {
        static const unsigned metrics[] = { SOCKTALLY_METRIC_udp_tx_calls, SOCKTALLY_METRIC_udp_rx_calls,
                                            SOCKTALLY_METRIC_udp_tx_bytes, SOCKTALLY_METRIC_udp_rx_bytes };
        bool is_more = false;

        for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++) {
                uint64_t did = worker->moved[metrics[i]], has = counted[metrics[i]];

                if (has > did)
                        printf("# metric %u: %" PRIu64 " counted, %" PRIu64 " done\n", metrics[i], has, did);
                is_more = is_more || has > did;
        }
        return is_more;
}

/* While the workers rest. */
static bool compare(struct play *play, const char *when) {
        uint64_t done = 0, lost = 0, counted[SOCKTALLY_N_METRICS];
        bool is_well = true;

        for (unsigned w = 0; w < N_WORKERS; w++) {
                const struct worker *worker = &play->stage->workers[w];

                memset(counted, 0, sizeof counted);
                for (size_t i = 0; i < play->sample->n_rows; i++)
                        for (unsigned m = 0; m < SOCKTALLY_N_METRICS; m++)
                                if (play->sample->rows[i].key.tgid == (uint32_t) worker->pid)
                                        counted[m] += play->sample->rows[i].row.counters[m];
                is_well = !is_double(worker, counted) && is_well;
                for (unsigned m = SOCKTALLY_METRIC_udp_tx_calls; m <= SOCKTALLY_METRIC_udp_rx_calls; m++) {
                        done += worker->moved[m];
                        lost += worker->moved[m] - counted[m];
                }
        }
        play->lost = lost;
        play->missed = play->sample->missed[0] + play->sample->missed[1];
        printf("# %s: %" PRIu64 " calls, %" PRIu64 " in no row, %" PRIu64 " missed\n", when, done, lost, play->missed);
        fflush(stdout);
        return is_well && lost <= play->missed;
}

static bool hold_and_compare(struct play *play, const char *when) {
        struct stage *stage = play->stage;
        bool is_well;

        __atomic_store_n(&stage->is_held, true, __ATOMIC_RELEASE);
        for (unsigned i = 0; i < N_WORKERS; i++)
                while (sem_wait(&stage->workers[i].held) < 0)
                        ;
        for (int i = 0; i < 2; i++) /* the second walk began after all that is to be counted */
                read_once(play, 0);
        is_well = compare(play, when);
        __atomic_store_n(&stage->is_held, false, __ATOMIC_RELEASE);
        for (unsigned i = 0; i < N_WORKERS; i++)
                sem_post(&stage->workers[i].go);
        return is_well;
}

static void report(struct play *play, bool is_well, const char *sentence) {
        printf("%s %u - %s\n", is_well ? "ok" : "not ok", ++play->n_reports, sentence);
        fflush(stdout);
}

/* Copies go, with the load as it is; from then on the next read that finds something skipped brings them again. Or, as
 * when there is no room for marks, not before all that they left is forgotten. */
static void take_step(struct play *play, unsigned number) {
        for (unsigned i = 0; i < STEP_READS && play->collect->copies != SWITCH_COPIES; i++)
                read_once(play, (unsigned) rand() % STEP_USEC);
        if (play->collect->copies_error < 0)
                bail_out("step %u: no copies came: %s", number, strerror(-play->collect->copies_error));
        usleep((unsigned) rand() % STEP_USEC);
        if (number % FORGET_STEPS == 0)
                play->collect->skeleton->bss->is_marks_full = true;
        else
                copies_end(play->collect);
        read_once(play, 0);
}

static uint64_t recovered(const struct play *play) {
        const struct socktally_bpf__bss *bss = play->collect->skeleton->bss;

        return bss->recovered[0] + bss->recovered[1];
}

static void play_skipped(struct play *play, unsigned n_steps) {
        bool is_well = true;
        uint64_t lost;

        for (unsigned i = 0; i < FIRST_TRIES && play->collect->copies == 0; i++) { /* they are loaded while all rest */
                usleep(TRY_USEC);
                is_well = hold_and_compare(play, "before there were copies") && is_well;
        }
        report(play, is_well, "what is in no row is missed, and nothing is counted twice");
        if (play->collect->copies == 0) {
                report(play, play->lost == 0 && play->missed == 0, "this kernel skips nothing: the rows are exact");
                return;
        }
        lost = play->lost;
        for (unsigned i = 0; i < COPIES_READS; i++)
                read_once(play, READ_USEC);
        is_well = hold_and_compare(play, "while copies count");
        printf("# copies stood in for %" PRIu64 " calls; %" PRIu64 " were lost beside them\n", recovered(play),
               play->lost - lost);
        report(play, is_well && recovered(play) >= play->lost - lost, "copies count what was skipped");
        for (unsigned i = 1; i <= n_steps; i++)
                take_step(play, i);
        is_well = hold_and_compare(play, "while copies come and go");
        report(play, is_well, "copies come and go, and nothing is counted twice");
}

int main(int argc, char **argv) {
        struct collect_config config = {
                .load_mode = LOAD_ENTRY,
                .modules = EVERY_MODULE,
                .attach_method = ATTACH_AUTO,
                .max_processes = 1024,
                .max_sockets = 1024,
        };
        struct play play = { 0 };
        char reason[COLLECT_REASON_SIZE];

        if (argc > 2)
                need(attach_method_parse(argv[2], &config.attach_method), argv[2]);
        setpgid(0, 0);
        play.stage = mmap(NULL, sizeof *play.stage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (play.stage == MAP_FAILED)
                bail_out("no memory");
        need(collect_start(&play.collect, &config), "collect_start");
        snprintf(reason, sizeof reason, "%s", collect_reason(play.collect));
        if (!collect_is_counting(play.collect))
                bail_out("%s", reason);
        start_workers(play.stage);
        need(setpriority(PRIO_PROCESS, 0, -10), "setpriority"); /* they leave the collector little else */
        play_skipped(&play, argc > 1 ? (unsigned) atoi(argv[1]) : 6);
        for (unsigned i = 0; i < N_WORKERS; i++) { /* the collector may have a child of its own, which waits for it */
                kill(play.stage->workers[i].pid, SIGKILL);
                (void) waitpid(play.stage->workers[i].pid, NULL, 0);
        }
        collect_stop(play.collect);
        printf("1..%u\n", play.n_reports);
        return EXIT_SUCCESS;
}
