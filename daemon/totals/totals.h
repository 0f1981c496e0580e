/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_TOTALS_TOTALS_H
#define SOCKTALLYD_TOTALS_TOTALS_H
/*
 * From the rows of the kernel to the rows that are published: one per process, one per service, one for the host.
 * Invariant after every call, for every counter: the rows of processes add up to the host row, and so do the rows of
 * services; no counter ever goes backwards.
 */
#include <stdio.h>

#include "daemon/identity/identity.h"
#include "daemon/sample.h"
#include "daemon/totals/processes.h"
#include "daemon/totals/services.h"

struct totals;
struct missed;

/* Finds out whose traffic a kernel row has. pid: the process's number in /proc here; 0: /proc does not show it. Returns
 * whether the identity is known. */
typedef bool totals_identify(void *userdata, const struct process_key *key, uint32_t pid,
                             struct identity *ret_identity);

/* Begins at 0. Another number than before: kernel rows that were asked for may have another identity now. */
typedef uint32_t totals_generation(void *userdata);

/* False once that process is known to be gone. pid 0: not known here. */
typedef bool totals_is_alive(void *userdata, uint32_t pid, uint64_t start_time);

struct totals_config {
        uint32_t max_processes; /* published rows of each table, specials included */
        uint32_t max_services;
        bool is_without_services; /* rows of services are not kept */
        totals_identify *identity;
        totals_generation *generation; /* NULL: an identity never changes */
        totals_is_alive *is_alive; /* NULL: ends are known from the rows alone */
        void *userdata;
};

/* How long the row of a process is kept after its end, or after the last movement of its counters if that is later.
 * Under pressure (the table is more than three quarters full) rows go sooner, the oldest first. */
#define TOTALS_VISIBLE_NS UINT64_C(10000000000)
#define TOTALS_VISIBLE_PUBLICATIONS 3

/* A process that /proc here does not have (it is in another PID namespace) cannot be asked for. When the kernel's table
 * was replaced, and it has not moved anything for so long since, it counts as gone; under pressure, sooner. */
#define TOTALS_UNSEEN_NS UINT64_C(600000000000)

/* What there is to publish; valid until the next call. Slots of processes that are not used are holes. */
struct totals_result {
        const struct layout_host_row *host;
        const struct process *processes;
        uint32_t n_slots, n_processes; /* n_processes: used slots, specials included */
        const struct layout_service_row *services; /* there also when they are not kept, for their names */
        uint32_t n_services;
        bool has_services;             /* false: no row of a service is to be published */
        uint32_t peak_processes, peak_services; /* most that there ever were */
        uint64_t rows_overflowed;      /* processes that got no row of their own here */
        uint64_t services_overflowed;
        const struct missed *missed;   /* calls that no row has */
        /* Of the services' rows for ended units and for overflow, what users' units had. */
        const uint64_t *users_ended, *users_overflowed;
};

int totals_new(struct totals **ret_totals, const struct totals_config *config);
struct totals *totals_free(struct totals *totals);

/* Takes a sample in; sequence is the publication that it is for. Memory that is short delays or merges rows, never
 * loses a count. */
void totals_update(struct totals *totals, const struct sample *sample, uint64_t sequence);
/* The publication has room for this many rows only. Processes and services beyond that, which the last update has
 * added, are merged into the overflow rows for good. Later updates may add again. */
void totals_shrink(struct totals *totals, uint32_t n_processes, uint32_t n_services, uint64_t sequence);
/* Changes the bounds. If more rows are in use than a new bound allows, rows go to the overflow rows for good: processes
 * that are gone first, then those that were quiet for longest, and the newest services. None of them comes again with
 * smaller counters. -ENOMEM with nothing changed. */
int totals_resize(struct totals *totals, uint32_t max_processes, uint32_t max_services, uint64_t sequence);
/* Rows of services are kept from now on, or no longer. What processes moved meanwhile is not lost to them: with the
 * first sample after they are kept again, all is as if they had been kept all the time. */
void totals_set_services(struct totals *totals, bool has_services, uint64_t sequence);
/* The totals as bytes, and totals made of them. -ESTALE: of another program. */
int totals_keep(const struct totals *totals, FILE *file);
int totals_restore(struct totals **ret_totals, const struct totals_config *config, FILE *file);
/* The kernel's rows are gone, and what processes move from now on comes with rows that begin at 0. */
void totals_forget_rows(struct totals *totals);
void totals_get(const struct totals *totals, struct totals_result *ret_result);

#endif
