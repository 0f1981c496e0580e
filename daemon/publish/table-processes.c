/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The processes, for those who may see everything. */
#include <string.h>

#include "daemon/publish/table.h"
#include "libclient/socktally.h"

static uint32_t count(const struct totals_result *result) {
        return result->n_processes;
}

static uint32_t max(const struct publish_config *config) {
        return config->max.processes;
}

static void set_name(char *name, size_t size, const struct process *process, const struct groups *groups,
                     enum grouping grouping) {
        const char *whole = groups[grouping].rows[process->groups[grouping]].name;

        memcpy(name, whole, strnlen(whole, size - 1));
}

static void fill_process(struct layout_process_row *row, const struct process *process, const struct groups *groups) {
        *row = (struct layout_process_row) {
                .start_time = process->start_time,
                .changed = process->changed,
                .cgroup_id = process->cgroup_id,
                .pid = process->pid,
                .uid = process->uid,
                .kind = process->kind,
                .exited = process->is_queued,
        };
        memcpy(row->counters, process->counters, sizeof row->counters);
        memcpy(row->comm, process->comm, sizeof row->comm);
        memcpy(row->command_line, process->command_line, sizeof row->command_line);
        if (process->kind != SOCKTALLY_ROW_PROCESS)
                return;
        set_name(row->service, sizeof row->service, process, groups, BY_SERVICE);
        set_name(row->app, sizeof row->app, process, groups, BY_APP);
        set_name(row->container, sizeof row->container, process, groups, BY_CONTAINER);
}

static void fill_table(struct segment_fill *fill, const struct totals_result *result, enum publish_view view) {
        uint32_t n = 0;

        for (uint32_t i = 0; i < result->n_slots; i++)
                if (result->processes[i].is_used)
                        fill_process(&fill->processes[n++], &result->processes[i], result->groups);
        fill->count[LAYOUT_TABLE_PROCESSES] = n;
}

const struct publish_table publish_processes = {
        .views = 1U << PUBLISH_FULL,
        .count = count,
        .max = max,
        .fill = fill_table,
};
