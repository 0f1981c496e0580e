/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the daemon costs: opens very many sockets in very many processes, lets them rest and lets them move, and
 * prints per interval what the daemon says of its own CPU time, what the kernel's clock of the daemon says, and its
 * memory. A bench: it prints a table and does not judge. Needs root; all traffic stays on the loopback, all processes
 * end with it.
 */
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/live/scene.h"
#include "tests/live/service.h"
#include "tests/live/watch.h"

#define INTERVALS 30 /* the longest time between two passes */
/* What one process holds: a listener is needed for the TCP pairs and counts as a socket too. */
#define MAX_SOCKETS 4096
#define MAX_PROCESSES 10000
#define MOVED 100 /* sockets of a process that move, at the most */

struct size {
        unsigned int processes, sockets; /* sockets: of each process, even */
        unsigned int movers;             /* processes in which sockets move each second, beside none and all; 0: none */
};

static const struct size sizes[] = { { 2, 100, 0 }, { 100, 100, 10 }, { 1000, 100, 10 } };

/* Each worker reports one byte on a pipe when its sockets are open. Its orders are a word in memory that all share:
 * another number than before is the order to move data on its sockets once, ORDER_LEAVE the order to leave. Pipes of
 * orders would be thousands of descriptors, which workers inherit: theirs would be tables of that size, unlike those of
 * ordinary processes, and the walk over open files looks at all of it. */
struct crowd {
        int report[2];
        uint32_t *orders; /* MAX_PROCESSES */
};

#define ORDER_LEAVE UINT32_MAX

static _Noreturn void die(const char *what) {
        perror(what);
        exit(EXIT_FAILURE);
}

static int must(int result, const char *what) {
        if (result < 0)
                die(what);
        return result;
}

/* Every worker has a loopback address of its own, so that ports last for all of them. */
static struct sockaddr_in address_for(unsigned int worker, uint16_t port) {
        return (struct sockaddr_in) { .sin_family = AF_INET, .sin_port = htons(port),
                                      .sin_addr.s_addr = htonl(0x7f010001u + (worker << 8)) };
}

static int bound(unsigned int worker, int type, uint16_t *ret_port) {
        struct sockaddr_in address = address_for(worker, 0);
        socklen_t size = sizeof(address);
        int fd = must(socket(AF_INET, type | SOCK_CLOEXEC, 0), "socket");

        must(bind(fd, (struct sockaddr *) &address, size), "bind");
        must(getsockname(fd, (struct sockaddr *) &address, &size), "getsockname");
        *ret_port = ntohs(address.sin_port);
        return fd;
}

static int dialled(unsigned int worker, int type, uint16_t port) {
        struct sockaddr_in from = address_for(worker, 0), to = address_for(worker, port);
        int fd = must(socket(AF_INET, type | SOCK_CLOEXEC, 0), "socket");

        must(bind(fd, (struct sockaddr *) &from, sizeof(from)), "bind");
        must(connect(fd, (struct sockaddr *) &to, sizeof(to)), "connect");
        return fd;
}

static void move_once(int from, int to) {
        char bytes[100] = "";

        if (send(from, bytes, sizeof(bytes), 0) != (ssize_t) sizeof(bytes) ||
            recv(to, bytes, sizeof(bytes), MSG_WAITALL) != (ssize_t) sizeof(bytes))
                die("moving data");
}

/* Half of the sockets are TCP, half UDP, all in pairs that have moved data. */
static void open_sockets(unsigned int worker, unsigned int sockets, int *fds) {
        uint16_t port;
        int listener = bound(worker, SOCK_STREAM, &port);

        must(listen(listener, 16), "listen");
        for (unsigned int i = 0; i < sockets; i += 2) {
                if (i % 4 == 0) {
                        fds[i] = dialled(worker, SOCK_STREAM, port);
                        fds[i + 1] = must(accept4(listener, NULL, NULL, SOCK_CLOEXEC), "accept");
                } else {
                        uint16_t udp_port;

                        fds[i + 1] = bound(worker, SOCK_DGRAM, &udp_port);
                        fds[i] = dialled(worker, SOCK_DGRAM, udp_port);
                }
                move_once(fds[i], fds[i + 1]);
        }
        close(listener);
}

