/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ready COMMAND [ARGUMENT]...: runs a command that speaks systemd's notification protocol and prints what it says, one
 * assignment per line ("READY=1"), so that a shell can wait for an event instead of sleeping. It stays the command's
 * parent, passes SIGTERM and SIGINT on, takes it along when it dies itself, and ends with its exit status.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* Binds a datagram socket to an address that the kernel chooses and puts it into the environment. */
static int listen_for_notifications(void) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        socklen_t length = sizeof(address);
        char name[sizeof(address.sun_path) + 1];
        int fd;

        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || bind(fd, (struct sockaddr *) &address, sizeof(address.sun_family)) < 0 ||
            getsockname(fd, (struct sockaddr *) &address, &length) < 0)
                return -errno;
        length -= offsetof(struct sockaddr_un, sun_path);
        snprintf(name, sizeof(name), "@%.*s", (int) length - 1, address.sun_path + 1);
        return setenv("NOTIFY_SOCKET", name, 1) < 0 ? -errno : fd;
}

static pid_t start(char **command, const sigset_t *old_mask) {
        pid_t pid = fork();

        if (pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGTERM);
                sigprocmask(SIG_SETMASK, old_mask, NULL);
                execvp(command[0], command);
                fprintf(stderr, "ready: cannot run %s: %s\n", command[0], strerror(errno));
                _exit(127);
        }
        return pid;
}

static void print_notifications(int fd) {
        char message[4096];
        ssize_t length;

        while ((length = recv(fd, message, sizeof(message) - 1, MSG_DONTWAIT)) >= 0) {
                message[length] = '\0';
                printf("%s%s", message, length > 0 && message[length - 1] == '\n' ? "" : "\n");
        }
        fflush(stdout);
}

/* Returns true when the command is over and status is set. */
static bool handle_signal(int fd, pid_t pid, int *ret_status) {
        struct signalfd_siginfo info;

        if (read(fd, &info, sizeof(info)) != sizeof(info))
                return false;
        if (info.ssi_signo != SIGCHLD) {
                kill(pid, SIGTERM);
                return false;
        }
        return waitpid(pid, ret_status, WNOHANG) == pid;
}

int main(int argc, char **argv) {
        struct pollfd polls[2] = { { .events = POLLIN }, { .events = POLLIN } };
        sigset_t mask, old_mask;
        int status = 0;
        pid_t pid;

        if (argc < 2) {
                fputs("Usage: ready COMMAND [ARGUMENT]...\n", stderr);
                return 2;
        }
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        sigemptyset(&mask);
        sigaddset(&mask, SIGCHLD);
        sigaddset(&mask, SIGTERM);
        sigaddset(&mask, SIGINT);
        sigprocmask(SIG_BLOCK, &mask, &old_mask);
        polls[0].fd = signalfd(-1, &mask, SFD_CLOEXEC);
        polls[1].fd = listen_for_notifications();
        if (polls[0].fd < 0 || polls[1].fd < 0 || (pid = start(argv + 1, &old_mask)) < 0) {
                perror("ready");
                return 1;
        }
        signal(SIGPIPE, SIG_IGN); /* whoever waited for READY=1 may not listen any more */
        while (true) {
                if (poll(polls, 2, -1) < 0 && errno != EINTR)
                        return 1;
                if (polls[1].revents)
                        print_notifications(polls[1].fd);
                if (polls[0].revents && handle_signal(polls[0].fd, pid, &status))
                        break;
        }
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
