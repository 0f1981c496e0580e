/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each worker sends to itself: a TCP connection, a UDP socket, and a raw socket of a protocol that nobody else speaks,
 * so that the host row has nothing else of it. TCP connections and UDP sockets are replaced now and then, as a new
 * socket asks for a row and an old one does not.
 */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/live/mover.h"
#include "tests/live/workers.h"

static void pause_if_asked(struct workers *workers, struct worker *worker) {
        if (!__atomic_load_n(&workers->is_held, __ATOMIC_ACQUIRE))
                return;
        sem_post(&worker->held);
        while (sem_wait(&worker->go) < 0)
                ;
}

/* A process that had the collector's links would keep them attached. fd: its own; -1: none. */
static void leave_links(int fd) {
        if (fd > 3)
                close_range(3, (unsigned) fd - 1, 0);
        close_range(fd < 0 ? 3 : (unsigned) fd + 1, ~0U, 0);
}

static void send_brief(struct workers *workers) {
        pid_t pid = need(fork(), "fork");
        int fd;

        if (pid == 0) {
                own_network(); /* else the parent would receive it too */
                fd = self_socket(SOCK_RAW, PROTOCOL_EXPERIMENT);
                _exit(send(fd, "brief", 5, 0) == 5 ? EXIT_SUCCESS : EXIT_FAILURE);
        }
        workers->brief_bytes += 5;
        while (waitpid(pid, NULL, 0) < 0)
                ;
}

/* Their parent holds no connection: in load mode passive one that fork hands on may be a child's for some intervals. */
static _Noreturn void breed(struct workers *workers) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        leave_links(-1);
        for (;;) {
                while (sem_wait(&workers->brief_wanted) < 0)
                        ;
                send_brief(workers);
                sem_post(&workers->brief_done);
        }
}

static void ask_for_brief(struct workers *workers) {
        sem_post(&workers->brief_wanted);
        while (sem_wait(&workers->brief_done) < 0)
                ;
}

static void start_breeder(struct workers *workers) {
        pid_t pid;

        sem_init(&workers->brief_wanted, 1, 0);
        sem_init(&workers->brief_done, 1, 0);
        pid = need(fork(), "fork");
        if (pid == 0)
                breed(workers);
        workers->breeder = pid;
}

static _Noreturn void work(struct workers *workers, struct worker *worker) {
        int pair[2], udp, raw;

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        leave_links(-1);
        own_network();
        tcp_pair(pair);
        udp = self_socket(SOCK_DGRAM, 0);
        raw = self_socket(SOCK_RAW, PROTOCOL_EXPERIMENT);
        srand((unsigned) (worker - workers->workers));
        for (unsigned i = 1;; i++) {
                move_stream(worker->moved, pair, 1 + (size_t) rand() % 16384);
                move_datagram(worker->moved, udp, 1 + (size_t) rand() % 1000, SOCKTALLY_METRIC_udp_tx_bytes,
                              SOCKTALLY_METRIC_udp_rx_bytes);
                move_datagram(worker->moved, raw, 1 + (size_t) rand() % 1000, SOCKTALLY_METRIC_other_tx_bytes,
                              SOCKTALLY_METRIC_other_rx_bytes);
                if (i % 64 == 0 && (worker - workers->workers) % 2 == 0) {
                        close(pair[0]);
                        close(pair[1]);
                        tcp_pair(pair);
                        close(udp);
                        udp = self_socket(SOCK_DGRAM, 0);
                }
                if (i % 256 == 0 && worker == workers->workers && workers->breeder)
                        ask_for_brief(workers);
                pause_if_asked(workers, worker);
        }
}

static _Noreturn void rest(int ready) {
        int fd;

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        leave_links(ready);
        own_network();
        fd = self_socket(SOCK_RAW, PROTOCOL_EXPERIMENT);
        need((int) send(fd, "rest", RESTING_BYTES, 0), "send");
        need((int) write(ready, "", 1), "write");
        for (;;)
                pause();
}

static void start_resting(struct workers *workers) {
        int ready[2];
        char byte;

        need(pipe(ready), "pipe");
        for (unsigned i = 0; i < N_RESTING; i++) {
                pid_t pid = need(fork(), "fork");

                if (pid == 0)
                        rest(ready[1]);
                workers->resting[i] = pid;
        }
        for (unsigned i = 0; i < N_RESTING; i++)
                need((int) read(ready[0], &byte, 1), "read");
        close(ready[0]);
        close(ready[1]);
}

struct workers *workers_start(bool has_brief) {
        struct workers *workers = mmap(NULL, sizeof *workers, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                                       0);

        need(workers == MAP_FAILED ? -1 : 0, "memory");
        fflush(stdout);
        start_resting(workers);
        if (has_brief)
                start_breeder(workers);
        for (unsigned i = 0; i < N_WORKERS; i++) {
                pid_t pid;

                sem_init(&workers->workers[i].held, 1, 0);
                sem_init(&workers->workers[i].go, 1, 0);
                pid = need(fork(), "fork");
                if (pid == 0)
                        work(workers, &workers->workers[i]);
                workers->workers[i].pid = pid;
        }
        return workers;
}

void workers_hold(struct workers *workers) {
        __atomic_store_n(&workers->is_held, true, __ATOMIC_RELEASE);
        for (unsigned i = 0; i < N_WORKERS; i++)
                while (sem_wait(&workers->workers[i].held) < 0)
                        ;
}

void workers_let_go(struct workers *workers) {
        __atomic_store_n(&workers->is_held, false, __ATOMIC_RELEASE);
        for (unsigned i = 0; i < N_WORKERS; i++)
                sem_post(&workers->workers[i].go);
}

void workers_stop(struct workers *workers) {
        for (unsigned i = 0; i < N_RESTING; i++)
                kill(workers->resting[i], SIGKILL);
        for (unsigned i = 0; i < N_WORKERS; i++)
                kill(workers->workers[i].pid, SIGKILL);
        if (workers->breeder) {
                kill(workers->breeder, SIGKILL);
                waitpid(workers->breeder, NULL, 0);
        }
        for (unsigned i = 0; i < N_RESTING; i++)
                waitpid(workers->resting[i], NULL, 0);
        for (unsigned i = 0; i < N_WORKERS; i++)
                waitpid(workers->workers[i].pid, NULL, 0);
        munmap(workers, sizeof *workers);
}

void workers_complain(struct workers *workers, const char *format, ...) {
        va_list arguments;

        if (workers->problem[0])
                return;
        va_start(arguments, format);
        vsnprintf(workers->problem, sizeof workers->problem, format, arguments);
        va_end(arguments);
}
