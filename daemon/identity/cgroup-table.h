/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_IDENTITY_CGROUP_TABLE_H
#define SOCKTALLYD_IDENTITY_CGROUP_TABLE_H
/*
 * What is known of cgroups: for each a slot, which is found by its id and, while it is watched, by its watch. Slots of
 * cgroups that are gone stay for a while, in a ring: the oldest are forgotten first. A slot can be in a queue.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "daemon/lookup.h"

#define CGROUP_PATH_SIZE 1024 /* systemd stays far below */
#define CGROUPS_GONE 2048     /* paths that are kept after their cgroups went */

struct cgroup {
        uint64_t id;
        char *path;     /* from the mount; NULL: a free slot */
        int watch;      /* -1: gone, or not watched */
        uint32_t previous, next; /* in the queue; next: of free slots, too */
        uint32_t place; /* among those that are gone */
        bool is_gone, is_queued;
};

struct cgroup_table {
        struct cgroup *slots;
        uint32_t n_slots, n_allocated;
        uint32_t n_here; /* slots of cgroups that are not gone */
        uint32_t first_free;
        uint32_t first_queued, last_queued; /* LOOKUP_NONE: the queue is empty */
        struct lookup by_id, by_watch;
        uint32_t gone[CGROUPS_GONE];
        uint32_t gone_next;
};

void cgroup_table_init(struct cgroup_table *table);
void cgroup_table_done(struct cgroup_table *table);

/* LOOKUP_NONE: there is none. */
uint32_t cgroup_find(const struct cgroup_table *table, uint64_t id);
uint32_t cgroup_find_watch(const struct cgroup_table *table, int watch);
/* -ENOMEM. Pointers to slots are void afterwards. */
int cgroup_add(struct cgroup_table *table, uint64_t id, const char *path, uint32_t *ret_number);
void cgroup_set_watch(struct cgroup_table *table, uint32_t number, int watch);
/* Its path stays known for a while; it is not watched any more, and not in the queue. */
void cgroup_set_gone(struct cgroup_table *table, uint32_t number);
/* Forgets one that is gone, because something else has its id: other file systems use inode numbers again. */
void cgroup_forget(struct cgroup_table *table, uint32_t number);

/* The queue is in the order in which slots came; each is in it once. */
void cgroup_queue(struct cgroup_table *table, uint32_t number);
void cgroup_unqueue(struct cgroup_table *table, uint32_t number);

/* Writes all paths, and reads them as those of cgroups that are gone. -ESTALE: the file has something else. */
int cgroup_table_keep(const struct cgroup_table *table, FILE *file);
int cgroup_table_restore(struct cgroup_table *table, FILE *file);

#endif
