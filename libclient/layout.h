/* SPDX-License-Identifier: MIT */
#ifndef SOCKTALLY_LAYOUT_H
#define SOCKTALLY_LAYOUT_H
/*
 * What the shared segment holds: the rows and the facts of one publication, byte for byte, as the daemon writes and
 * libsocktally reads them. The frame around them is frame.h. Described for people in socktally-segment(5).
 * Append only: a field never moves, a reader strides by the sizes in the header.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "libclient/metrics.h"

enum { LAYOUT_TABLE_HOST, LAYOUT_TABLE_SERVICES, LAYOUT_TABLE_PROCESSES, LAYOUT_N_TABLES };

#define LAYOUT_COMM_SIZE 16
#define LAYOUT_UNIT_SIZE 128
#define LAYOUT_UNIT_FULL_SIZE 256
#define LAYOUT_APP_SIZE 96
#define LAYOUT_CONTAINER_SIZE 80
#define LAYOUT_NO_UID UINT32_MAX

struct layout_process_row {
        uint64_t counters[SOCKTALLY_N_METRICS];
        uint64_t start_time; /* nanoseconds since boot */
        uint64_t changed;    /* sequence of the publication in which a counter last moved */
        uint64_t cgroup_id;
        uint32_t pid;        /* 0 for rows that are no process */
        uint32_t uid;        /* LAYOUT_NO_UID: unknown or none */
        uint32_t kind;       /* enum socktally_row_kind */
        uint32_t exited;     /* 1: the process is gone, the row will soon be */
        char comm[LAYOUT_COMM_SIZE];
        char service[LAYOUT_UNIT_SIZE];
        char app[LAYOUT_APP_SIZE];
        char container[LAYOUT_CONTAINER_SIZE];
        uint64_t reserved[2];
};

struct layout_service_row {
        uint64_t counters[SOCKTALLY_N_METRICS];
        uint64_t start_time; /* CLOCK_BOOTTIME when the service was first seen, nanoseconds */
        uint64_t changed;
        uint32_t uid;        /* user whose manager runs it; LAYOUT_NO_UID: the system's */
        uint32_t kind;
        uint32_t processes;  /* processes that have a row now */
        uint32_t reserved0;
        char service[LAYOUT_UNIT_FULL_SIZE];
        uint64_t reserved[3];
};

struct layout_host_row {
        uint64_t counters[SOCKTALLY_N_METRICS];
        uint64_t start_time; /* CLOCK_BOOTTIME when counting began, nanoseconds */
        uint64_t changed;
        uint32_t kind;
        uint32_t processes;
        uint32_t services;
        uint32_t reserved0;
        uint64_t reserved[3];
};

/* Per publication, beside the rows. */
struct layout_facts {
        uint64_t sequence;
        uint64_t time_ns;     /* CLOCK_BOOTTIME of the sample */
        uint64_t realtime_ns;
        uint64_t interval_ns;
        uint64_t known;       /* bit per enum socktally_metric */
        uint64_t sockets_tracked;
        uint64_t sockets_overflowed;
        uint64_t rows_overflowed;
        uint64_t cost_ns;     /* the daemon's CPU time for the interval before */
        /* Calls that are in no row, because the kernel skipped the programs for them. */
        uint64_t missed_tx_calls, missed_rx_calls; /* since counting began */
        uint64_t interval_missed_tx_calls, interval_missed_rx_calls; /* of the last interval */
        uint32_t missed_is_exact; /* 0: at most so many */
        uint32_t reserved0;
        uint64_t reserved[2];
};

#define LAYOUT_AFTER_COUNTERS (8 * SOCKTALLY_N_METRICS)
static_assert(sizeof(struct layout_process_row) == 576 &&
                      offsetof(struct layout_process_row, start_time) == LAYOUT_AFTER_COUNTERS &&
                      offsetof(struct layout_process_row, comm) == LAYOUT_AFTER_COUNTERS + 40 &&
                      offsetof(struct layout_process_row, container) == LAYOUT_AFTER_COUNTERS + 280,
              "the row of a process is part of the format");
static_assert(sizeof(struct layout_service_row) == 512 &&
                      offsetof(struct layout_service_row, service) == LAYOUT_AFTER_COUNTERS + 32,
              "the row of a service is part of the format");
static_assert(sizeof(struct layout_host_row) == 256 &&
                      offsetof(struct layout_host_row, kind) == LAYOUT_AFTER_COUNTERS + 16,
              "the host's row is part of the format");
static_assert(sizeof(struct layout_facts) == 128 && offsetof(struct layout_facts, cost_ns) == 64 &&
                      offsetof(struct layout_facts, missed_is_exact) == 104,
              "the facts are part of the format");

#endif
