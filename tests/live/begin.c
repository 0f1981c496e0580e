/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bench: begin SOCKTALLYD [CONTAINERS [PROCESSES]]. Starts the daemon alone, and where so many cgroups have names
 * like those of Docker's containers, with a process in each of the last of them that moves data over the loopback once
 * a second. Prints as a table how long READY=1 took, and how long it took from there until every process had a row with
 * its container's name. Needs root and cgroup2; all cgroups and processes end with it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "libclient/socktally.h"
#include "tests/live/service.h"

#define MAX_CONTAINERS 20000
#define PATIENCE_MS 60000

static const char *const mounts[] = { "/sys/fs/cgroup/unified", "/sys/fs/cgroup" };
static char base[256];
static pid_t processes[MAX_CONTAINERS];

static _Noreturn void fail(const char *what) {
        fprintf(stderr, "begin: cannot %s: %s\n", what, strerror(errno));
        exit(EXIT_FAILURE);
}

static uint64_t now_ms(void) {
        struct timespec now;

        clock_gettime(CLOCK_BOOTTIME, &now);
        return (uint64_t) now.tv_sec * 1000 + (uint64_t) now.tv_nsec / 1000000;
}

static bool make_base(void) {
        char path[300];

        for (size_t i = 0; i < sizeof(mounts) / sizeof(*mounts); i++) {
                snprintf(path, sizeof(path), "%s/cgroup.procs", mounts[i]);
                snprintf(base, sizeof(base), "%s/socktally-begin-%d.slice", mounts[i], (int) getpid());
                if (access(path, W_OK) == 0 && mkdir(base, 0755) == 0)
                        return true;
        }
        return false;
}

static void path_of(unsigned int i, const char *file, char path[static PATH_MAX]) {
        snprintf(path, PATH_MAX, "%s/docker-%064x.scope%s", base, i, file);
}

/* One datagram to itself in each second. */
static _Noreturn void contain(unsigned int number, int report) {
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(address);
        char path[PATH_MAX], byte = 0;
        int fd = socket(AF_INET, SOCK_DGRAM, 0), procs;

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        prctl(PR_SET_NAME, "begin-contained");
        path_of(number, "/cgroup.procs", path);
        procs = open(path, O_WRONLY);
        if (procs < 0 || write(procs, "0", 1) != 1 || bind(fd, (struct sockaddr *) &address, size) < 0 ||
            getsockname(fd, (struct sockaddr *) &address, &size) < 0 ||
            connect(fd, (struct sockaddr *) &address, size) < 0 || write(report, "", 1) != 1)
                _exit(EXIT_FAILURE);
        close(procs);
        close(report);
        while (send(fd, &byte, 1, 0) == 1 && recv(fd, &byte, 1, 0) == 1)
                usleep(1000000);
        _exit(EXIT_FAILURE);
}

static void start_containers(unsigned int n, unsigned int n_processes) {
        char path[PATH_MAX], byte;
        int pipes[2];

        if (pipe(pipes) < 0)
                fail("make a pipe");
        for (unsigned int i = 0; i < n; i++) {
                path_of(i, "", path);
                if (mkdir(path, 0755) < 0)
                        fail("make a cgroup");
        }
        for (unsigned int i = n - n_processes; i < n; i++) {
                processes[i] = fork();
                if (processes[i] < 0)
                        fail("fork");
                if (processes[i] == 0)
                        contain(i, pipes[1]);
        }
        close(pipes[1]);
        for (unsigned int i = 0; i < n_processes; i++)
                if (read(pipes[0], &byte, 1) != 1)
                        fail("start a process in its cgroup");
        close(pipes[0]);
}

static void end_containers(unsigned int n) {
        char path[PATH_MAX];

        for (unsigned int i = 0; i < n; i++)
                if (processes[i] > 0)
                        kill(processes[i], SIGKILL);
        for (unsigned int i = 0; i < n; i++) {
                if (processes[i] > 0)
                        waitpid(processes[i], NULL, 0);
                path_of(i, "", path);
                rmdir(path);
        }
        rmdir(base);
}

