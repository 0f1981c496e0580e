/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_LIVE_SCENE_H
#define SOCKTALLY_LIVE_SCENE_H
/*
 * A scene is one scenario while it runs: a process of its own that directs (the stage), and players, which are forked
 * from it, each with a name of its own, and make the traffic. The scene lives in memory that all of them share, so what
 * a player moved is known at every moment, even after it died. Main owns the memory; the stage owns the players.
 *
 * A player that cannot go on says why with scene_fail() and takes the scene down; a scene that this machine cannot play
 * says so with scene_skip(). When main or the stage dies, the players die too.
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#include "libclient/metrics.h"
#include "tests/live/service.h"

enum { SCENE_N_PLAYERS = 320, SCENE_N_EVENTS = 16, SCENE_N_NUMBERS = 16, SCENE_N_LEFTOVERS = 2, COMM_SIZE = 16 };

struct scene;

enum verdict { VERDICT_OK, VERDICT_FAILED, VERDICT_SKIPPED };
enum scope { SCOPE_UNKNOWN, SCOPE_HOST, SCOPE_PRIVATE, SCOPE_INTERNET }; /* in the order of SOCKTALLY_SCOPES */

/* One process that moves data. Written by that process, read by the stage. */
struct player {
        struct scene *scene;
        pid_t pid; /* in the initial PID namespace */
        char comm[COMM_SIZE];
        uint64_t moved[SOCKTALLY_N_METRICS]; /* what this process did, by its own return values */
        uint64_t unsure;                     /* bit per metric: only the kernel knows, as with splice's calls */
        enum scope scope;                    /* of all peers; SCOPE_UNKNOWN: each socket tells, see moves.c */
        bool changes_peers;                  /* where its datagrams went may be unknown */
        uint64_t open;                       /* established connections whose only descriptors are this process's */
        uint32_t is_done, is_over; /* is_over: it has exited, and a comparison after that found it as it should be */
};

typedef void (*player_role)(struct player *player);

struct scenario {
        const char *sentence;
        void (*run)(struct scene *scene, int argument);
        int argument;
};

struct scene {
        struct playbill bill;
        int argument;
        pid_t stage;
        uint32_t verdict;
        char reason[2048];
        uint64_t missed_before[2]; /* calls that the daemon had missed when the scene began, see watch_missed() */
        uint64_t summed; /* bit per metric: compared as the sum over all players, not one by one */
        bool shares_tcp, only_at_end; /* processes are told apart by calls; the daemon may be late until all are gone */
        uint32_t patience_msec; /* how long the daemon may be late in a comparison */
        uint32_t events[SCENE_N_EVENTS];
        uint64_t numbers[SCENE_N_NUMBERS]; /* whatever the scenario's players have to tell each other */
        char leftovers[SCENE_N_LEFTOVERS][128]; /* directories to remove once every process is gone */
        uint32_t n_players;
        uint32_t is_released;
        struct player players[SCENE_N_PLAYERS];
};

#define METRIC_BIT(name) (UINT64_C(1) << SOCKTALLY_METRIC_##name)

struct scene *scene_new(const struct playbill *bill);
struct scene *scene_free(struct scene *scene);

/* The stage's whole life: plays, compares, releases the players, compares again. Ends the process. */
_Noreturn void scene_play(struct scene *scene, const struct scenario *scenario);

_Noreturn void scene_fail(struct scene *scene, const char *format, ...) __attribute__((format(printf, 2, 3)));
_Noreturn void scene_skip(struct scene *scene, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Forks a player. It gets the name before it does anything else; when role returns it waits for the scene's end. */
struct player *player_start(struct scene *scene, const char *comm, player_role role);
/* The same with the name "prefix-number". */
struct player *player_start_numbered(struct scene *scene, const char *prefix, unsigned int number, player_role role);
/* The same for one that exits as soon as role returns. */
struct player *player_start_brief(struct scene *scene, const char *comm, player_role role);
/* The same for one that has its parent's table of descriptors in common with it. */
struct player *player_start_sharing(struct scene *scene, const char *comm, player_role role);
/* Waits until the player's role has returned. */
void player_wait_done(struct player *player);
/* Waits until a player's process is gone. For its parent only. */
void player_wait_exit(struct player *player);

/* Events are counters in the scene: raise adds one, wait returns at that count, has says whether it is not 0. */
void event_raise(struct scene *scene, unsigned int event);
void event_wait(struct scene *scene, unsigned int event, uint32_t count);
bool event_has(const struct scene *scene, unsigned int event);
/* Stage: waits until every role has returned. */
void scene_wait_done(struct scene *scene);
/* Stage: several processes use one TCP connection in this scene, or one hands it on. In load mode passive nobody can
 * tell whose call it was: then only the sum is compared, and only at the end. */
void scene_shares_tcp(struct scene *scene);
void scene_hands_on_tcp(struct scene *scene);
/* Stage: keeps this scene apart from the same kind of scenes of another run on this machine. */
void scene_take_turns(struct scene *scene, bool is_alone);
/* Stage: an own network namespace with its loopback up, for this process and players started later. */
void scene_own_network(struct scene *scene);
/* A bulk size, divided by the scale, at least 64 KiB. */
size_t scene_bulk(const struct scene *scene, size_t size);

/* call must not fail. */
#define NEED(player, call)                                                                                             \
        ({                                                                                                             \
                __typeof__(call) need_ = (call);                                                                       \
                if (need_ < 0)                                                                                         \
                        scene_fail((player)->scene, "%s: %s: %s", (player)->comm, #call, strerror(errno));             \
                need_;                                                                                                 \
        })

#endif
