/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bench that also judges: burst SOCKTALLYD [PROCESSES]. So many short processes each make one TCP connection over
 * the loopback, send and receive a few bytes, and exit. None may be missing, each must have its service and its app,
 * and the service must have all bytes and connections. Then as many processes do the same and stay until all are
 * there. The table is the daemon's memory before, with all of them, and when their rows have gone. Needs root and
 * cgroup2.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
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

#define NAME "burst-brief"
#define MAX_PROCESSES 30000
#define MAX_PIDS 4194304
#define AT_A_TIME 200
#define SENT 100
#define RECEIVED 10

static const char *const mounts[] = { "/sys/fs/cgroup/unified", "/sys/fs/cgroup" };
static char cgroup[256], unit[64];

struct burst {
        struct service service;
        struct socktally *reader;
        int listener;
        struct sockaddr_in address;
        uint8_t seen[MAX_PIDS]; /* bits: met, with a service, with an app */
};

static _Noreturn void fail(const char *what) {
        fprintf(stderr, "burst: cannot %s: %s\n", what, strerror(errno));
        exit(EXIT_FAILURE);
}

static void make_cgroup(void) {
        char path[300];

        snprintf(unit, sizeof(unit), "socktally-burst-%d.service", (int) getpid());
        for (size_t i = 0; i < sizeof(mounts) / sizeof(*mounts); i++) {
                snprintf(path, sizeof(path), "%s/cgroup.procs", mounts[i]);
                snprintf(cgroup, sizeof(cgroup), "%s/%s", mounts[i], unit);
                if (access(path, W_OK) == 0 && mkdir(cgroup, 0755) == 0)
                        return;
        }
        fail("make a cgroup");
}

static void enter_cgroup(void) {
        char path[300];
        int fd;

        snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
        fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0 || write(fd, "0", 1) != 1)
                _exit(EXIT_FAILURE);
        close(fd);
}

static void listen_here(struct burst *burst) {
        socklen_t size = sizeof(burst->address);

        burst->address = (struct sockaddr_in) { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        burst->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (burst->listener < 0 || bind(burst->listener, (struct sockaddr *) &burst->address, size) < 0 ||
            getsockname(burst->listener, (struct sockaddr *) &burst->address, &size) < 0 ||
            listen(burst->listener, 4096) < 0)
                fail("listen");
}

/* leave: a pipe on which nobody writes; its end is the order to leave. -1: leaves at once. */
static _Noreturn void be_brief(const struct burst *burst, int leave) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        char bytes[SENT] = "";

        prctl(PR_SET_NAME, NAME);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        enter_cgroup();
        if (connect(fd, (const struct sockaddr *) &burst->address, sizeof(burst->address)) < 0 ||
            send(fd, bytes, SENT, 0) != SENT || recv(fd, bytes, RECEIVED, MSG_WAITALL) != RECEIVED)
                _exit(EXIT_FAILURE);
        if (leave >= 0)
                (void) !read(leave, bytes, 1);
        _exit(EXIT_SUCCESS);
}

static void serve_one(const struct burst *burst) {
        int fd = accept4(burst->listener, NULL, NULL, SOCK_CLOEXEC);
        char bytes[SENT] = "";

        if (fd < 0 || recv(fd, bytes, SENT, MSG_WAITALL) != SENT || send(fd, bytes, RECEIVED, 0) != RECEIVED)
                fail("serve a connection");
        close(fd);
}

/* The server is this process, so each batch of children finds it waiting. leave: both ends of a pipe. */
static void start_batch(const struct burst *burst, unsigned int n, const int *leave) {
        for (unsigned int i = 0; i < n; i++) {
                pid_t pid = fork();

                if (pid < 0)
                        fail("fork");
                if (pid == 0) {
                        if (leave)
                                close(leave[1]);
                        be_brief(burst, leave ? leave[0] : -1);
                }
        }
        for (unsigned int i = 0; i < n; i++)
                serve_one(burst);
}

