/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_COLLECT_HOOKS_H
#define SOCKTALLYD_COLLECT_HOOKS_H
/* The hooks in sets: loaded, attached and dropped. For the collect*.c files only. */
#include "daemon/collect.h"

struct socktally_bpf;

/* Programs that are attached and detached together. */
enum hook_set {
        SET_ALWAYS,
        SET_TRACEPOINT,   /* every send and receive has returned */
        SET_SOCK_RELEASE, /* the last close, control group's hook; called within inet_release() */
        SET_INET,         /* trampolines, load modes entry and return */
        SET_PROTOCOL,     /* trampolines, load mode passive: nothing on TCP's data path */
        SET_INET_RELEASE, /* the last close, trampoline */
        SET_CENSUS,       /* the walk over all tasks; not attached anywhere */
        N_HOOK_SETS
};

#define COLLECT_MAX_HOOKS 32

/* One program, and where it belongs. */
struct hook {
        const char *program;
        enum hook_set set;
        const char *function; /* trampolines: the kernel function, looked up in BTF */
        int n_arguments;      /* -1: any */
        bool is_optional;
        const char *module; /* which it serves alone; NULL: all */
};

size_t collect_hook_table(const struct hook **ret_hooks);
/* The sets of hooks, as bits, that count in one load mode by one method. */
unsigned collect_sets_of(enum attach_method method, enum load_mode mode);
/* Opens an object in which the programs of some sets are chosen. */
int collect_open_object(struct collect *collect, unsigned sets, struct socktally_bpf **ret_skeleton, char *reason,
                        size_t size);
/* Takes descriptors of an object's programs, or takes over those in order of the table. */
int collect_keep_programs(struct collect *collect, const struct socktally_bpf *skeleton, unsigned sets);
void collect_put_programs(struct collect *collect, enum hook_set set, const int *programs);
/* Sets are loaded, unless they are; all that are asked for or none. */
int collect_load_sets(struct collect *collect, unsigned sets, char *reason, size_t size);
void collect_unload_sets(struct collect *collect, unsigned sets);
/* Write a reason and return the error. */
int collect_say(char *reason, size_t size, int error, const char *what, const char *which);
int collect_lacks_tracepoint(char *reason, size_t size);

/* collect-loader.c. */
/* Sets are needed that are not loaded. 1: a child loads them, and nothing is known that speaks against it. 0: whoever
 * needs them has to load them. An error: the kernel refuses what they need. */
int collect_ask_loader(struct collect *collect, unsigned sets, char *reason, size_t size);
/* The child's reason why some of them cannot be loaded; 0: it has none. */
int collect_is_refused(const struct collect *collect, unsigned sets, char *reason, size_t size);
/* Will no more come of the child: are they loaded, or refused, or must whoever needs them load them? */
bool collect_is_loaded(struct collect *collect, unsigned sets);
/* Waits until that is so; until the child has no hooks open. */
void collect_wait_loader(struct collect *collect, unsigned sets);
void collect_wait_apart(struct collect *collect);

/* collect-attach.c. */
/* Sets are attached and detached; all that are asked for or none. Adding loads what is not yet. */
int collect_add_sets(struct collect *collect, unsigned sets, char *reason, size_t size);
void collect_drop_sets(struct collect *collect, unsigned sets);
/* The same, without waiting for the kernel: who closes a link last waits for the tasks' RCU, a tenth of a second for
 * each trampoline, and that is left to another process. Until it is gone, which collect_has_left() tells, programs may
 * still run, and nothing else may be dropped, nor these sets be added. */
void collect_drop_apart(struct collect *collect, unsigned sets);
bool collect_has_left(struct collect *collect);
void collect_wait_left(struct collect *collect);

#endif
