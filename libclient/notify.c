/* SPDX-License-Identifier: MIT */
/*
 * One descriptor for an event loop, the same for the reader's whole life: an epoll set with the daemon's connection,
 * which speaks at each publication, and a timer for what no message tells: when to look for a daemon again, and a
 * segment that is read without a connection.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "libclient/protocol.h"
#include "libclient/reader.h"

static int add(int epoll_fd, int fd) {
        struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

        return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

/* When to look again although no message came; 0: never. */
static uint64_t next_look(const struct socktally *reader, uint64_t now) {
        bool is_alive = stly_reader_is_alive(reader, now);
        uint64_t interval = SECOND_NS;

        if (protocol_read_number(&reader->attachment->dynamic->published) != reader->seen)
                return now; /* one is waiting already */
        if (reader->source == SOURCE_FD && !is_alive)
                return 0;
        if (is_alive && reader->current && reader->current->facts.interval_ns > 0 &&
            reader->current->facts.interval_ns < interval)
                interval = reader->current->facts.interval_ns;
        if (is_alive && reader->connection.is_subscribed)
                return now + STALE_INTERVALS * SECOND_NS;
        if (reader->connection.state == CONNECTION_NONE && reader->retry_ns > now && reader->retry_ns < now + interval)
                return reader->retry_ns;
        return now + interval;
}

static void watch_connection(struct socktally *reader) {
        struct connection *connection = &reader->connection;

        if (connection->state == CONNECTION_NONE)
                return;
        (void) stly_connection_subscribe(connection);
        if (!connection->is_watched)
                connection->is_watched = add(reader->notify_fd, connection->fd) >= 0;
}

void stly_notify_update(struct socktally *reader, uint64_t now) {
        struct itimerspec timer = { .it_interval = { 0, 0 } };
        uint64_t next = next_look(reader, now);

        watch_connection(reader);
        timer.it_value.tv_sec = (time_t) (next / SECOND_NS);
        timer.it_value.tv_nsec = (long) (next % SECOND_NS);
        /* Setting a timer anew also takes back that it has expired. */
        (void) timerfd_settime(reader->timer_fd, TFD_TIMER_ABSTIME, &timer, NULL);
}

int stly_notify_drain(struct socktally *reader, uint64_t now) {
        int fd = -1, r;

        /* The daemon closes the connection of a reader that lags. The reader's segment lives on, but without a
         * connection no message tells of publications. */
        if (reader->connection.state == CONNECTION_NONE && stly_reader_is_alive(reader, now))
                stly_resume_connection(reader, now);
        while (reader->connection.state != CONNECTION_NONE) {
                r = stly_connection_receive(&reader->connection, &fd);
                if (r == CONNECTION_NOTHING)
                        break;
                if (r == CONNECTION_SEGMENT)
                        r = stly_reader_attach_sent(reader, fd);
                if (r < 0 && r != -EALREADY) {
                        stly_connection_close(&reader->connection);
                        return r == -ECONNRESET ? 0 : r;
                }
        }
        return 0;
}

int socktally_fd(struct socktally *reader) {
        int r;

        if (!reader)
                return -EINVAL;
        if (reader->notify_fd >= 0)
                return reader->notify_fd;
        reader->notify_fd = epoll_create1(EPOLL_CLOEXEC);
        if (reader->notify_fd < 0)
                return -errno;
        reader->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        r = reader->timer_fd < 0 ? -errno : add(reader->notify_fd, reader->timer_fd);
        if (r < 0) {
                if (reader->timer_fd >= 0)
                        close(reader->timer_fd);
                close(reader->notify_fd);
                reader->notify_fd = reader->timer_fd = -1;
                return r;
        }
        stly_notify_update(reader, clock_now());
        return reader->notify_fd;
}
