/* SPDX-License-Identifier: MIT */
/*
 * The segment that a reader has: how it becomes the reader's, whether its writer is alive, and how the newest
 * publication becomes the snapshot. Nothing here makes a system call but stly_reader_attach().
 */
#include <errno.h>
#include <unistd.h>

#include "libclient/clock.h"
#include "libclient/futex.h"
#include "libclient/protocol.h"
#include "libclient/reader.h"

/* The reader reads from this attachment from now on. The one before is unmapped, but lives on until the next change,
 * as rows may still point to its columns. */
static void use_attachment(struct socktally *reader, struct attachment *attachment, struct snapshot *fresh[2]) {
        if (reader->attachment) {
                stly_attachment_unmap(reader->attachment);
                stly_attachment_unref(reader->retired);
                reader->retired = reader->attachment;
                reader->is_new_segment = true;
        }
        for (int i = 0; i < 2; i++) {
                stly_snapshot_free(reader->fresh[i]);
                reader->fresh[i] = fresh[i];
        }
        reader->attachment = attachment;
        reader->seen = 0;
        reader->observed = 0;
        reader->moved_ns = clock_now();
}

/* What the words in the mapping say, without the clock. */
static enum liveness read_state(const struct attachment *attachment) {
        uint32_t state = __atomic_load_n(&attachment->dynamic->state, __ATOMIC_ACQUIRE);
        uint32_t owner = __atomic_load_n(attachment->owner, __ATOMIC_ACQUIRE);

        if (state == LAYOUT_STATE_SUPERSEDED)
                return LIVENESS_SUPERSEDED;
        if ((owner & FUTEX_BIT_OWNER_DIED) || !attachment->is_same_boot)
                return LIVENESS_GONE;
        return state == LAYOUT_STATE_LIVE ? LIVENESS_LIVE : LIVENESS_CLOSED;
}

bool stly_reader_would_take(const struct attachment *attachment) {
        return read_state(attachment) == LIVENESS_LIVE;
}

/* The old mapping keeps its inode from being used again, so equal numbers are the same file. */
static bool is_the_same(const struct attachment *a, const struct attachment *b) {
        return a && b && a->device == b->device && a->inode == b->inode;
}

int stly_reader_attach(struct socktally *reader, int fd, unsigned int flags) {
        struct snapshot *fresh[2] = { NULL, NULL };
        struct attachment *attachment = NULL;
        int r;

        r = stly_attachment_new(&attachment, fd, flags, NULL);
        close(fd);
        if (r >= 0 && is_the_same(attachment, reader->attachment))
                r = -EALREADY;
        else if (r >= 0 && !(flags & ATTACH_DEAD) && !stly_reader_would_take(attachment))
                r = -ESTALE;
        for (int i = 0; i < 2 && r >= 0; i++)
                r = stly_snapshot_new(&fresh[i], attachment);
        if (r < 0) {
                stly_snapshot_free(fresh[0]);
                stly_attachment_unref(attachment);
                return r;
        }
        use_attachment(reader, attachment, fresh);
        return 0;
}

int stly_reader_attach_sent(struct socktally *reader, int fd) {
        return stly_reader_attach(reader, fd, ATTACH_DEAD | (reader->connection.is_trusted ? ATTACH_SENT : 0));
}

/* The interval is what the writer says. It is bounded by the range that settings have, in case that it is nonsense. */
static uint64_t stale_after(const struct socktally *reader) {
        uint64_t interval = SECOND_NS;

        if (reader->current && reader->current->is_whole)
                interval = reader->current->facts.interval_ns;
        if (interval < SECOND_NS / 10)
                interval = SECOND_NS / 10;
        if (interval > 3600 * SECOND_NS)
                interval = 3600 * SECOND_NS;
        return STALE_INTERVALS * interval;
}

static void observe(struct socktally *reader, uint64_t number, uint64_t now) {
        if (number == reader->observed)
                return;
        reader->observed = number;
        reader->moved_ns = now;
}

enum liveness stly_reader_liveness(struct socktally *reader, uint64_t now) {
        enum liveness liveness = read_state(reader->attachment);

        if (liveness != LIVENESS_LIVE)
                return liveness;
        observe(reader, protocol_read_number(&reader->attachment->dynamic->published), now);
        return now - reader->moved_ns > stale_after(reader) ? LIVENESS_STUCK : LIVENESS_LIVE;
}

bool stly_reader_is_alive(const struct socktally *reader, uint64_t now) {
        if (read_state(reader->attachment) != LIVENESS_LIVE)
                return false;
        return protocol_read_number(&reader->attachment->dynamic->published) != reader->observed ||
               now - reader->moved_ns <= stale_after(reader);
}

/* A segment comes with two snapshots that nothing was read into, fresh[]: with them a reader can go on to a new segment
 * while current and previous are of the old one. They are used up from the end. */
static struct snapshot **next_fresh(struct socktally *reader) {
        return &reader->fresh[reader->fresh[1] ? 1 : 0];
}

/* The snapshot just filled becomes the current one, and that one the previous. The oldest is the next to be filled, or
 * freed if a fresh one was. */
static int advance(struct socktally *reader, bool is_fresh) {
        struct snapshot *oldest = reader->previous;
        bool is_changed = reader->is_new_segment;

        reader->previous = reader->current;
        if (is_fresh) {
                struct snapshot **fresh = next_fresh(reader);

                reader->current = *fresh;
                *fresh = NULL;
                stly_snapshot_free(oldest);
        } else
                reader->current = oldest;
        reader->seen = reader->current->facts.sequence;
        reader->is_new_segment = false;
        return is_changed ? SOCKTALLY_CHANGED : SOCKTALLY_NEW;
}

int stly_reader_take(struct socktally *reader, uint64_t now) {
        struct snapshot *target = *next_fresh(reader);
        bool is_fresh = target;

        if (!target)
                target = reader->previous;
        for (int i = 0; i < READ_TRIES; i++) {
                uint64_t number = protocol_read_number(&reader->attachment->dynamic->published);
                int r;

                observe(reader, number, now);
                if (number == reader->seen)
                        return SOCKTALLY_UNCHANGED;
                if (number < reader->seen)
                        return -EPROTO;
                r = stly_snapshot_take(target, number);
                if (r < 0)
                        return r;
                if (r == 0)
                        return advance(reader, is_fresh);
        }
        /* Overtaken each time: the old snapshot stays, the next refresh tries again. */
        return SOCKTALLY_UNCHANGED;
}