static void give_order(uint32_t *order, uint32_t value) {
        __atomic_store_n(order, value, __ATOMIC_RELEASE);
        syscall(SYS_futex, order, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static uint32_t await_order(const uint32_t *order, uint32_t last) {
        uint32_t value;

        while ((value = __atomic_load_n(order, __ATOMIC_ACQUIRE)) == last)
                syscall(SYS_futex, order, FUTEX_WAIT, last, NULL, NULL, 0);
        return value;
}

static _Noreturn void work(unsigned int worker, unsigned int sockets, int report, const uint32_t *orders) {
        unsigned int moved = sockets < MOVED ? sockets : MOVED;
        static int fds[MAX_SOCKETS];
        uint32_t order = 0;

        prctl(PR_SET_NAME, "storm-worker");
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        open_sockets(worker, sockets, fds);
        must((int) write(report, "", 1), "report");
        close(report);
        while ((order = await_order(orders, order)) != ORDER_LEAVE)
                for (unsigned int i = 0; i < moved; i += 2)
                        move_once(fds[i], fds[i + 1]);
        _exit(0);
}

static void await_reports(const struct crowd *crowd, unsigned int n) {
        char bytes[512];

        while (n > 0) {
                ssize_t r = read(crowd->report[0], bytes, n < sizeof(bytes) ? n : sizeof(bytes));

                if (r <= 0)
                        die("a worker ended early");
                n -= (unsigned int) r;
        }
}

static void start_worker(struct crowd *crowd, unsigned int number, unsigned int sockets) {
        if (must(fork(), "fork") == 0) {
                must(dup2(crowd->report[1], 4), "dup2");
                must(close_range(5, ~0U, 0), "close_range");
                work(number, sockets, 4, &crowd->orders[number]);
        }
}

static void start_crowd(struct crowd *crowd, const struct size *size) {
        int pipes[2];

        crowd->orders = mmap(NULL, MAX_PROCESSES * sizeof(*crowd->orders), PROT_READ | PROT_WRITE,
                             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (crowd->orders == MAP_FAILED)
                die("mmap");
        must(pipe(pipes), "pipe"); /* none of the first five numbers, which a worker gives to its own */
        for (unsigned int i = 0; i < 2; i++) {
                crowd->report[i] = must(fcntl(pipes[i], F_DUPFD, 5), "fcntl");
                close(pipes[i]);
        }
        fflush(stdout);
        for (unsigned int i = 0; i < size->processes; i++)
                start_worker(crowd, i, size->sockets);
        close(crowd->report[1]);
        await_reports(crowd, size->processes);
}

static void end_crowd(struct crowd *crowd, unsigned int processes) {
        for (unsigned int i = 0; i < processes; i++)
                give_order(&crowd->orders[i], ORDER_LEAVE);
        close(crowd->report[0]);
        for (unsigned int i = 0; i < processes; i++)
                wait(NULL);
        munmap(crowd->orders, MAX_PROCESSES * sizeof(*crowd->orders));
}

static uint64_t clock_ns(clockid_t clock) {
        struct timespec now;

        if (clock_gettime(clock, &now) < 0)
                die("clock");
        return (uint64_t) now.tv_sec * 1000000000 + (uint64_t) now.tv_nsec;
}

static unsigned long memory_kib(pid_t pid, const char *field) {
        char path[64], line[200];
        unsigned long value = 0;
        FILE *file;

        snprintf(path, sizeof(path), "/proc/%d/status", pid);
        file = fopen(path, "re");
        while (file && fgets(line, sizeof(line), file))
                if (strncmp(line, field, strlen(field)) == 0)
                        value = strtoul(line + strlen(field), NULL, 10);
        if (file)
                fclose(file);
        return value;
}

static int compare_costs(const void *a, const void *b) {
        uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

        return x < y ? -1 : x > y;
}

/* Watches the daemon for some intervals and prints one line of the table. */
static void measure(const struct service *service, struct watch *watch, const struct size *size, struct crowd *crowd,
                    unsigned int movers) {
        unsigned int moved = size->sockets < MOVED ? size->sockets : MOVED;
        uint64_t costs[INTERVALS], sockets, sequence, first, cpu;
        clockid_t clock;

        if (watch_next(watch) < 0)
                die(watch_problem(watch));
        clock_getcpuclockid(service->pid, &clock);
        watch_facts(watch, &costs[0], &sockets, &first);
        cpu = clock_ns(clock);
        for (unsigned int i = 0; i < INTERVALS; i++) {
                for (unsigned int j = 0; j < movers; j++)
                        give_order(&crowd->orders[j], crowd->orders[j] + 1);
                if (watch_next(watch) < 0)
                        die(watch_problem(watch));
                watch_facts(watch, &costs[i], &sockets, &sequence);
        }
        cpu = clock_ns(clock) - cpu;
        qsort(costs, INTERVALS, sizeof(*costs), compare_costs);
        printf("| %u | %u | %u | %llu | %.2f | %.2f | %.2f | %lu | %lu | %lu |\n", size->processes * size->sockets,
               size->processes, movers * moved, (unsigned long long) sockets,
               (double) cpu / 1e6 / (double) (sequence - first), (double) costs[INTERVALS / 2] / 1e6,
               (double) costs[INTERVALS - 1] / 1e6,
               memory_kib(service->pid, "RssAnon:"), memory_kib(service->pid, "RssFile:"),
               memory_kib(service->pid, "RssShmem:"));
        fflush(stdout);
}

static void storm(const struct playbill *bill, const struct size *size) {
        const char *const options[] = { "--interval=1s", "--idle-interval=1s", "--max-sockets=2000000", NULL };
        struct service service = SERVICE_NULL;
        struct crowd crowd;
        struct watch *watch;
        char problem[400];

        if (service_start(&service, bill, options, problem, sizeof(problem)) < 0) {
                fprintf(stderr, "%s\n", problem);
                exit(EXIT_FAILURE);
        }
        must(watch_open(&watch, service.directory), "reading from the daemon");
        start_crowd(&crowd, size);
        measure(&service, watch, size, &crowd, 0);
        if (size->movers > 0)
                measure(&service, watch, size, &crowd, size->movers);
        if (size->sockets <= MOVED)
                measure(&service, watch, size, &crowd, size->processes);
        end_crowd(&crowd, size->processes);
        watch_close(watch);
        if (service_stop(&service, problem, sizeof(problem)) < 0)
                fprintf(stderr, "%s\n", problem);
}

/* The default directory of the live tests is on a disk on some machines; where there is a tmpfs, segments belong
 * there. */
int main(int argc, char **argv) {
        const char *mode = getenv("SOCKTALLY_LOAD_MODE"), *method = getenv("SOCKTALLY_ATTACH_METHOD");
        struct playbill bill = { .daemon = argc > 1 ? argv[1] : getenv("SOCKTALLYD"), .scale = 1,
                                 .load_mode = mode ? mode : "entry", .attach_method = method ? method : "auto" };
        struct size chosen = { 0 };

        if (argc > 3)
                chosen = (struct size) { (unsigned int) atoi(argv[2]), (unsigned int) atoi(argv[3]) & ~1u,
                                         argc > 4 ? (unsigned int) atoi(argv[4]) : 0 };
        if (!bill.daemon || geteuid() != 0 || argc == 3 || chosen.processes > MAX_PROCESSES ||
            chosen.movers > chosen.processes ||
            chosen.sockets > MAX_SOCKETS) {
                fputs("Usage, as root: storm SOCKTALLYD [PROCESSES SOCKETS-OF-EACH [MOVING-PROCESSES]]\n", stderr);
                return 2;
        }
        setenv("TMPDIR", "/dev/shm", 0);
        printf("| open sockets | processes | sockets that move each second | sockets tracked "
               "| CPU ms per interval (mean, kernel's clock) | (median) | (worst) "
               "| anonymous KiB | file KiB | segment KiB |\n"
               "|---|---|---|---|---|---|---|---|---|---|\n");
        for (size_t i = 0; chosen.processes == 0 && i < sizeof(sizes) / sizeof(*sizes); i++)
                storm(&bill, &sizes[i]);
        if (chosen.processes > 0)
                storm(&bill, &chosen);
        return EXIT_SUCCESS;
}
