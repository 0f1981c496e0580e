/* SPDX-License-Identifier: MIT */
/*
 * Finding a segment: when a reader is opened, and again when its segment's writer has gone or has made a new one. First
 * the daemon is asked at the readers' socket, which also tells the daemon that somebody reads. Then the files `full`
 * and `public` beside the socket are tried. A file whose writer has died is not used.
 *
 * Only opening a reader waits. Later attempts are made by refreshes: the first at once, the next after 1 ms, and after
 * each failure twice as much, up to 100 ms, by when a daemon that crashed is back. A reader that has had no daemon for
 * ten seconds tries less often, in the end once per second.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "libclient/frame.h"
#include "libclient/futex.h"
#include "libclient/reader.h"

#define FIRST_DELAY_NS (SECOND_NS / 1000)
#define LAST_DELAY_NS (SECOND_NS / 10)
#define LONG_ABSENCE_NS (10 * SECOND_NS)
#define LONG_DELAY_NS SECOND_NS /* after a long absence */
#define OPENING_PAUSE_NS (SECOND_NS / 100)
#define OPENING_PATIENCE_NS (30 * SECOND_NS) /* while the daemon starts */
#define SUCCESSOR_PATIENCE_NS SECOND_NS /* from "superseded" to the message that brings the new segment */

static int open_segment(const char *path) {
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);

        return fd < 0 ? -errno : fd;
}

static int attach_file(struct socktally *reader, const char *path, unsigned int flags) {
        int fd = open_segment(path);

        return fd < 0 ? fd : stly_reader_attach(reader, fd, flags);
}

static const struct {
        enum socktally_view view;
        const char *name;
} files[] = { { SOCKTALLY_VIEW_FULL, "full" }, { SOCKTALLY_VIEW_PUBLIC, "public" } };

#define N_FILES (sizeof(files) / sizeof(files[0]))
#define PATH_SIZE 4096

/* A file beside the socket. */
static int file_path(const struct socktally *reader, const char *name, char path[static PATH_SIZE]) {
        const char *slash = strrchr(reader->socket_path, '/');
        int length = slash ? (int) (slash - reader->socket_path) : 0;
        int n = snprintf(path, PATH_SIZE, "%.*s%s%s", length, reader->socket_path, slash ? "/" : "", name);

        return n >= PATH_SIZE ? -ENAMETOOLONG : 0;
}

/*
 * Tries the files of the views that the reader wants, the widest first. If one of them is the segment that the reader
 * has, and its writer lives, the reader keeps it: the next file is of a narrower view.
 *
 * A file that this user may not open, or should not trust, is an error when a reader of exactly this view is opened. In
 * all other cases it counts as missing.
 */
static int attach_files(struct socktally *reader) {
        bool is_optional = reader->view == SOCKTALLY_VIEW_BEST || reader->attachment;
        char path[PATH_SIZE];
        int result = -ENOENT;

        for (size_t i = 0; i < N_FILES; i++) {
                int r;

                if (reader->view != SOCKTALLY_VIEW_BEST && reader->view != files[i].view)
                        continue;
                r = file_path(reader, files[i].name, path);
                if (r >= 0)
                        r = attach_file(reader, path, 0);
                if (r >= 0 || (r == -EALREADY && stly_reader_would_take(reader->attachment)))
                        return r;
                if (result == -ENOENT && !(r == -EACCES && is_optional))
                        result = r;
        }
        return result;
}

/* Chooses between the error of the socket and that of the files the one that says more: without a daemon a file is
 * expected to be missing or dead. */
static int choose_error(int socket_error, int file_error) {
        if (file_error >= 0)
                return file_error;
        return file_error == -ENOENT || file_error == -ESTALE || file_error == -EALREADY || socket_error == -EACCES
                       ? socket_error
                       : file_error;
}

