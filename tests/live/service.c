/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Readiness is what systemd would wait for: READY=1 on $NOTIFY_SOCKET. The notification socket lies beside the runtime
 * directory's content and is the only thing in there that is not the daemon's.
 */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/live/service.h"

#define MAX_ARGUMENTS 16
#define NOTHING "STATUS=Counting nothing: "
#define READY_TIMEOUT_MSEC 300000
#define STOP_TIMEOUT_MSEC 120000

static int __attribute__((format(printf, 3, 4))) complain(char *problem, size_t size, const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        vsnprintf(problem, size, format, arguments);
        va_end(arguments);
        return -1;
}

static uint64_t now_msec(void) {
        struct timespec now;

        clock_gettime(CLOCK_BOOTTIME, &now);
        return (uint64_t) now.tv_sec * 1000 + (uint64_t) now.tv_nsec / 1000000;
}

static void notify_path(const struct service *service, char *path, size_t size) {
        snprintf(path, size, "%s/notify", service->directory);
}

/* Makes the directory and the notification socket in it. Returns the socket. */
static int prepare(struct service *service) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        const char *base = getenv("TMPDIR");
        int fd;

        snprintf(service->directory, sizeof(service->directory), "%s/socktally-live-XXXXXX", base ? base : "/tmp");
        if (!mkdtemp(service->directory) || chmod(service->directory, 0755) < 0)
                return -1;
        notify_path(service, address.sun_path, sizeof(address.sun_path));
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0)
                return -1;
        return fd;
}

static _Noreturn void become_daemon(const struct service *service, const struct playbill *bill,
                                    const char *const *extra) {
        char directory[160], mode[64], method[64], path[160];
        const char *arguments[MAX_ARGUMENTS] = { bill->daemon, directory, "--interval=100ms", "--idle-interval=100ms",
                                                 mode, method };
        size_t n = 6;

        while (extra && *extra && n < MAX_ARGUMENTS - 1)
                arguments[n++] = *extra++;
        snprintf(directory, sizeof(directory), "--runtime-directory=%s", service->directory);
        snprintf(mode, sizeof(mode), "--load-mode=%s", bill->load_mode);
        snprintf(method, sizeof(method), "--attach-method=%s", bill->attach_method);
        notify_path(service, path, sizeof(path));
        setenv("NOTIFY_SOCKET", path, 1);
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        dup2(STDERR_FILENO, STDOUT_FILENO);
        execv(bill->daemon, (char *const *) arguments);
        fprintf(stderr, "cannot run %s: %s\n", bill->daemon, strerror(errno));
        _exit(127);
}

static bool expects_nothing(const struct playbill *bill) {
        return bill->unknown && strcmp(bill->unknown, "all") == 0;
}

/* 0 once READY=1 came. One that counts nothing is ready, too, and has said so before. */
static int wait_ready(const struct service *service, const struct playbill *bill, int notify, char *problem,
                      size_t size) {
        struct pollfd pollers[] = { { .fd = notify, .events = POLLIN }, { .fd = service->pidfd, .events = POLLIN } };
        char message[1024];

        for (;;) {
                ssize_t n;

                if (poll(pollers, 2, READY_TIMEOUT_MSEC) <= 0)
                        return complain(problem, size, "the daemon is not ready after %d s", READY_TIMEOUT_MSEC / 1000);
                if (!(pollers[0].revents & POLLIN))
                        return complain(problem, size, "the daemon ended before it was ready, its reason is above");
                n = recv(notify, message, sizeof(message) - 1, MSG_DONTWAIT);
                if (n <= 0)
                        continue;
                message[n] = '\0';
                if (strncmp(message, NOTHING, strlen(NOTHING)) == 0 && !expects_nothing(bill))
                        return complain(problem, size, "the daemon counts nothing: %s", message + strlen(NOTHING));
                if (strncmp(message, "READY=1", 7) == 0 || strstr(message, "\nREADY=1"))
                        return 0;
        }
}

int service_start(struct service *service, const struct playbill *bill, const char *const *extra, char *ret_problem,
                  size_t size) {
        uint64_t start = now_msec();
        int notify, r;

        *service = (struct service) SERVICE_NULL;
        notify = prepare(service);
        if (notify < 0)
                return complain(ret_problem, size, "cannot prepare %s: %s", service->directory, strerror(errno));
        fflush(NULL);
        service->pid = fork();
        if (service->pid == 0)
                become_daemon(service, bill, extra);
        if (service->pid > 0)
                service->pidfd = (int) syscall(SYS_pidfd_open, service->pid, 0);
        if (service->pidfd < 0)
                return complain(ret_problem, size, "cannot start %s: %s", bill->daemon, strerror(errno));
        r = wait_ready(service, bill, notify, ret_problem, size);
        close(notify);
        service->ready_after_ms = now_msec() - start;
        if (r < 0) {
                char ignored[200];

                service_stop(service, ignored, sizeof(ignored));
        }
        return r;
}

/* Empties and removes the directory; -1 if there was more in it than the notification socket. */
static int clear_directory(const struct service *service, char *problem, size_t size) {
        DIR *directory = opendir(service->directory);
        int r = 0;

        for (struct dirent *entry; directory && (entry = readdir(directory)) != NULL;) {
                if (entry->d_name[0] == '.')
                        continue;
                if (strcmp(entry->d_name, "notify") != 0)
                        r = complain(problem, size, "the daemon left %s/%s behind", service->directory, entry->d_name);
                unlinkat(dirfd(directory), entry->d_name, 0);
        }
        if (directory)
                closedir(directory);
        rmdir(service->directory);
        return r;
}

int service_stop(struct service *service, char *ret_problem, size_t size) {
        struct pollfd poller = { .fd = service->pidfd, .events = POLLIN };
        int status = 0, r = 0;

        if (service->pidfd < 0)
                return 0;
        kill(service->pid, SIGTERM);
        if (poll(&poller, 1, STOP_TIMEOUT_MSEC) <= 0) {
                r = complain(ret_problem, size, "the daemon did not end within %d s", STOP_TIMEOUT_MSEC / 1000);
                kill(service->pid, SIGKILL);
        }
        waitpid(service->pid, &status, 0);
        close(service->pidfd);
        service->pidfd = -1;
        if (clear_directory(service, ret_problem, size) < 0)
                r = -1;
        if (status != 0)
                r = complain(ret_problem, size, "the daemon ended with %s %d",
                             WIFSIGNALED(status) ? "signal" : "status",
                             WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        return r;
}
