/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_IDENTITY_UNIT_H
#define SOCKTALLYD_IDENTITY_UNIT_H
/* From a cgroup's path to the systemd unit that it belongs to. Pure text, no system call. */
#include <stdbool.h>
#include <stdint.h>

#define UNIT_NAME_SIZE 256 /* systemd's own limit, with the NUL */
#define UNIT_SYSTEM UINT32_MAX

struct unit {
        char name[UNIT_NAME_SIZE]; /* as systemctl prints it; empty: no unit */
        char slice[UNIT_NAME_SIZE]; /* the innermost slice that the unit is in; empty: none */
        uint32_t uid;              /* whose user manager runs it; UNIT_SYSTEM: the system's */
        uint32_t owner; /* whose user manager's cgroups it is in, or what is below it; UNIT_SYSTEM: nobody's. That user
                         * can make cgroups of any name there. */
};

struct identity;

/* path as in /proc/PID/cgroup, from the root of the hierarchy. A path outside every unit gives an empty name. */
void unit_from_path(const char *path, struct unit *ret_unit);

/* The same as a source of names. */
void unit_look_up(void *state, const char *path, struct identity *identity);

#endif
