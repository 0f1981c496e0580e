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
        struct collect_report reports[2];
        /* Room for one read of the whole table; pages are touched as far as rows are used. */
        struct process_key *keys;
        struct process_row *values;
        struct sample_row *rows;
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

#endif
