/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_COLLECT_H
#define SOCKTALLYD_COLLECT_H
/*
 * The collector owns everything that is in the kernel: it loads the programs, attaches them by the best method that
 * this kernel and its policy allow, folds the sockets each interval and reads the rows. Nothing else uses libbpf.
 */
#include "daemon/sample.h"

struct collect;

enum load_mode { LOAD_PASSIVE, LOAD_ENTRY, LOAD_RETURN, N_LOAD_MODES };
enum attach_method {
        ATTACH_AUTO,
        ATTACH_TRACEPOINT, /* tp_btf, kernel 6.3 and later */
        ATTACH_TRAMPOLINE, /* fentry and fexit */
        ATTACH_PROBE,      /* kprobe with CO-RE; not built yet */
        ATTACH_LEGACY,     /* kprobe without BTF; not built yet */
        N_ATTACH_METHODS
};

struct collect_config {
        enum load_mode load_mode;
        enum attach_method attach_method;
        uint32_t max_processes; /* rows of the process table */
        uint32_t max_sockets;   /* sockets that get a ledger */
        bool debug;             /* print what libbpf says */
};

#define COLLECT_REASON_SIZE 512

/* What is known of a module or a hook at run time, in words for a person. */
struct collect_report {
        const char *module;     /* "tcp", "udp" */
        enum attach_method method;
        bool is_running;
        char reason[COLLECT_REASON_SIZE]; /* why not, or why this method; one line, empty if there is nothing to say */
};

const char *load_mode_name(enum load_mode mode);
int load_mode_parse(const char *name, enum load_mode *ret_mode); /* -EINVAL */
const char *attach_method_name(enum attach_method method);
int attach_method_parse(const char *name, enum attach_method *ret_method); /* -EINVAL */

/* Loads and attaches; counting runs when this returns. On error ret_reason, if not NULL, gets one line that says what
 * the kernel refused and why. Never prints. */
int collect_start(struct collect **ret_collect, const struct collect_config *config, char *ret_reason, size_t size);
struct collect *collect_stop(struct collect *collect);

/* Folds the live sockets into the rows and reads them all. The sample belongs to the collector. */
int collect_read(struct collect *collect, const struct sample **ret_sample);

size_t collect_reports(const struct collect *collect, const struct collect_report **ret_reports);
/* Bytes of kernel memory that maps take, and that each tracked socket adds. */
void collect_memory(const struct collect *collect, uint64_t *ret_maps, uint64_t *ret_per_socket);

#endif
