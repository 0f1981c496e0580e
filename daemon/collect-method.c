/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Other hooks take over while calls are running. Hooks are attached before they count and detached after they counted
 * last; what each does meanwhile says the word of switches, and why each call is then counted once says
 * bpf/handover.bpf.h. Every change goes by way of the tracepoints, as those alone see the end of every call, however
 * long before it began. "Inner" are the trampolines that count, or will.
 *
 *   NONE     one kind of hook is attached and counts.
 *   PREPARE  inner counts and marks, the tracepoints only take marks away. Until no call is between the two that the
 *            trampoline counted before it left marks.
 *   BOTH     inner counts and marks, the tracepoints count what has no mark. As long as it takes: with trampolines that
 *            are new, until no call is inside that began before they were attached.
 *   DRAIN    inner is detached; the tracepoints as before. Until no call is between that has a mark.
 *   SETTLE   inner counts, the tracepoints are detached. Until none of them can run any more.
 *
 * Each step is exact for any time, so none is waited for: the census (collect-census.c) tells once in each interval
 * whether the next may be taken, and who asked for the change has the answer after the first, or before it when hooks
 * must be loaded or leave first: then what counted goes on. What is wanted can change at each step. Hooks stop
 * counting, then leave, and the census begins when they are gone.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/collect-private.h"

#define SET(set) (1U << (set))
#define ALL_TRACEPOINT (SET(SET_TRACEPOINT) | SET(SET_SOCK_RELEASE))
#define ALL_INNER (SET(SET_INET) | SET(SET_PROTOCOL) | SET(SET_INET_RELEASE))

static uint64_t role_of(enum hook_set set) {
        return set == SET_TRACEPOINT ? ROLE_TRACEPOINT : set == SET_INET ? ROLE_INET : ROLE_PROTOCOL;
}

static enum hook_set counting_set(unsigned sets) {
        return sets & SET(SET_TRACEPOINT) ? SET_TRACEPOINT : sets & SET(SET_INET) ? SET_INET : SET_PROTOCOL;
}

/* Is there a hook that counts stream sockets? Until then ledgers do not wait for the first call. What is wanted may not
 * be attached yet. Where there are no tracepoints to go by, add_streams() knows. */
static void note_streams(struct collect *collect) {
        const struct handover *h = &collect->handover;

        if (!collect->has_tracepoints)
                return;
        collect->sees_streams = h->roles ? h->roles & (ROLE_TRACEPOINT | ROLE_INET | ROLE_STREAMS) :
                                           h->inner != SET_PROTOCOL;
        collect->sees_calls = collect->sees_streams && h->wanted != SET_PROTOCOL;
}

static void flip(struct collect *collect, uint64_t roles) {
        struct handover *h = &collect->handover;

        h->epoch++;
        if (roles & ROLE_MARK && !(h->roles & ROLE_MARK))
                h->period++;
        h->roles = roles;
        note_streams(collect);
        collect_apply(collect);
}

/* A census begins with the next walk. Only hooks that run with the word of now strike off tasks: it follows a flip. */
static void enter(struct collect *collect, enum handover_stage stage, bool asks_stacks) {
        struct handover *h = &collect->handover;

        h->stage = stage;
        h->asks_stacks = asks_stacks;
        h->has_begun = false;
}

static void prepare(struct collect *collect) {
        struct handover *h = &collect->handover;

        flip(collect, SWITCH_HANDOVER | ROLE_MARK | role_of(h->inner) | (h->inner == SET_PROTOCOL ? ROLE_STREAMS : 0));
        enter(collect, HANDOVER_PREPARE, false);
}

/* No census begins before the last of their programs has run. */
static void drop(struct collect *collect, unsigned sets) {
        struct handover *h = &collect->handover;

        collect_drop_apart(collect, sets);
        h->is_leaving = collect->leaving.child != 0;
        if (!h->is_leaving)
                flip(collect, h->roles);
}

static void both(struct collect *collect) {
        struct handover *h = &collect->handover;
        unsigned unwanted = (SET(SET_INET) | SET(SET_PROTOCOL)) & ~SET(h->inner) & ~SET(h->wanted);

        flip(collect, SWITCH_HANDOVER | ROLE_MARK | ROLE_TRACEPOINT | role_of(h->inner));
        drop(collect, unwanted);
        enter(collect, HANDOVER_BOTH, true);
}

static void drain(struct collect *collect) {
        flip(collect, SWITCH_HANDOVER | ROLE_MARK | ROLE_TRACEPOINT);
        drop(collect, ALL_INNER);
        enter(collect, HANDOVER_DRAIN, false);
}

