/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_TESTS_WRITER_H
#define SOCKTALLY_TESTS_WRITER_H
/* A segment's writer in a process of its own, to be killed. */
#include <sys/types.h>

#include "tests/unit/fixture.h"

/* A child that does not outlive the test, even one that fails. */
pid_t writer_fork(void);
/* Does what act says with a new segment, and then lives until it is killed. Returns when it has; the fixture's own
 * segment is freed first. */
pid_t writer_start(struct fixture *fixture, void (*act)(struct fixture *fixture));
void writer_kill(pid_t pid, int signal);

#endif
