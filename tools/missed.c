/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdio.h>

#include "tools/listing.h"
#include "tools/missed.h"
#include "tools/source.h"
#include "tools/units.h"

#define CONSEQUENCE "UDP bytes and calls are at least what is shown"

static const char *bound(const struct socktally_info *info) {
        return info->missed_is_exact ? "" : "at most ";
}

uint64_t missed_count(const struct socktally_info *info, bool is_rate) {
        return is_rate ? info->interval_missed_tx_calls + info->interval_missed_rx_calls
                       : info->missed_tx_calls + info->missed_rx_calls;
}

const char *missed_describe(char *buffer, const struct socktally_info *info) {
        if (missed_count(info, true) > 0)
                (void)snprintf(buffer, MISSED_SIZE,
                               "%s%" PRIu64 " calls sending, %" PRIu64 " receiving in the last interval, %" PRIu64
                               " and %" PRIu64 " since counting began; " CONSEQUENCE,
                               bound(info), info->interval_missed_tx_calls, info->interval_missed_rx_calls,
                               info->missed_tx_calls, info->missed_rx_calls);
        else if (missed_count(info, false) > 0)
                (void)snprintf(buffer, MISSED_SIZE,
                               "none in the last interval, %s%" PRIu64 " calls sending, %" PRIu64
                               " receiving since counting began; totals of " CONSEQUENCE,
                               bound(info), info->missed_tx_calls, info->missed_rx_calls);
        else
                (void)snprintf(buffer, MISSED_SIZE, "none");
        return buffer;
}

void missed_print(const struct socktally *reader, bool is_rate) {
        const struct socktally_info info = source_info(reader);

        if (missed_count(&info, is_rate) > 0)
                (void)printf(CONSEQUENCE ": the kernel skipped %s%" PRIu64 " calls sending, %" PRIu64
                                         " receiving %s.\n",
                             bound(&info), is_rate ? info.interval_missed_tx_calls : info.missed_tx_calls,
                             is_rate ? info.interval_missed_rx_calls : info.missed_rx_calls,
                             is_rate ? "in the last interval" : "since counting began");
}

void missed_print_scope(const struct socktally *reader, enum scope scope, bool is_rate) {
        const struct order order = { field_find("traffic"), is_rate, false };
        struct listing host = { .n = 0 };
        struct amount amount = { .is_known = false };
        char text[UNITS_SIZE];

        if (scope == SCOPE_ALL)
                return;
        if (listing_take(&host, reader, SOCKTALLY_TABLE_HOST, &order) >= 0 && host.n > 0)
                amount = listing_amount(&host, &host.entries[0], field_find("unknown"), is_rate);
        if (amount.is_known && amount.value > 0)
                (void)printf("Scope %s: %sB%s of the host are left out, as nobody saw where they went.\n",
                             scope_name(scope), units_readable(text, amount.value, UNIT_BYTES), is_rate ? "/s" : "");
        listing_done(&host);
}
