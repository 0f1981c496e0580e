/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between two passes a read folds what finished calls have moved, and no more. Processes move data as fast as they can
 * while the collector reads without a pass, by each way to look at those that were active, and with a pass in small
 * parts; when they rest one such read has all of it. What no call tells waits for a pass, and is in the next read when
 * one is asked for.
 *
 *     flush [READS]
 *
 * Needs root. Prints TAP.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/clock.h"
#include "daemon/collect/collector-private.h"
#include "tests/live/mover.h"
#include "tests/live/player.h"
#include "tests/live/workers.h"
#include "tests/unit/allocations.h"

#define SPLICED 1000
#define N_SENDERS 100u
#define N_SPLICES 10u

static struct collect *start_with(uint32_t max_processes) {
        struct collect_config config = {
                .load_mode = LOAD_ENTRY,
                .modules = EVERY_MODULE,
                .max_processes = max_processes,
                .max_sockets = 65536,
        };
        struct collect *collect;

        if (collect_start(&collect, &config) < 0)
                bail_out("no memory");
        if (!collect_is_counting(collect))
                bail_out("cannot count: %s", collect_reason(collect));
        return collect;
}

static struct collect *start(void) {
        return start_with(4096);
}

static const struct sample *read_all(struct collect *collect) {
        const struct sample *sample;

        collect_want_pass(collect);
        need(collect_read(collect, &sample), "collect_read");
        if (sample->complete_ns != sample->time_ns)
                bail_out("a pass was asked for, and none was made");
        return sample;
}

#define MUCH_WORK 1000000            /* as of 160,000 sockets: a pass in nine seconds */
#define PART_NS (9000000000 / 20000) /* time for a part of fifty files */

static const struct sample *read_flushed(struct collect *collect) {
        const struct sample *sample;

        collect->pass.work = MUCH_WORK;
        collect->pass.next_ns = UINT64_MAX;
        need(collect_read(collect, &sample), "collect_read");
        if (sample->complete_ns == sample->time_ns)
                bail_out("a pass was made");
        return sample;
}

/* Makes a part of a pass, or begins one. */
static const struct sample *read_in_parts(struct collect *collect) {
        const struct sample *sample;

        collect->pass.work = MUCH_WORK;
        collect->pass.next_ns = 0;
        collect->pass.last_ns = clock_ns(CLOCK_BOOTTIME) - PART_NS;
        need(collect_read(collect, &sample), "collect_read");
        return sample;
}

/* How many reads a pass in parts takes until it has seen all that happened until now. */
static unsigned read_until_complete(struct collect *collect, const struct sample **ret_sample) {
        uint64_t now = clock_ns(CLOCK_BOOTTIME);
        unsigned n = 0;

        do {
                *ret_sample = read_in_parts(collect);
                n++;
        } while ((*ret_sample)->complete_ns < now);
        return n;
}

static uint64_t counter_of(const struct sample *sample, pid_t pid, unsigned metric) {
        uint64_t n = 0;

        for (size_t i = 0; i < sample->n_rows; i++)
                if (sample->rows[i].key.tgid == (uint32_t) pid)
                        n += sample->rows[i].row.counters[metric];
        return n;
}

static void report(bool is_good, const char *sentence) {
        static unsigned number;

        printf("%sok %u - %s\n", is_good ? "" : "not ", ++number, sentence);
        fflush(stdout);
}

static bool is_equal(const struct sample *sample, const struct worker *worker) {
        bool is_good = true;

        for (unsigned m = 0; m < SOCKTALLY_N_METRICS; m++) {
                uint64_t counted = counter_of(sample, worker->pid, m);

                if (worker->moved[m] == 0 || worker->moved[m] == counted)
                        continue;
                printf("# worker %d, metric %u: moved %" PRIu64 ", counted %" PRIu64 "\n", (int) worker->pid, m,
                       worker->moved[m], counted);
                is_good = false;
        }
        return is_good;
}

