/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_COLLECT_COLLECTOR_PRIVATE_H
#define SOCKTALLYD_COLLECT_COLLECTOR_PRIVATE_H
/* The collector's inside, shared by the files of this folder only; what stands first lies lowest. */
#include <sys/types.h>

#include <bpf/libbpf.h>

#include "daemon/collect/drop.h"
#include "daemon/collect/hooks.h"
#include "daemon/collect/reason.h"
#include "daemon/collect/tables.h"

#include "bpf/socktally.skel.h"

struct collect {
        struct collect_config config;
        struct socktally_bpf *skeleton; /* NULL: nothing can be counted here, and reason says why */
        /* Descriptors, in the order of the table of hooks; -1: none. */
        int programs[COLLECT_MAX_HOOKS], links[COLLECT_MAX_HOOKS];
        struct drop drop;
        unsigned attached; /* sets, as bits: all of their hooks that this kernel has */
        uint64_t generation; /* of all that collect_keep() tells */
        enum attach_method method;
        char reason[COLLECT_REASON_SIZE]; /* why this method, and what it has to do without */
        char missing[N_MODULES][COLLECT_REASON_SIZE]; /* why a module cannot be counted; empty: it is */
        bool may_lack_calls; /* nothing else goes: TCP's bytes are counted if no hook sees a call, and UDP is missing */
        bool lacks_marks; /* the kernel refuses storage in tasks, which copies need by tracepoint */
        bool is_silenced; /* the kernel has switched trampolines off */
        uint64_t copies;  /* SWITCH_COPIES and SWITCH_LEAVING: what copies of the programs do */
        uint64_t copies_loaded; /* a bit for each hook whose program is there, or has no place in this kernel */
        int copies_error; /* why they cannot */
        uint32_t n_quiet, n_reads; /* reads since the kernel skipped a program, and since copies came or went */
        uint64_t skipped[2];       /* calls that it skipped the programs for, sending and receiving */
        uint64_t n_overflowed;     /* health.sockets_overflowed at the last read */
        /* Room for one read of the whole table; pages are touched as far as rows are used. */
        struct process_key *keys;
        struct process_row *values;
        struct sample_row *rows;
        uint32_t n_reserved;
        /* The process table in force: the skeleton's own, or a descriptor of ours once it was replaced. */
        int table_fd;
        bool owns_table;
        struct cores cores;
        struct former former[FORMER_MAX]; /* the oldest first */
        uint32_t n_former;
        bool is_cores_behind; /* the programs still add to the counters per CPU of the last former table */
        /* Rows of processes that are over; is_last: the kernel has dropped the row, and the next sample tells. */
        struct sample_row *over;
        uint32_t n_over;
        uint32_t n_used; /* rows of the table at the last read */
        uint32_t next_check; /* row at which the next look for missed exits begins */
        uint32_t n_exited; /* of these, the process has exited */
        uint32_t active_end; /* how far the programs' ring of active processes was taken out */
        bool is_pass_wanted; /* by somebody who wants all to be exact, or as the last one failed */
        uint64_t next_pass_ns; /* CLOCK_BOOTTIME */
        int64_t least_excess; /* sockets that the last n_excess passes did not meet */
        uint32_t n_excess;
        struct sample sample;
};

/* links.c. One hook, if it has a program and is not attached yet. */
int collect_attach_hook(struct collect *collect, const struct hook *hook, size_t number);
/* All hooks of some sets that have a program, or none. */
int collect_attach_sets(struct collect *collect, unsigned sets, char *reason, size_t size);
void collect_detach_sets(struct collect *collect, unsigned sets);
/* Is counting by trampolines switched off by the administrator (kernel.ftrace_enabled)? */
bool collect_is_silenced(const struct collect *collect);

/* walk.c. Runs one walk to its end, if its set is attached. */
int collect_walk(const struct collect *collect, const char *program);
/* The same for the files of one process, with a link of its own. */
int collect_walk_process(const struct collect *collect, const char *program, uint32_t pid);
/* Sockets that are made from now on are known to be younger, most of them. */
void collect_note_inodes(struct collect *collect);

/* pass.c. Puts what was moved until now into the rows: all in a pass, what finished calls moved in a flush. The sample
 * has its time. */
int collect_gather(struct collect *collect);
int collect_walk_files(const struct collect *collect, enum walk walk);
/* Puts what was moved until now into the rows, and finds what has no ledger yet. */
int collect_fold(const struct collect *collect);

/* switches.c. Tells the programs what the configuration means. */
void collect_apply(struct collect *collect);
/* The load mode in force: passive, when no hook sees a call. */
enum load_mode collect_mode(const struct collect *collect);

/* rows.c. Room for a read of n_rows. The old room is given back, and what is over comes along. */
int collect_reserve(struct collect *collect, uint32_t n_rows);
void collect_release(struct collect *collect);
/* Reads a whole table into the collector's keys and values. */
int collect_read_table(struct collect *collect, int fd, uint32_t capacity, uint32_t *ret_n);

/* programs.c. */
/* Opens an object for this kernel in which the programs of some sets are chosen, but for those in refused, a bit for
 * each hook. Hooks that this kernel has nothing to attach to are not chosen. The reason may say what that costs. */
int collect_open_object(unsigned sets, uint64_t refused, struct socktally_bpf **ret_skeleton, char *reason,
                        size_t size);
/* Takes descriptors of the programs that an object has loaded. */
int collect_keep_programs(struct collect *collect, const struct socktally_bpf *skeleton);

/* copies.c. */
/* Once in each read: what the kernel skipped programs for is noted, and recovered from then on. */
void copies_follow(struct collect *collect);
/* They are in the state in which the collector before left them. */
void copies_adopt(struct collect *collect);
/* Before the programs that they are copies of are detached. */
void copies_end(struct collect *collect);

/* method.c. */
/* Tries one method. 0: counting runs, and reason says what it has to do without. On error nothing is left behind and
 * reason says what failed. */
int collect_attach(struct collect *collect, enum attach_method method, char *reason, size_t size);
void collect_detach(struct collect *collect);

/* collector.c. One with room for its rows, and nothing in the kernel. */
int collect_make(struct collect **ret_collect, const struct collect_config *config);

#endif
