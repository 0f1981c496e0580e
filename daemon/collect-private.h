/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_COLLECT_PRIVATE_H
#define SOCKTALLYD_COLLECT_PRIVATE_H
/* The collector's inside, shared by the collect*.c files only. */
#include <bpf/libbpf.h>

#include "daemon/collect.h"

#include "bpf/socktally.skel.h"

#define COLLECT_MAX_LINKS 32

struct collect {
        struct collect_config config;
        struct socktally_bpf *skeleton;
        struct bpf_link *links[COLLECT_MAX_LINKS];
        size_t n_links;
        struct bpf_link *scan_link, *tcp_link, *fold_link; /* iterators: open files, TCP sockets, ledgers */
        enum attach_method method;
        bool sees_release;
        bool sees_calls; /* hooks are on TCP's data path */
        struct collect_report reports[2];
        /* Room for one read of the whole table; pages are touched as far as rows are used. */
        struct process_key *keys;
        struct process_row *values;
        struct sample_row *rows;
        uint32_t n_reserved;
        /* The process table in force: the skeleton's own, or a descriptor of ours once it was replaced. */
        int table_fd;
        bool owns_table;
        struct sample_row *pending; /* final rows of a table that was replaced; they come with the next sample */
        uint32_t n_pending;
        uint32_t next_check; /* row at which the next look for missed exits begins */
        uint64_t least_excess; /* sockets that the last n_excess passes did not meet */
        uint32_t n_excess;
        struct sample sample;
};

/* Tries one method. 0: counting runs. On error nothing is left behind and reason says what failed. */
int collect_attach(struct collect *collect, enum attach_method method, bool with_release, char *reason, size_t size);
void collect_detach(struct collect *collect);
/* Runs one iterator to its end. */
int collect_walk(struct bpf_link *link);
/* enum ledger_switch for a configuration */
uint32_t collect_switches(const struct collect_config *config);
/* Reads a whole table into the collector's keys and values. */
int collect_read_table(struct collect *collect, int fd, uint32_t capacity, uint32_t *ret_n);
/* Room for a read of n_rows, beside what is pending. The old room is given back. */
int collect_reserve(struct collect *collect, uint32_t n_rows);
void collect_release(struct collect *collect);

#endif
