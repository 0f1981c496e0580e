/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The collector changes while processes move data as fast as they can: capacity and load mode, in random order, with
 * one table and with maps per core. No bus and no segment: the collector and the tables behind it, in this process.
 * After every change the rows add up and none has become smaller; at the end each holds what its process moved, by its
 * own books.
 *
 *     change [NUMBER-OF-CHANGES [SEED]]
 *
 * Needs root. All traffic stays on loopbacks of namespaces that end with the test. Prints TAP.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/collect/collector.h"
#include "daemon/totals/counters.h"
#include "daemon/totals/totals.h"
#include "libclient/socktally.h"
#include "tests/live/mover.h"
#include "tests/live/workers.h"

#define LARGEST 16384
#define GROUPS 64

struct play {
        struct workers *workers;
        struct collect *collect;
        const struct sample *sample; /* the last */
        struct totals *totals;
        struct totals_result result;
        uint32_t capacity, smallest;
        bool is_per_core;
        enum load_mode mode;
        uint64_t sequence;
        uint64_t seen[N_WORKERS][SOCKTALLY_N_METRICS];
        uint64_t slowest_ns; /* of changes of capacity */
};

static const struct process *find_row(const struct play *play, pid_t pid) {
        for (uint32_t i = N_PROCESS_SPECIALS; i < play->result.n_slots; i++)
                if (play->result.processes[i].is_used && play->result.processes[i].pid == (uint32_t) pid)
                        return &play->result.processes[i];
        return NULL;
}

static void check_sums(struct play *play) {
        for (unsigned m = 0; m < SOCKTALLY_N_METRICS; m++) {
                uint64_t sum = 0;

                for (uint32_t i = 0; i < play->result.n_slots && !counter_is_gauge(m); i++)
                        sum += play->result.processes[i].is_used ? play->result.processes[i].counters[m] : 0;
                if (!counter_is_gauge(m) && sum != play->result.host->counters[m])
                        workers_complain(play->workers, "metric %u: rows add up to %llu, the host row says %llu", m,
                                         (unsigned long long) sum, (unsigned long long) play->result.host->counters[m]);
        }
}

static void check_backwards(struct play *play) {
        for (unsigned i = 0; i < N_WORKERS; i++) {
                const struct process *row = find_row(play, play->workers->workers[i].pid);

                for (unsigned m = 0; row && m < SOCKTALLY_N_METRICS; m++) {
                        if (!counter_is_gauge(m) && row->counters[m] < play->seen[i][m])
                                workers_complain(play->workers, "worker %u: metric %u went back to %llu from %llu", i,
                                                 m, (unsigned long long) row->counters[m],
                                                 (unsigned long long) play->seen[i][m]);
                        play->seen[i][m] = row->counters[m];
                }
        }
}

static void look(struct play *play) {
        int r = collect_read(play->collect, &play->sample);

        if (r < 0)
                bail_out("collect_read: %s", strerror(-r));
        totals_update(play->totals, play->sample, ++play->sequence);
        collect_saved(play->collect);
        totals_get(play->totals, &play->result);
        check_sums(play);
        check_backwards(play);
}

static uint64_t now_ns(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * 1000000000 + (uint64_t) now.tv_nsec;
}

static struct totals_rows rows(uint32_t capacity) {
        return (struct totals_rows) { capacity + N_PROCESS_SPECIALS, { GROUPS, GROUPS, GROUPS, GROUPS } };
}

static void set_capacity(struct play *play, uint32_t capacity) {
        const struct totals_rows max = rows(capacity);
        uint64_t before = now_ns();
        char reason[256];

        if (collect_set_max_processes(play->collect, capacity, reason, sizeof reason) < 0)
                bail_out("capacity %u: %s", capacity, reason);
        if (now_ns() - before > play->slowest_ns)
                play->slowest_ns = now_ns() - before;
        if (totals_resize(play->totals, &max, play->sequence + 1) < 0)
                bail_out("no memory");
        play->capacity = capacity;
}

static void set_load_mode(struct play *play, enum load_mode mode) {
        char reason[256];

        if (collect_set_load_mode(play->collect, mode, reason, sizeof reason) < 0)
                bail_out("load mode %s: %s", load_mode_name(mode), reason);
        play->mode = mode;
}

static void change_something(struct play *play) {
        if (rand() % 2)
                set_load_mode(play, (enum load_mode) (rand() % N_LOAD_MODES));
        else
                set_capacity(play, rand() % 8 == 0 ? LARGEST :
                                                     play->smallest + (uint32_t) rand() % (2 * play->smallest));
}

