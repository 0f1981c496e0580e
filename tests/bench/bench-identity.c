/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What names cost, as a table in Markdown: bench-identity [CGROUPS [PROCESSES]]. Makes so many directories in the
 * kernel's tree of cgroups, named like Docker's containers, with a process in each of the first, and removes all of
 * them at the end. Needs root. Then, by the clock on the wall:
 *
 *   - the tree is followed from nothing, one turn after the other as the event loop would, until all is known
 *   - events are lost, and the same happens until the tree was looked at again
 *   - each process is asked for, when its cgroup is known and when it is not
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/clock.h"
#include "daemon/identity/cgroups.h"
#include "daemon/identity/identities.h"
#include "daemon/identity/mount.h"

#define MAX_CGROUPS 16384 /* as the daemon has it */
#define MAX_PROCESSES 20000
#define LOST_EVENTS 20000 /* more than fs.inotify.max_queued_events */
#define PATIENCE_NS (60 * UINT64_C(1000000000))

static char mount[512], base[600];
static pid_t processes[MAX_PROCESSES];

static _Noreturn void fail(const char *what) {
        fprintf(stderr, "bench-identity: cannot %s: %s\n", what, strerror(errno));
        exit(EXIT_FAILURE);
}

static void path_of(unsigned i, char path[static PATH_MAX]) {
        snprintf(path, PATH_MAX, "%s/docker-%064x.scope", base, i);
}

static void make_cgroups(unsigned n) {
        char path[PATH_MAX];

        snprintf(base, sizeof base, "%s/socktally-bench-%d.slice", mount, (int) getpid());
        if (mkdir(base, 0755) < 0)
                fail("make a cgroup");
        for (unsigned i = 0; i < n; i++) {
                path_of(i, path);
                if (mkdir(path, 0755) < 0)
                        fail("make a cgroup");
        }
}

static void enter(const char *directory) {
        char path[PATH_MAX + 16];
        int fd;

        snprintf(path, sizeof path, "%s/cgroup.procs", directory);
        fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0 || write(fd, "0", 1) != 1)
                _exit(EXIT_FAILURE);
        close(fd);
}

static void start_processes(unsigned n) {
        char path[PATH_MAX], byte;
        int pipes[2];

        if (pipe(pipes) < 0)
                fail("make a pipe");
        for (unsigned i = 0; i < n; i++) {
                processes[i] = fork();
                if (processes[i] < 0)
                        fail("fork");
                if (processes[i] > 0)
                        continue;
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                path_of(i, path);
                enter(path);
                if (write(pipes[1], "", 1) == 1)
                        for (;;)
                                pause();
                _exit(EXIT_FAILURE);
        }
        close(pipes[1]);
        for (unsigned i = 0; i < n; i++)
                if (read(pipes[0], &byte, 1) != 1)
                        fail("enter a cgroup");
        close(pipes[0]);
}

static void clean_up(unsigned n_cgroups, unsigned n_processes) {
        char path[PATH_MAX];

        for (unsigned i = 0; i < n_processes; i++)
                kill(processes[i], SIGKILL);
        for (unsigned i = 0; i < n_processes; i++)
                waitpid(processes[i], NULL, 0);
        for (unsigned i = 0; i < n_cgroups; i++) {
                path_of(i, path);
                rmdir(path);
        }
        rmdir(base);
}

struct turns {
        uint64_t longest_ns, sum_ns, begin_ns, end_ns; /* end_ns: of the last that did something */
        unsigned n;
};

/* Turns as long as there is something to do, up to a time without anything. */
static void follow(struct cgroups *cgroups, struct turns *turns, uint64_t quiet_ns) {
        uint64_t now = clock_ns(CLOCK_MONOTONIC), begin = now;

        turns->end_ns = now;
        while (now - turns->end_ns < quiet_ns && now - begin < PATIENCE_NS) {
                uint64_t cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID), ns;

                (void) cgroups_follow(cgroups);
                ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
                now = clock_ns(CLOCK_MONOTONIC);
                if (ns > turns->longest_ns)
                        turns->longest_ns = ns;
                turns->sum_ns += ns;
                turns->n++;
                if (ns > 200000)
                        turns->end_ns = now;
                usleep(1000);
        }
}

static void print_turns(const char *what, const struct turns *turns, size_t known) {
        printf("| %s | %.2f | %.1f | %.0f | %zu |\n", what, (double) turns->longest_ns / 1e6,
               (double) turns->sum_ns / 1e6, (double) (turns->end_ns - turns->begin_ns) / 1e6, known);
}

static void lose_events(void) {
        char path[PATH_MAX];

        for (unsigned i = 0; i < LOST_EVENTS; i++) {
                snprintf(path, sizeof path, "%s/lost-%u", base, i % 2); /* the kernel makes one event of equal ones */
                if (mkdir(path, 0755) < 0 || rmdir(path) < 0)
                        fail("make and remove a cgroup");
        }
}