/* The ways to those that were active. */
enum way { WAY_PROCESSES, WAY_ALL, WAY_REFUSED, WAY_OVERFLOW, WAY_PARTS, N_WAYS };

static const char *const ways[N_WAYS] = {
        [WAY_PROCESSES] = "the files of each active process alone",
        [WAY_ALL] = "all files, as many processes were active",
        [WAY_REFUSED] = "all files, as the kernel refuses walks over one process",
        [WAY_OVERFLOW] = "all files, as there was no room to note who was active",
        [WAY_PARTS] = "the files of each active process alone, while a pass is made in parts",
};

static int *program_of_walk(struct collect *collect) {
        const struct hook *hooks;
        size_t i, n = collect_hook_table(&hooks);

        for (i = 0; i < n && strcmp(hooks[i].program, "fold_files") != 0; i++)
                continue;
        return &collect->programs[i];
}

static const struct sample *flush_by(struct collect *collect, enum way way) {
        int *program = program_of_walk(collect), kept = *program;
        const struct sample *sample;

        if (way == WAY_REFUSED)
                *program = -1;
        if (way == WAY_OVERFLOW)
                __atomic_fetch_add(&collect->skeleton->bss->n_active, MAX_ACTIVE + 1, __ATOMIC_RELAXED);
        if (way == WAY_ALL)
                collect->n_used = 0;
        sample = way == WAY_PARTS ? read_in_parts(collect) : read_flushed(collect);
        *program = kept;
        return sample;
}

/* *ret_skipped: calls that the kernel ran no program for. */
static bool play(struct collect *collect, struct workers *workers, enum way way, unsigned n_reads,
                 uint64_t *ret_skipped) {
        const struct sample *sample;
        bool is_good = true;

        for (unsigned round = 0; round < 10 && is_good; round++) {
                for (unsigned i = 0; i < n_reads / 10; i++)
                        (void) flush_by(collect, way);
                workers_hold(workers);
                sample = flush_by(collect, way);
                for (unsigned i = 0; i < N_WORKERS; i++)
                        is_good = is_equal(sample, &workers->workers[i]) && is_good;
                workers_let_go(workers);
                *ret_skipped = sample->missed[0] + sample->missed[1];
        }
        return is_good || *ret_skipped > 0;
}

static bool run_ways(unsigned n_reads) {
        struct collect *collect = start();
        struct workers *workers;
        bool is_good = true;
        char sentence[200];

        (void) read_all(collect);
        workers = workers_start(false);
        (void) read_all(collect); /* an active process is one of few: the walk over its files pays */
        for (unsigned way = 0; way < N_WAYS; way++) {
                uint64_t skipped = 0;
                bool is_way_good = play(collect, workers, way, n_reads, &skipped);

                snprintf(sentence, sizeof(sentence), "each call is in the next read: %s%s", ways[way],
                         skipped > 0 ? " # SKIP the kernel skipped programs" : "");
                report(is_way_good, sentence);
                is_good = is_good && is_way_good;
        }
        workers_stop(workers);
        collect_stop(collect);
        return is_good;
}

static void receive_by_splice(int fd, ssize_t size) {
        int pipes[2];

        need(pipe(pipes), "pipe");
        for (ssize_t n = 0; n < size;)
                n += need((int) splice(fd, NULL, pipes[1], NULL, (size_t) (size - n), 0), "splice");
}

/* Receives SPLICED bytes when told so, in no call that is seen. */
static _Noreturn void play_splice(struct shared *shared) {
        uint64_t books[SOCKTALLY_N_METRICS] = { 0 };
        char data[SPLICED] = "";
        int fds[2];

        tcp_pair(fds);
        move_stream(books, fds, 1);
        report_done();
        wait_for_order();
        need((int) send(fds[0], data, SPLICED, 0), "send");
        receive_by_splice(fds[1], SPLICED);
        report_done();
        for (;;)
                pause();
}

