/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_GUEST_WAITS_H
#define TESTS_GUEST_WAITS_H
/* Changes of hooks as their caller sees them: some of handover's cases, by number. */
#include "daemon/collect.h"

/* Is the collector through with the last change? */
bool waits_is_settled(struct collect *collect);

void waits_when_loaded(int number);
void waits_when_early(int number);
void waits_when_refused(int number);
/* Not a wait: what is kept counts on while there is no collector. */
void waits_while_kept(int number);

#endif
