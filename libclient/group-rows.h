/* SPDX-License-Identifier: MIT */
#ifndef SOCKTALLY_GROUP_ROWS_H
#define SOCKTALLY_GROUP_ROWS_H
/* The rows of groups of processes: services, apps, containers, users. What rows.h says of rows is true of these. */
#include "libclient/rows.h"

#define LAYOUT_UNIT_FULL_SIZE 256
#define LAYOUT_TITLE_SIZE 128
#define LAYOUT_TYPE_SIZE 32
#define LAYOUT_POD_SIZE 80

struct layout_service_row {
        uint64_t start_time;
        uint64_t changed;
        uint32_t uid;
        uint32_t kind;
        uint32_t processes;
        uint32_t reserved0;
        char service[LAYOUT_UNIT_FULL_SIZE];
        uint64_t reserved[3];
        uint64_t counters[SOCKTALLY_N_METRICS];
};

#define LAYOUT_SERVICES_COLUMNS(X, row)                                                                                \
        X(row, START_TIME, ID, start_time, "nanoseconds", "when the service was first seen, since boot")               \
        X(row, CHANGED, GAUGE, changed, "", LAYOUT_CHANGED_HELP)                                                       \
        X(row, UID, ID, uid, "", "user whose manager runs it; 4294967295: the system's manager")                       \
        X(row, KIND, ID, kind, "", LAYOUT_KIND_HELP)                                                                   \
        X(row, PROCESSES, GAUGE, processes, "processes", "processes of the service that have a row now")               \
        X(row, SERVICE, TEXT, service, "", "name of the systemd unit")

struct layout_app_row {
        uint64_t start_time;
        uint64_t changed;
        uint32_t uid;
        uint32_t kind;
        uint32_t processes;
        uint32_t reserved0;
        char app[LAYOUT_UNIT_FULL_SIZE];
        char display_name[LAYOUT_TITLE_SIZE];
        char app_kind[LAYOUT_TYPE_SIZE];
        uint64_t reserved[4];
        uint64_t counters[SOCKTALLY_N_METRICS];
};

#define LAYOUT_APPS_COLUMNS(X, row)                                                                                    \
        X(row, START_TIME, ID, start_time, "nanoseconds", "when the application was first seen, since boot")           \
        X(row, CHANGED, GAUGE, changed, "", LAYOUT_CHANGED_HELP)                                                       \
        X(row, UID, ID, uid, "", "user whose application it is; 4294967295: nobody's in particular")                   \
        X(row, KIND, ID, kind, "", LAYOUT_KIND_HELP)                                                                   \
        X(row, PROCESSES, GAUGE, processes, "processes", "processes of the application that have a row now")           \
        X(row, APP, TEXT, app, "", "application, by a name that stays the same")                                       \
        X(row, DISPLAY_NAME, TEXT, display_name, "", "what people call it")                                            \
        X(row, APP_KIND, TEXT, app_kind, "", "what it is: app, flatpak, unit, docker, session, ...")

struct layout_container_row {
        uint64_t start_time;
        uint64_t changed;
        uint32_t uid;
        uint32_t kind;
        uint32_t processes;
        uint32_t reserved0;
        char container[LAYOUT_UNIT_FULL_SIZE];
        char display_name[LAYOUT_TITLE_SIZE];
        char container_runtime[LAYOUT_TYPE_SIZE];
        char pod[LAYOUT_POD_SIZE];
        uint64_t reserved[4];
        uint64_t counters[SOCKTALLY_N_METRICS];
};

#define LAYOUT_CONTAINERS_COLUMNS(X, row)                                                                              \
        X(row, START_TIME, ID, start_time, "nanoseconds", "when the container was first seen, since boot")             \
        X(row, CHANGED, GAUGE, changed, "", LAYOUT_CHANGED_HELP)                                                       \
        X(row, UID, ID, uid, "", "user whose container it is; 4294967295: the system's")                               \
        X(row, KIND, ID, kind, "", LAYOUT_KIND_HELP)                                                                   \
        X(row, PROCESSES, GAUGE, processes, "processes", "processes in the container that have a row now")             \
        X(row, CONTAINER, TEXT, container, "", "container or virtual machine, by its whole id")                        \
        X(row, DISPLAY_NAME, TEXT, display_name, "", "what people call it")                                            \
        X(row, CONTAINER_RUNTIME, TEXT, container_runtime, "", "program that made it: docker, podman, lxc, ...")       \
        X(row, POD, TEXT, pod, "", "pod that it is in")

struct layout_user_row {
        uint64_t start_time;
        uint64_t changed;
        uint32_t uid;
        uint32_t kind;
        uint32_t processes;
        uint32_t reserved0;
        uint64_t reserved[4];
        uint64_t counters[SOCKTALLY_N_METRICS];
};

#define LAYOUT_USERS_COLUMNS(X, row)                                                                                   \
        X(row, START_TIME, ID, start_time, "nanoseconds", "when the user was first seen, since boot")                  \
        X(row, CHANGED, GAUGE, changed, "", LAYOUT_CHANGED_HELP)                                                       \
        X(row, UID, ID, uid, "", "real user id of the processes")                                                      \
        X(row, KIND, ID, kind, "", LAYOUT_KIND_HELP)                                                                   \
        X(row, PROCESSES, GAUGE, processes, "processes", "processes of the user that have a row now")

#endif
