/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table grows with use. At its bound, further groups take the places of those that have ended, or share the
 * overflow row, so the sum stays whole.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/totals/counters.h"
#include "daemon/totals/groups.h"
#include "libclient/socktally.h"

static bool match_key(const void *owner, uint32_t number, const void *key) {
        const struct groups *groups = owner;
        const struct group_key *wanted = key;

        return groups->rows[number].uid == wanted->uid && strcmp(groups->rows[number].name, wanted->name) == 0;
}

static bool match_closed(const void *owner, uint32_t number, const void *key) {
        const struct groups *groups = owner;
        const struct group_key *wanted = key;

        return groups->closed[number].uid == wanted->uid && strcmp(groups->closed[number].name, wanted->name) == 0;
}

static uint32_t hash_key(const char *name, uint32_t uid) {
        return lookup_hash(name, strlen(name)) ^ uid * UINT32_C(0x9e3779b9);
}

static int grow(struct groups *groups) {
        uint32_t n = groups->n_allocated ? groups->n_allocated * 2 : 64;
        struct group_row *rows;
        struct group_use *uses;

        if (groups->n_rows < groups->n_allocated)
                return 0;
        if (n > groups->max)
                n = groups->max;
        uses = reallocarray(groups->uses, n, sizeof *uses);
        if (!uses)
                return -ENOMEM;
        groups->uses = uses;
        rows = reallocarray(groups->rows, n, sizeof *rows);
        if (!rows)
                return -ENOMEM;
        groups->rows = rows;
        groups->n_allocated = n;
        return 0;
}

static uint32_t *link_before(struct groups *groups, uint32_t number) {
        return number == LOOKUP_NONE ? &groups->first_ended : &groups->uses[number].next;
}

static uint32_t *link_behind(struct groups *groups, uint32_t number) {
        return number == LOOKUP_NONE ? &groups->last_ended : &groups->uses[number].previous;
}

static void queue(struct groups *groups, uint32_t number) {
        struct group_use *use = &groups->uses[number];

        use->previous = groups->last_ended;
        use->next = LOOKUP_NONE;
        *link_before(groups, use->previous) = number;
        groups->last_ended = number;
        use->is_queued = true;
}

static void unqueue(struct groups *groups, uint32_t number) {
        struct group_use *use = &groups->uses[number];

        *link_before(groups, use->previous) = use->next;
        *link_behind(groups, use->next) = use->previous;
        use->is_queued = false;
}

static void queue_if_ended(struct groups *groups, uint32_t number) {
        struct group_use *use = &groups->uses[number];
        bool has_ended = number >= N_GROUP_SPECIALS && use->n_refs == 0 && groups->rows[number].processes == 0;

        if (has_ended && !use->is_queued)
                queue(groups, number);
        else if (!has_ended && use->is_queued)
                unqueue(groups, number);
}

static void row_init(struct groups *groups, uint32_t number, uint32_t kind, uint32_t uid, uint64_t now_ns) {
        groups->rows[number] = (struct group_row) { .kind = kind, .uid = uid, .start_time = now_ns };
        groups->uses[number] = (struct group_use) { .n_refs = 0 };
        queue_if_ended(groups, number);
}

static uint32_t append(struct groups *groups) {
        uint32_t number = groups->n_rows++;

        if (groups->n_rows > groups->peak)
                groups->peak = groups->n_rows;
        return number;
}

int groups_init(struct groups *groups, enum grouping grouping, uint32_t max) {
        static const struct {
                uint32_t group, none;
        } kinds_of[N_GROUPINGS] = {
#define X(name, table, none) { SOCKTALLY_ROW_##name, SOCKTALLY_ROW_##none },
                GROUPINGS(X)
#undef X
        };
        const uint32_t kinds[N_GROUP_SPECIALS] = {
                [GROUP_KERNEL] = SOCKTALLY_ROW_KERNEL,
                [GROUP_OVERFLOW] = SOCKTALLY_ROW_OVERFLOW,
                [GROUP_EXITED] = SOCKTALLY_ROW_EXITED,
                [GROUP_NONE] = kinds_of[grouping].none,
                [GROUP_ENDED] = SOCKTALLY_ROW_ENDED,
        };
        int r;

        *groups = (struct groups) {
                .max = max < N_GROUP_SPECIALS ? N_GROUP_SPECIALS : max,
                .kind = kinds_of[grouping].group,
                .first_ended = LOOKUP_NONE,
                .last_ended = LOOKUP_NONE,
        };
        r = grow(groups);
        if (r < 0)
                return r;
        for (unsigned i = 0; i < N_GROUP_SPECIALS; i++)
                row_init(groups, append(groups), kinds[i], LAYOUT_NO_UID, 0);
        return 0;
}

int groups_index(struct groups *groups) {
        int r;

        groups->first_ended = groups->last_ended = LOOKUP_NONE;
        groups->uses = calloc(groups->n_allocated, sizeof *groups->uses);
        if (!groups->uses)
                return -ENOMEM;
        for (uint32_t i = 0; i < groups->n_rows; i++)
                queue_if_ended(groups, i);
        r = lookup_reserve_all(&groups->by_key, groups->n_rows);
        if (r == 0)
                r = lookup_reserve_all(&groups->by_closed, groups->n_closed);
        for (uint32_t i = N_GROUP_SPECIALS; r == 0 && i < groups->n_rows; i++)
                lookup_add(&groups->by_key, hash_key(groups->rows[i].name, groups->rows[i].uid), i);
        for (uint32_t i = 0; r == 0 && i < groups->n_closed; i++)
                lookup_add(&groups->by_closed, hash_key(groups->closed[i].name, groups->closed[i].uid), i);
        return r;
}

