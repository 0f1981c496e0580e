/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A PID with its start time is one process for ever; /proc has PIDs alone, so each answer is checked against both. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/identity/procfs.h"

#define NSEC_PER_SEC UINT64_C(1000000000)

int procfs_open(struct procfs *procfs, const char *path) {
        procfs->ticks_per_sec = (uint64_t) sysconf(_SC_CLK_TCK);
        procfs->fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        return procfs->fd < 0 ? -errno : 0;
}

void procfs_close(struct procfs *procfs) {
        if (procfs->fd >= 0)
                close(procfs->fd);
        *procfs = PROCFS_NULL;
}

/* Returns the number of bytes; a NUL is behind them. */
static int read_file(const struct procfs *procfs, uint32_t pid, const char *file, char *buffer, size_t size) {
        char path[64];
        ssize_t n;
        int fd;

        snprintf(path, sizeof path, "%" PRIu32 "/%s", pid, file);
        fd = openat(procfs->fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0)
                return -errno;
        n = read(fd, buffer, size - 1);
        close(fd);
        if (n < 0)
                return -EIO;
        buffer[n] = '\0';
        return (int) n;
}

/* 1: the process with this PID started at that time. 0: it is another one, as the PID was used again. -errno: there is
 * no such process. */
static int same_process(const struct procfs *procfs, uint32_t pid, uint64_t start_time) {
        char stat[1024];
        const char *p;
        int r;
        uint64_t ticks, wanted = start_time / (NSEC_PER_SEC / procfs->ticks_per_sec);

        r = read_file(procfs, pid, "stat", stat, sizeof stat);
        if (r < 0)
                return r;
        p = strrchr(stat, ')'); /* the name before it may hold anything */
        if (!p || sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %" SCNu64,
                         &ticks) != 1)
                return -EIO;
        return ticks == wanted || ticks == wanted + 1 || ticks + 1 == wanted;
}

/* Gone between open() and read() is -ESRCH, which read_file() makes -EIO: the next look finds no file. */
bool procfs_is_alive(const struct procfs *procfs, uint32_t pid, uint64_t start_time) {
        int r;

        if (pid == 0)
                return true;
        r = same_process(procfs, pid, start_time);
        return r != 0 && r != -ENOENT;
}

/* A line of /proc/PID/cgroup is "ID:CONTROLLERS:PATH", see cgroups(7). Whoever may make a cgroup writes what they like
 * into the path, colons too, so only the first two of a line separate anything. Version 2 has no controllers there,
 * systemd's own hierarchy of version 1 has "name=systemd". False if there is no such line, or not all of it. */
static bool find_hierarchy(const char *text, const char *controllers, char *ret_path, size_t size) {
        const char *end;

        for (const char *line = text; (end = strchr(line, '\n')); line = end + 1) {
                const char *name = memchr(line, ':', (size_t) (end - line));
                const char *path = name ? memchr(name + 1, ':', (size_t) (end - name - 1)) : NULL;
                size_t length = strlen(controllers);

                if (!path || (size_t) (path - name - 1) != length || memcmp(name + 1, controllers, length) != 0)
                        continue;
                length = (size_t) (end - path - 1);
                if (length >= size)
                        return false;
                memcpy(ret_path, path + 1, length);
                ret_path[length] = '\0';
                return true;
        }
        return false;
}

/* The file is read first, then its process is checked: if another process has taken the PID before the read, the check
 * sees that. */
int procfs_cgroup(const struct procfs *procfs, uint32_t pid, uint64_t start_time, const char *controllers,
                  char *ret_path, size_t size) {
        char text[4096];

        if (pid == 0 || read_file(procfs, pid, "cgroup", text, sizeof text) < 0 ||
            (start_time > 0 && same_process(procfs, pid, start_time) <= 0))
                return -ESRCH;
        return find_hierarchy(text, controllers, ret_path, size) ? 0 : -ENOENT;
}

#define FLAG_KERNEL_THREAD 0x200000 /* PF_KTHREAD of linux/sched.h */

int procfs_name(const struct procfs *procfs, uint32_t pid, char ret_name[static PROCFS_NAME_SIZE]) {
        char stat[1024];
        const char *begin, *end;
        unsigned flags;

        if (read_file(procfs, pid, "stat", stat, sizeof stat) < 0)
                return -ESRCH;
        begin = strchr(stat, '(');
        end = strrchr(stat, ')');
        if (!begin || !end || sscanf(end + 1, " %*c %*d %*d %*d %*d %*d %u", &flags) != 1)
                return -ESRCH;
        snprintf(ret_name, PROCFS_NAME_SIZE, "%.*s", (int) (end - begin - 1), begin + 1);
        return !!(flags & FLAG_KERNEL_THREAD);
}

int procfs_command_line(const struct procfs *procfs, uint32_t pid, uint64_t start_time, char *ret_line, size_t size) {
        int n;

        if (pid == 0)
                return -ESRCH;
        n = read_file(procfs, pid, "cmdline", ret_line, size);
        if (n < 0 || (start_time > 0 && same_process(procfs, pid, start_time) <= 0))
                return -ESRCH;
        return n;
}