/* What goes when the trampolines that count are to stay alone. */
static unsigned outside(const struct handover *h) {
        return ALL_TRACEPOINT | (ALL_INNER & ~SET(h->inner) & ~SET(SET_INET_RELEASE));
}

static void settle(struct collect *collect) {
        struct handover *h = &collect->handover;

        flip(collect, SWITCH_HANDOVER | role_of(h->inner));
        drop(collect, outside(h));
        enter(collect, HANDOVER_SETTLE, false);
}

static void end(struct collect *collect) {
        struct handover *h = &collect->handover;

        h->inner = h->stage == HANDOVER_DRAIN ? SET_TRACEPOINT : h->inner;
        h->stage = HANDOVER_NONE;
        if (h->inner != SET_TRACEPOINT)
                collect->sees_release = true;
        flip(collect, 0);
        collect_drop_sets(collect, SET(SET_CENSUS));
}

/* Has the task list been worked off, beginning where this step did? */
static bool is_census_over(struct collect *collect) {
        struct handover *h = &collect->handover;
        const __u64 *missed = &collect->skeleton->bss->marks_missed;
        int r;

        if (!(collect->attached & SET(SET_CENSUS)) && collect_add_sets(collect, SET(SET_CENSUS), NULL, 0) < 0)
                return false;
        if (!h->has_begun) {
                h->n_missed = __atomic_load_n(missed, __ATOMIC_RELAXED);
                if (collect_wait_for_programs(collect) < 0)
                        return false;
        }
        r = collect_take_census(collect, &h->n_awaited);
        return r == 0 && h->n_awaited == 0;
}

/* Marks were missed while they were needed: all over again. */
static bool is_mark_missed(struct collect *collect) {
        return __atomic_load_n(&collect->skeleton->bss->marks_missed, __ATOMIC_RELAXED) != collect->handover.n_missed;
}

/* Sockets whose first call nobody will see get their ledgers while calls are still seen. */
static int find_silent_sockets(struct collect *collect) {
        int r;

        if (collect->handover.inner != SET_PROTOCOL)
                return 0;
        r = collect_walk(collect->scan_link);
        return r < 0 ? r : collect_walk(collect->tcp_link);
}

static bool continue_prepare(struct collect *collect) {
        struct handover *h = &collect->handover;

        if (h->wanted == h->inner) {
                if (find_silent_sockets(collect) < 0)
                        return false;
                settle(collect);
                return true;
        }
        if (!is_census_over(collect))
                return false;
        if (is_mark_missed(collect)) {
                prepare(collect);
                return false;
        }
        if (h->wanted != SET_TRACEPOINT)
                h->inner = h->wanted;
        both(collect);
        return true;
}

static bool continue_both(struct collect *collect) {
        struct handover *h = &collect->handover;

        if (h->wanted == SET_TRACEPOINT) {
                drain(collect);
                return true;
        }
        if (h->wanted != h->inner) {
                h->inner = h->wanted;
                both(collect);
                return true;
        }
        if (!is_census_over(collect))
                return false;
        if (is_mark_missed(collect) || find_silent_sockets(collect) < 0) {
                both(collect);
                return false;
        }
        settle(collect);
        return true;
}

static bool begin(struct collect *collect) {
        struct handover *h = &collect->handover;

        if (h->wanted == h->inner)
                return false;
        collect_forget_frames(collect);
        if (h->inner == SET_TRACEPOINT) {
                h->inner = h->wanted;
                both(collect);
        } else {
                prepare(collect);
        }
        return true;
}

/* One step, if it may be taken. */
static bool step(struct collect *collect) {
        struct handover *h = &collect->handover;

        switch (h->stage) {
        case HANDOVER_NONE: return begin(collect);
        case HANDOVER_PREPARE: return continue_prepare(collect);
        case HANDOVER_BOTH: return continue_both(collect);
        case HANDOVER_DRAIN:
                if (h->wanted != SET_TRACEPOINT) {
                        h->inner = h->wanted;
                        both(collect);
                        return true;
                }
                if (collect->attached & ALL_INNER) { /* attached for what is not wanted any more */
                        drain(collect);
                        return true;
                }
                break;
        case HANDOVER_SETTLE:
                if (h->wanted != h->inner) {
                        prepare(collect);
                        return true;
                }
                if (collect->attached & outside(h)) {
                        settle(collect);
                        return true;
                }
                break;
        }
        if (is_census_over(collect)) {
                end(collect);
                return true;
        }
        return false;
}

