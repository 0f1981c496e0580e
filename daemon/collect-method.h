/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_COLLECT_METHOD_H
#define SOCKTALLYD_COLLECT_METHOD_H
/* How one set of hooks takes over from another while calls are running. For the collect*.c files only. */
#include "daemon/collect-hooks.h"

/* Where a change of hooks stands; see collect-method.c. */
enum handover_stage { HANDOVER_NONE, HANDOVER_PREPARE, HANDOVER_BOTH, HANDOVER_DRAIN, HANDOVER_SETTLE };

struct handover {
        enum handover_stage stage;
        enum hook_set wanted; /* SET_TRACEPOINT, SET_INET or SET_PROTOCOL */
        enum hook_set inner;  /* the trampolines that count, except in HANDOVER_NONE while the tracepoint does */
        uint64_t roles;       /* enum ledger_role, and SWITCH_HANDOVER; 0: whatever is attached counts */
        uint32_t epoch, period;
        bool asks_stacks;     /* this census is for calls that may stay inside */
        bool has_begun;       /* the first walk of the census is done */
        bool is_leaving;      /* hooks were dropped, and are not known to be gone */
        bool is_new;          /* asked for since the last step */
        bool is_queued;       /* what is wanted is to be attached first */
        enum attach_method before; /* then: what was configured before it was asked for */
        bool is_refused;      /* and could not be, which nobody has been told yet */
        uint32_t n_awaited;
        uint64_t n_missed;    /* marks missed when the census began */
};

/* Says which sets are about to be attached, when none is; whatever is attached counts. */
void collect_begin_with(struct collect *collect, unsigned sets);
/* Other sets take over, with the configuration given, or nothing changes. Calls are counted once all the time; what is
 * left of the work is done by collect_continue(), once in each interval. */
int collect_hand_over(struct collect *collect, const struct collect_config *config, enum attach_method method,
                      char *reason, size_t size);
void collect_continue(struct collect *collect);
/* One walk over all tasks. *ret_awaited: how many may still be in a call that began before the first walk. */
int collect_take_census(struct collect *collect, uint32_t *ret_awaited);
/* Before the first walk of a change: the kernel's code may be another. */
void collect_forget_frames(struct collect *collect);

#endif
