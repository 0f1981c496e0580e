/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_SERVICES_H
#define SOCKTALLYD_SERVICES_H
/*
 * The totals of services: one row per unit and manager, which outlives its processes and only grows. Rows are never
 * removed, so a row's number is good for ever; those below N_SERVICE_SPECIALS are no unit.
 */
#include "daemon/lookup.h"
#include "daemon/unit.h"
#include "libclient/layout.h"

enum {
        SERVICE_KERNEL,   /* sockets of the kernel itself */
        SERVICE_OVERFLOW, /* did not fit into the kernel's tables or into this one */
        SERVICE_EXITED,   /* settled by the kernel after the process's row was gone: whose is no longer known */
        SERVICE_NO_UNIT,  /* processes outside every unit */
        N_SERVICE_SPECIALS
};

struct services {
        struct layout_service_row *rows;
        uint32_t n_rows;
        uint32_t n_allocated;
        uint32_t max; /* rows, specials included */
        struct lookup by_unit;
};

int services_init(struct services *services, uint32_t max);
void services_done(struct services *services);
/* Number of the unit's row, made at need; SERVICE_NO_UNIT for a unit without a name, SERVICE_OVERFLOW when there is no
 * room. */
uint32_t services_get(struct services *services, const struct unit *unit, uint64_t now_ns);
/* Merges the newest rows into the overflow row until at most n are left. */
void services_shrink(struct services *services, uint32_t n, uint64_t sequence);

#endif