void collect_begin_with(struct collect *collect, unsigned sets) {
        struct handover *h = &collect->handover;

        *h = (struct handover) { .wanted = counting_set(sets), .inner = counting_set(sets) };
        collect->sees_calls = collect->sees_streams = !(sets & SET(SET_PROTOCOL));
        collect->sees_release = sets & (SET(SET_SOCK_RELEASE) | SET(SET_INET_RELEASE));
}

/* What must be attached for these to take over. Tracepoints that have run without the control group's hook go on
 * without. */
static unsigned sets_for(const struct collect *collect, unsigned sets) {
        sets |= SET(SET_CENSUS);
        return collect->attached & SET(SET_TRACEPOINT) ? sets & ~ALL_TRACEPOINT : sets | ALL_TRACEPOINT;
}

/* Attaches what is missing, without a part in the counting. */
static int add_missing(struct collect *collect, unsigned sets, char *reason, size_t size) {
        struct handover *h = &collect->handover;
        int r;

        sets &= ~collect->attached;
        /* What is refused is mostly refused here, before anything has changed. */
        r = collect_load_sets(collect, sets, reason, size);
        if (r < 0)
                return r;
        if (h->stage == HANDOVER_NONE)
                flip(collect, SWITCH_HANDOVER | role_of(h->inner));
        r = sets ? collect_add_sets(collect, sets, reason, size) : 0;
        if (r == 0 || h->stage != HANDOVER_NONE)
                return r;
        if (h->inner == SET_TRACEPOINT)
                drain(collect);
        else
                settle(collect);
        return r;
}

static int attach_streams(struct collect *collect, char *reason, size_t size) {
        int r;

        collect_wait_left(collect);
        flip(collect, SWITCH_HANDOVER | ROLE_PROTOCOL | ROLE_STREAMS);
        r = collect_add_sets(collect, SET(SET_INET), reason, size);
        if (r < 0) {
                flip(collect, SWITCH_HANDOVER | ROLE_PROTOCOL);
                return r;
        }
        collect->sees_calls = collect->sees_streams = true;
        return 0;
}

/* The first calls are seen until every socket has its ledger. */
static int detach_streams(struct collect *collect, char *reason, size_t size) {
        int r;

        collect->sees_calls = false;
        collect_apply(collect);
        r = collect_wait_for_programs(collect);
        if (r == 0)
                r = find_silent_sockets(collect);
        if (r < 0) {
                collect->sees_calls = true;
                collect_apply(collect);
                snprintf(reason, size, "cannot walk the sockets: %s", strerror(-r));
                return r;
        }
        collect->sees_streams = false;
        flip(collect, SWITCH_HANDOVER | ROLE_PROTOCOL);
        drop(collect, SET(SET_INET));
        return 0;
}

static void queue_or_not(struct collect *collect, bool is_queued) {
        struct handover *h = &collect->handover;

        if (is_queued && !h->is_queued)
                h->before = collect->config.attach_method;
        h->is_queued = is_queued;
}

/* Must sets be loaded first, or leave before they can come again? */
static int must_queue(struct collect *collect, unsigned sets, char *reason, size_t size) {
        unsigned missing = sets & ~collect->loaded;
        int r;

        r = missing ? collect_ask_loader(collect, missing, reason, size) : 0;
        return r != 0 ? r : !collect_has_left(collect) && collect->leaving.sets & sets;
}

/* Kernels before 6.3 have no tracepoint to go by. There the trampolines of load mode passive keep the datagrams, and
 * those of the other modes come and go beside them for stream sockets, which the first do not see. Trampolines that see
 * all calls stay, and look away in load mode passive. */
static int add_streams(struct collect *collect, const struct collect_config *config, char *reason, size_t size) {
        struct handover *h = &collect->handover;
        bool is_seen = config->load_mode != LOAD_PASSIVE;
        int r = 0, queue = 0;

        if (h->inner == SET_PROTOCOL && is_seen != collect->sees_streams) {
                if (is_seen)
                        r = queue = must_queue(collect, SET(SET_INET), reason, size);
                else
                        r = detach_streams(collect, reason, size);
                if (r == 0 && is_seen)
                        r = attach_streams(collect, reason, size);
                if (r < 0)
                        return r;
        }
        if (r == 0 && is_seen)
                collect->reason[0] = '\0';
        queue_or_not(collect, queue);
        collect->config = *config;
        collect_apply(collect);
        return 0;
}

/* What was asked for is not wanted any more, before anything was done for it. */
static void take_back(struct collect *collect, const struct collect_config *config) {
        struct handover *h = &collect->handover;

        h->is_queued = false;
        h->wanted = h->inner;
        collect->config = *config;
        note_streams(collect);
        collect_apply(collect);
}

