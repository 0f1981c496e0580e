/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rows are kept in the form in which they are published: publishing them is one copy. The table grows with use; at its
 * bound, further units take the places of those that have ended, or share the overflow row, so the sum stays whole.
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
        struct service_use *uses;

        if (services->n_rows < services->n_allocated)
                return 0;
        if (n > services->max)
                n = services->max;
        uses = reallocarray(services->uses, n, sizeof *uses);
        if (!uses)
                return -ENOMEM;
        services->uses = uses;
        rows = reallocarray(services->rows, n, sizeof *rows);
        if (!rows)
                return -ENOMEM;
        services->rows = rows;
        services->n_allocated = n;
        return 0;
}

static uint32_t *link_before(struct services *services, uint32_t number) {
        return number == LOOKUP_NONE ? &services->first_ended : &services->uses[number].next;
}

static uint32_t *link_behind(struct services *services, uint32_t number) {
        return number == LOOKUP_NONE ? &services->last_ended : &services->uses[number].previous;
}

static void queue(struct services *services, uint32_t number) {
        struct service_use *use = &services->uses[number];

        use->previous = services->last_ended;
        use->next = LOOKUP_NONE;
        *link_before(services, use->previous) = number;
        services->last_ended = number;
        use->is_queued = true;
}

static void unqueue(struct services *services, uint32_t number) {
        struct service_use *use = &services->uses[number];

        *link_before(services, use->previous) = use->next;
        *link_behind(services, use->next) = use->previous;
        use->is_queued = false;
}

static void queue_if_ended(struct services *services, uint32_t number) {
        struct service_use *use = &services->uses[number];
        bool has_ended = number >= N_SERVICE_SPECIALS && use->n_refs == 0 && services->rows[number].processes == 0;

        if (has_ended && !use->is_queued)
                queue(services, number);
        else if (!has_ended && use->is_queued)
                unqueue(services, number);
}

static void row_init(struct services *services, uint32_t number, uint32_t kind, uint32_t uid, uint64_t now_ns) {
        services->rows[number] = (struct layout_service_row) { .kind = kind, .uid = uid, .start_time = now_ns };
        services->uses[number] = (struct service_use) { .n_refs = 0 };
        queue_if_ended(services, number);
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
                [SERVICE_ENDED] = SOCKTALLY_ROW_ENDED,
        };
        int r;

        *services = (struct services) {
                .max = max < N_SERVICE_SPECIALS ? N_SERVICE_SPECIALS : max,
                .first_ended = LOOKUP_NONE,
                .last_ended = LOOKUP_NONE,
        };
        r = grow(services);
        if (r < 0)
                return r;
        for (unsigned i = 0; i < N_SERVICE_SPECIALS; i++)
                row_init(services, append(services), kinds[i], LAYOUT_NO_UID, 0);
        return 0;
}

int services_index(struct services *services) {
        int r;

        services->first_ended = services->last_ended = LOOKUP_NONE;
        services->uses = calloc(services->n_allocated, sizeof *services->uses);
        if (!services->uses)
                return -ENOMEM;
        for (uint32_t i = 0; i < services->n_rows; i++)
                queue_if_ended(services, i);
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
        free(services->uses);
        free(services->closed);
        lookup_done(&services->by_unit);
        lookup_done(&services->by_closed);
        *services = (struct services) { 0 };
}

/* What a row had goes to a special row, and its unit is not found any more. users: how much of the special row is of
 * users' units. */
static void merge(struct services *services, uint32_t number, uint32_t into, uint64_t *users, uint64_t sequence) {
        struct layout_service_row *row = &services->rows[number], *sum = &services->rows[into];

        if (services->uses[number].is_queued)
                unqueue(services, number);
        if (row->uid != UNIT_SYSTEM)
                counters_add(users, row->counters);
        counters_add(sum->counters, row->counters);
        sum->processes += row->processes;
        sum->changed = sequence;
        lookup_remove(&services->by_unit, hash_unit(row->service, row->uid), number);
}

/* The place of the unit that ended longest ago, or LOOKUP_NONE. */
static uint32_t replace(struct services *services, uint64_t sequence) {
        uint32_t number = services->first_ended;

        if (number != LOOKUP_NONE)
                merge(services, number, SERVICE_ENDED, services->users_ended, sequence);
        return number;
}

/* A row for a unit that has none, or LOOKUP_NONE. */
static uint32_t make_row(struct services *services, uint64_t sequence) {
        uint32_t number = LOOKUP_NONE;

        if (lookup_reserve(&services->by_unit) >= 0) {
                if (services->n_rows < services->max && grow(services) >= 0)
                        return append(services);
                number = replace(services, sequence);
        }
        services->n_overflowed += number == LOOKUP_NONE;
        return number;
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
        services->uses[number].n_refs++;
        queue_if_ended(services, number);
}

void services_unref(struct services *services, uint32_t number) {
        services->uses[number].n_refs--;
        queue_if_ended(services, number);
}

void services_enter(struct services *services, uint32_t number) {
        services->rows[number].processes++;
        queue_if_ended(services, number);
}

void services_leave(struct services *services, uint32_t number) {
        services->rows[number].processes--;
        queue_if_ended(services, number);
}

void services_shrink(struct services *services, uint32_t n, uint64_t sequence) {
        if (n < N_SERVICE_SPECIALS)
                n = N_SERVICE_SPECIALS;
        while (services->n_rows > n)
                merge(services, --services->n_rows, SERVICE_OVERFLOW, services->users_overflowed, sequence);
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
