/* SPDX-License-Identifier: MIT */
#ifndef SOCKTALLY_READER_H
#define SOCKTALLY_READER_H
/*
 * The inside of a reader, for the files of this library.
 */
#include <stdbool.h>
#include <stdint.h>

#include "libclient/attach.h"
#include "libclient/clock.h"
#include "libclient/connect.h"
#include "libclient/snapshot.h"
#include "libclient/socktally.h"

#define STALE_INTERVALS 3
#define READ_TRIES 3

/* Where segments come from. */
enum source {
        SOURCE_DAEMON, /* the readers' socket, else the files beside it */
        SOURCE_FILE,   /* one file by name */
        SOURCE_FD      /* a descriptor: there will never be another */
};

/* What can be told about the writer without a system call. */
enum liveness {
        LIVENESS_LIVE,
        LIVENESS_STUCK,      /* no publication for STALE_INTERVALS */
        LIVENESS_SUPERSEDED, /* a newer segment is there */
        LIVENESS_CLOSED,     /* the writer stopped in good order */
        LIVENESS_GONE        /* the writer died */
};

struct socktally {
        enum source source;
        enum socktally_view view; /* wanted */
        char *socket_path, *file_path;

        struct attachment *attachment; /* from opening on there always is one */
        struct attachment *retired;    /* the one before, unmapped: callers may still hold its columns */
        uint64_t seen;                 /* number of the newest publication taken from it */
        uint64_t observed;             /* publication counter when last looked at */
        uint64_t moved_ns;             /* when it was last seen to move, CLOCK_MONOTONIC */
        bool is_new_segment;           /* the next snapshot is the first from another segment than the last */

        /* current and previous trade places; fresh ones come with each attachment, since capacities differ. */
        struct snapshot *current, *previous, *fresh[2];

        struct connection connection;
        uint64_t retry_ns, retry_delay_ns; /* when to look for a daemon again; 0: there is one */
        uint64_t absent_ns; /* when it was first not found, while retry_delay_ns is set */
        int notify_fd, timer_fd;           /* -1 until socktally_fd() was called */
};

/* session.c */
/* Maps the segment and makes it the reader's; takes fd over. flags: of attach.h. -EALREADY: the reader has it; -ESTALE:
 * its writer is gone. */
int stly_reader_attach(struct socktally *reader, int fd, unsigned int flags);
/* The same for what came over the reader's connection. */
int stly_reader_attach_sent(struct socktally *reader, int fd);
/* Is the segment's writer alive, and has it not made a newer segment? */
bool stly_reader_would_take(const struct attachment *attachment);
enum liveness stly_reader_liveness(struct socktally *reader, uint64_t now);
/* Is it LIVENESS_LIVE? For a reader that must not change. */
bool stly_reader_is_alive(const struct socktally *reader, uint64_t now);
/* Takes the newest publication of the attached segment, if there is one. As socktally_refresh(). */
int stly_reader_take(struct socktally *reader, uint64_t now);

/* resume.c */
/* The search when a reader is opened: waits for the daemon's answer, up to 30 seconds. */
int stly_resume_first(struct socktally *reader);
/* Looks for a segment that is alive, without blocking. 1: attached to a new one. 0: not now. Or negative errno: what
 * came was refused. */
int stly_resume(struct socktally *reader, enum liveness liveness, uint64_t now);

/* Connects again beside a segment that lives, where that is due. */
void stly_resume_connection(struct socktally *reader, uint64_t now);

/* notify.c */
/* Reads what the daemon sent, for readers that use socktally_fd(). */
int stly_notify_drain(struct socktally *reader, uint64_t now);
/* Makes the descriptor speak when it is time for the next refresh. */
void stly_notify_update(struct socktally *reader, uint64_t now);

/* The schema that the snapshot has; before the first, that of the segment. */
static inline const struct attachment *reader_schema(const struct socktally *reader) {
        return reader->current ? reader->current->attachment : reader->attachment;
}

static inline bool reader_has_table(const struct socktally *reader, uint32_t table) {
        return table < LAYOUT_N_TABLES && reader_schema(reader)->tables[table].capacity > 0;
}

/* False for a metric that nobody counted when the snapshot was made. */
bool stly_column_is_known(const struct snapshot *snapshot, const struct socktally_column *column);

#endif
