/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_IDENTITY_CGROUPS_H
#define SOCKTALLYD_IDENTITY_CGROUPS_H
/*
 * Which path a cgroup id stands for, also for a while after the cgroup is gone: a service that lives shorter than an
 * interval still gets its name. Follows the tree through inotify; bounded.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct cgroups;

/* After events were lost the tree is walked again, but not more often than this. */
#define CGROUPS_RESCAN_NS (10 * UINT64_C(1000000000))

/* What is to be done is done in turns, each of a few milliseconds, one in such a time. */
#define CGROUPS_TURN_NS UINT64_C(5000000)

/* Begins to walk the tree below mount. max: directories that are watched at a time. */
int cgroups_new(struct cgroups **ret_cgroups, const char *mount, uint32_t max);
struct cgroups *cgroups_free(struct cgroups *cgroups);

/* Readable when cgroups_follow() has something to do. */
int cgroups_fd(const struct cgroups *cgroups);
/* Takes in what came and went in the tree, as much as one turn may. Never blocks. False: there may be more, which no
 * call will do before the next turn. */
bool cgroups_follow(struct cgroups *cgroups);
/* Is there something that was not looked at yet? */
bool cgroups_is_behind(const struct cgroups *cgroups);
/* Another number than before: what waited to be looked at was looked at. */
uint32_t cgroups_walks(const struct cgroups *cgroups);

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
