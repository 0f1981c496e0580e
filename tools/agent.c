/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <systemd/sd-login.h>
#include <unistd.h>

#include "tools/agent.h"

#define PATIENCE_MSEC 5000

/* polkit finds an agent that stands back by the session; for a process without one it has to be the only one. */
static bool has_session(void) {
        char *session = NULL;
        int r = sd_pid_get_session(0, &session);

        free(session);
        return r >= 0;
}

static void run(int notify_fd, const char *fallback) {
        char option[32];

        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
        (void)fcntl(notify_fd, F_SETFD, 0);
        (void)snprintf(option, sizeof(option), "--notify-fd=%d", notify_fd);
        execlp("pkttyagent", "pkttyagent", option, fallback, (char *)NULL);
        _exit(127);
}

pid_t agent_start(void) {
        struct pollfd ready;
        const char *fallback;
        pid_t agent;
        int fds[2];

        if (geteuid() == 0 || !isatty(STDIN_FILENO) || pipe2(fds, O_CLOEXEC) < 0)
                return 0;
        fallback = has_session() ? "--fallback" : NULL;
        agent = fork();
        if (agent == 0)
                run(fds[1], fallback);
        (void)close(fds[1]);
        /* It closes its end when it has registered, or when it is gone. */
        ready = (struct pollfd){ .fd = fds[0], .events = POLLIN };
        if (agent > 0)
                (void)poll(&ready, 1, PATIENCE_MSEC);
        (void)close(fds[0]);
        return agent > 0 ? agent : 0;
}

void agent_stop(pid_t agent) {
        if (agent <= 0)
                return;
        (void)kill(agent, SIGTERM);
        (void)kill(agent, SIGCONT);
        (void)waitpid(agent, NULL, 0);
}
