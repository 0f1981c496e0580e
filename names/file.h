/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_NAMES_FILE_H
#define SOCKTALLY_NAMES_FILE_H
/*
 * Reads one file in a directory that may be a stranger's. The service may read every file of the machine, so a stranger
 * must not be able to choose which one it reads for him.
 */
#include <stddef.h>
#include <sys/types.h>

/* Opens a directory that belongs to owner. Symbolic links on the way are followed: they are of whoever made the path.
 * -EPERM: it is somebody else's. */
int file_open_directory(const char *path, uid_t owner);

enum file_place {
        FILE_OF_SYSTEM, /* directories on the way are root's, who may make links and mounts as he likes */
        FILE_OF_USER,
};

/* Reads a whole file at a path below a directory, as text with a NUL behind it, which the caller frees. It is refused
 * unless it is a regular file of owner with at most max bytes; in a user's place also if it is on another file system
 * than the directory, or if the way there leaves the directory at any point. -EPERM, -EFBIG, -EXDEV, and what open(2)
 * has. */
int file_read(int directory_fd, const char *path, enum file_place place, uid_t owner, size_t max, char **ret_text);

#endif
