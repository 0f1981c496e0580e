/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_IDENTITY_IDENTITIES_H
#define SOCKTALLYD_IDENTITY_IDENTITIES_H
/* Whose traffic each row of the kernel has. Nothing here blocks or asks a name service. Memory is bounded. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <systemd/sd-event.h>

#include "daemon/identity/rules.h"
#include "daemon/identity/source.h"
#include "daemon/sample.h"

struct identities;

struct identities_config {
        const char *proc;         /* "/proc" */
        const char *cgroup_mount; /* cgroup2; NULL: none */
        uint32_t max_cgroups;
        sd_event *event;          /* in which changes of cgroups and answers are waited for; NULL: they are not */
        const struct identity_source *sources; /* with one that has no name at the end; NULL: identity_sources */
        void (*complain)(const char *source, const char *complaint); /* NULL: nobody listens */
};

int identities_new(struct identities **ret_identities, const struct identities_config *config);
struct identities *identities_free(struct identities *identities);

/* Write the paths of cgroups, and read those that the daemon before has written. A process that ended while no daemon
 * ran can be named by these alone. -ESTALE: the file has something else. */
int identities_keep(const struct identities *identities, FILE *file);
int identities_restore(struct identities *identities, FILE *file);

/* Takes in what has changed, at once. */
void identities_follow(struct identities *identities);
/* Takes over other rules; NULL: none. They are freed with the identities, or when the next come. */
void identities_set_rules(struct identities *identities, struct rules *rules);
/* 0 at first. It grows when a source has another answer than before, whatever to, and when the rules are others. */
uint32_t identities_generation(const struct identities *identities);

/* pid: as /proc has it; 0: it does not. comm: the process's name, as the kernel has it. False: it is not known in which
 * cgroup that was (any more), for example because the process is gone; then the identity is that of nobody, but for
 * the app, which a rule or the program's name tells. */
bool identities_find(struct identities *identities, const struct process_key *key, uint32_t pid, const char *comm,
                     struct identity *ret_identity);

/* The arguments of a process, safe to print, with spaces between; empty if it has none, or is gone. */
void identities_command_line(const struct identities *identities, uint32_t pid, uint64_t start_time, char *ret_line,
                             size_t size);

/* False if no such process is in /proc; pid 0 is never known to be gone. */
bool identities_is_alive(const struct identities *identities, uint32_t pid, uint64_t start_time);

#endif
