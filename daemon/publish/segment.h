/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_PUBLISH_SEGMENT_H
#define SOCKTALLYD_PUBLISH_SEGMENT_H
/*
 * The writing side of one shared segment: create, fill a slot that nobody reads, publish it, supersede. The layout is
 * libclient/layout.h. One writer; the caller serialises. A crash at any instruction leaves the published slot whole.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "libclient/layout.h"

struct segment;

struct segment_config {
        const char *directory; /* where the file goes; NULL: a sealed memfd without a name */
        const char *name;      /* file name, also the view's name: "public", "full" */
        uint32_t view;         /* enum socktally_view */
        mode_t mode;
        gid_t gid;             /* (gid_t) -1: leave */
        uint64_t incarnation;
        uint32_t capacity[LAYOUT_N_TABLES]; /* rows; 0: this view does not have the table */
};

/* Where the writer puts the next publication. Rows are not zeroed: the caller writes every field of each row it
 * counts. */
struct segment_fill {
        union { /* by table id, or by name; NULL: this view does not have it */
                void *rows[LAYOUT_N_TABLES];
                struct {
#define X(id, name, row, ...) struct layout_##row##_row *name;
                        LAYOUT_TABLES(X)
#undef X
                };
        };
        uint32_t capacity[LAYOUT_N_TABLES];
        /* Set by the caller before segment_publish(): */
        uint32_t count[LAYOUT_N_TABLES];
        uint64_t known[LAYOUT_N_TABLES]; /* metrics that are being counted; what the table does not have is left out */
        struct layout_facts *facts;      /* everything but sequence */
};

/* Makes a complete segment that is not visible yet: the magic is stored and the file gets its name at the first
 * segment_publish(), replacing an older one of that name by rename. */
int segment_new(struct segment **ret_segment, const struct segment_config *config);
/* Marks the segment superseded (a newer one has its name) or closed (the daemon stops), wakes its readers, unmaps. */
struct segment *segment_free(struct segment *segment, bool is_superseded);

void segment_begin(struct segment *segment, struct segment_fill *ret_fill);
int segment_publish(struct segment *segment, struct segment_fill *fill);

uint64_t segment_sequence(const struct segment *segment);
/* Continue the numbering of a predecessor: the next publication has this number plus one. Before the first publish. */
void segment_set_sequence(struct segment *segment, uint64_t sequence);
/* A descriptor open read-only, for handing out; owned by the segment. */
int segment_fd(const struct segment *segment);

#endif
