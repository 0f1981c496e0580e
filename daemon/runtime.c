/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The readers' socket, which the service manager passes or which is made here. The manager also passes the store. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <syslog.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "daemon/keep.h"
#include "daemon/log.h"
#include "daemon/publish/readers.h"
#include "daemon/runtime.h"

int runtime_make_directory(struct runtime *runtime) {
        int r = mkdir(runtime->directory, 0755) < 0 ? -errno : 0;

        runtime->has_made_directory = r >= 0;
        if (r >= 0)
                (void) chmod(runtime->directory, 0755); /* whatever the umask is */
        if (r >= 0 || r == -EEXIST)
                return 0;
        log_line(LOG_ERR, "Cannot make the runtime directory %s: %s; --runtime-directory= names another",
                 runtime->directory, strerror(-r));
        return r;
}

static bool is_readers_socket(const char *name, int fd, bool is_alone) {
        return (strcmp(name, "readers") == 0 || is_alone) && sd_is_socket(fd, AF_UNIX, SOCK_SEQPACKET, 1) > 0;
}

static void drop(int fd, const char *name) {
        log_line(LOG_WARNING, "The service manager passed a useless descriptor %s", name);
        close(fd);
}

/* Takes all descriptors that the service manager passes. Returns the readers' socket, or -ENOENT if it passes none. */
static int take_passed(struct keep *keep) {
        char **names = NULL;
        int n = sd_listen_fds_with_names(true, &names), found = -ENOENT;

        for (int i = 0; i < n; i++) {
                int fd = SD_LISTEN_FDS_START + i;

                if (found < 0 && is_readers_socket(names[i], fd, n == 1))
                        found = fd;
                else if (!keep_accept_descriptor(keep, names[i], fd))
                        drop(fd, names[i]);
                free(names[i]);
        }
        free(names);
        keep_choose_file(keep);
        if (found >= 0)
                (void) fcntl(found, F_SETFL, O_RDWR | O_NONBLOCK);
        return found;
}

static int socket_path(const struct runtime *runtime, char *ret_path, size_t size) {
        return snprintf(ret_path, size, "%s/readers", runtime->directory) >= (int) size ? -ENAMETOOLONG : 0;
}

int runtime_open_socket(struct runtime *runtime, struct keep *keep, int *ret_fd) {
        char path[108];
        int r;

        r = take_passed(keep);
        runtime->is_managed = r >= 0 && getenv("NOTIFY_SOCKET");
        if (r >= 0) {
                *ret_fd = r;
                return 0;
        }
        r = socket_path(runtime, path, sizeof path);
        if (r >= 0)
                r = readers_listen(path, ret_fd);
        runtime->has_made_socket = r >= 0;
        if (r == -EADDRINUSE)
                log_line(LOG_ERR, "Another socktallyd serves %s; stop it or give another --runtime-directory=",
                         runtime->directory);
        else if (r < 0)
                log_line(LOG_ERR, "Cannot listen on %s/readers: %s", runtime->directory, strerror(-r));
        return r;
}

void runtime_remove(const struct runtime *runtime) {
        char path[108];

        if (runtime->has_made_socket && socket_path(runtime, path, sizeof path) >= 0)
                (void) unlink(path);
        if (runtime->has_made_directory)
                (void) rmdir(runtime->directory);
}
