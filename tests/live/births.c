/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * That a connection has no past is known from a note, made when its socket was, also when the kernel skips the hook of
 * states each time and others' notes stand where this one would: the SYN is no byte, and no byte is the past's. It is
 * known from the number of the inode, too, whichever processor the socket was made on.
 *
 *     births
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
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/collect/collector-private.h"
#include "tests/live/mover.h"

#define N_PAIRS 500
#define N_BYTES 10
#define TAKEN 4 /* one of so many slots is another's */

static _Noreturn void work(void) {
        uint64_t books[SOCKTALLY_N_METRICS] = { 0 };
        int fds[2];

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close_range(3, ~0U, 0); /* links among them */
        own_network();
        for (int i = 0; i < N_PAIRS; i++) {
                tcp_pair(fds);
                move_stream(books, fds, N_BYTES);
                close(fds[0]);
                close(fds[1]);
        }
        _exit(EXIT_SUCCESS);
}

static void take_places(struct collect *collect) {
        __u64 *births = collect->skeleton->bss->births;

        memset(births, 0, sizeof(collect->skeleton->bss->births)); /* others have no say in it */
        for (size_t i = 0; i < sizeof(collect->skeleton->bss->births) / sizeof(*births); i += TAKEN)
                births[i] = (i + 1) << 3 | 1;
        collect->skeleton->data->first_young_inode = 0; /* youth says that there is no past, but not whose the SYN is */
}

static void skip_states(struct collect *collect) {
        const struct hook *hooks;
        size_t n = collect_hook_table(&hooks);

        for (size_t i = 0; i < n; i++)
                if (strcmp(hooks[i].program, "on_set_state") == 0) {
                        close(collect->links[i]);
                        collect->links[i] = -1;
                }
}

static uint64_t bytes_of(const struct sample *sample, pid_t pid, enum socktally_metric metric) {
        uint64_t bytes = 0;

        for (size_t i = 0; i < sample->n_rows; i++)
                if (sample->rows[i].key.tgid == (uint32_t) pid)
                        bytes += sample->rows[i].row.counters[metric];
        return bytes;
}

static struct collect *start(void) {
        struct collect_config config = {
                .load_mode = LOAD_ENTRY,
                .modules = EVERY_MODULE,
                .max_processes = 4096,
                .max_sockets = 65536,
        };
        struct collect *collect;

        if (collect_start(&collect, &config) < 0)
                bail_out("no memory");
        if (!collect_is_counting(collect))
                bail_out("cannot count: %s", collect_reason(collect));
        return collect;
}

static bool run_notes(void) {
        struct collect *collect = start();
        const struct sample *sample;
        uint64_t tx, rx;
        pid_t pid;

        need(collect_read(collect, &sample), "collect_read");
        take_places(collect);
        skip_states(collect);
        pid = need(fork(), "fork");
        if (pid == 0)
                work();
        need(waitpid(pid, NULL, 0), "waitpid");
        need(collect_read(collect, &sample), "collect_read");
        tx = bytes_of(sample, pid, SOCKTALLY_METRIC_tcp_tx_bytes);
        rx = bytes_of(sample, pid, SOCKTALLY_METRIC_tcp_rx_bytes);
        collect_stop(collect);
        if (tx == N_PAIRS * N_BYTES && rx == N_PAIRS * N_BYTES)
                return true;
        printf("# the process has sent %" PRIu64 " bytes and received %" PRIu64 " (%d)\n", tx, rx, N_PAIRS * N_BYTES);
        return false;
}

/* Is a socket that is made now, on this processor, known to be younger than the daemon? */
static bool is_young(const struct collect *collect) {
        struct stat status;
        int fd = need(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");

        need(fstat(fd, &status), "fstat");
        close(fd);
        return status.st_ino >= collect->skeleton->data->first_young_inode;
}

static bool run_youth(void) {
        struct collect *collect = start();
        cpu_set_t all, one;
        bool is_good = true;

        need(sched_getaffinity(0, sizeof(all), &all), "sched_getaffinity");
        for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
                if (!CPU_ISSET(cpu, &all))
                        continue;
                CPU_ZERO(&one);
                CPU_SET(cpu, &one);
                need(sched_setaffinity(0, sizeof(one), &one), "sched_setaffinity");
                if (!is_young(collect)) {
                        printf("# not on processor %d\n", cpu);
                        is_good = false;
                }
        }
        need(sched_setaffinity(0, sizeof(all), &all), "sched_setaffinity");
        collect_stop(collect);
        return is_good;
}

int main(void) {
        bool is_good, is_young_good;

        if (geteuid() != 0) {
                printf("1..0 # SKIP only root may load programs into the kernel\n");
                return EXIT_SUCCESS;
        }
        setpgid(0, 0);
        printf("1..2\n");
        is_good = run_notes();
        printf("%sok 1 - connections whose note is not in its first place have no past\n", is_good ? "" : "not ");
        is_young_good = run_youth();
        printf("%sok 2 - each processor's sockets are known to be young\n", is_young_good ? "" : "not ");
        return is_good && is_young_good ? EXIT_SUCCESS : EXIT_FAILURE;
}
