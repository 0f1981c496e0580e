/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_PUBLISH_PUBLICATION_H
#define SOCKTALLYD_PUBLISH_PUBLICATION_H
/*
 * From totals to shared segments. Two views are published side by side under the same sequence: `full` has everything,
 * `public` the host and the services of the system's manager. Which tables a view has, and how they are filled, is in
 * table.h.
 */
#include <sys/types.h>

#include "daemon/totals/totals.h"

struct publish;

enum publish_view { PUBLISH_PUBLIC, PUBLISH_FULL, N_PUBLISH_VIEWS };

struct publish_config {
        const char *directory;
        gid_t gid;               /* may read `full` */
        uint64_t incarnation;
        struct totals_rows max;  /* that are published */
        uint64_t sequence;       /* of the last publication; 0: there was none */
};

int publish_new(struct publish **ret_publish, const struct publish_config *config);
/* Marks both segments closed and removes their files. */
struct publish *publish_free(struct publish *publish);

/* Number that the next publication will have. */
uint64_t publish_next(const struct publish *publish);
/* Of the segments that are written now: another one whenever they are replaced, by this daemon or the next. */
uint64_t publish_number(const struct publish *publish);
/* Makes the segments when there are none, and replaces those that are too small for what is to be published. 1: there
 * are new ones. 0: those that there are suffice. -errno: they could not be replaced, and rows that do not fit were
 * merged into the overflow rows. */
int publish_fit(struct publish *publish, struct totals *totals);
/* New bounds; segments that are too large are replaced with the next fit. */
void publish_resize(struct publish *publish, const struct totals_rows *max);
/* Writes both views, or none of them if one has no room: -ENOSPC, -ENOBUFS. facts: everything but sequence. known: the
 * metrics that are being counted. ret_replaced gets a bit per view that has a new segment since the last call. */
int publish_write(struct publish *publish, const struct totals *totals, const struct layout_facts *facts,
                  uint64_t known, unsigned *ret_replaced);
/* A descriptor open for reading, owned by the segment; -1 before the first publication. */
int publish_fd(const struct publish *publish, enum publish_view view);

#endif
