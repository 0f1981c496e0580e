/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_TOTALS_SERVICES_H
#define SOCKTALLYD_TOTALS_SERVICES_H
/*
 * The totals of services: one row per unit and manager, which outlives its processes and only grows. Rows below
 * N_SERVICE_SPECIALS are no unit.
 *
 * When the table is full, a new unit takes the place of the one that ended longest ago: no process row shows it, and no
 * row of the kernel feeds it. What that one had goes to the row for ended units. Should it come again, it begins at 0,
 * with another start time. A new unit shares the overflow row only while each of the others lives.
 *
 * When the table becomes smaller, rows are removed from the end. These units are closed: they are part of the overflow
 * row for good. A row that is referred to keeps its number.
 */
#include "daemon/identity/unit.h"
#include "daemon/lookup.h"
#include "libclient/layout.h"

struct service_closed {
        uint32_t uid;
        char name[UNIT_NAME_SIZE];
};

enum {
        SERVICE_KERNEL,   /* sockets of the kernel itself */
        SERVICE_OVERFLOW, /* did not fit into the kernel's tables or into this one */
        SERVICE_EXITED,   /* charged by the kernel after the process's row was gone: whose is no longer known */
        SERVICE_NO_UNIT,  /* processes outside every unit */
        SERVICE_ENDED,    /* units that have ended, and whose rows were needed for others */
        N_SERVICE_SPECIALS
};

/* Who needs a row. Rows that nobody needs stand in a queue, the one that ended first in front. */
struct service_use {
        uint32_t n_refs; /* cursors */
        uint32_t previous, next;
        bool is_queued;
};

struct services {
        struct layout_service_row *rows;
        struct service_use *uses; /* of each row */
        uint32_t n_rows;
        uint32_t n_allocated;
        uint32_t max; /* rows, specials included */
        uint32_t peak;
        uint32_t first_ended, last_ended;
        uint64_t n_overflowed; /* times that something had to share the overflow row */
        /* What users' units had whose rows are part of these two now. */
        uint64_t users_ended[SOCKTALLY_N_METRICS], users_overflowed[SOCKTALLY_N_METRICS];
        struct lookup by_unit;
        struct service_closed *closed; /* units that had a row once, and are part of the overflow row for good */
        uint32_t n_closed;
        struct lookup by_closed;
};

int services_init(struct services *services, uint32_t max);
void services_done(struct services *services);
/* After rows and closed were filled from elsewhere: makes them found by key; nothing refers to them yet. -ENOMEM. */
int services_index(struct services *services);
/* Number of the unit's row, made at need; SERVICE_NO_UNIT for a unit without a name, SERVICE_OVERFLOW when there is no
 * room. */
uint32_t services_get(struct services *services, const struct unit *unit, uint64_t now_ns, uint64_t sequence);
/* A row that is referred to stays. */
void services_ref(struct services *services, uint32_t number);
void services_unref(struct services *services, uint32_t number);
/* And so does one that a process row shows. */
void services_enter(struct services *services, uint32_t number);
void services_leave(struct services *services, uint32_t number);
/* Merges the newest rows into the overflow row until at most n are left. */
void services_shrink(struct services *services, uint32_t n, uint64_t sequence);
/* The same, and closes these units: they get no row again, which would have less than they had. -ENOMEM with nothing
 * changed. */
int services_close(struct services *services, uint32_t n, uint64_t sequence);

#endif
