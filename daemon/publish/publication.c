/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns the segments of both views. They start small and are replaced when the tables grow, when their bounds become
 * smaller, and when they were nearly empty for a while: the successor is complete and carries the same publication
 * numbers on before the old one is marked superseded, so a reader that looks at the wrong moment finds one of them
 * whole. Nothing allocates but such a replacement.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/publish/publication.h"
#include "daemon/publish/segment.h"
#include "daemon/publish/table.h"
#include "daemon/totals/missed.h"
#include "libclient/socktally.h"

#define ROWS_MIN 64
#define SPARSE_PUBLICATIONS 32 /* so long most rows of a table must be free before its segments become smaller */

static const struct {
        const char *name;
        uint32_t view;
        mode_t mode;
} views[N_PUBLISH_VIEWS] = {
        [PUBLISH_PUBLIC] = { "public", SOCKTALLY_VIEW_PUBLIC, 0444 },
        [PUBLISH_FULL] = { "full", SOCKTALLY_VIEW_FULL, 0440 },
};

struct publish {
        struct publish_config config;
        struct segment *segments[N_PUBLISH_VIEWS];
        struct segment *successors[N_PUBLISH_VIEWS]; /* not visible before their first publication */
        uint32_t capacity[LAYOUT_N_TABLES];
        uint32_t n_sparse[LAYOUT_N_TABLES]; /* publications in a row that needed a small part of a table */
        uint64_t sequence;
        uint64_t n_replaced; /* how often there were new segments after the first */
};

static const struct publish_table *const tables[LAYOUT_N_TABLES] = {
#define X(id, name, ...) &publish_##name,
        LAYOUT_TABLES(X)
#undef X
};

static uint32_t capacity_for(uint32_t current, uint32_t wanted, uint32_t max) {
        if (current == 0)
                current = max < ROWS_MIN ? max : ROWS_MIN;
        if (current > max)
                current = max;
        while (current < wanted && current < max)
                current = current > max / 2 ? max : current * 2;
        return current;
}

static void plan(const struct publish *publish, const struct totals_result *result, uint32_t ret_capacity[]) {
        for (uint32_t id = 0; id < LAYOUT_N_TABLES; id++) {
                bool is_sparse = publish->n_sparse[id] >= SPARSE_PUBLICATIONS;

                ret_capacity[id] = capacity_for(is_sparse ? 0 : publish->capacity[id], tables[id]->count(result),
                                                tables[id]->max(&publish->config));
        }
}

static bool has_table(enum publish_view view, uint32_t id) {
        return tables[id]->views >> view & 1;
}

static int segment_make(const struct publish *publish, enum publish_view view, const uint32_t capacity[],
                        struct segment **ret_segment) {
        struct segment_config config = {
                .directory = publish->config.directory,
                .name = views[view].name,
                .view = views[view].view,
                .mode = views[view].mode,
                .gid = view == PUBLISH_FULL ? publish->config.gid : (gid_t) -1,
                .incarnation = publish->config.incarnation,
        };
        int r;

        for (uint32_t id = 0; id < LAYOUT_N_TABLES; id++)
                config.capacity[id] = has_table(view, id) ? capacity[id] : 0;
        r = segment_new(ret_segment, &config);
        if (r >= 0)
                segment_set_sequence(*ret_segment, publish->sequence);
        return r;
}

static bool has_segments(const struct publish *publish) {
        return publish->segments[PUBLISH_PUBLIC] && publish->segments[PUBLISH_FULL];
}

static bool needs_successor(const struct publish *publish, enum publish_view view, const uint32_t capacity[]) {
        for (uint32_t id = 0; id < LAYOUT_N_TABLES; id++)
                if (has_table(view, id) && capacity[id] != publish->capacity[id])
                        return true;
        return false;
}

/* Makes a successor for each view that needs one. On error none gets one. */
static int make_successors(struct publish *publish, const uint32_t capacity[]) {
        int r = 0;

        for (unsigned i = 0; i < N_PUBLISH_VIEWS && r >= 0; i++)
                if (needs_successor(publish, i, capacity))
                        r = segment_make(publish, i, capacity, &publish->successors[i]);
        if (r >= 0) {
                memcpy(publish->capacity, capacity, sizeof publish->capacity);
                memset(publish->n_sparse, 0, sizeof publish->n_sparse);
                return 0;
        }
        for (unsigned i = 0; i < N_PUBLISH_VIEWS; i++)
                publish->successors[i] = segment_free(publish->successors[i], true);
        return r;
}

int publish_new(struct publish **ret_publish, const struct publish_config *config) {
        struct publish *publish = calloc(1, sizeof *publish);

        if (!publish)
                return -ENOMEM;
        publish->config = *config;
        publish->sequence = config->sequence;
        *ret_publish = publish;
        return 0;
}

struct publish *publish_free(struct publish *publish) {
        if (!publish)
                return NULL;
        for (unsigned i = 0; i < N_PUBLISH_VIEWS; i++) {
                segment_free(publish->successors[i], false);
                segment_free(publish->segments[i], false);
        }
        free(publish);
        return NULL;
}

uint64_t publish_next(const struct publish *publish) {
        return publish->sequence + 1;
}

static void shrink_to_fit(const struct publish *publish, struct totals *totals) {
        const struct totals_rows room = {
                .processes = publish->capacity[LAYOUT_TABLE_PROCESSES],
#define X(name, table, ...) .groups[BY_##name] = publish->capacity[LAYOUT_TABLE_##table],
                GROUPINGS(X)
#undef X
        };

        totals_shrink(totals, &room, publish_next(publish));
}

