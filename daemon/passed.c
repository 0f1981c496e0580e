/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The readers' socket, of the service manager or made here, and what else that one passes: what was in its store. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "daemon/daemon-private.h"
#include "daemon/log.h"

static bool is_readers_socket(const char *name, int fd, bool is_alone) {
        return (strcmp(name, "readers") == 0 || is_alone) && sd_is_socket(fd, AF_UNIX, SOCK_SEQPACKET, 1) > 0;
}

static void drop(int fd, const char *name) {
        log_line(LOG_WARNING, "The service manager passed a useless descriptor %s", name);
        close(fd);
}

static int take_passed(struct daemon *d) {
        char **names = NULL;
        int n = sd_listen_fds_with_names(true, &names), found = -ENOENT;

        for (int i = 0; i < n; i++) {
                int fd = SD_LISTEN_FDS_START + i;

                if (found < 0 && is_readers_socket(names[i], fd, n == 1))
                        found = fd;
                else if (!keep_take(&d->keep, names[i], fd))
                        drop(fd, names[i]);
                free(names[i]);
        }
        free(names);
        keep_open(&d->keep);
        if (found >= 0)
                (void) fcntl(found, F_SETFL, O_RDWR | O_NONBLOCK);
        d->is_managed = found >= 0 && getenv("NOTIFY_SOCKET");
        return found;
}

int daemon_open_socket(struct daemon *d, int *ret_fd) {
        char path[108];
        int r;

        r = take_passed(d);
        if (r >= 0) {
                *ret_fd = r;
                return 0;
        }
        if (snprintf(path, sizeof path, "%s/readers", d->directory) >= (int) sizeof path)
                r = -ENAMETOOLONG;
        else
                r = readers_listen(path, ret_fd);
        d->has_made_socket = r >= 0;
        if (r == -EADDRINUSE)
                log_line(LOG_ERR, "Another socktallyd serves %s; stop it or give another --runtime-directory=",
                         d->directory);
        else if (r < 0)
                log_line(LOG_ERR, "Cannot listen on %s/readers: %s", d->directory, strerror(-r));
        return r;
}
