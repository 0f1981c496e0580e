/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A user can put into a home directory a link to a file that he may not read, a FIFO on which open() waits, or a mount
 * (FUSE) that never answers, and change all of these while they are looked at. So the kernel walks the path in one step
 * and keeps it below the directory and on its file system (openat2(2)), opening waits for nobody, and what was opened
 * is looked at once more: what belongs to the user tells him nothing new.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "names/file.h"

int file_open_directory(const char *path, uid_t owner) {
        int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        struct stat st;
        int r = 0;

        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                r = -errno;
        else if (st.st_uid != owner)
                r = -EPERM;
        if (r == 0)
                return fd;
        close(fd);
        return r;
}

static int open_below(int directory_fd, const char *path, enum file_place place) {
        struct open_how how = {
                .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
                .resolve = RESOLVE_NO_MAGICLINKS,
        };
        long fd;

        how.resolve |= place == FILE_OF_USER ? RESOLVE_BENEATH | RESOLVE_NO_XDEV : RESOLVE_IN_ROOT;
        fd = syscall(SYS_openat2, directory_fd, path, &how, sizeof how);
        return fd < 0 ? -errno : (int) fd;
}

static int check(int fd, uid_t owner) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        return S_ISREG(st.st_mode) && st.st_uid == owner ? 0 : -EPERM;
}

/* As much as there is, whatever the size was a moment ago. */
static int read_all(int fd, size_t max, char **ret_text) {
        char *text = malloc(max + 1), *smaller;
        size_t n = 0;
        ssize_t r;

        if (!text)
                return -ENOMEM;
        while ((r = read(fd, text + n, max + 1 - n)) > 0 && n + (size_t) r <= max)
                n += (size_t) r;
        if (r != 0) {
                r = r < 0 ? -errno : -EFBIG;
                free(text);
                return (int) r;
        }
        text[n] = '\0';
        smaller = realloc(text, n + 1);
        *ret_text = smaller ? smaller : text;
        return 0;
}

int file_read(int directory_fd, const char *path, enum file_place place, uid_t owner, size_t max, char **ret_text) {
        int fd = open_below(directory_fd, path, place), r;

        if (fd < 0)
                return fd;
        r = check(fd, owner);
        if (r >= 0)
                r = read_all(fd, max, ret_text);
        close(fd);
        return r;
}
