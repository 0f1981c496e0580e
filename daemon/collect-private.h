/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_COLLECT_PRIVATE_H
#define SOCKTALLYD_COLLECT_PRIVATE_H
/* The collector's inside, shared by the collect*.c files only. */
#include <sys/types.h>

#include <bpf/libbpf.h>

#include "daemon/collect-method.h"
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
        struct socktally_bpf *skeleton;
        /* Descriptors, in the order of the table of hooks; -1: none. */
        int programs[COLLECT_MAX_HOOKS], links[COLLECT_MAX_HOOKS];
        unsigned loaded, attached; /* sets, as bits */
        uint64_t generation; /* of all that collect_keep() tells */
        bool has_tracepoints; /* the kernel */
        int release_id; /* of inet_release() in the kernel's type information; negative: it has none */
        struct {
                pid_t child; /* 0: none, or no more */
                int fd;
                bool is_apart; /* has nothing open that could be dropped */
                bool is_tried; /* whether trampolines can be attached is known */
                unsigned refused; /* sets that it could not load, and the last reason */
                int error;
                char reason[COLLECT_REASON_SIZE];
        } loader;
        struct {
                pid_t child; /* 0: none */
                unsigned sets;
        } leaving;
        struct handover handover;
        struct bpf_link *scan_link, *tcp_link, *fold_link; /* iterators: open files, TCP sockets, ledgers */
        enum attach_method method;
        bool sees_release;
        bool sees_calls, sees_streams; /* hooks are on TCP's data path, and stay there; they are there now */
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
/* Links of the collector's own passes. */
int collect_attach_iterators(struct collect *collect);
/* One with room for its rows, and nothing in the kernel. */
int collect_make(struct collect **ret_collect, const struct collect_config *config);
/* Tells the programs what the configuration and the state of a handover mean. */
void collect_apply(struct collect *collect);
/* The load mode wanted may have to wait for its hooks; until then nobody counts the calls of streams. */
enum load_mode collect_mode_now(const struct collect *collect);
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
/* Gives the programs a table instead of the one that they have; -1: none. When this returns nothing is added to that
 * one any more. It can still be read, until it is closed and cores.fd is the new one, which is the collector's then. */
void cores_exchange(const struct collect *collect, int fd);
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
