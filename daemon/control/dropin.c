/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A temporary file beside it, written and synced, takes the name, and the directory is synced after: rename(2) is
 * atomic, and only what fsync(2) has seen survives a loss of power. The temporary name begins with a dot, so
 * nobody reads it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/control/dropin.h"

static int open_directory(const char *directory, bool is_made, int *ret_fd) {
        char path[4096];
        int fd;

        if (snprintf(path, sizeof path, "%s/socktally.conf.d", directory) >= (int) sizeof path)
                return -ENAMETOOLONG;
        if (is_made && mkdir(path, 0755) < 0 && errno == ENOENT && mkdir(directory, 0755) >= 0)
                (void) mkdir(path, 0755);
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        *ret_fd = fd;
        return 0;
}

static int write_all(int fd, const char *text) {
        for (size_t left = strlen(text); left > 0;) {
                ssize_t n = write(fd, text, left);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EIO;
                text += n;
                left -= (size_t) n;
        }
        return 0;
}

/* A temporary file that a crash left is removed first. */
static int make_temporary(int directory_fd, const char *name, const char *text) {
        int fd, r;

        (void) unlinkat(directory_fd, name, 0);
        fd = openat(directory_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (fd < 0)
                return -errno;
        r = write_all(fd, text);
        if (r >= 0 && (fchmod(fd, 0644) < 0 || fsync(fd) < 0))
                r = -errno;
        if (close(fd) < 0 && r >= 0)
                r = -errno;
        return r;
}

int dropin_write(const char *directory, const char *name, const char *text) {
        char temporary[256];
        int fd, r;

        if (snprintf(temporary, sizeof temporary, ".%s.new", name) >= (int) sizeof temporary)
                return -ENAMETOOLONG;
        r = open_directory(directory, true, &fd);
        if (r < 0)
                return r;
        r = make_temporary(fd, temporary, text);
        if (r >= 0 && renameat(fd, temporary, fd, name) < 0)
                r = -errno;
        if (r < 0)
                (void) unlinkat(fd, temporary, 0);
        else if (fsync(fd) < 0)
                r = -errno;
        close(fd);
        return r;
}

int dropin_remove(const char *directory, const char *name) {
        int fd, r;

        r = open_directory(directory, false, &fd);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        if (unlinkat(fd, name, 0) < 0)
                r = errno == ENOENT ? 0 : -errno;
        else if (fsync(fd) < 0)
                r = -errno;
        close(fd);
        return r;
}
