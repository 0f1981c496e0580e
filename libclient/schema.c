/* SPDX-License-Identifier: MIT */
/*
 * The tables and columns of this version. The metrics come first in every row, in the order of SOCKTALLY_METRICS, so
 * one list of them serves all tables. Append only: field ids, names, units and meanings never change.
 */
#include <stddef.h>
#include <string.h>

#include "libclient/layout.h"
#include "libclient/schema.h"
#include "libclient/socktally.h"

static_assert(offsetof(struct layout_process_row, counters) == 0 &&
                      offsetof(struct layout_service_row, counters) == 0 &&
                      offsetof(struct layout_host_row, counters) == 0,
              "every row starts with the metrics");
static_assert((int) SOCKTALLY_N_METRICS <= (int) FIELD_LAST_METRIC, "facts.known has a bit per metric");
static_assert((int) LAYOUT_TABLE_HOST == SOCKTALLY_TABLE_HOST &&
                      (int) LAYOUT_TABLE_SERVICES == SOCKTALLY_TABLE_SERVICES &&
                      (int) LAYOUT_TABLE_PROCESSES == SOCKTALLY_TABLE_PROCESSES,
              "the library's table numbers are the segment's table ids");

#define METRIC(id, name, kind, unit, module, mode, help)                                                               \
        { id, SOCKTALLY_##kind, 8 * SOCKTALLY_METRIC_##name, 8, #name, unit, help },
#define FIELD(id, type, row, member, unit, help)                                                                       \
        {                                                                                                              \
                FIELD_##id, SOCKTALLY_##type, offsetof(struct row, member), sizeof(((struct row *) 0)->member),        \
                        #member, unit, help                                                                            \
        }
#define CHANGED_HELP "sequence of the publication in which a counter of the row last moved"
#define KIND_HELP "what the row stands for"

static const struct schema_column host_columns[] = {
        SOCKTALLY_METRICS(METRIC)
        FIELD(START_TIME, ID, layout_host_row, start_time, "nanoseconds", "when counting began, since boot"),
        FIELD(CHANGED, GAUGE, layout_host_row, changed, "", CHANGED_HELP),
        FIELD(KIND, ID, layout_host_row, kind, "", KIND_HELP),
        FIELD(PROCESSES, GAUGE, layout_host_row, processes, "processes", "processes that have a row now"),
        FIELD(SERVICES, GAUGE, layout_host_row, services, "services", "services that have a row now"),
};

static const struct schema_column service_columns[] = {
        SOCKTALLY_METRICS(METRIC) FIELD(START_TIME, ID, layout_service_row, start_time, "nanoseconds",
                                        "when the service was first seen, since boot"),
        FIELD(CHANGED, GAUGE, layout_service_row, changed, "", CHANGED_HELP),
        FIELD(UID, ID, layout_service_row, uid, "", "user whose manager runs it; 4294967295: the system's manager"),
        FIELD(KIND, ID, layout_service_row, kind, "", KIND_HELP),
        FIELD(PROCESSES, GAUGE, layout_service_row, processes, "processes",
              "processes of the service that have a row now"),
        FIELD(SERVICE, TEXT, layout_service_row, service, "", "name of the systemd unit"),
};

static const struct schema_column process_columns[] = {
        SOCKTALLY_METRICS(METRIC)
        FIELD(START_TIME, ID, layout_process_row, start_time, "nanoseconds", "when the process started, since boot"),
        FIELD(CHANGED, GAUGE, layout_process_row, changed, "", CHANGED_HELP),
        FIELD(CGROUP_ID, ID, layout_process_row, cgroup_id, "", "inode number of the cgroup v2 directory"),
        FIELD(PID, ID, layout_process_row, pid, "", "in the initial PID namespace; 0: the row is no process"),
        FIELD(UID, ID, layout_process_row, uid, "", "real user id"),
        FIELD(KIND, ID, layout_process_row, kind, "", KIND_HELP),
        FIELD(EXITED, GAUGE, layout_process_row, exited, "", "1: the process is gone, its row will soon be"),
        FIELD(COMM, TEXT, layout_process_row, comm, "", "command name of the process"),
        FIELD(SERVICE, TEXT, layout_process_row, service, "", "systemd unit that the process runs in"),
        FIELD(APP, TEXT, layout_process_row, app, "", "application that the process belongs to"),
        FIELD(CONTAINER, TEXT, layout_process_row, container, "", "container or virtual machine that it runs in"),
};

#define N(array) ((uint32_t) (sizeof(array) / sizeof((array)[0])))

static const struct schema_table tables[LAYOUT_N_TABLES] = {
        [LAYOUT_TABLE_HOST] = { "host", LAYOUT_TABLE_HOST, sizeof(struct layout_host_row), LAYOUT_INDEX_NONE,
                                N(host_columns), host_columns },
        [LAYOUT_TABLE_SERVICES] = { "services", LAYOUT_TABLE_SERVICES, sizeof(struct layout_service_row),
                                    LAYOUT_INDEX_SERVICE, N(service_columns), service_columns },
        [LAYOUT_TABLE_PROCESSES] = { "processes", LAYOUT_TABLE_PROCESSES, sizeof(struct layout_process_row),
                                     LAYOUT_INDEX_PID, N(process_columns), process_columns },
};

const struct schema_table *stly_schema_table(uint32_t id) {
        return id < LAYOUT_N_TABLES ? &tables[id] : NULL;
}

static uint64_t hash_bytes(uint64_t hash, const void *data, size_t size) {
        const uint8_t *bytes = data;

        for (size_t i = 0; i < size; i++)
                hash = (hash ^ bytes[i]) * UINT64_C(1099511628211);
        return hash;
}

uint64_t stly_schema_hash_table(uint64_t hash, const struct layout_table *table) {
        hash = hash_bytes(hash, table->name, sizeof(table->name));
        hash = hash_bytes(hash, &table->id, sizeof(table->id));
        return hash_bytes(hash, &table->row_size, sizeof(table->row_size));
}

uint64_t stly_schema_hash_column(uint64_t hash, const struct layout_column *column) {
        /* field_id, type, offset, bytes, name and unit follow each other. */
        return hash_bytes(hash, column, offsetof(struct layout_column, help));
}