static struct socktally *open_reader(const struct service *service) {
        char path[PATH_MAX];
        struct socktally_options options = { .size = sizeof(options), .view = SOCKTALLY_VIEW_FULL,
                                             .socket_path = path };
        struct socktally *reader;

        snprintf(path, sizeof(path), "%s/readers", service->directory);
        if (socktally_open(&reader, &options) < 0)
                fail("read from the daemon");
        return reader;
}

static unsigned int count_named(const struct socktally *reader, unsigned int *ret_seen) {
        size_t n = socktally_count(reader, SOCKTALLY_TABLE_PROCESSES);
        struct socktally_column comm_column, container_column;
        unsigned int n_named = 0;

        *ret_seen = 0;
        if (socktally_column(reader, SOCKTALLY_TABLE_PROCESSES, "comm", &comm_column) < 0 ||
            socktally_column(reader, SOCKTALLY_TABLE_PROCESSES, "container", &container_column) < 0)
                fail("find the columns");
        for (size_t i = 0; i < n; i++) {
                const char *comm, *container;
                struct socktally_row row;

                socktally_row(reader, SOCKTALLY_TABLE_PROCESSES, i, &row);
                if (socktally_text(&row, &comm_column, &comm) != SOCKTALLY_VALUE ||
                    strcmp(comm, "begin-contained") != 0)
                        continue;
                ++*ret_seen;
                n_named += socktally_text(&row, &container_column, &container) == SOCKTALLY_VALUE && container[0];
        }
        return n_named;
}

static void bench(const struct playbill *bill, unsigned int n, unsigned int n_processes) {
        const char *const options[] = { "--max-services=20000", "--max-containers=20000", NULL };
        unsigned int named = 0, seen = 0, most_unnamed = 0;
        struct service service = SERVICE_NULL;
        struct socktally *reader;
        char problem[400];
        uint64_t begin;

        start_containers(n, n_processes);
        if (service_start(&service, bill, options, problem, sizeof(problem)) < 0) {
                fprintf(stderr, "begin: %s\n", problem);
                end_containers(n);
                exit(EXIT_FAILURE);
        }
        begin = now_ms();
        reader = open_reader(&service);
        while (n_processes > 0 && now_ms() - begin < PATIENCE_MS) {
                named = count_named(reader, &seen);
                if (seen - named > most_unnamed)
                        most_unnamed = seen - named;
                if (named == n_processes)
                        break;
                (void) socktally_wait(reader, 1000000);
        }
        printf("| %u | %u | %llu | %llu | %u | %u |\n", n, n_processes, (unsigned long long) service.ready_after_ms,
               (unsigned long long) (now_ms() - begin), named, most_unnamed);
        fflush(stdout);
        socktally_close(reader);
        if (service_stop(&service, problem, sizeof(problem)) < 0)
                fprintf(stderr, "begin: %s\n", problem);
        end_containers(n);
}

int main(int argc, char **argv) {
        struct playbill bill = { .daemon = argc > 1 ? argv[1] : getenv("SOCKTALLYD"), .scale = 1,
                                 .load_mode = "entry", .attach_method = "auto" };
        unsigned int n = argc > 2 ? (unsigned int) atoi(argv[2]) : 5000;
        unsigned int n_processes = argc > 3 ? (unsigned int) atoi(argv[3]) : n / 10;

        if (!bill.daemon || geteuid() != 0 || n_processes > n || n > MAX_CONTAINERS) {
                fputs("Usage, as root: begin SOCKTALLYD [CONTAINERS [PROCESSES]]\n", stderr);
                return 2;
        }
        setenv("TMPDIR", "/dev/shm", 0);
        if (!make_base())
                fail("make a cgroup");
        puts("| containers | processes | ready after ms | all named after further ms | named "
             "| rows without a name, at the most |\n"
             "|---|---|---|---|---|---|");
        bench(&bill, 0, 0);
        if (mkdir(base, 0755) < 0)
                fail("make a cgroup");
        bench(&bill, n, n_processes);
        return EXIT_SUCCESS;
}
