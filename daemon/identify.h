/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_IDENTIFY_H
#define SOCKTALLYD_IDENTIFY_H
/* Which systemd unit a kernel row belongs to. Never blocks, asks no name service; what it remembers is bounded. */
#include <stdbool.h>
#include <stdio.h>

#include "daemon/sample.h"
#include "daemon/unit.h"

struct identify;

struct identify_config {
        const char *proc;         /* "/proc" */
        const char *cgroup_mount; /* cgroup2; NULL: none */
        uint32_t max_cgroups;
};

int identify_new(struct identify **ret_identify, const struct identify_config *config);
struct identify *identify_free(struct identify *identify);

/* Names of cgroups as bytes, and what the daemon before knew of them: rows of processes that ended while none ran have
 * a unit by that alone. -ESTALE: what identify_keep() writes ends or goes on otherwise. */
int identify_keep(const struct identify *identify, FILE *file);
int identify_restore(struct identify *identify, FILE *file);

/* A descriptor to poll, or -1; when it is readable, call identify_follow(). */
int identify_fd(const struct identify *identify);
void identify_follow(struct identify *identify);

/* False if no such process is in /proc; pid 0 is never known to be gone. */
bool identify_is_alive(const struct identify *identify, uint32_t pid, uint64_t start_time);

/* An empty name: outside every unit, or gone before anybody could look. */
void identify_unit(struct identify *identify, const struct process_key *key, const struct process_row *row,
                   struct unit *ret_unit);

#endif
