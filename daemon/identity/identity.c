/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel says in which cgroup (version 2) the data moved; systemd's unit follows from that cgroup's path. Where
 * that says nothing, /proc/PID/cgroup is asked while the process lives: on machines with cgroup v1 every process is in
 * the root of an empty v2 tree, and systemd's own hierarchy has the unit; in the short moment before a new cgroup is
 * known, its path stands there too.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/identity/cgroups.h"
#include "daemon/identity/identity.h"
#include "daemon/identity/procfs.h"

struct identity {
        struct cgroups *cgroups; /* NULL: no cgroup2 */
        struct procfs procfs;
};

int identity_new(struct identity **ret_identify, const struct identity_config *config) {
        struct identity *identity = calloc(1, sizeof *identity);
        int r;

        if (!identity)
                return -ENOMEM;
        r = procfs_open(&identity->procfs, config->proc);
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
        procfs_close(&identity->procfs);
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

bool identity_is_alive(const struct identity *identity, uint32_t pid, uint64_t start_time) {
        return procfs_is_alive(&identity->procfs, pid, start_time);
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

/* The path of the cgroup in which a row moved data. NULL: not known, or not any more. buffer has room for it. */
static const char *find_path(struct identity *identity, const struct process_key *key, uint32_t pid, char *buffer,
                             size_t size) {
        const char *path = known_path(identity, key->cgroup_id);
        int r;

        if (!path && identity->cgroups) {
                cgroups_follow(identity->cgroups);
                path = cgroups_path(identity->cgroups, key->cgroup_id);
        }
        if (path && !is_root(path))
                return path;
        r = procfs_cgroup(&identity->procfs, pid, key->start_time, path ? "name=systemd" : "", buffer, size);
        if (r == -ENOENT)
                return path;
        if (r >= 0 && !path && identity->cgroups && cgroups_confirm(identity->cgroups, key->cgroup_id, buffer) <= 0)
                return NULL; /* it has moved on: where it was is not known */
        return r < 0 ? NULL : buffer;
}

void identity_unit(struct identity *identity, const struct process_key *key, const struct process_row *row,
                   struct unit *ret_unit) {
        char buffer[1024];
        const char *path = find_path(identity, key, row->pid, buffer, sizeof buffer);

        unit_from_path(path ? path : "/", ret_unit);
}
