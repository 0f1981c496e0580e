/* SPDX-License-Identifier: MIT */
/*
 * Facts about the snapshot and the daemon that made it.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "libclient/reader.h"

int socktally_get_info(const struct socktally *reader, struct socktally_info *info) {
        struct socktally_info full = { .size = sizeof(full), .freshness = SOCKTALLY_STALE };
        const struct attachment *attachment;
        size_t size;

        if (!reader || !info || info->size < sizeof(info->size))
                return -EINVAL;
        size = info->size;
        attachment = reader_schema(reader);
        full.incarnation = attachment->header.incarnation;
        full.view = (enum socktally_view) attachment->header.view;
        full.daemon_pid = attachment->header.writer_pid;
        full.layout_major = attachment->header.major;
        full.layout_minor = attachment->header.minor;
        full.daemon_version = attachment->header.version;
        if (stly_reader_is_alive(reader, clock_now()))
                full.freshness = SOCKTALLY_FRESH;
        if (reader->current) {
                const struct layout_facts *facts = &reader->current->facts;

                full.sequence = facts->sequence;
                full.time_ns = facts->time_ns;
                full.realtime_ns = facts->realtime_ns;
                full.interval_ns = facts->interval_ns;
                full.sockets_tracked = facts->sockets_tracked;
                full.sockets_overflowed = facts->sockets_overflowed;
                full.rows_overflowed = facts->rows_overflowed;
                full.cost_ns = facts->cost_ns;
                full.missed_tx_calls = facts->missed_tx_calls;
                full.missed_rx_calls = facts->missed_rx_calls;
                full.interval_missed_tx_calls = facts->interval_missed_tx_calls;
                full.interval_missed_rx_calls = facts->interval_missed_rx_calls;
                full.missed_is_exact = facts->missed_is_exact;
                full.complete_ns = facts->complete_ns;
        }
        memcpy(info, &full, size < sizeof(full) ? size : sizeof(full));
        info->size = size;
        return 0;
}

const char *socktally_version(void) {
        return PACKAGE_VERSION;
}