/* Sends the hello, unless that was done, and waits for the answer until the time "end". */
static int ask_once(struct socktally *reader, uint64_t end) {
        struct connection *connection = &reader->connection;
        int fd = -1, r = 0;

        if (connection->state != CONNECTION_ASKED)
                r = stly_connection_begin(connection, reader->socket_path, reader->view, clock_now());
        if (r >= 0) {
                connection->deadline_ns = end;
                r = stly_connection_await(connection, &fd);
        }
        if (r >= 0)
                r = stly_reader_attach_sent(reader, fd);
        if (r < 0 && r != -ETIMEDOUT)
                stly_connection_close(connection);
        return r;
}

static int ask_daemon(struct socktally *reader, uint64_t end) {
        const struct timespec pause = { .tv_nsec = OPENING_PAUSE_NS };
        int r = ask_once(reader, end);

        if (r == -ECONNRESET) { /* perhaps we were in the queue of one that stops, and the next one is there */
                r = ask_once(reader, end);
                if (r == -ENOENT || r == -ECONNREFUSED)
                        r = -ECONNRESET;
        }
        while (r == -EAGAIN && clock_now() < end) { /* a full queue, or a daemon that has not published yet */
                (void) nanosleep(&pause, NULL);
                r = ask_once(reader, end);
        }
        return r;
}

/* A daemon that fails closes the connection. One that does not answer may be starting, as this very connection may have
 * started it through its socket unit. Or it hangs: then its files are used. */
int stly_resume_first(struct socktally *reader) {
        uint64_t now = clock_now();
        int r;

        if (reader->source == SOURCE_FILE)
                return attach_file(reader, reader->file_path, ATTACH_DEAD);
        r = ask_daemon(reader, now + CONNECTION_PATIENCE_NS);
        if ((r == -ETIMEDOUT || r == -EAGAIN) && attach_files(reader) < 0)
                r = ask_daemon(reader, now + OPENING_PATIENCE_NS);
        if (r >= 0)
                return 0;
        stly_connection_close(&reader->connection);
        if (reader->attachment)
                return 0;
        return r == -EPROTO || r == -EPROTONOSUPPORT ? r : choose_error(r, attach_files(reader));
}

/* An error that only says that there is no daemon at the moment. */
static bool is_absence(int error) {
        static const int absences[] = { ENOENT, ECONNREFUSED, ECONNRESET, EPIPE, EALREADY, ESTALE, ETIMEDOUT, EAGAIN };

        for (size_t i = 0; i < sizeof(absences) / sizeof(absences[0]); i++)
                if (error == -absences[i])
                        return true;
        return false;
}

static void postpone(struct socktally *reader, uint64_t now) {
        uint64_t longest = LAST_DELAY_NS;

        if (reader->retry_delay_ns == 0) {
                reader->retry_delay_ns = FIRST_DELAY_NS;
                reader->absent_ns = now;
        } else {
                if (now - reader->absent_ns > LONG_ABSENCE_NS)
                        longest = LONG_DELAY_NS;
                reader->retry_delay_ns *= 2;
                if (reader->retry_delay_ns > longest)
                        reader->retry_delay_ns = longest;
        }
        reader->retry_ns = now + reader->retry_delay_ns;
}

/* An attempt to attach or to connect is over: r is 0, or a negative error. After a failure the next attempt waits,
 * longer each time. 1: attached. 0: nothing is there yet. Negative: an error to tell the caller. */
static int note_attempt(struct socktally *reader, int r, uint64_t now) {
        if (r >= 0) {
                reader->retry_ns = reader->retry_delay_ns = 0;
                return 1;
        }
        postpone(reader, now);
        return is_absence(r) ? 0 : r;
}

/* No message is there now. May one still come that brings a segment? */
static bool is_worth_waiting(struct connection *connection, enum liveness liveness, uint64_t now) {
        if (connection->state == CONNECTION_ASKED)
                return now < connection->deadline_ns;
        if (liveness == LIVENESS_STUCK)
                return true;
        if (liveness == LIVENESS_GONE || liveness == LIVENESS_CLOSED)
                return false;
        if (connection->deadline_ns == 0)
                connection->deadline_ns = now + SUCCESSOR_PATIENCE_NS;
        return now < connection->deadline_ns;
}

