/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one place that knows how two rows become one, metric by metric, from the list in libclient/metrics.h. */
#include "daemon/totals/counters.h"

/* One more than the counter that a metric is a part of; 0: of none. */
static const unsigned wholes[SOCKTALLY_N_METRICS] = {
#define X(name)                                                                                                        \
        [SOCKTALLY_METRIC_##name##_unknown ... SOCKTALLY_METRIC_##name##_internet] = SOCKTALLY_METRIC_##name + 1,
        SOCKTALLY_SCOPED(X)
#undef X
};

static const bool is_sum[SOCKTALLY_N_METRICS] = {
#define X(name) [SOCKTALLY_METRIC_##name] = true,
        SOCKTALLY_SCOPED(X)
#undef X
};

unsigned counter_whole(enum socktally_metric metric) {
        return wholes[metric] ? wholes[metric] - 1 : SOCKTALLY_N_METRICS;
}

bool counter_is_sum(enum socktally_metric metric) {
        return is_sum[metric];
}

void counters_add(uint64_t to[SOCKTALLY_N_METRICS], const uint64_t from[SOCKTALLY_N_METRICS]) {
        for (unsigned m = 0; m < SOCKTALLY_N_METRICS; m++)
                if (!counter_is_gauge(m))
                        to[m] += from[m];
                else if (from[m] > to[m])
                        to[m] = from[m];
}
