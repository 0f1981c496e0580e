/* SPDX-License-Identifier: MIT */
#ifndef SOCKTALLY_TABLES_H
#define SOCKTALLY_TABLES_H
/*
 * The tables of a segment. A table is its line here and the structure of its rows in rows.h or group-rows.h with the
 * list of its columns: all that the library, the tests and the writer know of it is made from these. How the daemon
 * fills it is in a file of daemon/publish/.
 */
#include "libclient/group-rows.h"

/*
 *   X(id, name, row, metrics, keys...)
 *
 * id: SOCKTALLY_TABLE_id is the table's number. Its columns are LAYOUT_id_COLUMNS. row: rows are struct layout_row_row.
 * metrics: those that its rows have, a bit per enum socktally_metric. keys: the columns by which a row is found; where
 * the first is 0 or empty, it cannot be. 0: the table has no index.
 */
#define LAYOUT_TABLES(X)                                                                                               \
        X(HOST, host, host, LAYOUT_ALL_METRICS, 0)                                                                     \
        X(SERVICES, services, service, LAYOUT_ALL_METRICS, FIELD_SERVICE, FIELD_UID)                                   \
        X(PROCESSES, processes, process, LAYOUT_ALL_METRICS, FIELD_PID)                                                \
        X(APPS, apps, app, LAYOUT_ALL_METRICS, FIELD_APP, FIELD_UID)                                                   \
        X(CONTAINERS, containers, container, LAYOUT_ALL_METRICS, FIELD_CONTAINER, FIELD_UID)                           \
        X(USERS, users, user, LAYOUT_ALL_METRICS, FIELD_KIND, FIELD_UID)

#define LAYOUT_ALL_METRICS ((UINT64_C(1) << SOCKTALLY_N_METRICS) - 1)

enum {
#define X(id, ...) LAYOUT_TABLE_##id,
        LAYOUT_TABLES(X)
#undef X
        LAYOUT_N_TABLES
};

/* Field ids of the columns that are no metric. Permanent: where tables have the same id, it means the same. */
enum {
        FIELD_LAST_METRIC = 64,
        FIELD_PID = 1001,
        FIELD_START_TIME = 1002,
        FIELD_CHANGED = 1003,
        FIELD_CGROUP_ID = 1004,
        FIELD_UID = 1005,
        FIELD_KIND = 1006,
        FIELD_EXITED = 1007,
        FIELD_COMM = 1008,
        FIELD_SERVICE = 1009,
        FIELD_APP = 1010,
        FIELD_CONTAINER = 1011,
        FIELD_PROCESSES = 1012,
        FIELD_SERVICES = 1013,
        FIELD_DISPLAY_NAME = 1014,
        FIELD_APP_KIND = 1015,
        FIELD_CONTAINER_RUNTIME = 1016,
        FIELD_POD = 1017,
        FIELD_COMMAND_LINE = 1018
};

#endif
