/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_TESTS_SCRIPT_COLLECT_H
#define SOCKTALLY_TESTS_SCRIPT_COLLECT_H
/*
 * A collector without a kernel behind it: what it says is in memory that a test and the daemon's process share, so that
 * a test can change it while the daemon runs.
 */
#include <stdatomic.h>

#include "daemon/collect/operations.h"

#define SCRIPT_MAX_ROWS 64

struct script {
        atomic_int start_error, read_error, change_error;
        atomic_uint n_changes; /* that were accepted */
        atomic_uint n_reads, n_passes_wanted;
        atomic_uint n_rows; /* processes 1 to n, each with bytes times its PID */
        atomic_ulong bytes;
        atomic_ulong missed[2]; /* calls, sending and receiving */
        atomic_bool is_stopped;
        struct collect_config config; /* in force */
        const char *reason; /* why nothing can be counted; NULL: it is */
};

/* Before daemon_new(), in the process that calls it. */
void script_use(struct script *script);

extern const struct collect_operations script_operations;

#endif
