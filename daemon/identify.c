/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel says in which cgroup (version 2) the data moved; systemd's unit follows from that cgroup's path. Where
 * that says nothing, /proc/PID/cgroup is asked while the process lives: on machines with cgroup v1 every process is in
 * the root of an empty v2 tree, and systemd's own hierarchy has the unit; in the short moment before a new cgroup is
 * known, its path stands there too.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/cgroups.h"
#include "daemon/identify.h"

#define NSEC_PER_SEC UINT64_C(1000000000)

struct identify {
        struct cgroups *cgroups; /* NULL: no cgroup2 */
        int proc_fd;
        uint64_t ticks_per_sec;  /* of the start time in /proc/PID/stat */
};

int identify_new(struct identify **ret_identify, const struct identify_config *config) {
        struct identify *identify = calloc(1, sizeof *identify);
        int r = 0;

        if (!identify)
                return -ENOMEM;
        identify->ticks_per_sec = (uint64_t) sysconf(_SC_CLK_TCK);
        identify->proc_fd = open(config->proc, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (identify->proc_fd < 0)
                r = -errno;
        if (r >= 0 && config->cgroup_mount)
                r = cgroups_new(&identify->cgroups, config->cgroup_mount, config->max_cgroups);
        if (r < 0) {
                identify_free(identify);
                return r;
        }
        *ret_identify = identify;
        return 0;
}

struct identify *identify_free(struct identify *identify) {
        if (!identify)
                return NULL;
        cgroups_free(identify->cgroups);
        if (identify->proc_fd >= 0)
                close(identify->proc_fd);
        free(identify);
        return NULL;
}

int identify_keep(const struct identify *identify, FILE *file) {
        return identify->cgroups ? cgroups_keep(identify->cgroups, file) : 0;
}

int identify_restore(struct identify *identify, FILE *file) {
        return identify->cgroups ? cgroups_restore(identify->cgroups, file) : 0;
}

int identify_fd(const struct identify *identify) {
        return identify->cgroups ? cgroups_fd(identify->cgroups) : -1;
}

void identify_follow(struct identify *identify) {
        if (identify->cgroups)
                cgroups_follow(identify->cgroups);
}

static int read_proc(const struct identify *identify, uint32_t pid, const char *file, char *buffer, size_t size) {
        char path[64];
        ssize_t n;
        int fd;

        snprintf(path, sizeof path, "%" PRIu32 "/%s", pid, file);
        fd = openat(identify->proc_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0)
                return -errno;
        n = read(fd, buffer, size - 1);
        close(fd);
        if (n < 0)
                return -EIO;
        buffer[n] = '\0';
        return 0;
}

/* The PID may have been used again since the row was made: then 0. */
static int same_process(const struct identify *identify, uint32_t pid, uint64_t start_time) {
        char stat[1024];
        const char *p;
        int r;
        uint64_t ticks, wanted = start_time / (NSEC_PER_SEC / identify->ticks_per_sec);

        r = read_proc(identify, pid, "stat", stat, sizeof stat);
        if (r < 0)
                return r;
        p = strrchr(stat, ')'); /* the name before it may hold anything */
        if (!p || sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %" SCNu64,
                         &ticks) != 1)
                return -EIO;
        return ticks == wanted || ticks == wanted + 1 || ticks + 1 == wanted;
}

/* Gone between open() and read() is -ESRCH, which read_proc() makes -EIO: the next look finds no file. */
bool identify_is_alive(const struct identify *identify, uint32_t pid, uint64_t start_time) {
        int r;

        if (pid == 0)
                return true;
        r = same_process(identify, pid, start_time);
        return r != 0 && r != -ENOENT;
}

/* A line of /proc/PID/cgroup is "ID:CONTROLLERS:PATH", see cgroups(7). Whoever may make a cgroup writes what they like
 * into the path, colons too, so only the first two of a line separate anything. Version 2 has no controllers there,
 * systemd's own hierarchy of version 1 has "name=systemd". NULL if there is no such line, or not all of it. */
static const char *hierarchy_path(const char *text, const char *controllers, char *ret_path, size_t size) {
        const char *end;

        for (const char *line = text; (end = strchr(line, '\n')); line = end + 1) {
                const char *name = memchr(line, ':', (size_t) (end - line));
                const char *path = name ? memchr(name + 1, ':', (size_t) (end - name - 1)) : NULL;
                size_t length = strlen(controllers);

                if (!path || (size_t) (path - name - 1) != length || memcmp(name + 1, controllers, length) != 0)
                        continue;
                length = (size_t) (end - path - 1);
                if (length >= size)
                        return NULL;
                memcpy(ret_path, path + 1, length);
                ret_path[length] = '\0';
                return ret_path;
        }
        return NULL;
}

static bool is_root(const char *path) {
        return path && strcmp(path, "/") == 0;
}

/* Cgroup id 1 is the root of the whole tree; a cgroup namespace has a root with another id. */
static const char *known_path(const struct identify *identify, uint64_t cgroup_id) {
        if (cgroup_id <= 1)
                return "/";
        return identify->cgroups ? cgroups_path(identify->cgroups, cgroup_id) : NULL;
}

void identify_unit(struct identify *identify, const struct process_key *key, const struct process_row *row,
                   struct unit *ret_unit) {
        const char *path = known_path(identify, key->cgroup_id);
        char text[4096], buffer[1024];

        if (!path && identify->cgroups) {
                cgroups_follow(identify->cgroups);
                path = cgroups_path(identify->cgroups, key->cgroup_id);
        }
        if (path && !is_root(path)) {
                unit_from_path(path, ret_unit);
                return;
        }
        unit_from_path("/", ret_unit);
        if (row->pid == 0 || read_proc(identify, row->pid, "cgroup", text, sizeof text) < 0 ||
            same_process(identify, row->pid, key->start_time) <= 0)
                return;
        if (path)
                path = hierarchy_path(text, "name=systemd", buffer, sizeof buffer);
        else {
                path = hierarchy_path(text, "", buffer, sizeof buffer);
                if (path && identify->cgroups && cgroups_confirm(identify->cgroups, key->cgroup_id, path) <= 0)
                        path = NULL; /* it has moved on: where it was is not known */
        }
        if (path)
                unit_from_path(path, ret_unit);
}
