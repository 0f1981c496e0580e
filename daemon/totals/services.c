/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rows are kept in the form in which they are published: publishing them is one copy. The table grows with use; at its
 * bound, further units take the places of those that are over, or share the overflow row, so the sum stays whole.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/totals/counters.h"
#include "daemon/totals/services.h"
#include "libclient/socktally.h"

static_assert(sizeof((struct service_closed *) 0)->name == sizeof((struct layout_service_row *) 0)->service,
              "a closed service is remembered by its whole name");

struct service_key {
        const char *name;
        uint32_t uid;
};

static bool match_unit(const void *owner, uint32_t number, const void *key) {
        const struct services *services = owner;
        const struct service_key *wanted = key;

        return services->rows[number].uid == wanted->uid && strcmp(services->rows[number].service, wanted->name) == 0;
}

static bool match_closed(const void *owner, uint32_t number, const void *key) {
        const struct services *services = owner;
        const struct service_key *wanted = key;

        return services->closed[number].uid == wanted->uid && strcmp(services->closed[number].name, wanted->name) == 0;
}

static uint32_t hash_unit(const char *name, uint32_t uid) {
        return lookup_hash(name, strlen(name)) ^ uid * UINT32_C(0x9e3779b9);
}

static int grow(struct services *services) {
        uint32_t n = services->n_allocated ? services->n_allocated * 2 : 64;
        struct layout_service_row *rows;
        uint32_t *n_refs;

        if (services->n_rows < services->n_allocated)
                return 0;
        if (n > services->max)
                n = services->max;
        n_refs = reallocarray(services->n_refs, n, sizeof *n_refs);
        if (!n_refs)
                return -ENOMEM;
        services->n_refs = n_refs;
        rows = reallocarray(services->rows, n, sizeof *rows);
        if (!rows)
                return -ENOMEM;
        services->rows = rows;
        services->n_allocated = n;
        return 0;
}

static void row_init(struct services *services, uint32_t number, uint32_t kind, uint32_t uid, uint64_t now_ns) {
        services->rows[number] = (struct layout_service_row) { .kind = kind, .uid = uid, .start_time = now_ns };
        services->n_refs[number] = 0;
}

static uint32_t append(struct services *services) {
        uint32_t number = services->n_rows++;

        if (services->n_rows > services->peak)
                services->peak = services->n_rows;
        return number;
}

int services_init(struct services *services, uint32_t max) {
        static const uint32_t kinds[N_SERVICE_SPECIALS] = {
                [SERVICE_KERNEL] = SOCKTALLY_ROW_KERNEL,
                [SERVICE_OVERFLOW] = SOCKTALLY_ROW_OVERFLOW,
                [SERVICE_EXITED] = SOCKTALLY_ROW_EXITED,
                [SERVICE_NO_UNIT] = SOCKTALLY_ROW_NO_UNIT,
        };
        int r;

        *services = (struct services) { .max = max < N_SERVICE_SPECIALS ? N_SERVICE_SPECIALS : max };
        r = grow(services);
        if (r < 0)
                return r;
        for (unsigned i = 0; i < N_SERVICE_SPECIALS; i++)
                row_init(services, append(services), kinds[i], LAYOUT_NO_UID, 0);
        return 0;
}

int services_index(struct services *services) {
        int r;

        services->n_refs = calloc(services->n_allocated, sizeof *services->n_refs);
        if (!services->n_refs)
                return -ENOMEM;
        r = lookup_reserve_all(&services->by_unit, services->n_rows);
        if (r == 0)
                r = lookup_reserve_all(&services->by_closed, services->n_closed);
        for (uint32_t i = N_SERVICE_SPECIALS; r == 0 && i < services->n_rows; i++)
                lookup_add(&services->by_unit, hash_unit(services->rows[i].service, services->rows[i].uid), i);
        for (uint32_t i = 0; r == 0 && i < services->n_closed; i++)
                lookup_add(&services->by_closed, hash_unit(services->closed[i].name, services->closed[i].uid), i);
        return r;
}

void services_done(struct services *services) {
        free(services->rows);
        free(services->n_refs);
        free(services->closed);
        lookup_done(&services->by_unit);
        lookup_done(&services->by_closed);
        *services = (struct services) { 0 };
}