static int take_over(struct collect *collect, const struct collect_config *config, unsigned sets, char *reason,
                     size_t size) {
        struct handover *h = &collect->handover;
        unsigned all;
        int queue, r;

        /* The census must meet all tasks. */
        if (!collect->skeleton->rodata->cfg_scan_is_whole) {
                snprintf(reason, size, "hooks cannot be exchanged from inside a PID namespace; set it and restart");
                return -EOPNOTSUPP;
        }
        if (!collect->has_tracepoints)
                return collect_lacks_tracepoint(reason, size);
        if (h->is_queued && h->stage == HANDOVER_NONE && counting_set(sets) == h->inner) {
                take_back(collect, config);
                return 0;
        }
        all = sets_for(collect, sets);
        r = queue = must_queue(collect, all, reason, size);
        if (r == 0)
                r = add_missing(collect, all, reason, size);
        if (r < 0)
                return r;
        if (!queue)
                collect->reason[0] = '\0';
        queue_or_not(collect, queue);
        h->wanted = counting_set(sets);
        collect->config = *config;
        note_streams(collect);
        collect_apply(collect);
        if (h->stage == HANDOVER_NONE && !h->is_queued)
                begin(collect);
        h->is_new = true;
        return 0;
}

/* The kernel refuses after all what it was asked for: those that count go on, with what they can observe. */
static void give_up(struct collect *collect) {
        struct handover *h = &collect->handover;
        struct collect_config *config = &collect->config;

        if (collect->has_tracepoints)
                h->wanted = h->stage == HANDOVER_DRAIN ? SET_TRACEPOINT : h->inner;
        collect->method = h->wanted == SET_TRACEPOINT ? ATTACH_TRACEPOINT : ATTACH_TRAMPOLINE;
        config->attach_method = h->before;
        if (config->attach_method != ATTACH_AUTO)
                config->attach_method = collect->method;
        if (h->wanted == SET_PROTOCOL)
                config->load_mode = LOAD_PASSIVE;
        h->is_refused = true;
        note_streams(collect);
}

/* What could not be attached while it was leaving or being loaded. */
static void attach_queued(struct collect *collect, unsigned sets) {
        char reason[COLLECT_REASON_SIZE] = "";
        int r = 0;

        collect->handover.is_queued = false;
        if (collect->has_tracepoints)
                r = add_missing(collect, sets, reason, sizeof(reason));
        else if (collect->config.load_mode != LOAD_PASSIVE)
                r = attach_streams(collect, reason, sizeof(reason));
        snprintf(collect->reason, sizeof(collect->reason), "%s", reason);
        if (r < 0)
                give_up(collect);
        collect_apply(collect);
}

bool collect_is_changing(const struct collect *collect) {
        return collect->handover.is_queued || collect->handover.stage != HANDOVER_NONE;
}

bool collect_take_refusal(struct collect *collect, struct collect_config *ret_config, const char **ret_reason) {
        struct handover *h = &collect->handover;

        if (!h->is_refused)
                return false;
        h->is_refused = false;
        *ret_config = collect->config;
        *ret_reason = collect->reason;
        return true;
}

void collect_continue(struct collect *collect) {
        struct handover *h = &collect->handover;

        if (h->is_new) { /* who asked for it waits */
                h->is_new = false;
                return;
        }
        if (!collect_has_left(collect))
                return;
        if (h->is_leaving) {
                h->is_leaving = false;
                h->has_begun = false;
                flip(collect, h->roles);
        }
        if (h->is_queued) {
                unsigned sets = collect_sets_of(collect->method, collect->config.load_mode);

                if (collect->has_tracepoints)
                        sets = sets_for(collect, sets);
                if (!collect_is_loaded(collect, sets))
                        return;
                attach_queued(collect, sets);
        } else if (h->stage == HANDOVER_NONE) {
                return;
        }
        while (!h->is_leaving && step(collect))
                continue;
        collect_report_method(collect);
}

int collect_hand_over(struct collect *collect, const struct collect_config *config, enum attach_method method,
                      char *reason, size_t size) {
        unsigned sets = collect_sets_of(method, config->load_mode);
        const struct handover *h = &collect->handover;
        char why[COLLECT_REASON_SIZE] = "";
        int r = 0;

        if (counting_set(sets) == h->wanted && (h->roles == 0 || h->stage != HANDOVER_NONE)) {
                collect->config = *config;
                collect_apply(collect);
        } else if (method == collect->method && !collect->has_tracepoints) {
                r = add_streams(collect, config, why, sizeof(why));
        } else {
                r = take_over(collect, config, sets, why, sizeof(why));
        }
        if (r == 0)
                collect->method = method;
        collect_report_method(collect);
        if (reason)
                snprintf(reason, size, "%s", why);
        return r;
}
