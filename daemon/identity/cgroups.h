/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_IDENTITY_CGROUPS_H
#define SOCKTALLYD_IDENTITY_CGROUPS_H
/*
 * Which path a cgroup id stands for, also for a while after the cgroup is gone: a service that lives shorter than an
 * interval still gets its name. Follows the tree through inotify; bounded.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct cgroups;

/* After events were lost the tree is walked again, but not more often than this. */
#define CGROUPS_RESCAN_NS (10 * UINT64_C(1000000000))

/* Where the cgroup2 tree is mounted according to a file like /proc/self/mountinfo. -ENOENT: nowhere. */
int cgroups_find_mount(const char *mountinfo_path, char *ret_mount, size_t size);

/* Walks the tree below mount. max: directories that are watched at a time. */
int cgroups_new(struct cgroups **ret_cgroups, const char *mount, uint32_t max);
struct cgroups *cgroups_free(struct cgroups *cgroups);

/* Readable when cgroups_follow() has something to do. */
int cgroups_fd(const struct cgroups *cgroups);
/* Takes in what came and went in the tree. Never blocks. */
void cgroups_follow(struct cgroups *cgroups);

/* Path from the mount, "/system.slice/x.service"; "/" is its root. NULL: not known. */
const char *cgroups_path(const struct cgroups *cgroups, uint64_t id);
/* Looks whether this path is the cgroup with this id. 1: it is, and known from here on. 0: it is another cgroup.
 * -errno: there is no such path. */
int cgroups_confirm(struct cgroups *cgroups, uint64_t id, const char *path);
/* Writes all paths that are known. */
int cgroups_keep(const struct cgroups *cgroups, FILE *file);
/* Reads what the daemon before has written, for cgroups that are gone by now. -ESTALE: the file has something else.
 * What was read before that is known. */
int cgroups_restore(struct cgroups *cgroups, FILE *file);
size_t cgroups_count(const struct cgroups *cgroups);

#endif