/* What a row had goes to the overflow row, and its unit is not found any more. */
static void merge(struct services *services, uint32_t number, uint64_t sequence) {
        struct layout_service_row *row = &services->rows[number], *overflow = &services->rows[SERVICE_OVERFLOW];

        counters_add(overflow->counters, row->counters);
        overflow->processes += row->processes;
        overflow->changed = sequence;
        lookup_remove(&services->by_unit, hash_unit(row->service, row->uid), number);
}

/* The place of a unit that is over, or LOOKUP_NONE. They take turns, so that the search is short. */
static uint32_t replace(struct services *services, uint64_t sequence) {
        for (uint32_t i = N_SERVICE_SPECIALS; i < services->n_rows; i++) {
                uint32_t number = N_SERVICE_SPECIALS + services->next++ % (services->n_rows - N_SERVICE_SPECIALS);
                const struct layout_service_row *row = &services->rows[number];

                if (row->processes > 0 || services->n_refs[number] > 0)
                        continue;
                if (row->uid != UNIT_SYSTEM)
                        counters_add(services->users_merged, row->counters);
                merge(services, number, sequence);
                return number;
        }
        return LOOKUP_NONE;
}

/* A row for a unit that has none, or LOOKUP_NONE. */
static uint32_t make_row(struct services *services, uint64_t sequence) {
        int r = lookup_reserve(&services->by_unit);

        if (r >= 0 && services->n_rows < services->max && grow(services) >= 0)
                return append(services);
        services->n_overflowed++;
        return r < 0 ? LOOKUP_NONE : replace(services, sequence);
}

uint32_t services_get(struct services *services, const struct unit *unit, uint64_t now_ns, uint64_t sequence) {
        struct service_key key = { unit->name, unit->uid };
        uint32_t hash = hash_unit(unit->name, unit->uid), number;

        if (unit->name[0] == '\0')
                return SERVICE_NO_UNIT;
        number = lookup_find(&services->by_unit, hash, match_unit, services, &key);
        if (number != LOOKUP_NONE)
                return number;
        if (lookup_find(&services->by_closed, hash, match_closed, services, &key) != LOOKUP_NONE)
                services->n_overflowed++;
        else
                number = make_row(services, sequence);
        if (number == LOOKUP_NONE)
                return SERVICE_OVERFLOW;
        row_init(services, number, SOCKTALLY_ROW_SERVICE, unit->uid, now_ns);
        strcpy(services->rows[number].service, unit->name);
        lookup_add(&services->by_unit, hash, number);
        return number;
}

void services_ref(struct services *services, uint32_t number) {
        services->n_refs[number]++;
}

void services_unref(struct services *services, uint32_t number) {
        services->n_refs[number]--;
}

void services_shrink(struct services *services, uint32_t n, uint64_t sequence) {
        if (n < N_SERVICE_SPECIALS)
                n = N_SERVICE_SPECIALS;
        while (services->n_rows > n)
                merge(services, --services->n_rows, sequence);
}

static int reserve_closed(struct services *services, uint32_t n) {
        struct service_closed *closed = reallocarray(services->closed, services->n_closed + n, sizeof *closed);

        if (!closed)
                return -ENOMEM;
        services->closed = closed;
        return 0;
}

/* All units are remembered as closed before the first row is removed, as that can fail. A unit that is remembered and
 * still has a row does no harm: services_get() finds the row first. */
int services_close(struct services *services, uint32_t n, uint64_t sequence) {
        int r;

        if (n < N_SERVICE_SPECIALS)
                n = N_SERVICE_SPECIALS;
        if (services->n_rows <= n)
                return 0;
        r = reserve_closed(services, services->n_rows - n);
        for (uint32_t i = n; i < services->n_rows && r >= 0; i++) {
                const struct layout_service_row *row = &services->rows[i];
                struct service_closed *closed = &services->closed[services->n_closed];

                r = lookup_reserve(&services->by_closed);
                if (r < 0)
                        return r;
                closed->uid = row->uid;
                memcpy(closed->name, row->service, sizeof closed->name);
                lookup_add(&services->by_closed, hash_unit(row->service, row->uid), services->n_closed++);
        }
        if (r < 0)
                return r;
        services->n_overflowed += services->n_rows - n;
        services_shrink(services, n, sequence);
        return 0;
}
