/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_COLLECT_PASS_H
#define SOCKTALLYD_COLLECT_PASS_H
/* How ledgers are folded into the rows before these are read: gather.c over flush.c and pass.c. */
#include <stdbool.h>
#include <stdint.h>

#include "bpf/ledger.h"

struct collect;

/* A pass meets processes in the order of their numbers (a thread with files of its own counts as one). A waypoint tells
 * when it had come to which. */
struct waypoint {
        uint64_t time_ns;
        uint32_t pid;
};

#define MAX_WAYPOINTS 32

/* How many sockets the last n_passes passes did not meet; below 0: how many they met beyond those that are counted. */
struct excess {
        int64_t least, most;
        uint32_t n_passes;
};

enum pass_stage {
        PASS_NONE,    /* none is under way */
        PASS_FILES,   /* the files of all processes */
        PASS_AGAIN,   /* those of processes that hold what may be shared */
        PASS_SOCKETS, /* sockets that no descriptor leads to */
};

/* A pass over all files, which can be made in parts. Times are by CLOCK_BOOTTIME. */
struct pass {
        enum pass_stage stage;
        int walk;            /* descriptor of the walk that has paused; -1: none */
        uint32_t n_walked;   /* processes that were walked again */
        uint64_t begin_ns;   /* when this pass, or the last one, began */
        uint64_t last_ns;    /* the last interval that made a pass, made a part of one, or found none to make */
        uint64_t next_ns;    /* when the next pass is due */
        uint64_t work;       /* of the last whole pass; 0: there was none */
        uint64_t n_tracked, n_uncapped; /* sockets, when this one began */
        uint64_t n_overflowed; /* rows, when this one began */
        bool is_row_wanted;  /* this pass gives processes that lost their row a new one */
        struct excess tracked_excess, uncapped_excess;
        struct waypoint waypoints[MAX_WAYPOINTS]; /* of the pass under way ... */
        struct waypoint former[MAX_WAYPOINTS];    /* ... and of the last one */
        uint32_t n_waypoints, n_former;
};

/* flush.c. Walks the files of processes that finished a call since the last flush, and folds what the calls added. */
int collect_flush(struct collect *collect);
/* A pass that meets all files is about to begin: who is active does not matter. */
void collect_forget_active(struct collect *collect);

/* pass.c. */
/* Makes a whole pass now. */
int collect_pass(struct collect *collect);
/* Begins a pass if it is time for one, and makes a part of it. Not before a whole pass was made. */
int collect_pass_on(struct collect *collect);
/* What a whole pass is thought to cost, in units of pass_work (bpf/scan.bpf.h). */
uint64_t collect_pass_work(const struct collect *collect);
/* Gives up a pass that is under way: another will begin. */
void collect_pass_end(struct collect *collect);
/* The time (CLOCK_BOOTTIME) until which all that happened is in the rows. */
uint64_t collect_complete_ns(const struct collect *collect);

/* gather.c. Folds ledgers into the rows, before these are read. Takes the sample's time_ns for now, and sets
 * complete_ns. */
int collect_gather(struct collect *collect);
/* Folds every ledger now, outside a pass. Sockets that are met without a ledger get one, and are folded, too. */
int collect_fold(struct collect *collect);

#endif
