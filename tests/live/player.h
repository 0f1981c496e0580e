/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_LIVE_PLAYER_H
#define TESTS_LIVE_PLAYER_H
/* A player is a process of a test, in a network of its own, that does something when it is told to and reports it. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What a player and the test share. */
struct shared {
        pid_t other; /* a process that the player made */
        bool is_held;
        uint64_t sent;
};

struct player {
        pid_t pid;
        int told, done;
        struct shared *shared;
};

/* For the test. act is run in the player, and does not return. The player ends with the test at the latest. */
struct player start_player(void (*act)(struct shared *shared));
void tell_player(const struct player *player);
void wait_for_player(const struct player *player);
void end_player(const struct player *player);

/* For the player. */
void wait_for_order(void);
void report_done(void);

#endif