void groups_done(struct groups *groups) {
        free(groups->rows);
        free(groups->uses);
        free(groups->closed);
        lookup_done(&groups->by_key);
        lookup_done(&groups->by_closed);
        *groups = (struct groups) { 0 };
}

/* What a row had goes to a special row, and its group is not found any more. users: how much of the special row is of
 * users' groups. */
static void merge(struct groups *groups, uint32_t number, uint32_t into, uint64_t *users, uint64_t sequence) {
        struct group_row *row = &groups->rows[number], *sum = &groups->rows[into];

        if (groups->uses[number].is_queued)
                unqueue(groups, number);
        if (row->uid != LAYOUT_NO_UID)
                counters_add(users, row->counters);
        counters_add(sum->counters, row->counters);
        sum->processes += row->processes;
        sum->changed = sequence;
        lookup_remove(&groups->by_key, hash_key(row->name, row->uid), number);
}

/* The place of the group that ended longest ago, or LOOKUP_NONE. */
static uint32_t replace(struct groups *groups, uint64_t sequence) {
        uint32_t number = groups->first_ended;

        if (number != LOOKUP_NONE)
                merge(groups, number, GROUP_ENDED, groups->users_ended, sequence);
        return number;
}

/* A row for a group that has none, or LOOKUP_NONE. */
static uint32_t make_row(struct groups *groups, uint64_t sequence) {
        uint32_t number = LOOKUP_NONE;

        if (lookup_reserve(&groups->by_key) >= 0) {
                if (groups->n_rows < groups->max && grow(groups) >= 0)
                        return append(groups);
                number = replace(groups, sequence);
        }
        groups->n_overflowed += number == LOOKUP_NONE;
        return number;
}

static uint32_t find_or_make(struct groups *groups, const struct group_key *key, uint64_t now_ns, uint64_t sequence) {
        uint32_t hash = hash_key(key->name, key->uid), number;

        number = lookup_find(&groups->by_key, hash, match_key, groups, key);
        if (number != LOOKUP_NONE)
                return number;
        if (lookup_find(&groups->by_closed, hash, match_closed, groups, key) != LOOKUP_NONE)
                groups->n_overflowed++;
        else
                number = make_row(groups, sequence);
        if (number == LOOKUP_NONE)
                return GROUP_OVERFLOW;
        row_init(groups, number, groups->kind, key->uid, now_ns);
        snprintf(groups->rows[number].name, sizeof groups->rows[number].name, "%s", key->name);
        lookup_add(&groups->by_key, hash, number);
        return number;
}

uint32_t groups_get(struct groups *groups, const struct group_key *key, const struct group_label *label,
                    uint64_t now_ns, uint64_t sequence) {
        uint32_t number;

        if (!key->name)
                return GROUP_NONE;
        number = find_or_make(groups, key, now_ns, sequence);
        if (number >= N_GROUP_SPECIALS)
                groups->rows[number].label = *label;
        return number;
}

void groups_ref(struct groups *groups, uint32_t number) {
        groups->uses[number].n_refs++;
        queue_if_ended(groups, number);
}

void groups_unref(struct groups *groups, uint32_t number) {
        groups->uses[number].n_refs--;
        queue_if_ended(groups, number);
}

void groups_enter(struct groups *groups, uint32_t number) {
        groups->rows[number].processes++;
        queue_if_ended(groups, number);
}

void groups_leave(struct groups *groups, uint32_t number) {
        groups->rows[number].processes--;
        queue_if_ended(groups, number);
}

void groups_shrink(struct groups *groups, uint32_t n, uint64_t sequence) {
        if (n < N_GROUP_SPECIALS)
                n = N_GROUP_SPECIALS;
        while (groups->n_rows > n)
                merge(groups, --groups->n_rows, GROUP_OVERFLOW, groups->users_overflowed, sequence);
}

int groups_prepare_close(struct groups *groups, uint32_t n) {
        uint32_t n_closed = groups->n_closed;
        struct group_closed *closed;

        if (n < N_GROUP_SPECIALS)
                n = N_GROUP_SPECIALS;
        if (groups->n_rows <= n)
                return 0;
        n_closed += groups->n_rows - n;
        closed = reallocarray(groups->closed, n_closed, sizeof *closed);
        if (!closed)
                return -ENOMEM;
        groups->closed = closed;
        return lookup_reserve_all(&groups->by_closed, n_closed);
}

void groups_close(struct groups *groups, uint32_t n, uint64_t sequence) {
        if (n < N_GROUP_SPECIALS)
                n = N_GROUP_SPECIALS;
        for (uint32_t i = n; i < groups->n_rows; i++) {
                const struct group_row *row = &groups->rows[i];
                struct group_closed *closed = &groups->closed[groups->n_closed];

                closed->uid = row->uid;
                memcpy(closed->name, row->name, sizeof closed->name);
                lookup_add(&groups->by_closed, hash_key(row->name, row->uid), groups->n_closed++);
                groups->n_overflowed++;
        }
        groups_shrink(groups, n, sequence);
}
