/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_TOTALS_COUNTERS_H
#define SOCKTALLYD_TOTALS_COUNTERS_H
#include <stdbool.h>
#include <stdint.h>

#include "libclient/metrics.h"

/* A gauge is a value of the moment: it has no sum, and it may fall. */
bool counter_is_gauge(enum socktally_metric metric);
/* Of which counter a metric is a part, as tcp_tx_bytes_host is of tcp_tx_bytes; SOCKTALLY_N_METRICS: of none. */
unsigned counter_whole(enum socktally_metric metric);
/* Has the counter such parts, which add up to it? */
bool counter_is_sum(enum socktally_metric metric);
/* Adds a row's counters to another's; of a gauge the larger one stays. */
void counters_add(uint64_t to[SOCKTALLY_N_METRICS], const uint64_t from[SOCKTALLY_N_METRICS]);

#endif
