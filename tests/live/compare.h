/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_LIVE_COMPARE_H
#define SOCKTALLY_LIVE_COMPARE_H
/*
 * What the daemon says against what the players did: which metrics a load mode must know, and equality for each.
 */
#include <stdint.h>

#include "libclient/metrics.h"

const char *metric_name(enum socktally_metric metric);
/* Bit per metric that must have a value in this load mode; the other ones that players count must be "not tracked". */
uint64_t metrics_known(const char *load_mode);
/* Bit per metric that players count. */
uint64_t metrics_played(void);

#endif
