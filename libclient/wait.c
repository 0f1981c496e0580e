/* SPDX-License-Identifier: MIT */
/*
 * Waiting for the next publication: on the segment's wake word and, in the same call, on the word that the kernel marks
 * when the writer dies. Where the kernel has no futex_waitv (before Linux 5.16), and always for a writer that is
 * frozen, sleeps are short enough to look again.
 */
#include <errno.h>
#include <poll.h>

#include "libclient/futex.h"
#include "libclient/reader.h"

#define LONGEST_SLEEP_NS (3 * SECOND_NS)
#define SHORT_SLEEP_NS (SECOND_NS / 4)

static uint64_t earlier(uint64_t a, uint64_t b) {
        return a < b ? a : b;
}

static int sleep_until(uint64_t deadline) {
        struct timespec until = { (time_t) (deadline / SECOND_NS), (long) (deadline % SECOND_NS) };

        return -clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

static int wait_for_grant(const struct connection *connection, uint64_t now, uint64_t deadline) {
        struct pollfd pollfd = { .fd = connection->fd, .events = POLLIN };
        uint64_t end = connection->deadline_ns ? earlier(deadline, connection->deadline_ns) : deadline;
        int r = poll(&pollfd, 1, end > now ? (int) ((end - now) / 1000000 + 1) : 0);

        return r < 0 ? -errno : 0;
}

/* The kernel wakes one waiter when the writer dies; whoever it was wakes the others. */
static void pass_on(const struct attachment *attachment) {
        if (__atomic_load_n(attachment->owner, __ATOMIC_ACQUIRE) & FUTEX_BIT_OWNER_DIED)
                futex_wake_all(attachment->owner);
}

static bool is_ordinary(int r) {
        return r == 0 || r == -EAGAIN || r == -ETIMEDOUT || r == -EINTR;
}

static int wait_for_writer(const struct attachment *attachment, uint32_t wake, uint32_t owner, uint64_t now,
                           uint64_t deadline) {
        int r = futex_wait_two(&attachment->dynamic->wake, wake, attachment->owner, owner, deadline);

        if (is_ordinary(r)) {
                pass_on(attachment);
                return r;
        }
        /* An old kernel, or a sandbox that does not know the call: without the death word, but not for long. */
        if (deadline > now + SHORT_SLEEP_NS)
                deadline = now + SHORT_SLEEP_NS;
        r = futex_wait_one(&attachment->dynamic->wake, wake, deadline);
        return is_ordinary(r) ? r : sleep_until(deadline);
}

/* One sleep that ends when there may be something to do. */
static int doze(struct socktally *reader, uint32_t wake, uint32_t owner, uint64_t deadline) {
        uint64_t now = clock_now();
        enum liveness liveness = stly_reader_liveness(reader, now);

        deadline = earlier(deadline, now + LONGEST_SLEEP_NS);
        if (liveness == LIVENESS_LIVE)
                return wait_for_writer(reader->attachment, wake, owner, now, deadline);
        if (liveness == LIVENESS_STUCK)
                return wait_for_writer(reader->attachment, wake, owner, now, earlier(deadline, now + SHORT_SLEEP_NS));
        if (reader->source == SOURCE_FD)
                return sleep_until(deadline);
        if (reader->connection.state == CONNECTION_ASKED)
                return wait_for_grant(&reader->connection, now, deadline);
        if (reader->connection.state == CONNECTION_GRANTED) /* its successor's descriptor is on its way */
                return wait_for_grant(&reader->connection, now, earlier(deadline, now + SHORT_SLEEP_NS));
        /* A time that is past by now ends the sleep at once. */
        return sleep_until(earlier(deadline, reader->retry_ns ? reader->retry_ns : now + SHORT_SLEEP_NS));
}

int socktally_wait(struct socktally *reader, uint64_t timeout_usec) {
        uint64_t start = clock_now(), deadline = UINT64_MAX;
        int r;

        if (!reader)
                return -EINVAL;
        if (timeout_usec < (UINT64_MAX - start) / 1000)
                deadline = start + timeout_usec * 1000;
        for (;;) {
                uint32_t wake = 0, owner = 0;

                /* Read before the refresh: what is published after it changes the word and the wait returns at once. */
                if (reader->attachment) {
                        wake = __atomic_load_n(&reader->attachment->dynamic->wake, __ATOMIC_ACQUIRE);
                        owner = __atomic_load_n(reader->attachment->owner, __ATOMIC_ACQUIRE);
                }
                r = socktally_refresh(reader);
                if (r != SOCKTALLY_UNCHANGED)
                        return r;
                if (clock_now() >= deadline)
                        return SOCKTALLY_UNCHANGED;
                r = doze(reader, wake, owner, deadline);
                if (r == -EINTR)
                        return r;
        }
}