/* Receives a byte, and leaves the connection to a child, which receives the rest. */
static _Noreturn void play_handover(struct shared *shared) {
        uint64_t books[SOCKTALLY_N_METRICS] = { 0 };
        char data[SPLICED] = "";
        int fds[2];
        pid_t pid;

        tcp_pair(fds);
        move_stream(books, fds, 1);
        need((int) send(fds[0], data, SPLICED, 0), "send");
        pid = need(fork(), "fork");
        if (pid > 0) {
                shared->other = pid;
                close(fds[1]);
                report_done();
                for (;;)
                        pause();
        }
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(fds[0]);
        wait_for_order();
        receive_by_splice(fds[1], SPLICED);
        report_done();
        for (;;)
                pause();
}

/* Sends as fast as it can on the only socket that it has, until it is held. */
static _Noreturn void play_sender(struct shared *shared) {
        int fds[2];
        char data[65536];
        pid_t pid;

        tcp_pair(fds);
        pid = need(fork(), "fork");
        close(fds[pid == 0 ? 0 : 1]);
        if (pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                while (recv(fds[1], data, sizeof(data), 0) > 0)
                        continue;
                _exit(EXIT_SUCCESS);
        }
        report_done();
        while (!__atomic_load_n(&shared->is_held, __ATOMIC_ACQUIRE))
                shared->sent += (uint64_t) need((int) send(fds[0], "x", 1, 0), "send");
        report_done();
        for (;;)
                pause();
}

static bool run_splice(void) {
        struct collect *collect = start();
        struct player player = start_player(play_splice);
        uint64_t late, whole;

        wait_for_player(&player);
        (void) read_all(collect);
        tell_player(&player);
        wait_for_player(&player);
        late = counter_of(read_flushed(collect), player.pid, SOCKTALLY_METRIC_tcp_rx_bytes);
        whole = counter_of(read_all(collect), player.pid, SOCKTALLY_METRIC_tcp_rx_bytes);
        end_player(&player);
        collect_stop(collect);
        if (late != 1 || whole != SPLICED + 1)
                printf("# received 1 byte by a call and %d by splice: %" PRIu64 " before the pass, %" PRIu64
                       " after it\n", SPLICED, late, whole);
        report(late == 1 && whole == SPLICED + 1, "what no call tells is there after a pass that was asked for");
        return late == 1 && whole == SPLICED + 1;
}

/* A sample tells until when all is in it, and that is true at each moment of a pass. */
static bool run_parts(void) {
        struct collect *collect = start();
        unsigned n_reads = 0, n_late = 0;
        const struct sample *sample;

        (void) read_all(collect);
        for (unsigned i = 0; i < N_SPLICES; i++) {
                struct player player = start_player(play_splice);

                wait_for_player(&player);
                for (unsigned k = 0; k < i; k++)
                        (void) read_in_parts(collect);
                tell_player(&player);
                wait_for_player(&player);
                n_reads += read_until_complete(collect, &sample);
                n_late += counter_of(sample, player.pid, SOCKTALLY_METRIC_tcp_rx_bytes) != SPLICED + 1;
                end_player(&player);
        }
        collect_stop(collect);
        printf("# %u of %u were late; %u reads\n", n_late, N_SPLICES, n_reads);
        report(n_late == 0 && n_reads > N_SPLICES, "what no call tells is there when the sample says so");
        return n_late == 0 && n_reads > N_SPLICES;
}

/* What the process that left the connection and the one that has it now have received, by a pass. */
static void hand_over(struct collect *collect, uint64_t *ret_first, uint64_t *ret_second) {
        struct player player = start_player(play_handover);
        const struct sample *sample;

        wait_for_player(&player);
        (void) read_all(collect);
        tell_player(&player);
        wait_for_player(&player);
        sample = read_all(collect);
        *ret_first = counter_of(sample, player.pid, SOCKTALLY_METRIC_tcp_rx_bytes);
        *ret_second = counter_of(sample, player.shared->other, SOCKTALLY_METRIC_tcp_rx_bytes);
        end_player(&player);
        collect_stop(collect);
        printf("# %" PRIu64 " and %" PRIu64 " bytes\n", *ret_first, *ret_second);
}