static bool identify(void *userdata, const struct process_key *key, uint32_t pid, const char *comm,
                     struct identity *ret_identity) {
        *ret_identity = IDENTITY_NULL;
        return true;
}

static bool is_alive(void *userdata, uint32_t pid, uint64_t start_time) {
        return kill((pid_t) pid, 0) == 0 || errno != ESRCH;
}

static void open_play(struct play *play, uint32_t smallest, bool is_per_core) {
        struct collect_config config = {
                .load_mode = LOAD_ENTRY,
                .modules = EVERY_MODULE,
                .max_processes = LARGEST,
                .max_sockets = 65536,
                .is_per_core = is_per_core,
        };
        struct totals_config tables = {
                .max = rows(LARGEST),
                .identity = identify,
                .is_alive = is_alive,
        };

        *play = (struct play) { .capacity = LARGEST, .smallest = smallest, .is_per_core = is_per_core,
                                .mode = LOAD_ENTRY };
        if (totals_new(&play->totals, &tables) < 0)
                bail_out("no memory");
        if (collect_start(&play->collect, &config) < 0)
                bail_out("no memory");
        if (!collect_is_counting(play->collect))
                bail_out("cannot count: %s", collect_reason(play->collect));
        play->workers = workers_start(true);
}

static void close_play(struct play *play) {
        workers_stop(play->workers);
        collect_stop(play->collect);
        totals_free(play->totals);
}

static void compare(struct play *play, unsigned number, unsigned metric) {
        const struct worker *worker = &play->workers->workers[number];
        const struct process *row = find_row(play, worker->pid);

        if (!row)
                workers_complain(play->workers, "worker %u has no row", number);
        else if (row->counters[metric] != worker->moved[metric])
                workers_complain(play->workers, "worker %u, metric %u: moved %llu, counted %llu", number, metric,
                                 (unsigned long long) worker->moved[metric],
                                 (unsigned long long) row->counters[metric]);
}

/* What no process but ours moves is in the host row to the byte, whichever rows it went to. */
static void compare_host(struct play *play) {
        uint64_t tx = play->workers->brief_bytes + N_RESTING * RESTING_BYTES;

        for (unsigned i = 0; i < N_WORKERS; i++)
                tx += play->workers->workers[i].moved[SOCKTALLY_METRIC_other_tx_bytes];
        if (play->result.host->counters[SOCKTALLY_METRIC_other_tx_bytes] != tx)
                workers_complain(play->workers, "moved %llu bytes by a protocol of our own, the host row says %llu",
                                 (unsigned long long) tx,
                                 (unsigned long long) play->result.host->counters[SOCKTALLY_METRIC_other_tx_bytes]);
}

static const unsigned compared[] = {
        SOCKTALLY_METRIC_tcp_tx_bytes, SOCKTALLY_METRIC_tcp_rx_bytes,   SOCKTALLY_METRIC_udp_tx_bytes,
        SOCKTALLY_METRIC_udp_rx_bytes, SOCKTALLY_METRIC_other_tx_bytes, SOCKTALLY_METRIC_other_rx_bytes,
};
#define N_COMPARED (sizeof compared / sizeof compared[0])

static void compare_all(struct play *play) {
        for (unsigned i = 0; i < N_WORKERS; i++)
                for (unsigned j = 0; j < N_COMPARED; j++)
                        compare(play, i, compared[j]);
}

static void play_changes(struct play *play, unsigned n) {
        for (unsigned i = 0; i < n && !play->workers->problem[0]; i++) {
                change_something(play);
                if (rand() % 3)
                        look(play);
        }
        workers_hold(play->workers);
        look(play);
        look(play); /* what a ledger waited with has been explained by now */
        compare_host(play);
}

static void report(const struct play *play, const char *sentence) {
        static unsigned number;

        if (play->workers->problem[0])
                printf("# %s\n", play->workers->problem);
        printf("# slowest change of capacity %.1f ms, load mode %s at the end\n", (double) play->slowest_ns / 1e6,
               load_mode_name(play->mode));
        printf("%sok %u - %s: %s\n", play->workers->problem[0] ? "not " : "", ++number,
               play->is_per_core ? "with maps per core" : "with one table", sentence);
        fflush(stdout);
}

static bool has_statistics(void) {
        FILE *file = fopen("/proc/sys/kernel/bpf_stats_enabled", "re");
        bool is_on = file && fgetc(file) == '1';

        if (file)
                fclose(file);
        return is_on;
}

