/* SPDX-License-Identifier: MIT */
#ifndef SOCKTALLY_ROWS_H
#define SOCKTALLY_ROWS_H
/*
 * The rows of the host and of processes, and below each structure those of its members that are columns and no metrics:
 * X(row, field id, type, member, unit, help). Those of groups are in group-rows.h.
 *
 * Nothing that a row has ever moves. The metrics are at its end, so that a further one makes the row longer; a further
 * column takes reserved bytes. tests/unit/test-schema.c remembers where everything is.
 */
#include <stdint.h>

#include "libclient/metrics.h"

#define LAYOUT_COMM_SIZE 16
#define LAYOUT_UNIT_SIZE 128
#define LAYOUT_APP_SIZE 96
#define LAYOUT_CONTAINER_SIZE 80
#define LAYOUT_COMMAND_SIZE 192
#define LAYOUT_NO_UID UINT32_MAX

#define LAYOUT_CHANGED_HELP "sequence of the publication in which a counter of the row last moved"
#define LAYOUT_KIND_HELP "what the row stands for"

struct layout_host_row {
        uint64_t start_time;
        uint64_t changed;
        uint32_t kind;
        uint32_t processes;
        uint32_t services;
        uint32_t reserved0;
        uint64_t reserved[3];
        uint64_t counters[SOCKTALLY_N_METRICS];
};

#define LAYOUT_HOST_COLUMNS(X, row)                                                                                    \
        X(row, START_TIME, ID, start_time, "nanoseconds", "when counting began, since boot")                           \
        X(row, CHANGED, GAUGE, changed, "", LAYOUT_CHANGED_HELP)                                                       \
        X(row, KIND, ID, kind, "", LAYOUT_KIND_HELP)                                                                   \
        X(row, PROCESSES, GAUGE, processes, "processes", "processes that have a row now")                              \
        X(row, SERVICES, GAUGE, services, "services", "services that have a row now")

struct layout_process_row {
        uint64_t start_time;
        uint64_t changed;
        uint64_t cgroup_id;
        uint32_t pid;
        uint32_t uid;    /* LAYOUT_NO_UID: unknown or none */
        uint32_t kind;   /* enum socktally_row_kind */
        uint32_t exited;
        char comm[LAYOUT_COMM_SIZE];
        char service[LAYOUT_UNIT_SIZE];
        char app[LAYOUT_APP_SIZE];
        char container[LAYOUT_CONTAINER_SIZE];
        char command_line[LAYOUT_COMMAND_SIZE];
        uint64_t reserved[2];
        uint64_t counters[SOCKTALLY_N_METRICS];
};

#define LAYOUT_PROCESSES_COLUMNS(X, row)                                                                               \
        X(row, START_TIME, ID, start_time, "nanoseconds", "when the process started, since boot")                      \
        X(row, CHANGED, GAUGE, changed, "", LAYOUT_CHANGED_HELP)                                                       \
        X(row, CGROUP_ID, ID, cgroup_id, "", "inode number of the cgroup v2 directory")                                \
        X(row, PID, ID, pid, "", "in the initial PID namespace; 0: the row is no process")                             \
        X(row, UID, ID, uid, "", "real user id")                                                                       \
        X(row, KIND, ID, kind, "", LAYOUT_KIND_HELP)                                                                   \
        X(row, EXITED, GAUGE, exited, "", "1: the process is gone, its row will soon be")                              \
        X(row, COMM, TEXT, comm, "", "command name of the process")                                                    \
        X(row, SERVICE, TEXT, service, "", "systemd unit that the process runs in")                                    \
        X(row, APP, TEXT, app, "", "application that the process belongs to")                                          \
        X(row, CONTAINER, TEXT, container, "", "container or virtual machine that it runs in")                         \
        X(row, COMMAND_LINE, TEXT, command_line, "", "arguments of the process, its program first")

#endif
