/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_TOTALS_COUNTERS_H
#define SOCKTALLYD_TOTALS_COUNTERS_H
#include <stdbool.h>
#include <stdint.h>

#include "libclient/metrics.h"

/* A bit for each metric that is a gauge: a value of the moment, which has no sum and may fall. */
#define COUNTERS_COUNTER 0
#define COUNTERS_GAUGE 1
#define X(id, name, kind, ...) | (uint64_t) COUNTERS_##kind << SOCKTALLY_METRIC_##name
static const uint64_t counters_gauges = UINT64_C(0) SOCKTALLY_METRICS(X);
#undef X

static inline bool counter_is_gauge(enum socktally_metric metric) {
        return counters_gauges >> metric & 1;
}

/* Of which counter a metric is a part, as tcp_tx_bytes_host is of tcp_tx_bytes; SOCKTALLY_N_METRICS: of none. */
unsigned counter_whole(enum socktally_metric metric);
/* Has the counter such parts, which add up to it? */
bool counter_is_sum(enum socktally_metric metric);
/* Adds a row's counters to another's; of a gauge the larger one stays. */
void counters_add(uint64_t to[SOCKTALLY_N_METRICS], const uint64_t from[SOCKTALLY_N_METRICS]);

#endif
