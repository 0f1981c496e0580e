/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connections beyond Sockets= are charged to the overflow row with each call, and have nothing left to charge when they
 * close, however young they are.
 *
 *     crowded
 *
 * Needs root. Prints TAP.
 */
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/collect/collector.h"
#include "tests/live/mover.h"

#define N_PAIRS 20
#define N_BYTES 1000
#define INODE_BATCH 1024 /* LAST_INO_BATCH in the kernel's fs/inode.c */

/* The numbers of sockets that this processor gives away from now on are new since the collector's first look. */
static void grow_young(void) {
        cpu_set_t one;

        CPU_ZERO(&one);
        CPU_SET(0, &one);
        need(sched_setaffinity(0, sizeof one, &one), "sched_setaffinity");
        for (int i = 0; i < INODE_BATCH + 1; i++)
                close(need(socket(AF_UNIX, SOCK_DGRAM, 0), "socket"));
}

/* A walk of the collector's own over open files can drop the last reference to one. Who closed it is unknown then. */
static uint64_t unknown_closes(const struct sample *sample) {
        return sample->specials[SPECIAL_EXITED].counters[SOCKTALLY_METRIC_tcp_closes];
}

static uint64_t overflow_bytes(const struct sample *sample) {
        const __u64 *counters = sample->specials[SPECIAL_OVERFLOW].counters;

        return counters[SOCKTALLY_METRIC_tcp_tx_bytes] + counters[SOCKTALLY_METRIC_tcp_rx_bytes];
}

static _Noreturn void work(void) {
        uint64_t books[SOCKTALLY_N_METRICS];
        int fds[2];

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        own_network();
        grow_young();
        for (int i = 0; i < N_PAIRS; i++) {
                tcp_pair(fds);
                move_stream(books, fds, N_BYTES);
                close(fds[0]);
                close(fds[1]);
        }
        _exit(EXIT_SUCCESS);
}

static const struct sample *read_twice(struct collect *collect) {
        const struct sample *sample;

        for (int i = 0; i < 2; i++)
                need(collect_read(collect, &sample), "collect_read");
        return sample;
}

static bool is_right(const struct sample *sample, pid_t pid, uint64_t overflow_before, uint64_t unknown_before) {
        uint64_t bytes = 0, closes = 0, overflow = overflow_bytes(sample) - overflow_before;
        uint64_t unknown = unknown_closes(sample) - unknown_before;

        for (size_t i = 0; i < sample->n_rows; i++) {
                const __u64 *counters = sample->rows[i].row.counters;

                if (sample->rows[i].key.tgid != (uint32_t) pid)
                        continue;
                bytes += counters[SOCKTALLY_METRIC_tcp_tx_bytes] + counters[SOCKTALLY_METRIC_tcp_rx_bytes];
                closes += counters[SOCKTALLY_METRIC_tcp_closes];
        }
        if (bytes == 0 && closes + unknown == 2 * N_PAIRS && overflow >= 2 * N_PAIRS * N_BYTES)
                return true;
        printf("# the process has %" PRIu64 " bytes (0) and %" PRIu64 " closes, %" PRIu64 " are nobody's (%d in all), "
               "overflow %" PRIu64 " bytes (%d)\n",
               bytes, closes, unknown, 2 * N_PAIRS, overflow, 2 * N_PAIRS * N_BYTES);
        return false;
}

static bool run(enum load_mode mode) {
        struct collect_config config = {
                .load_mode = mode,
                .modules = EVERY_MODULE,
                .max_processes = 4096,
                .max_sockets = 0,
        };
        struct collect *collect;
        const struct sample *sample;
        uint64_t bytes, unknown;
        bool is_well;
        pid_t pid;

        if (collect_start(&collect, &config) < 0)
                bail_out("no memory");
        if (!collect_is_counting(collect))
                bail_out("cannot count: %s", collect_reason(collect));
        sample = read_twice(collect);
        bytes = overflow_bytes(sample);
        unknown = unknown_closes(sample);
        pid = need(fork(), "fork");
        if (pid == 0)
                work();
        while (need(waitpid(pid, NULL, WNOHANG), "waitpid") == 0)
                (void) read_twice(collect);
        is_well = is_right(read_twice(collect), pid, bytes, unknown);
        collect_stop(collect);
        return is_well;
}

int main(void) {
        static const enum load_mode modes[] = { LOAD_ENTRY, LOAD_RETURN };
        bool is_well = true;

        if (geteuid() != 0) {
                printf("1..0 # SKIP only root may load programs into the kernel\n");
                return EXIT_SUCCESS;
        }
        setpgid(0, 0);
        printf("1..2\n");
        for (int i = 0; i < 2; i++) {
                bool is_good = run(modes[i]);

                printf("%sok %d - what is beyond Sockets= counts once, in load mode %s\n", is_good ? "" : "not ", i + 1,
                       load_mode_name(modes[i]));
                is_well = is_well && is_good;
        }
        return is_well ? EXIT_SUCCESS : EXIT_FAILURE;
}
