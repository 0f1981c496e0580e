/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_IDENTITY_PROCFS_H
#define SOCKTALLYD_IDENTITY_PROCFS_H
/* What /proc tells of a process, which may be gone, and whose PID may be another one's by now. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROCFS_NAME_SIZE 16 /* with the NUL */

struct procfs {
        int fd;                 /* of the directory; -1: not open */
        uint64_t ticks_per_sec; /* of the start time in /proc/PID/stat */
};

#define PROCFS_NULL ((struct procfs) { .fd = -1 })

int procfs_open(struct procfs *procfs, const char *path);
void procfs_close(struct procfs *procfs);

/* False if no such process is there; pid 0 is never known to be gone. */
bool procfs_is_alive(const struct procfs *procfs, uint32_t pid, uint64_t start_time);
/* The process's cgroup in the hierarchy with these controllers, see cgroups(7): "" is version 2, "name=systemd" is
 * systemd's own of version 1. start_time 0: of whichever process has the PID now. -ESRCH: it is not there (any more);
 * -ENOENT: there is no such hierarchy. */
int procfs_cgroup(const struct procfs *procfs, uint32_t pid, uint64_t start_time, const char *controllers,
                  char *ret_path, size_t size);
/* The name of its main thread, as that has set it. 1: it is a thread of the kernel; 0: it is none. -ESRCH. */
int procfs_name(const struct procfs *procfs, uint32_t pid, char ret_name[static PROCFS_NAME_SIZE]);
/* Its command line, with a NUL behind each argument, cut to size. Returns the number of bytes; 0: it has none, as a
 * thread of the kernel, or is about to end. -ESRCH. start_time as above. */
int procfs_command_line(const struct procfs *procfs, uint32_t pid, uint64_t start_time, char *ret_line, size_t size);

#endif
