/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_COLLECT_HOOKS_H
#define SOCKTALLYD_COLLECT_HOOKS_H
/* The hooks in sets, and their programs. For the collector only. */
#include "daemon/collect/collector.h"

/*
 * Sets of programs that are attached and detached together.
 *
 *   X(NAME, methods, kind, modules, replacement)
 *
 * methods: that use the set, as bits. modules: that it serves, as bits. replacement: what becomes of counting when the
 * kernel refuses one of its hooks, in words; NULL: it cannot be done without.
 */
#define HOOK_SETS(X)                                                                                                   \
        /* a TCP socket opens, comes up, ends */                                                                       \
        X(TCP_LIFE, BY_BOTH, HOOKS_OF_LIFE, MODULE(MODULE_TCP) | MODULE(MODULE_CONNECT), "TCP cannot be counted")      \
        /* a process calls exec, ends */                                                                               \
        X(PROCESS, BY_BOTH, HOOKS_OF_LIFE, EVERY_MODULE, "ends and names of processes are looked for each interval")   \
        /* socket(), control group's hook */                                                                           \
        X(SOCK_CREATE, BY_BOTH, HOOKS_OF_LIFE, EVERY_MODULE, "drops of datagrams are unknown")                         \
        /* the last close, control group's hook */                                                                     \
        X(SOCK_RELEASE, BY_TRACEPOINT, HOOKS_OF_LIFE, EVERY_MODULE, HOOK_CLOSER_UNKNOWN)                               \
        /* the last close, trampoline */                                                                               \
        X(INET_RELEASE, BY_TRAMPOLINE, HOOKS_OF_LIFE, EVERY_MODULE, HOOK_CLOSER_UNKNOWN)                               \
        /* the end of every send and receive, by tracepoint */                                                         \
        X(TRACEPOINT, BY_TRACEPOINT, HOOKS_OF_CALLS, EVERY_MODULE,                                                     \
          "TCP is counted as in load mode passive, UDP and Multipath TCP are not")                                     \
        /* copies of the set before, for calls that its programs are skipped for */                                    \
        X(COPIES, BY_NEITHER, HOOKS_OF_COPIES, EVERY_MODULE, NULL)                                                     \
        /* the end of TCP's sends and receives, by trampoline; not in load mode passive */                             \
        X(TCP_CALLS, BY_TRAMPOLINE, HOOKS_OF_CALLS, MODULE(MODULE_TCP), NULL)                                          \
        /* the same of MPTCP, whose bytes nothing else tells */                                                        \
        X(MPTCP_CALLS, BY_TRAMPOLINE, HOOKS_OF_CALLS, MODULE(MODULE_TCP), NULL)                                        \
        /* the same of UDP, raw and ping sockets */                                                                    \
        X(UDP_CALLS, BY_TRAMPOLINE, HOOKS_OF_CALLS, MODULE(MODULE_UDP), NULL)                                          \
        /* copies of the set before */                                                                                 \
        X(UDP_COPIES, BY_NEITHER, HOOKS_OF_COPIES, MODULE(MODULE_UDP), NULL)                                           \
        /* iterators over open files and over sockets, which the collector runs itself */                              \
        X(FILES, BY_BOTH, HOOKS_OF_WALKS, EVERY_MODULE,                                                                \
          "each call is charged at once; what no call tells shows when the socket closes")                             \
        X(TCP_WALK, BY_BOTH, HOOKS_OF_WALKS, EVERY_MODULE, HOOK_UNLED_LATE)                                            \
        X(UDP_WALK, BY_BOTH, HOOKS_OF_WALKS, EVERY_MODULE, HOOK_UNLED_LATE)

#define HOOK_CLOSER_UNKNOWN "who closes a connection is unknown, and UDP calls cost more"
#define HOOK_UNLED_LATE "sockets that no descriptor leads to show at their end"

enum hook_methods {
        BY_NEITHER = 0, /* copies, which are attached when they are needed */
        BY_TRACEPOINT = 1 << ATTACH_TRACEPOINT,
        BY_TRAMPOLINE = 1 << ATTACH_TRAMPOLINE,
        BY_BOTH = BY_TRACEPOINT | BY_TRAMPOLINE,
};

enum hook_kind {
        HOOKS_OF_LIFE,
        HOOKS_OF_CALLS, /* attached while one of their modules is on */
        HOOKS_OF_COPIES,
        HOOKS_OF_WALKS,
};

enum hook_set {
#define X(name, ...) SET_##name,
        HOOK_SETS(X)
#undef X
        N_HOOK_SETS
};

#define SET(set) (1U << (set))
#define HOOK_CALLS(name, methods, kind, ...) | ((kind) == HOOKS_OF_CALLS ? SET(SET_##name) : 0)
#define HOOK_COPIES(name, methods, kind, ...) | ((kind) == HOOKS_OF_COPIES ? SET(SET_##name) : 0)
#define HOOK_WALKS(name, methods, kind, ...) | ((kind) == HOOKS_OF_WALKS ? SET(SET_##name) : 0)
#define SETS_CALLS (0U HOOK_SETS(HOOK_CALLS))
#define SETS_COPIES (0U HOOK_SETS(HOOK_COPIES))
#define SETS_WALKS (0U HOOK_SETS(HOOK_WALKS))

/* Several sets of programs are a uint64_t with a bit for each hook. */
#define COLLECT_MAX_HOOKS 64

/* Whose calls a program counts, as bits: 1 << an index of the counters by direction. */
enum hook_directions {
        HOOK_NEITHER = 0,
        HOOK_SENDS = 1 << 0,
        HOOK_RECEIVES = 1 << 1,
        HOOK_BOTH = HOOK_SENDS | HOOK_RECEIVES, /* what it sees ends or begins both directions of a connection */
};

/* One program, and where it belongs. */
struct hook {
        const char *program;
        enum hook_set set;
        enum hook_directions directions;
        const char *function; /* trampolines: the kernel function, looked up in BTF */
        int n_arguments;      /* of that function; ANY_ARGUMENTS: the program takes them as this kernel has them */
        bool may_be_absent;   /* kernels without the function have no such sockets or calls, so nothing is lost there */
        bool is_condition;    /* if the kernel refuses this one, the others of its set are of no use and not attached */
        int copy;             /* number among the copies on one hook, which run in that order; 0: there are none */
};

#define ANY_ARGUMENTS 0

size_t collect_hook_table(const struct hook **ret_hooks);
/* The sets that one method uses. Their programs are loaded at the start, whether they are attached then or not. */
unsigned collect_sets_of(enum attach_method method);
/* The modules that a set serves, as bits. */
uint32_t collect_modules_of(enum hook_set set);
/* What becomes of counting when the kernel refuses a hook of this set, in words. NULL: it cannot be done without. */
const char *collect_replacement_of(enum hook_set set);
/* Those of a method's sets that are attached with this configuration. */
unsigned collect_wanted_sets(enum attach_method method, const struct collect_config *config);
#endif
