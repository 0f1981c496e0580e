// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Runs a command while a daemon runs.
 *
 *     with-daemon [--ready-within=SECONDS | --settle=SECONDS] DAEMON [ARGUMENT]... -- COMMAND [ARGUMENT]...
 *
 * The daemon is started with a notification socket; the command starts when the daemon has sent READY=1 (within 30 s,
 * else it counts as failed). A program that notifies nobody is given --settle seconds instead. When the command has
 * ended, the daemon gets SIGTERM and is waited for. A guest has no service manager; this is the part of one that the
 * tests there need. What the daemon says goes to standard error.
 *
 * Exit: the command's own code; 121 the daemon never got ready; 122 it ended before the command did; 123 it did not
 * exit with 0 on SIGTERM, although the command did. --settle accepts any end on SIGTERM.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
        EXIT_NEVER_READY = 121,
        EXIT_DAEMON_ENDED = 122,
        EXIT_DAEMON_FAILED = 123,
};

static void fail(const char *what) {
        fprintf(stderr, "with-daemon: %s: %s\n", what, strerror(errno));
        exit(EXIT_FAILURE);
}

/* The socket gets a name of the kernel's choosing in the abstract name space: nothing to clean up. */
static int open_notify_socket(void) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        socklen_t size = sizeof address;
        char name[sizeof address.sun_path + 1];
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)) < 0 ||
            getsockname(fd, (struct sockaddr *)&address, &size) < 0)
                fail("notification socket");
        snprintf(name, sizeof name, "@%.*s", (int)(size - offsetof(struct sockaddr_un, sun_path) - 1),
                 address.sun_path + 1);
        if (setenv("NOTIFY_SOCKET", name, 1) < 0)
                fail("setenv NOTIFY_SOCKET");
        return fd;
}

static pid_t start(char *argv[], bool to_stderr) {
        pid_t parent = getpid(), pid = fork();

        if (pid < 0)
                fail("fork");
        if (pid > 0)
                return pid;
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != parent)
                _exit(EXIT_FAILURE);
        if (to_stderr)
                dup2(STDERR_FILENO, STDOUT_FILENO);
        execvp(argv[0], argv);
        fprintf(stderr, "with-daemon: %s: %s\n", argv[0], strerror(errno));
        _exit(127);
}

static bool has_ended(pid_t pid) {
        siginfo_t info = { 0 };

        return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid;
}

/* A message may hold several lines; READY=1 is one of them. */
static bool says_ready(int fd) {
        char message[4096], *line, *rest = message;
        ssize_t n = recv(fd, message, sizeof message - 1, 0);

        if (n <= 0)
                return false;
        message[n] = '\0';
        while ((line = strsep(&rest, "\n")))
                if (strcmp(line, "READY=1") == 0)
                        return true;
        return false;
}

/* Looks at the clock ten times a second only to notice a daemon that has ended; readiness wakes it at once. */
static void await_ready(int fd, pid_t daemon_pid, time_t seconds) {
        struct pollfd events = { .fd = fd, .events = POLLIN };
        struct timespec now, begin;

        clock_gettime(CLOCK_MONOTONIC, &begin);
        do {
                if (poll(&events, 1, 100) > 0 && says_ready(fd))
                        return;
                if (has_ended(daemon_pid)) {
                        fprintf(stderr, "with-daemon: the daemon ended before it was ready\n");
                        exit(EXIT_NEVER_READY);
                }
                clock_gettime(CLOCK_MONOTONIC, &now);
        } while (now.tv_sec - begin.tv_sec < seconds);
        fprintf(stderr, "with-daemon: the daemon was not ready within %lld s\n", (long long)seconds);
        exit(EXIT_NEVER_READY);
}

static int run(char *argv[]) {
        pid_t pid = start(argv, false);
        int status;

        if (waitpid(pid, &status, 0) < 0)
                fail("wait for the command");
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int stop(pid_t daemon_pid, bool any_end) {
        bool ended = has_ended(daemon_pid);
        int status;

        kill(daemon_pid, SIGTERM);
        if (waitpid(daemon_pid, &status, 0) < 0)
                fail("wait for the daemon");
        if (ended) {
                fprintf(stderr, "with-daemon: the daemon ended before the command did (wait status %#x)\n", status);
                return EXIT_DAEMON_ENDED;
        }
        if (!any_end && status != 0) {
                fprintf(stderr, "with-daemon: the daemon did not end well (wait status %#x)\n", status);
                return EXIT_DAEMON_FAILED;
        }
        return 0;
}

/* Cuts the arguments at "--"; returns the command, NULL if there is none. */
static char **cut_command(char *argv[]) {
        for (char **argument = argv; *argument; argument++)
                if (strcmp(*argument, "--") == 0) {
                        *argument = NULL;
                        return argument[1] ? argument + 1 : NULL;
                }
        return NULL;
}

int main(int argc, char *argv[]) {
        static const struct option options[] = {
                { "ready-within", required_argument, NULL, 'r' },
                { "settle", required_argument, NULL, 's' },
                { 0 },
        };
        unsigned int ready_within = 30, settle = 0;
        int option, fd, code, end;
        char **command;
        pid_t pid;

        /* "+": what follows the daemon's name are the daemon's options. */
        while ((option = getopt_long(argc, argv, "+", options, NULL)) >= 0)
                if (option == 'r')
                        ready_within = (unsigned int)atoi(optarg);
                else if (option == 's')
                        settle = (unsigned int)atoi(optarg);
        command = cut_command(argv + optind);
        if (!command || !argv[optind]) {
                fprintf(stderr, "usage: with-daemon [--ready-within=S | --settle=S] DAEMON... -- COMMAND...\n");
                return 2;
        }
        fd = open_notify_socket();
        pid = start(argv + optind, true);
        unsetenv("NOTIFY_SOCKET");
        if (settle)
                sleep(settle);
        else
                await_ready(fd, pid, (time_t)ready_within);
        code = run(command);
        end = stop(pid, settle > 0);
        return code ? code : end;
}
