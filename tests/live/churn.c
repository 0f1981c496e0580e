/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sockets are made, used once and freed as fast as this machine can, while the folds walk over them without a pause. A
 * fold that touches a socket which is gone brings the kernel down when freed memory is poisoned: a guest is booted with
 * slub_debug=P and oops=panic for this (tests/guest/test-guest.sh). What the sockets moved must add up all the
 * same, with what the collector says was missed.
 *
 *     churn SECONDS
 *
 * Prints TAP, a case for each load mode. Drives the collector itself: the daemon would rest between its folds. All
 * traffic stays on the loopback.
 */
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/collect/collector.h"

#define N_WORKERS 4
#define N_SOCKETS 16 /* that a worker holds before it closes them all */

/* What the workers did, in memory that all share. */
struct books {
        uint64_t udp_bytes, tcp_bytes, sockets;
};

static _Noreturn void die(const char *what) {
        perror(what);
        exit(EXIT_FAILURE);
}

static int must(int result, const char *what) {
        if (result < 0)
                die(what);
        return result;
}

/* A connected socket to that port of the loopback. */
static int dial(int family, int type, uint16_t port) {
        struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = in6addr_loopback };
        struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        const struct linger linger = { .l_onoff = 1 }; /* a reset leaves no time-wait behind */
        int fd = must(socket(family, type | SOCK_CLOEXEC, 0), "socket");

        must(connect(fd, family == AF_INET ? (void *) &v4 : (void *) &v6, family == AF_INET ? sizeof(v4) : sizeof(v6)),
             "connect");
        if (type == SOCK_STREAM)
                must(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), "SO_LINGER");
        return fd;
}

static int listener(uint16_t *ret_port) {
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(address);
        int fd = must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");

        must(bind(fd, (struct sockaddr *) &address, size), "bind");
        must(listen(fd, N_SOCKETS), "listen");
        must(getsockname(fd, (struct sockaddr *) &address, &size), "getsockname");
        *ret_port = ntohs(address.sin_port);
        return fd;
}

/* Nobody reads: what a worker moves is what it sends. */
static _Noreturn void work(struct books *books, time_t end) {
        int fds[N_SOCKETS], peers[N_SOCKETS];
        uint16_t port;
        int door = listener(&port);

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        while (time(NULL) < end) {
                for (int i = 0; i < N_SOCKETS; i++) {
                        bool is_tcp = i % 8 == 7;

                        fds[i] = dial(i % 2 && !is_tcp ? AF_INET6 : AF_INET, is_tcp ? SOCK_STREAM : SOCK_DGRAM,
                                      is_tcp ? port : 9);
                        peers[i] = is_tcp ? must(accept4(door, NULL, NULL, SOCK_CLOEXEC), "accept") : -1;
                        if (send(fds[i], "0123456789", 10, 0) != 10)
                                die("send");
                        __atomic_fetch_add(is_tcp ? &books->tcp_bytes : &books->udp_bytes, 10, __ATOMIC_RELAXED);
                }
                for (int i = 0; i < N_SOCKETS; i++) {
                        close(fds[i]);
                        if (peers[i] >= 0)
                                close(peers[i]);
                }
                __atomic_fetch_add(&books->sockets, N_SOCKETS, __ATOMIC_RELAXED);
        }
        _exit(EXIT_SUCCESS);
}

struct sums {
        uint64_t udp_bytes, tcp_bytes;
        uint64_t missed; /* calls that send, which the kernel skipped the programs for */
};

static void add_row(struct sums *sums, const struct process_row *row) {
        sums->udp_bytes += row->counters[SOCKTALLY_METRIC_udp_tx_bytes];
        sums->tcp_bytes += row->counters[SOCKTALLY_METRIC_tcp_tx_bytes];
}

static bool is_ours(const struct sample_row *row, const pid_t *workers) {
        for (int i = 0; i < N_WORKERS; i++)
                if (row->key.tgid == (uint32_t) workers[i])
                        return true;
        return false;
}

/* The workers' rows now, and in *final those that have left the kernel. */
static struct sums read_rows(struct collect *collect, const pid_t *workers, struct sums *final) {
        const struct sample *sample;
        struct sums now = { 0 };

        if (collect_read(collect, &sample) < 0)
                die("collect_read");
        collect_saved(collect);
        for (size_t i = 0; i < sample->n_rows; i++)
                if (is_ours(&sample->rows[i], workers))
                        add_row(sample->rows[i].is_last ? final : &now, &sample->rows[i].row);
        add_row(&now, &sample->specials[SPECIAL_EXITED]);
        now.missed = sample->missed[0];
        return now;
}

/* Equal, but for what the collector says that was missed: each call and each connection has sent ten bytes. */
static bool is_right(const struct sums *sums, const struct books *books) {
        uint64_t udp_lost = books->udp_bytes - sums->udp_bytes, tcp_lost = books->tcp_bytes - sums->tcp_bytes;

        return sums->udp_bytes <= books->udp_bytes && sums->tcp_bytes <= books->tcp_bytes &&
               udp_lost + tcp_lost <= 10 * sums->missed;
}

static bool try_mode(enum load_mode mode, unsigned int seconds) {
        struct collect_config config = {
                .load_mode = mode,
                .modules = EVERY_MODULE,
                .max_processes = 16384,
                .max_sockets = 262144,
        };
        struct books *books = mmap(NULL, sizeof(*books), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        struct sums now, final = { 0 };
        unsigned int folds = 0, left = N_WORKERS;
        struct collect *collect;
        pid_t workers[N_WORKERS];
        int status;
        bool is_ok = true;

        if (books == MAP_FAILED)
                die("mmap");
        must(collect_start(&collect, &config), "collect_start");
        if (!collect_is_counting(collect)) {
                printf("# %s\n", collect_reason(collect));
                return false;
        }
        for (int i = 0; i < N_WORKERS; i++) {
                workers[i] = must(fork(), "fork");
                if (workers[i] == 0)
                        work(books, time(NULL) + seconds);
        }
        while (left > 0) {
                read_rows(collect, workers, &final);
                folds++;
                while (waitpid(-1, &status, WNOHANG) > 0) {
                        left--;
                        is_ok = is_ok && status == 0;
                }
        }
        now = read_rows(collect, workers, &final);
        now.udp_bytes += final.udp_bytes;
        now.tcp_bytes += final.tcp_bytes;
        printf("# %s: %llu sockets, %u folds; UDP %llu bytes of %llu, TCP %llu of %llu; %llu calls missed, %s\n",
               load_mode_name(mode),
               (unsigned long long) books->sockets, folds, (unsigned long long) now.udp_bytes,
               (unsigned long long) books->udp_bytes, (unsigned long long) now.tcp_bytes,
               (unsigned long long) books->tcp_bytes, (unsigned long long) now.missed, collect_reason(collect));
        is_ok = is_ok && is_right(&now, books);
        collect_stop(collect);
        munmap(books, sizeof(*books));
        return is_ok;
}

int main(int argc, char **argv) {
        unsigned int seconds = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
        bool is_ok = true;

        if (seconds == 0) {
                fprintf(stderr, "usage: churn SECONDS\n");
                return 2;
        }
        setvbuf(stdout, NULL, _IOLBF, 0);
        printf("1..%d\n", N_LOAD_MODES);
        for (int mode = 0; mode < N_LOAD_MODES; mode++) {
                bool is_good = try_mode(mode, seconds);

                printf("%sok %d - sockets are freed while folds walk over them, in load mode %s\n",
                       is_good ? "" : "not ", mode + 1, load_mode_name(mode));
                is_ok = is_ok && is_good;
        }
        return is_ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
