/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_IDENTITY_MOUNT_H
#define SOCKTALLYD_IDENTITY_MOUNT_H
/* Where the tree of cgroups is. */
#include <stddef.h>

/* Where the cgroup2 tree is mounted according to a file like /proc/self/mountinfo. -ENOENT: nowhere. */
int mount_find_cgroups(const char *mountinfo_path, char *ret_mount, size_t size);

#endif