static void bench_tree(unsigned n_cgroups) {
        struct cgroups *cgroups;
        struct turns turns = { .begin_ns = clock_ns(CLOCK_MONOTONIC) };
        uint64_t cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);

        printf("With %u cgroups:\n\n"
               "| | longest turn, ms | sum of turns, ms | known after ms | cgroups known |\n|---|---|---|---|---|\n",
               n_cgroups);
        if (cgroups_new(&cgroups, mount, MAX_CGROUPS) < 0)
                fail("follow the tree");
        turns.longest_ns = turns.sum_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
        turns.end_ns = clock_ns(CLOCK_MONOTONIC);
        print_turns("start", &turns, cgroups_count(cgroups));
        follow(cgroups, &turns, 1000000000);
        print_turns("all", &turns, cgroups_count(cgroups));
        lose_events();
        turns = (struct turns) { .begin_ns = clock_ns(CLOCK_MONOTONIC) };
        follow(cgroups, &turns, 2 * CGROUPS_RESCAN_NS);
        print_turns("again, after events were lost", &turns, cgroups_count(cgroups));
        cgroups_free(cgroups);
}

/* In ticks; /proc/PID/stat has the time when a process started in its 22nd field. */
static uint64_t start_time_of(pid_t pid) {
        unsigned long long ticks = 0;
        char path[64];
        FILE *file;

        snprintf(path, sizeof path, "/proc/%d/stat", (int) pid);
        file = fopen(path, "re");
        if (!file || fscanf(file, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d "
                                  "%*d %*d %llu", &ticks) != 1)
                fail("read /proc");
        fclose(file);
        return (uint64_t) ticks * (UINT64_C(1000000000) / (uint64_t) sysconf(_SC_CLK_TCK));
}

static struct process_key *make_keys(unsigned n) {
        struct process_key *keys = calloc(n, sizeof *keys);
        char path[PATH_MAX];
        struct stat st;

        for (unsigned i = 0; keys && i < n; i++) {
                path_of(i, path);
                if (stat(path, &st) < 0)
                        fail("look at a cgroup");
                keys[i] = (struct process_key) { .tgid = (uint32_t) processes[i], .cgroup_id = st.st_ino,
                                                 .start_time = start_time_of(processes[i]) };
        }
        return keys;
}

static void bench_finds(const char *what, uint32_t max_cgroups, const struct process_key *keys, unsigned n) {
        struct identities_config config = { .proc = "/proc", .cgroup_mount = mount, .max_cgroups = max_cgroups };
        uint64_t begin, names_ns, lines_ns;
        struct identities *identities;
        struct identity identity;
        unsigned n_named = 0;
        char line[1024];

        if (identities_new(&identities, &config) < 0)
                fail("begin");
        for (unsigned i = 0; max_cgroups > 1 && i < 200; i++) {
                usleep(10000);
                identities_follow(identities);
        }
        begin = clock_ns(CLOCK_MONOTONIC);
        for (unsigned i = 0; i < n; i++)
                if (identities_find(identities, &keys[i], keys[i].tgid, "bench", &identity))
                        n_named += identity.container.id[0] != '\0';
        names_ns = clock_ns(CLOCK_MONOTONIC) - begin;
        begin = clock_ns(CLOCK_MONOTONIC);
        for (unsigned i = 0; i < n; i++)
                identities_command_line(identities, keys[i].tgid, keys[i].start_time, line, sizeof line);
        lines_ns = clock_ns(CLOCK_MONOTONIC) - begin;
        printf("| %s | %.1f | %.1f | %u of %u |\n", what, (double) names_ns / n / 1e3, (double) lines_ns / n / 1e3,
               n_named, n);
        identities_free(identities);
}

int main(int argc, char **argv) {
        unsigned n_cgroups = argc > 1 ? (unsigned) atoi(argv[1]) : 5000;
        unsigned n_processes = argc > 2 ? (unsigned) atoi(argv[2]) : 1000;
        struct process_key *keys;

        if (n_processes > n_cgroups || n_processes > MAX_PROCESSES || geteuid() != 0 ||
            mount_find_cgroups("/proc/self/mountinfo", mount, sizeof mount) < 0) {
                fputs("Usage, as root and with cgroup2: bench-identity [CGROUPS [PROCESSES]]\n", stderr);
                return 2;
        }
        make_cgroups(n_cgroups);
        start_processes(n_processes);
        bench_tree(n_cgroups);
        keys = make_keys(n_processes);
        if (!keys)
                fail("begin");
        puts("\n| each process | identity, us | command line, us | with a container |\n|---|---|---|---|");
        bench_finds("its cgroup is known", MAX_CGROUPS, keys, n_processes);
        bench_finds("its cgroup is not known", 1, keys, n_processes);
        free(keys);
        clean_up(n_cgroups, n_processes);
        return EXIT_SUCCESS;
}
