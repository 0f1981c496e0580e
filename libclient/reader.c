/* SPDX-License-Identifier: MIT */
/*
 * Refreshing and closing a reader. The way through socktally_refresh() that is taken every time makes no
 * system call: it loads the publication counter, copies the slot, and judges the writer's life by words in the mapping
 * and the clock in the vDSO. Only when the writer is not well does stly_resume() go and look for another segment.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "libclient/clock.h"
#include "libclient/reader.h"

static int refresh(struct socktally *reader, uint64_t now) {
        enum liveness liveness;
        int r, found;

        r = stly_reader_take(reader, now);
        if (r > 0)
                return r;
        liveness = stly_reader_liveness(reader, now);
        if (liveness == LIVENESS_LIVE)
                return r;
        found = stly_resume(reader, liveness, now);
        if (found > 0)
                return stly_reader_take(reader, now);
        return r < 0 ? r : found;
}

int socktally_refresh(struct socktally *reader) {
        uint64_t now;
        int r, heard;

        if (!reader)
                return -EINVAL;
        now = clock_now();
        if (reader->notify_fd < 0)
                return refresh(reader, now);
        heard = stly_notify_drain(reader, now);
        r = refresh(reader, now);
        stly_notify_update(reader, now);
        return r == SOCKTALLY_UNCHANGED ? heard : r;
}

struct socktally *socktally_close(struct socktally *reader) {
        if (!reader)
                return NULL;
        stly_connection_close(&reader->connection);
        if (reader->notify_fd >= 0)
                close(reader->notify_fd);
        if (reader->timer_fd >= 0)
                close(reader->timer_fd);
        stly_snapshot_free(reader->current);
        stly_snapshot_free(reader->previous);
        stly_snapshot_free(reader->fresh[0]);
        stly_snapshot_free(reader->fresh[1]);
        if (reader->attachment)
                stly_attachment_unmap(reader->attachment);
        stly_attachment_unref(reader->attachment);
        stly_attachment_unref(reader->retired);
        free(reader->socket_path);
        free(reader->file_path);
        free(reader);
        return NULL;
}
