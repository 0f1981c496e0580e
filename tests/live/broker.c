/* SPDX-License-Identifier: GPL-2.0-or-later */
/* It prints its address when it listens: nobody has to wait for a time. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/live/broker.h"

static const char configuration[] =
        "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\"\n"
        " \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"
        "<busconfig><listen>%s</listen><auth>EXTERNAL</auth>\n"
        "<policy context=\"default\"><allow user=\"*\"/><allow own=\"*\"/><allow send_destination=\"*\"/>\n"
        "<allow receive_sender=\"*\"/></policy></busconfig>\n";

static int write_configuration(const struct broker *broker, const char *path) {
        FILE *file = fopen(path, "we");

        if (!file)
                return -1;
        fprintf(file, configuration, broker->address);
        return fclose(file);
}

static _Noreturn void become_broker(const char *path, int answer) {
        char option[128], print[32];

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        snprintf(option, sizeof option, "--config-file=%s", path);
        snprintf(print, sizeof print, "--print-address=%d", answer);
        /* It complains about limits that it may not raise. */
        dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
        execlp("dbus-daemon", "dbus-daemon", option, "--nofork", "--nopidfile", print, (char *) NULL);
        _exit(127);
}

int broker_start(struct broker *broker) {
        char path[96], answer[256];
        int fds[2], r;

        *broker = (struct broker) { .directory = "/tmp/socktally-bus-XXXXXX" };
        if (!mkdtemp(broker->directory) || chmod(broker->directory, 0755) < 0 || pipe(fds) < 0)
                return -1;
        snprintf(broker->address, sizeof broker->address, "unix:path=%s/bus", broker->directory);
        snprintf(path, sizeof path, "%s/bus.conf", broker->directory);
        if (write_configuration(broker, path) < 0)
                return -1;
        fflush(NULL);
        broker->pid = fork();
        if (broker->pid == 0)
                become_broker(path, fds[1]);
        close(fds[1]);
        r = broker->pid > 0 && read(fds[0], answer, sizeof answer) > 0 ? 0 : -1;
        close(fds[0]);
        if (r < 0)
                broker_stop(broker);
        return r;
}

void broker_stop(struct broker *broker) {
        static const char *const names[] = { "bus.conf", "bus" };
        char path[96];

        if (broker->pid > 0) {
                kill(broker->pid, SIGTERM);
                waitpid(broker->pid, NULL, 0);
        }
        broker->pid = 0;
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
                snprintf(path, sizeof path, "%s/%s", broker->directory, names[i]);
                unlink(path);
        }
        rmdir(broker->directory);
}