static void wait_all(unsigned int n) {
        int status;

        for (unsigned int i = 0; i < n; i++)
                if (wait(&status) < 0 || status != 0)
                        fail("see a process end well");
}

static struct socktally_column column(const struct burst *burst, enum socktally_table table, const char *name) {
        struct socktally_column result;

        if (socktally_column(burst->reader, table, name, &result) < 0)
                fail(name);
        return result;
}

static bool has_text(const struct socktally_row *row, const struct socktally_column *wanted) {
        const char *text;

        return socktally_text(row, wanted, &text) == SOCKTALLY_VALUE && text[0];
}

static void look(struct burst *burst) {
        const struct socktally_column comm = column(burst, SOCKTALLY_TABLE_PROCESSES, "comm"),
                                      pid = column(burst, SOCKTALLY_TABLE_PROCESSES, "pid"),
                                      service = column(burst, SOCKTALLY_TABLE_PROCESSES, "service"),
                                      app = column(burst, SOCKTALLY_TABLE_PROCESSES, "app");
        size_t n = socktally_count(burst->reader, SOCKTALLY_TABLE_PROCESSES);

        for (size_t i = 0; i < n; i++) {
                struct socktally_row row;
                const char *name;
                uint64_t number;

                socktally_row(burst->reader, SOCKTALLY_TABLE_PROCESSES, i, &row);
                if (socktally_text(&row, &comm, &name) == SOCKTALLY_VALUE && strcmp(name, NAME) == 0 &&
                    socktally_value(&row, &pid, &number) == SOCKTALLY_VALUE && number < MAX_PIDS)
                        burst->seen[number] |= (uint8_t) (1 | has_text(&row, &service) << 1 |
                                                          has_text(&row, &app) << 2);
        }
}

static void count_seen(const struct burst *burst, unsigned int counts[3]) {
        memset(counts, 0, 3 * sizeof(*counts));
        for (size_t i = 0; i < MAX_PIDS; i++)
                for (unsigned int bit = 0; bit < 3; bit++)
                        counts[bit] += burst->seen[i] >> bit & 1;
}

static uint64_t of_service(const struct burst *burst, const char *metric) {
        const struct socktally_column wanted = column(burst, SOCKTALLY_TABLE_SERVICES, metric);
        struct socktally_row row;
        uint64_t value = 0;

        if (socktally_find_service(burst->reader, unit, UINT32_MAX, &row) != SOCKTALLY_VALUE)
                return 0;
        (void) socktally_value(&row, &wanted, &value);
        return value;
}

static void next_publication(struct burst *burst) {
        if (socktally_wait(burst->reader, 30000000) < 0)
                fail("wait for a publication");
        look(burst);
}

static int check(const char *what, uint64_t is, uint64_t wanted) {
        printf("%s: %llu of %llu%s\n", what, (unsigned long long) is, (unsigned long long) wanted,
               is == wanted ? "" : " WRONG");
        return is == wanted ? 0 : 1;
}

static int be_short(struct burst *burst, unsigned int n) {
        unsigned int counts[3];
        int n_wrong = 0;

        for (unsigned int i = 0; i < n; i += AT_A_TIME) {
                unsigned int batch = n - i < AT_A_TIME ? n - i : AT_A_TIME;

                start_batch(burst, batch, NULL);
                wait_all(batch);
                if (socktally_refresh(burst->reader) > 0)
                        look(burst);
        }
        for (unsigned int i = 0; i < 10; i++)
                next_publication(burst);
        count_seen(burst, counts);
        n_wrong += check("processes met", counts[0], n);
        n_wrong += check("with their service", counts[1], n);
        n_wrong += check("with their app", counts[2], n);
        n_wrong += check("bytes sent by the service", of_service(burst, "tcp_tx_bytes"), (uint64_t) n * SENT);
        n_wrong += check("bytes received", of_service(burst, "tcp_rx_bytes"), (uint64_t) n * RECEIVED);
        n_wrong += check("connections made", of_service(burst, "tcp_connects_v4"), n);
        n_wrong += check("connections closed", of_service(burst, "tcp_closes"), n);
        fflush(stdout);
        return n_wrong;
}

