/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_PRIVILEGE_H
#define SOCKTALLYD_PRIVILEGE_H
#include <stddef.h>
#include <sys/types.h>

/* Names the capabilities that counting wants and this process does not have, "CAP_BPF CAP_PERFMON". Returns how many of
 * them nothing works without. */
int privilege_missing(char *ret_names, size_t size);
/* Names those of them that it has. */
void privilege_held(char *ret_names, size_t size);
/* Takes the rights that the service has from its unit: this user with its group, from the file, and no more than the
 * capabilities above, which go on to what is executed. -ENOENT: there is no such user, and nothing has changed. */
int privilege_become(const char *passwd_path, const char *user);
/* The group whose members may read everything; from the file, no name service is asked. -ENOENT: there is none. */
int privilege_group(const char *group_path, const char *name, gid_t *ret_gid);

#endif