static void count_sparse(struct publish *publish, const struct totals_result *result) {
        for (uint32_t id = 0; id < LAYOUT_N_TABLES; id++)
                if (publish->capacity[id] > ROWS_MIN && tables[id]->count(result) < publish->capacity[id] / 8)
                        publish->n_sparse[id]++;
                else
                        publish->n_sparse[id] = 0;
}

static bool has_room(const struct publish *publish, const struct totals_result *result) {
        for (uint32_t id = 0; id < LAYOUT_N_TABLES; id++)
                if (tables[id]->count(result) > publish->capacity[id] ||
                    tables[id]->max(&publish->config) < publish->capacity[id])
                        return false;
        return true;
}

int publish_fit(struct publish *publish, struct totals *totals) {
        bool is_pending = publish->successors[PUBLISH_PUBLIC] || publish->successors[PUBLISH_FULL];
        uint32_t capacity[LAYOUT_N_TABLES];
        struct totals_result result;
        int r;

        totals_get(totals, &result);
        count_sparse(publish, &result);
        plan(publish, &result, capacity);
        if (memcmp(capacity, publish->capacity, sizeof capacity) == 0)
                return 0;
        /* A successor that could not get its name is tried again before there is another. */
        r = is_pending ? -EBUSY : make_successors(publish, capacity);
        if (r >= 0)
                return 1;
        memset(publish->n_sparse, 0, sizeof publish->n_sparse);
        if (has_room(publish, &result))
                return 0; /* smaller ones can wait */
        /* Rows that somebody has seen before cannot be taken back: then there is nothing to publish. */
        if (!is_pending && !has_segments(publish) && publish->config.sequence == 0) {
                plan(publish, &(struct totals_result) { .groups = (const struct groups[N_GROUPINGS]) {} }, capacity);
                (void) make_successors(publish, capacity);
        }
        if (publish->capacity[LAYOUT_TABLE_PROCESSES] > 0)
                shrink_to_fit(publish, totals);
        return r;
}

void publish_resize(struct publish *publish, const struct totals_rows *max) {
        publish->config.max = *max;
}

static struct segment *segment_of(const struct publish *publish, enum publish_view view) {
        return publish->successors[view] ? publish->successors[view] : publish->segments[view];
}

/* publish_fit() made room, but what is copied is bounded by the segment itself. A slot that was begun and not filled is
 * begun again with the next publication. */
static int begin_view(const struct publish *publish, enum publish_view view, const struct totals_result *result,
                      struct segment_fill *ret_fill) {
        struct segment *segment = segment_of(publish, view);

        if (!segment)
                return -ENOSPC; /* publish_fit() could not make one */
        segment_begin(segment, ret_fill);
        for (uint32_t id = 0; id < LAYOUT_N_TABLES; id++)
                if (has_table(view, id) && tables[id]->count(result) > ret_fill->capacity[id])
                        return -ENOBUFS;
        return 0;
}

static void fill_missed(struct layout_facts *facts, const struct missed *missed) {
        facts->missed_tx_calls = missed->calls[0];
        facts->missed_rx_calls = missed->calls[1];
        facts->interval_missed_tx_calls = missed->interval[0];
        facts->interval_missed_rx_calls = missed->interval[1];
        facts->missed_is_exact = !missed->is_bound;
}

static int write_view(struct publish *publish, enum publish_view view, const struct totals_result *result,
                      const struct layout_facts *facts, uint64_t known, struct segment_fill *fill) {
        *fill->facts = *facts;
        fill->facts->sequence = publish_next(publish);
        fill->facts->rows_overflowed += totals_overflowed(result);
        fill_missed(fill->facts, result->missed);
        for (uint32_t id = 0; id < LAYOUT_N_TABLES; id++)
                if (has_table(view, id)) {
                        fill->known[id] = known;
                        tables[id]->fill(fill, result, view);
                }
        return segment_publish(segment_of(publish, view), fill);
}

/* The successor has been published: it takes the place of the view's segment. */
static void promote_successor(struct publish *publish, enum publish_view view, unsigned *ret_replaced) {
        if (!publish->successors[view])
                return;
        segment_free(publish->segments[view], true);
        publish->segments[view] = publish->successors[view];
        publish->successors[view] = NULL;
        *ret_replaced |= 1U << view;
}

int publish_write(struct publish *publish, const struct totals *totals, const struct layout_facts *facts,
                  uint64_t known, unsigned *ret_replaced) {
        struct segment_fill fills[N_PUBLISH_VIEWS];
        struct totals_result result;
        bool is_first = !publish->segments[PUBLISH_PUBLIC];
        unsigned replaced = 0;
        int r = 0;

        *ret_replaced = 0;
        totals_get(totals, &result);
        for (unsigned i = 0; i < N_PUBLISH_VIEWS && r >= 0; i++)
                r = begin_view(publish, i, &result, &fills[i]);
        if (r < 0)
                return r;
        for (unsigned i = 0; i < N_PUBLISH_VIEWS; i++) {
                int error = write_view(publish, i, &result, facts, known, &fills[i]);

                if (error >= 0)
                        promote_successor(publish, i, &replaced);
                else if (r >= 0)
                        r = error;
        }
        publish->sequence++;
        if (replaced && !is_first)
                publish->n_replaced++;
        *ret_replaced = replaced;
        return r;
}

uint64_t publish_number(const struct publish *publish) {
        return publish->config.incarnation + publish->n_replaced;
}

int publish_fd(const struct publish *publish, enum publish_view view) {
        return publish->segments[view] ? segment_fd(publish->segments[view]) : -1;
}
