/* SPDX-License-Identifier: MIT */
/*
 * Finding a segment: at first, and again when its writer has gone or made a new one. The order is always the readers'
 * socket, which also tells the daemon that somebody reads, then the files `full` and `public` beside it. A file whose
 * writer has died is no segment to go to.
 *
 * After the start nothing here waits: what is not there yet is looked for again at a later refresh, at once the first
 * time, then after 10 ms, doubling up to a second.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "libclient/reader.h"

#define FIRST_DELAY_NS (SECOND_NS / 100)
#define LAST_DELAY_NS SECOND_NS
#define SUCCESSOR_PATIENCE_NS SECOND_NS /* from "superseded" to the message that brings the new segment */

static int open_segment(const char *path) {
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);

        return fd < 0 ? -errno : fd;
}

static int attach_file(struct socktally *reader, const char *path, bool is_dead_welcome) {
        int fd = open_segment(path);

        return fd < 0 ? fd : reader_attach(reader, fd, is_dead_welcome, NULL);
}

/* The files of the views that would do, in the directory of the socket. */
static int attach_files(struct socktally *reader) {
        static const struct {
                enum socktally_view view;
                const char *name;
        } files[] = { { SOCKTALLY_VIEW_FULL, "full" }, { SOCKTALLY_VIEW_PUBLIC, "public" } };
        const char *slash = strrchr(reader->socket_path, '/');
        int length = slash ? (int) (slash - reader->socket_path) : 0, result = -ENOENT;
        char path[4096];

        for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
                int r;

                if (reader->view != SOCKTALLY_VIEW_BEST && reader->view != files[i].view)
                        continue;
                r = snprintf(path, sizeof(path), "%.*s/%s", length, reader->socket_path, files[i].name);
                if (r >= (int) sizeof(path))
                        return -ENAMETOOLONG;
                r = attach_file(reader, path, false);
                if (r >= 0)
                        return r;
                if (result == -ENOENT)
                        result = r;
        }
        return result;
}

/* Of two errors, the one that says more: that a file is missing or dead is what one expects without a daemon. */
static int tell(int socket_error, int file_error) {
        if (file_error >= 0)
                return file_error;
        return file_error == -ENOENT || file_error == -ESTALE || file_error == -EALREADY || socket_error == -EACCES
                       ? socket_error
                       : file_error;
}

static int ask_daemon(struct socktally *reader) {
        uint64_t now = clock_now(), end = now + CONNECTION_PATIENCE_NS;
        int fd = -1, r;

        do {
                r = connection_begin(&reader->connection, reader->socket_path, reader->view, now);
                if (r >= 0) {
                        reader->connection.deadline_ns = end;
                        r = connection_await(&reader->connection, &fd);
                }
                if (r == -EAGAIN) { /* a full queue, or a daemon that has not published yet */
                        struct timespec pause = { .tv_nsec = FIRST_DELAY_NS };

                        (void) nanosleep(&pause, NULL);
                }
                now = clock_now();
        } while (r == -EAGAIN && now < end);
        if (r >= 0)
                r = reader_attach(reader, fd, true, NULL);
        if (r < 0)
                connection_close(&reader->connection);
        return r;
}

int resume_first(struct socktally *reader) {
        int r;

        if (reader->source == SOURCE_FILE)
                return attach_file(reader, reader->file_path, true);
        r = ask_daemon(reader);
        if (r < 0 && r != -EPROTO && r != -EPROTONOSUPPORT)
                r = tell(r, attach_files(reader));
        return r;
}

/* An error that only says that there is no daemon at the moment. */
static bool is_absence(int error) {
        static const int absences[] = { ENOENT, ECONNREFUSED, ECONNRESET, EPIPE, EALREADY, ESTALE, ETIMEDOUT, EAGAIN };

        for (size_t i = 0; i < sizeof(absences) / sizeof(absences[0]); i++)
                if (error == -absences[i])
                        return true;
        return false;
}

static int settle(struct socktally *reader, int r, uint64_t now) {
        if (r >= 0) {
                reader->retry_ns = reader->retry_delay_ns = 0;
                return 1;
        }
        reader->retry_delay_ns = reader->retry_delay_ns ? 2 * reader->retry_delay_ns : FIRST_DELAY_NS;
        if (reader->retry_delay_ns > LAST_DELAY_NS)
                reader->retry_delay_ns = LAST_DELAY_NS;
        reader->retry_ns = now + reader->retry_delay_ns;
        return is_absence(r) ? 0 : r;
}

/* Is there still something to expect from a connection that has nothing to say now? */
static bool is_worth_waiting(struct connection *connection, enum liveness liveness, uint64_t now) {
        if (connection->state == CONNECTION_ASKED)
                return now < connection->deadline_ns;
        if (liveness == LIVENESS_STUCK)
                return true;
        if (liveness == LIVENESS_GONE)
                return false;
        if (connection->deadline_ns == 0)
                connection->deadline_ns = now + SUCCESSOR_PATIENCE_NS;
        return now < connection->deadline_ns;
}

/* 1: attached. 0: nothing yet, but it may come. Negative: the connection is over. */
static int listen_to_daemon(struct socktally *reader, enum liveness liveness, uint64_t now) {
        int fd = -1, r;

        do
                r = connection_receive(&reader->connection, &fd);
        while (r == CONNECTION_PUBLISHED);
        if (r == CONNECTION_NOTHING)
                return is_worth_waiting(&reader->connection, liveness, now) ? 0 : -ETIMEDOUT;
        if (r == CONNECTION_SEGMENT)
                r = reader_attach(reader, fd, true, NULL);
        if (r == -EALREADY) /* stuck, and lost the connection meanwhile: now we have it again */
                return 0;
        return r < 0 ? r : 1;
}

static int resume_with_daemon(struct socktally *reader, enum liveness liveness, uint64_t now) {
        int r;

        if (reader->connection.state != CONNECTION_NONE) {
                bool was_asked = reader->connection.state == CONNECTION_ASKED;

                r = listen_to_daemon(reader, liveness, now);
                if (r >= 0)
                        return r > 0 ? settle(reader, 0, now) : 0;
                connection_close(&reader->connection);
                if (was_asked)
                        return settle(reader, tell(r, attach_files(reader)), now);
        }
        if (now < reader->retry_ns)
                return 0;
        r = connection_begin(&reader->connection, reader->socket_path, reader->view, now);
        return r >= 0 ? 0 : settle(reader, tell(r, attach_files(reader)), now);
}

void resume_connection(struct socktally *reader, uint64_t now) {
        int r;

        if (reader->source != SOURCE_DAEMON || reader->connection.state != CONNECTION_NONE || now < reader->retry_ns)
                return;
        r = connection_begin(&reader->connection, reader->socket_path, reader->view, now);
        if (r < 0)
                (void) settle(reader, r, now);
}

int resume(struct socktally *reader, enum liveness liveness, uint64_t now) {
        switch (reader->source) {
        case SOURCE_FD:
                return 0;
        case SOURCE_FILE:
                return now < reader->retry_ns ? 0 : settle(reader, attach_file(reader, reader->file_path, false), now);
        case SOURCE_DAEMON:
                return resume_with_daemon(reader, liveness, now);
        }
        return 0;
}