static void print_memory(const struct burst *burst, const char *when) {
        static const char *const fields[] = { "VmRSS:", "RssAnon:", "RssShmem:" };
        char path[64], line[200];
        unsigned long values[3] = { 0 };
        FILE *file;

        snprintf(path, sizeof(path), "/proc/%d/status", (int) burst->service.pid);
        file = fopen(path, "re");
        while (file && fgets(line, sizeof(line), file))
                for (unsigned int i = 0; i < 3; i++)
                        if (strncmp(line, fields[i], strlen(fields[i])) == 0)
                                values[i] = strtoul(line + strlen(fields[i]), NULL, 10);
        if (file)
                fclose(file);
        printf("| %s | %zu | %lu | %lu | %lu |\n", when, socktally_count(burst->reader, SOCKTALLY_TABLE_PROCESSES),
               values[0], values[1], values[2]);
        fflush(stdout);
}

static void rest(struct burst *burst, unsigned int seconds) {
        time_t end = time(NULL) + seconds;

        while (time(NULL) < end)
                next_publication(burst);
}

static void be_many(struct burst *burst, unsigned int n) {
        int leave[2];

        puts("| | rows of processes | RSS KiB | anonymous KiB | segments KiB |\n|---|---|---|---|---|");
        rest(burst, 15);
        print_memory(burst, "after the short ones");
        if (pipe2(leave, O_CLOEXEC) < 0)
                fail("make a pipe");
        for (unsigned int i = 0; i < n; i += AT_A_TIME)
                start_batch(burst, n - i < AT_A_TIME ? n - i : AT_A_TIME, leave);
        for (unsigned int i = 0; i < 5; i++)
                next_publication(burst);
        print_memory(burst, "with all of them");
        close(leave[0]);
        close(leave[1]);
        wait_all(n);
        rest(burst, 15);
        print_memory(burst, "15 s later");
        rest(burst, 30);
        print_memory(burst, "45 s later");
}

int main(int argc, char **argv) {
        struct playbill bill = { .daemon = argc > 1 ? argv[1] : getenv("SOCKTALLYD"), .scale = 1,
                                 .load_mode = "entry", .attach_method = "auto" };
        unsigned int n = argc > 2 ? (unsigned int) atoi(argv[2]) : 10000;
        const char *const intervals[] = { "--interval=1s", "--idle-interval=1s", NULL };
        static struct burst burst;
        char problem[400], path[PATH_MAX];
        struct socktally_options options = { .size = sizeof(options), .view = SOCKTALLY_VIEW_FULL,
                                             .socket_path = path };
        int n_wrong;

        if (!bill.daemon || geteuid() != 0 || n > MAX_PROCESSES) {
                fputs("Usage, as root: burst SOCKTALLYD [PROCESSES]\n", stderr);
                return 2;
        }
        setenv("TMPDIR", "/dev/shm", 0);
        make_cgroup();
        listen_here(&burst);
        if (service_start(&burst.service, &bill, intervals, problem, sizeof(problem)) < 0) {
                fprintf(stderr, "burst: %s\n", problem);
                return EXIT_FAILURE;
        }
        snprintf(path, sizeof(path), "%s/readers", burst.service.directory);
        if (socktally_open(&burst.reader, &options) < 0)
                fail("read from the daemon");
        print_memory(&burst, "before");
        n_wrong = be_short(&burst, n);
        be_many(&burst, n);
        socktally_close(burst.reader);
        rmdir(cgroup);
        if (service_stop(&burst.service, problem, sizeof(problem)) < 0)
                fprintf(stderr, "burst: %s\n", problem);
        return n_wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}