static bool run_handover(void) {
        uint64_t first, second;
        bool is_good;

        hand_over(start(), &first, &second);
        is_good = first == 1 && second == SPLICED;
        report(is_good, "a connection is of the one process that holds it at the next pass");
        return is_good;
}

/* The only row is the first process's, or that of anybody on this machine who was faster. */
static bool run_handover_without_room(void) {
        uint64_t first, second;
        bool is_good;

        hand_over(start_with(1), &first, &second);
        is_good = first <= 1 && second == 0;
        report(is_good, first == 0 ? "# SKIP another process of this machine has taken the only row" :
                                     "a holder without a row does not make others pay");
        return is_good;
}

/* A connection whose sequence keys a walk cannot verify, as its owner is in a call just then, is folded later. */
static bool run_senders(void) {
        struct collect *collect = start();
        unsigned n_late = 0;

        (void) read_all(collect);
        for (unsigned i = 0; i < N_SENDERS; i++) {
                struct player player = start_player(play_sender);
                uint64_t counted;

                wait_for_player(&player);
                while (counter_of(read_flushed(collect), player.pid, SOCKTALLY_METRIC_tcp_tx_calls) == 0 &&
                       collect->skeleton->bss->n_active == collect->active_end)
                        continue;
                __atomic_store_n(&player.shared->is_held, true, __ATOMIC_RELEASE);
                wait_for_player(&player);
                (void) read_flushed(collect);
                counted = counter_of(read_flushed(collect), player.pid, SOCKTALLY_METRIC_tcp_tx_bytes);
                n_late += counted != player.shared->sent;
                end_player(&player);
        }
        collect_stop(collect);
        if (n_late > 0)
                printf("# %u of %u senders lack bytes\n", n_late, N_SENDERS);
        report(n_late == 0, "calls on a socket that was in use when it was looked at are in the next reads");
        return n_late == 0;
}

/* The collector's part of it; tests/unit/test-allocations has the rest. */
static bool run_memory(void) {
        struct collect *collect = start();
        struct workers *workers = workers_start(false);
        const struct sample *sample;
        unsigned long before;
        bool is_good, is_skipped;

        for (int i = 0; i < 3; i++)
                (void) read_all(collect);
        before = allocations();
        for (int i = 0; i < 20; i++) {
                (void) read_all(collect);
                sample = read_flushed(collect);
        }
        is_skipped = sample->missed[0] + sample->missed[1] > 0;
        is_good = allocations() == before || is_skipped;
        if (!is_good)
                printf("# %lu blocks of memory in 40 reads\n", allocations() - before);
        workers_stop(workers);
        collect_stop(collect);
        report(is_good, is_skipped ? "a read takes no memory # SKIP the kernel skipped programs, and copies take some" :
                                     "a read takes no memory");
        return is_good;
}

int main(int argc, char **argv) {
        unsigned n_reads = argc > 1 ? (unsigned) strtoul(argv[1], NULL, 10) : 200;
        bool is_good;

        if (geteuid() != 0) {
                printf("1..0 # SKIP only root may load programs into the kernel\n");
                return EXIT_SUCCESS;
        }
        setpgid(0, 0);
        printf("1..%d\n", N_WAYS + 6);
        is_good = run_ways(n_reads);
        is_good = run_memory() && is_good;
        is_good = run_senders() && is_good;
        is_good = run_handover() && is_good;
        is_good = run_handover_without_room() && is_good;
        is_good = run_parts() && is_good;
        return run_splice() && is_good ? EXIT_SUCCESS : EXIT_FAILURE;
}
