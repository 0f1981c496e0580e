/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TOOL_FIXTURE_H
#define TOOL_FIXTURE_H
/*
 * A daemon for the socktally command that only publishes: segments with rows whose every number follows from the number
 * of the publication, so that a test can tell what the command must print for the one it happened to see.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/publish/segment.h"

#define FIXTURE_STEP_NS UINT64_C(100000000)      /* from one sample to the next */
#define FIXTURE_INTERVAL_NS UINT64_C(1000000000) /* promised: a fixture that was not run for three of it is stale */
#define FIXTURE_N_PROCESSES 6
#define FIXTURE_N_SERVICES 4
#define FIXTURE_N_GROUPS 2 /* rows of each table of apps, containers and users; the last is the rest */
/* Not counted in this fixture. */
#define FIXTURE_UNKNOWN                                                                                                \
        (UINT64_C(1) << SOCKTALLY_METRIC_tcp_rtt_us | UINT64_C(1) << SOCKTALLY_METRIC_tcp_resets_sent |                \
         UINT64_C(1) << SOCKTALLY_METRIC_tcp_resets_received)

struct fixture {
        char directory[64];
        struct segment *public, *full;
        uint64_t base_ns; /* time of publication 0 */
        uint64_t sequence;
        /* From the next publication on. */
        bool is_without_services, is_counting_nothing;
        uint64_t late_ns;
        uint64_t missed[2], missed_in_interval[2]; /* calls, sending and receiving */
};

/* What a run of the command left. */
struct outcome {
        int status; /* exit code; 128 + n after signal n */
        char *out, *err;
};

/* Publishes 3 times before it returns. */
void fixture_start(struct fixture *fixture, bool has_full);
void fixture_publish(struct fixture *fixture);
/* Ends the segments as a daemon does that stops. */
void fixture_stop(struct fixture *fixture);
/* After fixture_stop(): new segments with all views in the same place, which go on counting. */
void fixture_restart(struct fixture *fixture);
/* fixture_stop() and the directory is gone. */
void fixture_done(struct fixture *fixture);
const char *fixture_path(const struct fixture *fixture, const char *name); /* in static memory */

uint64_t fixture_counter(uint32_t table, size_t row, size_t metric, uint64_t sequence);
uint64_t fixture_time_ns(const struct fixture *fixture, uint64_t sequence);
/* Row number row of the fixture's tables, as it is written. */
void fixture_process(struct layout_process_row *ret_row, size_t row, uint64_t sequence);
void fixture_service(struct layout_service_row *ret_row, size_t row, uint64_t sequence);

/* Runs socktally with these arguments (up to NULL) against the fixture's directory, and publishes meanwhile.
 * uid: run as this user, or (uid_t) -1. */
void fixture_run(struct fixture *fixture, struct outcome *ret_outcome, uid_t uid, const char *const *arguments);
void outcome_done(struct outcome *outcome);
/* The command's path, for tests that start it themselves. */
const char *fixture_command(void);

#define RUN(fixture, outcome, ...) fixture_run(fixture, outcome, (uid_t)-1, (const char *const[]){ __VA_ARGS__, NULL })

#endif
