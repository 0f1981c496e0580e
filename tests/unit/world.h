/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_TESTS_WORLD_H
#define SOCKTALLY_TESTS_WORLD_H
/*
 * The daemon itself, as it is installed, on a bus of the test's own, callers who talk nonsense to it, and a model of
 * what the daemon must hold by what it answered. SOCKTALLY_TEST_SEED repeats a run.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/unit/bus-stage.h"
#include "tests/unit/nonsense.h"

#ifdef __SANITIZE_ADDRESS__
#define N_BY(n) ((n) / 4)
#else
#define N_BY(n) (n)
#endif

#define MAX_CONNECTIONS 200
#define MAX_SETTINGS 64
#define ANSWER_USEC UINT64_C(400000000) /* a failure, not a wait; an answer of polkit may get lost for 300 s */

struct world {
        struct stage *stage;
        struct nonsense *nonsense;
        uint64_t seed;
        const struct nonsense_setting *settings;
        size_t n_settings;
        char values[MAX_SETTINGS][64], initial[MAX_SETTINGS][64];
        bool is_certain[MAX_SETTINGS];
        bool may_change;
        unsigned long n_calls, n_answers, n_accepted, n_changes;
        unsigned long anon_kib, n_descriptors;
        unsigned n_in_flight[MAX_CONNECTIONS];
};

/* A cmocka group's setup and teardown. */
int world_open(void **state);
int world_close(void **state);

uint64_t world_now_usec(void);
/* The bus asks the kernel who connects, and that is who it is for good. */
void world_act_as(uid_t uid);
sd_bus *world_connect_as(struct world *world, uid_t uid);

/* Nonsense over so many connections of a user, until the last call has its answer. */
void world_play(struct world *world, uid_t uid, size_t n_connections, unsigned n_calls);
/* While many descriptors are on their way the bus itself refuses messages; that passes. */
int world_call(sd_bus *bus, const char *path, const char *interface, const char *method, char ret_error[128],
               const char *types, const void *argument);
/* The daemon has seen all that was sent to it before. */
void world_ping(struct world *world);
/* A property and Sync are answered. */
void world_call_each(struct world *world);
/* Back to what the configuration has. */
void world_reload(struct world *world);

/* Every setting has the value that the model says. */
void world_expect_model(struct world *world);
/* The daemon's memory and descriptors are what they were when the world was opened. Each answer comes behind what the
 * daemon asked of the bus before it: what callers left behind is gone. */
void world_expect_flat(struct world *world, unsigned long slack_kib);

#endif
