/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_TOTALS_GROUPS_H
#define SOCKTALLYD_TOTALS_GROUPS_H
/*
 * The totals of groups of processes: one row per service, app, container or user, which outlives its processes and only
 * grows. There is one such table for each way to group processes. Rows below N_GROUP_SPECIALS are no group.
 *
 * When the table is full, a new group takes the place of the one that ended longest ago: no process row shows it, and
 * no row of the kernel feeds it. What that one had goes to the row for ended groups. Should it come again, it begins at
 * 0, with another start time. A new group shares the overflow row only while each of the others lives.
 *
 * When the table becomes smaller, rows are removed from the end. These groups are closed: they are part of the overflow
 * row for good. A row that is referred to keeps its number.
 */
#include <stdbool.h>

#include "daemon/lookup.h"
#include "libclient/layout.h"

/* Ways to group processes. X(NAME, TABLE, NONE): the rows are in LAYOUT_TABLE_TABLE, a group's is SOCKTALLY_ROW_NAME
 * and that of processes in no group SOCKTALLY_ROW_NONE. */
#define GROUPINGS(X)                                                                                                   \
        X(SERVICE, SERVICES, NO_UNIT)                                                                                  \
        X(APP, APPS, NO_APP)                                                                                           \
        X(CONTAINER, CONTAINERS, NO_CONTAINER)                                                                         \
        X(USER, USERS, NO_USER)

enum grouping {
#define X(name, ...) BY_##name,
        GROUPINGS(X)
#undef X
        N_GROUPINGS
};

#define GROUP_NAME_SIZE LAYOUT_UNIT_FULL_SIZE

/* A group is known by its name and its user. A user has no name but that number. */
struct group_key {
        const char *name; /* NULL: no group */
        uint32_t uid;     /* LAYOUT_NO_UID: nobody's in particular */
};

/* What else people may want to know of a group. It can change. */
struct group_label {
        char title[LAYOUT_TITLE_SIZE]; /* what people call it */
        char type[LAYOUT_TYPE_SIZE];   /* of an app its kind, of a container its runtime */
        char pod[LAYOUT_POD_SIZE];     /* the pod that a container is in */
};

struct group_row {
        uint64_t start_time; /* when it was first seen */
        uint64_t changed;    /* sequence in which a counter last moved */
        uint32_t uid;
        uint32_t kind; /* enum socktally_row_kind */
        uint32_t processes;
        char name[GROUP_NAME_SIZE];
        struct group_label label;
        uint64_t counters[SOCKTALLY_N_METRICS];
};

struct group_closed {
        uint32_t uid;
        char name[GROUP_NAME_SIZE];
};

enum {
        GROUP_KERNEL,   /* sockets of the kernel itself */
        GROUP_OVERFLOW, /* did not fit into the kernel's tables or into this one */
        GROUP_EXITED,   /* charged by the kernel after the process's row was gone: whose is no longer known */
        GROUP_NONE,     /* processes in no group */
        GROUP_ENDED,    /* groups that have ended, and whose rows were needed for others */
        N_GROUP_SPECIALS
};

/* Who needs a row. Those that nobody needs stand in a queue, the one that ended first in front. */
struct group_use {
        uint32_t n_refs, previous, next; /* n_refs: of cursors */
        bool is_queued;
};

struct groups {
        struct group_row *rows;
        struct group_use *uses; /* of each row */
        uint32_t n_rows, n_allocated;
        uint32_t max, peak; /* rows, specials included */
        uint32_t kind; /* enum socktally_row_kind of a row that is a group */
        uint32_t first_ended, last_ended;
        uint64_t n_overflowed; /* times that something had to share the overflow row */
        /* What users' groups had whose rows are part of these two now. */
        uint64_t users_ended[SOCKTALLY_N_METRICS], users_overflowed[SOCKTALLY_N_METRICS];
        struct lookup by_key;
        struct group_closed *closed; /* groups that had a row once, and are part of the overflow row for good */
        uint32_t n_closed;
        struct lookup by_closed;
};

int groups_init(struct groups *groups, enum grouping grouping, uint32_t max);
void groups_done(struct groups *groups);
/* After rows and closed were filled from elsewhere: finds them by key; nothing refers to them yet. -ENOMEM. */
int groups_index(struct groups *groups);
/* Number of the group's row, made at need, with this label from now on; GROUP_NONE for a key that is no group,
 * GROUP_OVERFLOW when there is no room. */
uint32_t groups_get(struct groups *groups, const struct group_key *key, const struct group_label *label,
                    uint64_t now_ns, uint64_t sequence);
/* A row that is referred to stays. */
void groups_ref(struct groups *groups, uint32_t number);
void groups_unref(struct groups *groups, uint32_t number);
/* And so does one that a process row shows. */
void groups_enter(struct groups *groups, uint32_t number);
void groups_leave(struct groups *groups, uint32_t number);
/* Merges the newest rows into the overflow row until at most n are left. */
void groups_shrink(struct groups *groups, uint32_t n, uint64_t sequence);
/* The next two: the same, and closes these groups: they get no row again, which would have less than they had.
 * groups_prepare_close() can fail with -ENOMEM and changes nothing that shows; groups_close() follows it with the same
 * n and cannot. */
int groups_prepare_close(struct groups *groups, uint32_t n);
void groups_close(struct groups *groups, uint32_t n, uint64_t sequence);

#endif
