/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_IDENTITY_IDENTITY_H
#define SOCKTALLYD_IDENTITY_IDENTITY_H
/* Which systemd unit a kernel row belongs to. Never blocks, asks no name service; what it remembers is bounded. */
#include <stdbool.h>
#include <stdio.h>

#include "daemon/identity/unit.h"
#include "daemon/sample.h"

struct identity;

struct identity_config {
        const char *proc;         /* "/proc" */
        const char *cgroup_mount; /* cgroup2; NULL: none */
        uint32_t max_cgroups;
};

int identity_new(struct identity **ret_identify, const struct identity_config *config);
struct identity *identity_free(struct identity *identity);

/* Names of cgroups as bytes, and what the daemon before knew of them: rows of processes that ended while none ran have
 * a unit by that alone. -ESTALE: what identity_keep() writes ends or goes on otherwise. */
int identity_keep(const struct identity *identity, FILE *file);
int identity_restore(struct identity *identity, FILE *file);

/* A descriptor to poll, or -1; when it is readable, call identity_follow(). */
int identity_fd(const struct identity *identity);
void identity_follow(struct identity *identity);

/* False if no such process is in /proc; pid 0 is never known to be gone. */
bool identity_is_alive(const struct identity *identity, uint32_t pid, uint64_t start_time);

/* An empty name: outside every unit, or gone before anybody could look. */
void identity_unit(struct identity *identity, const struct process_key *key, const struct process_row *row,
                   struct unit *ret_unit);

#endif
