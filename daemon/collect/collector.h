/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_COLLECT_COLLECTOR_H
#define SOCKTALLYD_COLLECT_COLLECTOR_H
/*
 * The collector owns everything that is in the kernel: it loads the programs, attaches them by the best method that
 * this kernel and its policy allow, folds the sockets each interval and reads the rows. Nothing else uses libbpf.
 */
#include "daemon/collect/mode.h"
#include "daemon/module.h"
#include "daemon/sample.h"

struct collect;

struct collect_config {
        enum load_mode load_mode;
        enum attach_method attach_method;
        uint32_t max_processes; /* rows of the process table */
        uint32_t max_sockets;   /* sockets that get a ledger */
        bool is_per_core;       /* each CPU has counters of its own for each process */
        uint32_t modules;       /* those that are on, as bits; udp includes the other protocols */
        bool debug;             /* print what libbpf says */
};

#define COLLECT_REASON_SIZE 512

/* What is known of a module at run time, in words for a person. */
struct collect_report {
        enum attach_method method;
        bool is_running;
        char reason[COLLECT_REASON_SIZE]; /* why not, or why this method; one line, empty if there is nothing to say */
};

/* Loads and attaches the programs. Counting runs when this returns. Where the kernel or its policy lets nothing be
 * counted, there is a collector too: its reports say why, and every metric is unknown. -ENOMEM. Never prints. */
int collect_start(struct collect **ret_collect, const struct collect_config *config);
struct collect *collect_stop(struct collect *collect);
/* Can anything be counted? */
bool collect_is_counting(const struct collect *collect);
/* Why there is nothing to count, or why this method; one line, empty if there is nothing to say. */
const char *collect_reason(const struct collect *collect);

/* Changes while counting goes on: no byte is lost or counted twice. 0, or -errno with nothing changed and the reason in
 * ret_reason, if that is not NULL. */
int collect_set_load_mode(struct collect *collect, enum load_mode mode, char *ret_reason, size_t size);
/* The rows of the old table come as last rows with the next sample; the same key can come again in that sample, with
 * counters from 0. What does not fit into the new one is charged to the overflow row from now on. -EAGAIN: too many
 * tables wait to be read. */
int collect_set_max_processes(struct collect *collect, uint32_t n, char *ret_reason, size_t size);
/* A module that is off counts nothing, and what its sockets move meanwhile is nobody's. */
int collect_set_module(struct collect *collect, size_t module, bool is_on, char *ret_reason, size_t size);

/* After a change that has dropped links: a descriptor for the service manager, which may have these links, too. The
 * child that keeps the links open (drop.h) ends when the manager has closed its copy, and collect_end_change() ours.
 * -1: no links were dropped. */
int collect_change_fd(const struct collect *collect);
void collect_end_change(struct collect *collect);

/* Folds the live sockets into the rows and reads them all. With very many sockets it folds what finished calls have
 * moved, and the others by turns (complete_ns of the sample). The sample belongs to the collector. */
int collect_read(struct collect *collect, const struct sample **ret_sample);

/* The next read folds all. */
void collect_want_pass(struct collect *collect);

/* Sums over the programs that serve a module. A program that serves several modules is in the sum of each. Runs and
 * time are 0 unless the kernel was asked to count them (kernel.bpf_stats_enabled). */
struct collect_statistics {
        uint64_t n_runs, time_ns, n_misses;
};
void collect_statistics(const struct collect *collect, size_t module, struct collect_statistics *ret_statistics);

/* The caller has saved what was in the last sample. Rows of processes that are gone can leave the kernel now. The next
 * sample has them once more, with is_last. Without this call the kernel keeps them. */
void collect_saved(struct collect *collect);

/* module: its number, below N_MODULES. */
void collect_report(const struct collect *collect, size_t module, struct collect_report *ret_report);
/* Bytes of kernel memory that maps take, and that each tracked socket adds. */
void collect_memory(const struct collect *collect, uint64_t *ret_maps, uint64_t *ret_per_socket);

#endif