/* Runs and time are known while the kernel keeps statistics, which this test does not switch on. */
static void check_statistics(struct play *play) {
        struct collect_statistics tcp, udp;
        bool is_on = has_statistics();

        collect_statistics(play->collect, MODULE_TCP, &tcp);
        collect_statistics(play->collect, MODULE_UDP, &udp);
        if (is_on && (tcp.n_runs == 0 || tcp.time_ns < tcp.n_runs || udp.n_runs == 0))
                workers_complain(play->workers, "programs of tcp: %llu runs, %llu ns; of udp: %llu runs",
                                 (unsigned long long) tcp.n_runs, (unsigned long long) tcp.time_ns,
                                 (unsigned long long) udp.n_runs);
        if (is_on)
                printf("# %llu runs, %llu ns each, %llu missed\n", (unsigned long long) tcp.n_runs,
                       (unsigned long long) (tcp.n_runs ? tcp.time_ns / tcp.n_runs : 0),
                       (unsigned long long) tcp.n_misses);
        report(play, is_on ? "what the programs cost is known" :
               "what the programs cost is known # SKIP kernel.bpf_stats_enabled is 0");
}

static bool run_with_room(unsigned n, bool is_per_core) {
        struct play play;
        bool is_well;

        open_play(&play, 1024, is_per_core);
        play_changes(&play, n);
        compare_all(&play);
        report(&play, "with room for all, every process has what it moved");
        check_statistics(&play);
        is_well = !play.workers->problem[0];
        close_play(&play);
        return is_well;
}

/* What a worker moved that no row of the kernel's table holds. */
static uint64_t elsewhere(const struct play *play, const struct worker *worker, unsigned metric) {
        uint64_t sum = worker->moved[metric];

        for (size_t i = 0; i < play->sample->n_rows; i++)
                if (play->sample->rows[i].key.tgid == (uint32_t) worker->pid)
                        sum -= play->sample->rows[i].row.counters[metric];
        return sum;
}

/* Once there is room again each process counts in a row of the kernel's again. (Which of them the tables of this
 * process show is another matter: a row that was given up is given up for good.) */
static void grow_back(struct play *play) {
        const struct worker *workers = play->workers->workers;
        uint64_t before[N_WORKERS][N_COMPARED];

        set_capacity(play, 1);
        look(play);
        set_capacity(play, LARGEST);
        workers_let_go(play->workers);
        for (unsigned i = 0; i < 4; i++)
                look(play);
        workers_hold(play->workers);
        look(play);
        look(play);
        for (unsigned i = 0; i < N_WORKERS; i++)
                for (unsigned j = 0; j < N_COMPARED; j++)
                        before[i][j] = elsewhere(play, &workers[i], compared[j]);
        workers_let_go(play->workers);
        for (unsigned i = 0; i < 10; i++)
                look(play);
        workers_hold(play->workers);
        look(play);
        look(play);
        for (unsigned i = 0; i < N_WORKERS; i++)
                for (unsigned j = 0; j < N_COMPARED; j++)
                        if (elsewhere(play, &workers[i], compared[j]) != before[i][j])
                                workers_complain(play->workers,
                                                 "worker %u, metric %u: %llu bytes were counted elsewhere", i,
                                                 compared[j],
                                                 (unsigned long long) (elsewhere(play, &workers[i], compared[j]) -
                                                                       before[i][j]));
        compare_host(play);
}

static bool run_without_room(unsigned n, bool is_per_core) {
        struct play play;
        bool is_well;

        open_play(&play, 16, is_per_core);
        play_changes(&play, n);
        report(&play, "without room nothing is lost or counted twice");
        is_well = !play.workers->problem[0];
        grow_back(&play);
        report(&play, "with room again every process counts in a row of its own");
        is_well &= !play.workers->problem[0];
        close_play(&play);
        return is_well;
}

int main(int argc, char **argv) {
        unsigned n = argc > 1 ? (unsigned) strtoul(argv[1], NULL, 10) : 300;
        unsigned seed = argc > 2 ? (unsigned) strtoul(argv[2], NULL, 10) : (unsigned) now_ns();
        bool is_well = true;

        if (geteuid() != 0) {
                puts("1..0 # SKIP needs root");
                return EXIT_SUCCESS;
        }
        (void) setpgid(0, 0);
        printf("1..8\n# %u changes, seed %u\n", n, seed);
        fflush(stdout);
        srand(seed);
        for (int is_per_core = 0; is_per_core < 2; is_per_core++) {
                is_well &= run_with_room(n / 2, is_per_core);
                is_well &= run_without_room(n / 2, is_per_core);
        }
        return is_well ? EXIT_SUCCESS : EXIT_FAILURE;
}
