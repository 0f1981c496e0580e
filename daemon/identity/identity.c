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

#include "daemon/identity/cgroups.h"
#include "daemon/identity/identity.h"

#define NSEC_PER_SEC UINT64_C(1000000000)

struct identity {
        struct cgroups *cgroups; /* NULL: no cgroup2 */
        int proc_fd;
        uint64_t ticks_per_sec;  /* of the start time in /proc/PID/stat */
};

int identity_new(struct identity **ret_identify, const struct identity_config *config) {
        struct identity *identity = calloc(1, sizeof *identity);
        int r = 0;

        if (!identity)
                return -ENOMEM;
        identity->ticks_per_sec = (uint64_t) sysconf(_SC_CLK_TCK);
        identity->proc_fd = open(config->proc, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (identity->proc_fd < 0)
                r = -errno;
        if (r >= 0 && config->cgroup_mount)
                r = cgroups_new(&identity->cgroups, config->cgroup_mount, config->max_cgroups);
        if (r < 0) {
                identity_free(identity);
                return r;
        }
        *ret_identify = identity;
        return 0;
}

struct identity *identity_free(struct identity *identity) {
        if (!identity)
                return NULL;
        cgroups_free(identity->cgroups);
        if (identity->proc_fd >= 0)
                close(identity->proc_fd);
        free(identity);
        return NULL;
}

int identity_keep(const struct identity *identity, FILE *file) {
        return identity->cgroups ? cgroups_keep(identity->cgroups, file) : 0;
}

int identity_restore(struct identity *identity, FILE *file) {
        return identity->cgroups ? cgroups_restore(identity->cgroups, file) : 0;
}

int identity_fd(const struct identity *identity) {
        return identity->cgroups ? cgroups_fd(identity->cgroups) : -1;
}

void identity_follow(struct identity *identity) {
        if (identity->cgroups)
                cgroups_follow(identity->cgroups);
}

static int read_proc(const struct identity *identity, uint32_t pid, const char *file, char *buffer, size_t size) {
        char path[64];
        ssize_t n;
        int fd;

        snprintf(path, sizeof path, "%" PRIu32 "/%s", pid, file);
        fd = openat(identity->proc_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
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
static int same_process(const struct identity *identity, uint32_t pid, uint64_t start_time) {
        char stat[1024];
        const char *p;
        int r;
        uint64_t ticks, wanted = start_time / (NSEC_PER_SEC / identity->ticks_per_sec);

        r = read_proc(identity, pid, "stat", stat, sizeof stat);
        if (r < 0)
                return r;
        p = strrchr(stat, ')'); /* the name before it may hold anything */
        if (!p || sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %" SCNu64,
                         &ticks) != 1)
                return -EIO;
        return ticks == wanted || ticks == wanted + 1 || ticks + 1 == wanted;
}

/* Gone between open() and read() is -ESRCH, which read_proc() makes -EIO: the next look finds no file. */
bool identity_is_alive(const struct identity *identity, uint32_t pid, uint64_t start_time) {
        int r;

        if (pid == 0)
                return true;
        r = same_process(identity, pid, start_time);
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
static const char *known_path(const struct identity *identity, uint64_t cgroup_id) {
        if (cgroup_id <= 1)
                return "/";
        return identity->cgroups ? cgroups_path(identity->cgroups, cgroup_id) : NULL;
}

void identity_unit(struct identity *identity, const struct process_key *key, const struct process_row *row,
                   struct unit *ret_unit) {
        const char *path = known_path(identity, key->cgroup_id);
        char text[4096], buffer[1024];

        if (!path && identity->cgroups) {
                cgroups_follow(identity->cgroups);
                path = cgroups_path(identity->cgroups, key->cgroup_id);
        }
        if (path && !is_root(path)) {
                unit_from_path(path, ret_unit);
                return;
        }
        unit_from_path("/", ret_unit);
        if (row->pid == 0 || read_proc(identity, row->pid, "cgroup", text, sizeof text) < 0 ||
            same_process(identity, row->pid, key->start_time) <= 0)
                return;
        if (path)
                path = hierarchy_path(text, "name=systemd", buffer, sizeof buffer);
        else {
                path = hierarchy_path(text, "", buffer, sizeof buffer);
                if (path && identity->cgroups && cgroups_confirm(identity->cgroups, key->cgroup_id, path) <= 0)
                        path = NULL; /* it has moved on: where it was is not known */
        }
        if (path)
                unit_from_path(path, ret_unit);
}
