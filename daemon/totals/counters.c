/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one place that knows how two rows become one, metric by metric, from the list in libclient/metrics.h. */
#include "daemon/totals/counters.h"

#define COUNTER false
#define GAUGE true
static const bool is_gauge[SOCKTALLY_N_METRICS] = {
#define X(id, name, kind, unit, module, mode, help) kind,
        SOCKTALLY_METRICS(X)
#undef X
};

bool counter_is_gauge(enum socktally_metric metric) {
        return is_gauge[metric];
}

void counters_add(uint64_t to[SOCKTALLY_N_METRICS], const uint64_t from[SOCKTALLY_N_METRICS]) {
        for (unsigned m = 0; m < SOCKTALLY_N_METRICS; m++)
                if (!is_gauge[m])
                        to[m] += from[m];
                else if (from[m] > to[m])
                        to[m] = from[m];
}