/* 1: attached. 0: nothing yet, but it may come. Negative: the connection is over. */
static int listen_to_daemon(struct socktally *reader, enum liveness liveness, uint64_t now) {
        int fd = -1, r;

        do {
                r = stly_connection_receive(&reader->connection, &fd);
                if (r == CONNECTION_SEGMENT) {
                        r = stly_reader_attach_sent(reader, fd);
                        if (r >= 0)
                                return 1;
                }
        } while (r == CONNECTION_PUBLISHED || r == -EALREADY); /* a grant of what we have is no news either */
        if (r == CONNECTION_NOTHING)
                return is_worth_waiting(&reader->connection, liveness, now) ? 0 : -ETIMEDOUT;
        return r;
}

static bool read_at(int fd, uint64_t offset, void *memory, size_t size) {
        return pread(fd, memory, size, (off_t) offset) == (ssize_t) size;
}

/* Reads without mapping. The answer is only a hint: nothing is known yet of who can write the file. */
static bool is_of_living_daemon(int fd) {
        struct layout_header header;
        struct layout_dynamic dynamic;
        uint32_t owner;

        if (!read_at(fd, 0, &header, sizeof(header)) || header.magic != LAYOUT_MAGIC)
                return false;
        if (!read_at(fd, header.dynamic_offset, &dynamic, sizeof(dynamic)) ||
            !read_at(fd, header.owner_offset, &owner, sizeof(owner)))
                return false;
        return dynamic.state == LAYOUT_STATE_LIVE && !(owner & FUTEX_BIT_OWNER_DIED);
}

/* Is there a new daemon after one that was stopped? A connection would tell, but it would also start the daemon again
 * through its socket unit, which the administrator has just stopped. The files tell without that. Every user may read
 * the public one. */
static bool has_new_daemon(const struct socktally *reader) {
        char path[PATH_SIZE];
        bool is_live = false;

        for (size_t i = 0; i < N_FILES && !is_live; i++) {
                int fd = file_path(reader, files[i].name, path) < 0 ? -1 : open_segment(path);

                if (fd < 0)
                        continue;
                is_live = is_of_living_daemon(fd);
                close(fd);
        }
        return is_live;
}

static int resume_with_daemon(struct socktally *reader, enum liveness liveness, uint64_t now) {
        int r;

        if (reader->connection.state != CONNECTION_NONE) {
                bool was_asked = reader->connection.state == CONNECTION_ASKED;

                r = listen_to_daemon(reader, liveness, now);
                if (r >= 0)
                        return r > 0 ? note_attempt(reader, 0, now) : 0;
                stly_connection_close(&reader->connection);
                if (was_asked)
                        return note_attempt(reader, choose_error(r, attach_files(reader)), now);
        }
        if (now < reader->retry_ns)
                return 0;
        if (liveness == LIVENESS_CLOSED && !has_new_daemon(reader))
                return note_attempt(reader, -ENOENT, now);
        r = stly_connection_begin(&reader->connection, reader->socket_path, reader->view, now);
        return r >= 0 ? 0 : note_attempt(reader, choose_error(r, attach_files(reader)), now);
}

void stly_resume_connection(struct socktally *reader, uint64_t now) {
        int r;

        if (reader->source != SOURCE_DAEMON || reader->connection.state != CONNECTION_NONE || now < reader->retry_ns)
                return;
        r = stly_connection_begin(&reader->connection, reader->socket_path, reader->view, now);
        if (r < 0)
                (void) note_attempt(reader, r, now);
}

int stly_resume(struct socktally *reader, enum liveness liveness, uint64_t now) {
        switch (reader->source) {
        case SOURCE_FD:
                return 0;
        case SOURCE_FILE:
                if (now < reader->retry_ns)
                        return 0;
                return note_attempt(reader, attach_file(reader, reader->file_path, 0), now);
        case SOURCE_DAEMON:
                return resume_with_daemon(reader, liveness, now);
        }
        return 0;
}
