/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parts of the data line begin, each with what the daemon before left for it: first the totals, as rows that the
 * kernel went on counting are worth nothing without them, then the collector, then the names.
 */
#include <errno.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#include "daemon/clock.h"
#include "daemon/control/settings.h"
#include "daemon/data-line.h"
#include "daemon/identity/cgroups.h"
#include "daemon/identity/identities.h"
#include "daemon/identity/mount.h"
#include "daemon/keep.h"
#include "daemon/log.h"
#include "daemon/publish/readers.h"

#define MAX_CGROUPS 16384

void data_line_open_keeper(struct data_line *line, const struct keep *keep) {
        if (keeper_new(&line->keeper, keep, line->counting) < 0)
                log_line(LOG_WARNING, "No memory to keep the totals for the next start, ignoring");
}

static bool find_identity(void *userdata, const struct process_key *key, uint32_t pid, const char *comm,
                          struct identity *ret_identity) {
        const struct data_line *line = userdata;

        return identities_find(line->identities, key, pid, comm, ret_identity);
}

static uint32_t get_generation(void *userdata) {
        const struct data_line *line = userdata;

        return identities_generation(line->identities);
}

static void get_command_line(void *userdata, uint32_t pid, uint64_t start_time, char *ret_line, size_t size) {
        const struct data_line *line = userdata;

        identities_command_line(line->identities, pid, start_time, ret_line, size);
}

static bool is_process_alive(void *userdata, uint32_t pid, uint64_t start_time) {
        const struct data_line *line = userdata;

        return identities_is_alive(line->identities, pid, start_time);
}

struct totals_rows data_line_rows(const struct settings *settings) {
        struct totals_rows rows = { .processes = settings->max_processes + N_PROCESS_SPECIALS };

        for (unsigned g = 0; g < N_GROUPINGS; g++)
                rows.groups[g] = settings->max_groups[g] + N_GROUP_SPECIALS;
        return rows;
}

int data_line_make_tables(struct data_line *line, const struct settings *settings, const char *directory,
                          gid_t full_group, struct keep *keep) {
        struct totals_config totals = {
                .max = data_line_rows(settings),
                .is_without = { [BY_SERVICE] = !settings->has_services, [BY_APP] = !settings->has_apps },
                .identity = find_identity,
                .generation = get_generation,
                .command_line = get_command_line,
                .is_alive = is_process_alive,
                .userdata = line,
        };
        struct publish_config publish = {
                .directory = directory,
                .gid = full_group,
                .incarnation = clock_ns(CLOCK_REALTIME),
                .max = totals.max,
        };
        int r = -ENOENT;

        if (keep->state)
                r = totals_restore(&line->totals, &totals, keep->state);
        if (r >= 0)
                publish.sequence = keep->sequence;
        else
                r = totals_new(&line->totals, &totals);
        if (publish.sequence == 0)
                keep_forget_kernel(keep);
        if (r >= 0)
                r = publish_new(&line->publish, &publish);
        if (r < 0)
                log_line(LOG_ERR, "Cannot make shared segments in %s: %s", directory, strerror(-r));
        return r;
}

/* What the daemon before left in the kernel. */
static bool adopt(struct data_line *line, const struct collect_config *config, const struct keep *keep) {
        int r;

        if (!keep->has_kernel)
                return false;
        r = line->counting->adopt(&line->collect, config, &keep->kernel, keep->objects.fds, keep->objects.numbers,
                                  keep->objects.n);
        if (r == -ESTALE)
                log_line(LOG_INFO, "Programs or settings are others than before: totals go on, counting begins anew");
        else if (r < 0)
                log_line(LOG_WARNING, "Cannot take over what counts, beginning anew: %s", strerror(-r));
        return r >= 0;
}

int data_line_start_counting(struct data_line *line, const struct settings *settings, const struct keep *keep) {
        struct collect_config config = {
                .load_mode = settings->load_mode,
                .attach_method = settings->attach_method,
                .max_processes = settings->max_processes,
                .max_sockets = settings->max_sockets,
                .is_per_core = settings->is_per_core,
                .modules = settings->modules,
                .debug = settings->log_level == LOG_DEBUG,
        };
        int r;

        if (adopt(line, &config, keep))
                return 0;
        totals_forget_rows(line->totals);
        r = line->counting->start(&line->collect, &config);
        if (r < 0)
                log_line(LOG_ERR, "Cannot count: %s", strerror(-r));
        else if (!line->counting->is_counting(line->collect))
                log_line(LOG_ERR, "Cannot count: %s; every metric is unknown, `socktally doctor` tells more",
                         line->counting->reason(line->collect));
        return r;
}

static void log_complaint(const char *source, const char *complaint) {
        log_line(LOG_WARNING, "Some names are unknown: source \"%s\": %s; see socktally-names(8)", source, complaint);
}

int data_line_start_naming(struct data_line *line, const struct keep *keep, sd_event *event) {
        char mount[1024];
        struct identities_config config = { .proc = "/proc", .max_cgroups = MAX_CGROUPS, .event = event,
                                            .complain = log_complaint };
        int r;

        r = mount_find_cgroups("/proc/self/mountinfo", mount, sizeof mount);
        if (r >= 0)
                config.cgroup_mount = mount;
        r = identities_new(&line->identities, &config);
        if (r < 0 && config.cgroup_mount) {
                log_line(LOG_WARNING, "Cannot follow the cgroup tree at %s: %s; services of short processes are "
                         "unknown", mount, strerror(-r));
                config.cgroup_mount = NULL;
                r = identities_new(&line->identities, &config);
        }
        if (r < 0)
                log_line(LOG_ERR, "Cannot find out which service a process belongs to: %s", strerror(-r));
        if (r >= 0 && keep->state) /* behind the totals, which were read before */
                (void) identities_restore(line->identities, keep->state);
        return r;
}

void data_line_stop(struct data_line *line) {
        readers_free(line->readers);
        publish_free(line->publish);
        totals_free(line->totals);
        identities_free(line->identities);
        line->counting->stop(line->collect);
        keeper_free(line->keeper);
}
