/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_LIVE_OBSERVER_H
#define SOCKTALLY_LIVE_OBSERVER_H
/*
 * A reader that looks at snapshots while what is observed changes: no counter of the host or of a worker goes back,
 * also not over a time in which it is unknown, and known counters of all rows add up to the host's.
 */
#include "tests/live/workers.h"

struct observer;

/* NULL: cannot read. The view is the widest that the caller gets. */
struct observer *observer_open(const char *runtime_directory, struct workers *workers);
struct observer *observer_close(struct observer *observer);
/* Takes the newest snapshot. Whatever is wrong goes to workers->problem. */
void observer_look(struct observer *observer);
/* Looks until the snapshot is this one or a later one. */
void observer_reach(struct observer *observer, uint64_t sequence);
/* Looks at each snapshot until the process is killed. */
_Noreturn void observer_stay(struct observer *observer);

/* Bit per metric that the host row has a value for. */
uint64_t observer_known(const struct observer *observer);
/* The worker's counter. false: there is no row, or no value. */
bool observer_find(const struct observer *observer, unsigned worker, unsigned metric, uint64_t *ret_value);
/* The host row's counter, and the same summed over all rows. */
bool observer_sum(const struct observer *observer, unsigned metric, uint64_t *ret_host, uint64_t *ret_rows);

#endif
