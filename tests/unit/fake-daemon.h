/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_TESTS_FAKE_DAEMON_H
#define SOCKTALLY_TESTS_FAKE_DAEMON_H
/*
 * The daemon's end of the readers' socket in a process of its own, which behaves, misbehaves or dies as a test wants.
 */
#include <stdbool.h>
#include <sys/types.h>

#include "tests/unit/fixture.h"

#define FAKE_DAEMON_START_USEC 2500000 /* longer than a reader waits before it looks at the files */

enum behaviour {
        DAEMON_GRANTS,
        DAEMON_REFUSES,            /* with the errno given */
        DAEMON_REFUSES_UNASKED,    /* the same, without reading the hello, and closes */
        DAEMON_ASKS_FOR_PATIENCE,  /* EAGAIN twice, then grants */
        DAEMON_TAKES_ITS_TIME,     /* FAKE_DAEMON_START_USEC, then grants */
        DAEMON_FAILS_TO_START,     /* the same, then dies */
        DAEMON_SAYS_NOTHING,
        DAEMON_HANGS_UP,
        DAEMON_HANGS_UP_ONCE,      /* as one that stops, while the next one listens already */
        DAEMON_SENDS_HALF_A_MESSAGE,
        DAEMON_SENDS_NOISE,
        DAEMON_SENDS_NO_DESCRIPTOR,
        DAEMON_SENDS_TWO_DESCRIPTORS,
        DAEMON_SENDS_A_DESCRIPTOR_OF_SOMETHING_ELSE
};

struct fake_daemon {
        pid_t pid;
        int control_fd;
};

/* Listens on DIRECTORY/readers of the fixture, and publishes once if it has a segment. The fixture's own segment is
 * freed first: the daemon makes its own, without a file name when is_memfd. */
void fake_daemon_start(struct fake_daemon *daemon, struct fixture *fixture, enum behaviour behaviour, int error,
                       bool is_memfd);
/* Orders, carried out when the call returns. */
void fake_daemon_publish(struct fake_daemon *daemon);
void fake_daemon_grow(struct fake_daemon *daemon);
void fake_daemon_hang_up(struct fake_daemon *daemon);
/* Closes the segment as at a stop, but goes on listening, as systemd does; and starts again. */
void fake_daemon_close(struct fake_daemon *daemon);
void fake_daemon_reopen(struct fake_daemon *daemon);
/* Number of hellos so far; the last one's view. */
int fake_daemon_hellos(struct fake_daemon *daemon);
int fake_daemon_view(struct fake_daemon *daemon);
void fake_daemon_kill(struct fake_daemon *daemon);

const char *fake_daemon_path(const struct fixture *fixture, char path[static 128]);

#endif
