/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stddef.h>

#include "tests/live/allowance.h"

static const struct {
        enum socktally_metric metric;
        enum socktally_metric calls; /* of which one is lacking too, if the metric is */
        int dir;
} counted_by_call[] = {
#define M(module, direction, what, calls, dir)                                                                         \
        { SOCKTALLY_METRIC_##module##_##direction##_##what, SOCKTALLY_METRIC_##module##_##direction##_##calls, dir }
        M(tcp, tx, calls, calls, 0), M(tcp, tx, errors, calls, 0), M(tcp, rx, calls, calls, 1),
        M(tcp, rx, errors, calls, 1), M(udp, tx, calls, calls, 0), M(udp, tx, errors, calls, 0),
        M(udp, tx, bytes, calls, 0), M(udp, rx, calls, calls, 1), M(udp, rx, errors, calls, 1),
        M(udp, rx, bytes, calls, 1),
#undef M
};

bool allowance_excuses(struct allowance *allowance, enum socktally_metric metric, const uint64_t *moved,
                       const uint64_t *seen) {
        if (allowance->shares_tcp && metric == SOCKTALLY_METRIC_tcp_tx_bytes)
                return allowance->missed[0] > 0;
        if (allowance->shares_tcp && metric == SOCKTALLY_METRIC_tcp_rx_bytes)
                return allowance->missed[1] > 0;
        if (metric == SOCKTALLY_METRIC_other_tx_bytes || metric == SOCKTALLY_METRIC_other_rx_bytes) /* has no calls */
                return allowance->missed[metric == SOCKTALLY_METRIC_other_rx_bytes] > 0 && seen[metric] < moved[metric];
        for (size_t i = 0; i < sizeof(counted_by_call) / sizeof(*counted_by_call); i++) {
                enum socktally_metric calls = counted_by_call[i].calls;
                int dir = counted_by_call[i].dir;

                if (counted_by_call[i].metric != metric)
                        continue;
                if (allowance->missed[dir] == 0 || seen[metric] > moved[metric])
                        return false;
                if (metric == calls)
                        allowance->lacking[dir] += moved[metric] - seen[metric];
                return seen[calls] < moved[calls];
        }
        return false;
}

bool allowance_is_exceeded(const struct allowance *allowance) {
        return allowance->lacking[0] > allowance->missed[0] || allowance->lacking[1] > allowance->missed[1];
}

bool allowance_is_used(const struct allowance *allowance) {
        return allowance->lacking[0] > 0 || allowance->lacking[1] > 0;
}
