/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_COLLECT_PRIVATE_H
#define SOCKTALLYD_COLLECT_PRIVATE_H
/* The collector's inside, shared by the collect*.c files only. */
#include <sys/types.h>

#include <bpf/libbpf.h>

#include "daemon/collect-drop.h"
#include "daemon/collect-hooks.h"
#include "daemon/lookup.h"

#include "bpf/socktally.skel.h"

/* The counters of each CPU, while there are maps per core. */
struct cores {
        int fd; /* -1: none */
        uint32_t flags; /* with which such tables are made */
        uint32_t n_cpus;
        uint32_t n_entries; /* there is room for */
        uint32_t next_seed; /* row at which the next look for missing entries begins */
        /* Room for a piece of it, values of each CPU one after the other. */
        struct process_key *keys;
        struct core_counters *values;
        uint32_t n_reserved;
        struct lookup lookup; /* rows of the process table by key */
};

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
        bool is_silenced; /* the kernel has switched trampolines off */
        bool has_copies, uses_copies; /* the programs of SET_COPIES are loaded; they count */
        int copies_error;             /* why they cannot */
        uint32_t n_quiet;             /* reads since the kernel skipped a program */
        uint64_t skipped[2];          /* calls that it skipped the programs for, sending and receiving */
        struct collect_report reports[N_MODULES];
        /* Room for one read of the whole table; pages are touched as far as rows are used. */
        struct process_key *keys;
        struct process_row *values;
        struct sample_row *rows;
        uint32_t n_reserved;
        /* The process table in force: the skeleton's own, or a descriptor of ours once it was replaced. */
        int table_fd;
        bool owns_table;
        struct cores cores;
        struct sample_row *pending; /* final rows of a table that was replaced; they come with the next sample */
        uint32_t n_pending;
        uint32_t n_used; /* rows of the table at the last read */
        uint32_t next_check; /* row at which the next look for missed exits begins */
        int64_t least_excess; /* sockets that the last n_excess passes did not meet */
        uint32_t n_excess;
        struct sample sample;
};

/* collect.c. One with room for its rows, and nothing in the kernel. */
int collect_make(struct collect **ret_collect, const struct collect_config *config);
/* Puts method and reasons into the reports. */
void collect_refresh_reports(struct collect *collect);
/* Room for a read of n_rows, beside what is pending. The old room is given back. */
int collect_reserve(struct collect *collect, uint32_t n_rows);
void collect_release(struct collect *collect);

/* collect-attach.c. Tries one method. 0: counting runs, and reason says what it has to do without. On error nothing is
 * left behind and reason says what failed. */
int collect_attach(struct collect *collect, enum attach_method method, char *reason, size_t size);
void collect_detach(struct collect *collect);
/* Takes descriptors of the programs that an object has loaded. */
int collect_keep_programs(struct collect *collect, const struct socktally_bpf *skeleton);
/* All hooks of some sets that have a program, or none. */
int collect_attach_sets(struct collect *collect, unsigned sets, char *reason, size_t size);
void collect_detach_sets(struct collect *collect, unsigned sets);
/* Is counting by trampolines switched off by the administrator (kernel.ftrace_enabled)? */
bool collect_is_silenced(const struct collect *collect);

/* collect-walk.c. Runs one walk to its end, if its set is attached. */
int collect_walk(const struct collect *collect, const char *program);

/* collect-copies.c. Once in each read: what the kernel skipped programs for is noted, and recovered from then on. */
void copies_follow(struct collect *collect);

/* collect-change.c. Tells the programs what the configuration means. */
void collect_apply(struct collect *collect);

/* collect-read.c. Reads a whole table into the collector's keys and values. */
int collect_read_table(struct collect *collect, int fd, uint32_t capacity, uint32_t *ret_n);

/* collect-cores.c. */
void cores_init(struct cores *cores);
void cores_done(struct cores *cores);
/* The collector's first, which the programs use from then on. */
int cores_start(struct collect *collect);
/* An empty one that the programs' pointers take. */
int collect_create_table(const struct collect *collect, bool is_per_core, uint32_t n_rows);
/* Makes a table for n_rows processes and returns its descriptor, which is the caller's; room for reading it, too. */
int cores_create(struct collect *collect, uint32_t n_rows);
/* Gives the programs a table instead of the one that they have. When this returns nothing is added to that one any
 * more. It can still be read, until it is closed and cores.fd is the new one, which is the collector's then. */
int cores_exchange(const struct collect *collect, int fd);
void cores_close(struct cores *cores);
/* Adds what the CPUs counted to the n rows in the collector's values. table_fd: for processes that have no row among
 * them rows are added, with names from this table; -1: they are left out, to come with the next read, and rows that the
 * CPUs have no counters for get some. */
int cores_add(struct collect *collect, int table_fd, uint32_t *n);
/* Drops the entry of a process that is over; its last counters are added to row, unless that is NULL. */
void cores_take(struct cores *cores, const struct process_key *key, struct process_row *row);
/* The least memory that the table takes while n_used processes have rows: some kernels tell it for one CPU. */
uint64_t cores_bytes(const struct cores *cores, uint32_t n_used);

#endif
