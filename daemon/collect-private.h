/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_COLLECT_PRIVATE_H
#define SOCKTALLYD_COLLECT_PRIVATE_H
/* The collector's inside, shared by the collect*.c files only. */
#include <bpf/libbpf.h>

#include "daemon/collect-method.h"
#include "daemon/lookup.h"

#include "bpf/socktally.skel.h"

#define COLLECT_MAX_LINKS 20

struct collect_object {
        struct socktally_bpf *skeleton;
        unsigned n_sets; /* gone with the last */
};

struct collect_set {
        struct collect_object *object; /* NULL: not loaded */
        bool is_attached;
        struct bpf_link *links[COLLECT_MAX_LINKS];
        size_t n_links;
};

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
        struct socktally_bpf *skeleton;
        struct collect_object first; /* holds the skeleton */
        struct collect_set sets[N_HOOK_SETS];
        struct handover handover;
        struct bpf_link *scan_link, *tcp_link, *fold_link; /* iterators: open files, TCP sockets, ledgers */
        enum attach_method method;
        bool sees_release;
        bool sees_calls; /* hooks are on TCP's data path */
        char reason[COLLECT_REASON_SIZE]; /* why this method */
        struct collect_report reports[2];
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
        uint64_t least_excess; /* sockets that the last n_excess passes did not meet */
        uint32_t n_excess;
        struct sample sample;
};

/* Tries one method. 0: counting runs. On error nothing is left behind and reason says what failed. */
int collect_attach(struct collect *collect, enum attach_method method, bool with_release, char *reason, size_t size);
void collect_detach(struct collect *collect);
/* The sets of hooks, as bits, that count in one load mode by one method. */
unsigned collect_sets_of(enum attach_method method, enum load_mode mode);
bool collect_has_tracepoints(void); /* does the kernel? */
/* Sets are loaded, attached, detached and unloaded; all that are asked for or none. Adding loads what is not yet. */
int collect_load_sets(struct collect *collect, unsigned sets, char *reason, size_t size);
int collect_add_sets(struct collect *collect, unsigned sets, char *reason, size_t size);
void collect_drop_sets(struct collect *collect, unsigned sets);
void collect_unload_sets(struct collect *collect); /* all that are not attached */
/* Tells the programs what the configuration and the state of a handover mean. */
void collect_apply(struct collect *collect);
/* Returns when no program runs any more that was running. */
int collect_wait_for_programs(struct collect *collect);
/* Puts method and reason into the reports. */
void collect_report_method(struct collect *collect);
/* Runs one iterator to its end. */
int collect_walk(struct bpf_link *link);
/* Reads a whole table into the collector's keys and values. */
int collect_read_table(struct collect *collect, int fd, uint32_t capacity, uint32_t *ret_n);
/* Room for a read of n_rows, beside what is pending. The old room is given back. */
int collect_reserve(struct collect *collect, uint32_t n_rows);
void collect_release(struct collect *collect);

/* collect-cores.c. */
void cores_init(struct cores *cores);
/* Before load: which kind of table the programs are to expect. */
void cores_configure(struct cores *cores, const struct btf *kernel, struct bpf_map *map);
void cores_done(struct cores *cores);
/* An empty one that the programs' pointers take. */
int collect_create_table(const struct collect *collect, bool is_per_core, uint32_t n_rows);
/* Makes a table for n_rows processes and returns its descriptor, which is the caller's; room for reading it, too. */
int cores_create(struct collect *collect, uint32_t n_rows);
/* Gives the programs a table, which is the collector's from then on. */
void cores_attach(struct collect *collect, int fd);
/* Takes it from them: when this returns nothing is added to it any more. It can still be read, until it is closed. */
void cores_detach(struct collect *collect);
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
