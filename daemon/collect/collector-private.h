/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_COLLECT_COLLECTOR_PRIVATE_H
#define SOCKTALLYD_COLLECT_COLLECTOR_PRIVATE_H
/* The collector's inside, for the files of this folder only. */
#include <sys/types.h>

#include <bpf/libbpf.h>

#include "daemon/collect/drop.h"
#include "daemon/collect/hooks.h"
#include "daemon/collect/pass.h"
#include "daemon/collect/reason.h"
#include "daemon/collect/tables.h"
#include "bpf/socktally.skel.h"

struct collect {
        struct collect_config config;
        struct socktally_bpf *skeleton; /* NULL: nothing can be counted here, and reason says why */
        /* Descriptors, in the order of the table of hooks; -1: none. */
        int programs[COLLECT_MAX_HOOKS], links[COLLECT_MAX_HOOKS];
        struct drop drop;
        unsigned attached; /* SET() of each set whose hooks are attached, as far as this kernel has them */
        uint64_t generation; /* raised when what collect_keep() would tell has changed */
        enum attach_method method;
        char reason[COLLECT_REASON_SIZE]; /* why this method, and what it has to do without */
        char missing[N_MODULES][COLLECT_REASON_SIZE]; /* why a module cannot be counted; empty: it is */
        bool may_lack_calls; /* every method was refused: now TCP's bytes are counted without hooks of calls, UDP not */
        bool lacks_marks; /* the kernel refuses storage in tasks, so there are no copies by tracepoint */
        bool is_silenced; /* the kernel has switched trampolines off */
        uint64_t copies;  /* what copies of the programs do: 0, SWITCH_COPIES, or SWITCH_LEAVING beside it */
        uint64_t copies_loaded; /* a bit for each hook of copies that was loaded, or has no place in this kernel */
        int copies_error; /* why copies could not be loaded or attached; they are not tried again */
        uint32_t n_quiet, n_reads; /* reads since the kernel skipped a program, and since member copies changed */
        uint64_t skipped[2]; /* calls that the kernel skipped the deciding programs for, sending and receiving */
        uint64_t n_overflowed;     /* health.sockets_overflowed at the last read */
        /* Room for one read of the whole table; pages are touched as far as rows are used. */
        struct process_key *keys;
        struct process_row *values;
        struct sample_row *rows;
        uint32_t n_reserved, n_touched, n_sparse; /* n_sparse: reads in a row that needed few of the touched ones */
        /* The process table in force: the skeleton's own, or a descriptor of ours once it was replaced. */
        int table_fd;
        bool owns_table;
        struct cores cores;
        struct former former[FORMER_MAX]; /* the oldest first */
        uint32_t n_former;
        bool is_cores_behind; /* the programs still add to the counters per CPU of the last former table */
        /* Rows of processes that are gone. is_last: deleted in the kernel; the next sample has it for the last time. */
        struct sample_row *over;
        uint32_t n_over, n_used, n_exited; /* n_used: rows of the table at the last read; n_exited: of exited ones */
        uint32_t next_check; /* row at which the next look for missed exits begins */
        uint32_t active_end; /* number of the next entry to take out of the programs' ring of active processes */
        bool is_pass_wanted; /* somebody wants all to be exact, or the last pass failed */
        struct pass pass;
        struct sample sample;
};

/* links.c. Attaches one hook, if its program is loaded and it is not attached yet. number: in the table of hooks. */
int collect_attach_hook(struct collect *collect, const struct hook *hook, size_t number);
/* Attaches all hooks of some sets whose programs are loaded. On error none of these sets is attached. */
int collect_attach_sets(struct collect *collect, unsigned sets, char *reason, size_t size);
void collect_detach_sets(struct collect *collect, unsigned sets);
/* Is counting by trampolines switched off by the administrator (kernel.ftrace_enabled)? */
bool collect_is_silenced(const struct collect *collect);

/* walk.c. Runs the iterator program of that name over all its objects. Does nothing if its set is not attached. */
int collect_walk(const struct collect *collect, const char *program);
int collect_walk_files(const struct collect *collect, enum walk walk);
/* The same in parts. Begins a walk: a descriptor, -ENOENT if its set is not attached, or another error. */
int collect_walk_begin(const struct collect *collect, const char *program);
/* Walks until the program pauses (1) or has met all objects (0). */
int collect_walk_on(int walk);
/* The same over the files of one process, by a link that is made and closed here. */
int collect_walk_process(const struct collect *collect, const char *program, uint32_t pid);
/* Are these so many processes that all files are walked instead of theirs? Inside a PID namespace always, as processes
 * have other numbers there. (Before Linux 6.1 collect_walk_process() fails, and all files are walked, too.) */
bool collect_are_many(const struct collect *collect, uint32_t n);
/* Tells the programs an inode number that no socket has which is older than this moment. */
void collect_note_inodes(struct collect *collect);

/* switches.c. Writes the word of switches that the programs read with each call. */
void collect_apply(struct collect *collect);
enum load_mode collect_mode(const struct collect *collect); /* in force: passive, when no hook sees a call */

/* rows.c. The most rows of a sample: a whole table that left the kernel after the last one, and the present one. */
uint32_t collect_rows_at_most(uint32_t n_rows, bool is_per_core);
/* Makes room for reading n_rows, and releases the former room. The rows in over are copied. */
int collect_reserve(struct collect *collect, uint32_t n_rows);
void collect_give_back(struct collect *collect, uint32_t n_rows); /* pages, after a read of so many rows */
void collect_release(struct collect *collect);
void collect_add_up(struct process_row *row); /* the kernel has bytes by scope: makes the sums */
/* Reads a whole table into the collector's keys and values. */
int collect_read_table(struct collect *collect, int fd, uint32_t capacity, uint32_t *ret_n);

/* programs.c. */
/* Opens the object of programs and chooses which to load: those of some sets, without the hooks in refused (a bit for
 * each) and those that this kernel has no function for. The reason may say what that costs. */
int collect_open_object(unsigned sets, uint64_t refused, struct socktally_bpf **ret_skeleton, char *reason,
                        size_t size);
/* Copies the descriptors of the programs that an object has loaded, so that the object can be closed. */
int collect_keep_programs(struct collect *collect, const struct socktally_bpf *skeleton);

/* copies.c. */
/* Once in each read: counts the calls that the kernel skipped programs for. Attaches copies while there are any. */
void copies_follow(struct collect *collect);
/* After the programs were taken over from an earlier daemon: finds out what it left the copies doing. */
void copies_adopt(struct collect *collect);
/* Detaches the copies, which must be done before their originals are detached. */
void copies_end(struct collect *collect);

/* method.c. */
/* Tries one method. 0: counting runs, and reason says what it has to do without. On error nothing is left behind and
 * reason says what failed. */
int collect_attach(struct collect *collect, enum attach_method method, char *reason, size_t size);
void collect_detach(struct collect *collect);

/* collector.c. Makes a collector with room for its rows that has nothing in the kernel. */
int collect_make(struct collect **ret_collect, const struct collect_config *config);

#endif
