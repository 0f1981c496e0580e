/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_TESTS_READERS_STAGE_H
#define SOCKTALLY_TESTS_READERS_STAGE_H
/*
 * The daemon's end of the readers' socket. Both ends live in the test's process: the loop is run until nothing is left
 * to do, so there is nothing to wait for but the silence of a silent peer.
 */
#include <stdint.h>
#include <sys/types.h>

#include "daemon/publish/readers.h"
#include "libclient/handshake.h"
#include "tests/unit/tree.h"

#define GROUP 54321
#define STRANGER 65534

struct stage {
        struct tree *tree;
        sd_event *event;
        struct readers *readers;
        int views[N_PUBLISH_VIEWS];
        unsigned n_arrived;
};

/* A cmocka setup and teardown; *state is the stage. */
int readers_setup(void **state);
int readers_teardown(void **state);
void stage_open(struct stage *stage, uint32_t max, uint32_t max_per_uid, uint64_t timeout_usec);
/* Runs the loop until nothing is left to do. */
void settle(struct stage *stage);

int dial(struct stage *stage);
/* Connects as an ordinary user, with one more group if it is not 0; the kernel notes that at the connect. */
int dial_as_stranger(struct stage *stage, gid_t group);
/* Dials, asks for a view and gets this one. */
int granted(struct stage *stage, uint32_t wanted, enum publish_view view);

void expect_view(struct stage *stage, int fd, enum handshake_type type, enum publish_view view);
void expect_nothing(struct stage *stage, int fd);
/* These two close it. */
void expect_end(struct stage *stage, int fd);
void expect_refusal(struct stage *stage, int fd, int error);

#endif
