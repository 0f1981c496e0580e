/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_COLLECT_HOOKS_H
#define SOCKTALLYD_COLLECT_HOOKS_H
/* The hooks in sets, and their programs. For the collector only. */
#include "daemon/collect/collector.h"

/* Programs that are attached and detached together. */
enum hook_set {
        SET_TCP_LIFE,     /* a TCP socket opens, comes up, ends */
        SET_PROCESS,      /* a process calls exec, ends */
        SET_SOCK_CREATE,  /* socket(), control group's hook */
        SET_SOCK_RELEASE, /* the last close, control group's hook */
        SET_INET_RELEASE, /* the last close, trampoline */
        SET_TRACEPOINT,   /* the end of every send and receive, by tracepoint */
        SET_COPIES,       /* copies of SET_TRACEPOINT, for calls that its programs are skipped for */
        SET_TCP_CALLS,    /* the end of TCP's sends and receives, by trampoline; not in load mode passive */
        SET_MPTCP_CALLS,  /* the same of MPTCP, whose bytes nothing else tells */
        SET_UDP_CALLS,    /* the same of UDP, raw and ping sockets */
        SET_UDP_COPIES,   /* copies of SET_UDP_CALLS, for calls that its programs are skipped for */
        SET_FILES,        /* iterator over open files, which the collector runs itself */
        SET_TCP_WALK,     /* iterator over TCP sockets */
        SET_UDP_WALK,     /* iterator over UDP sockets */
        N_HOOK_SETS
};

#define SET(set) (1U << (set))
#define SETS_WALKS (SET(SET_FILES) | SET(SET_TCP_WALK) | SET(SET_UDP_WALK))
#define SETS_CALLS (SET(SET_TRACEPOINT) | SET(SET_TCP_CALLS) | SET(SET_MPTCP_CALLS) | SET(SET_UDP_CALLS))

#define SETS_COPIES (SET(SET_COPIES) | SET(SET_UDP_COPIES))

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
