/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's row has the id of the cgroup (version 2) in which the data moved. cgroups.c knows the cgroup's path, and
 * each source of names that matches this path fills in its part of the identity. What the administrator's rules say of
 * the process wins over what the path says of its app.
 *
 * In two cases the path is read from /proc/PID/cgroup, while the process lives:
 *   - On machines with cgroup v1 every process is in the root of an empty v2 tree. systemd's own hierarchy, which is in
 *     the same file, has the unit.
 *   - A new cgroup is not known to cgroups.c for a short moment.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/identity/cgroups.h"
#include "daemon/identity/identities.h"
#include "daemon/identity/procfs.h"
#include "daemon/text.h"

struct open_source {
        const struct identity_source *source;
        void *state;
        sd_event_source *io;
};

struct identities {
        struct cgroups *cgroups; /* NULL: no cgroup2 */
        struct procfs procfs;
        sd_event *event;
        sd_event_source *cgroups_io, *cgroups_turn; /* one of them is on */
        struct open_source *sources;
        size_t n_sources;
        struct rules *rules; /* the administrator's; NULL: none */
        uint32_t generation;
        bool is_asked_early;  /* for a cgroup that is not known while the tree was not looked at to its end */
        uint32_t asked_walks; /* cgroups_walks() then */
        void (*complain)(const char *source, const char *complaint);
};

static int on_readable(sd_event_source *io, int fd, uint32_t revents, void *userdata) {
        identities_follow(userdata);
        return 0;
}

static int wait_for(struct identities *identities, int fd, sd_event_source **ret_io) {
        if (!identities->event || fd < 0)
                return 0;
        return sd_event_add_io(identities->event, ret_io, fd, EPOLLIN, on_readable, identities);
}

static int on_turn(sd_event_source *timer, uint64_t usec, void *userdata) {
        identities_follow(userdata);
        return 0;
}

static int make_timer(struct identities *identities) {
        int r;

        if (!identities->event)
                return 0;
        r = sd_event_add_time(identities->event, &identities->cgroups_turn, CLOCK_MONOTONIC, 0, 1000, on_turn,
                              identities);
        return r < 0 ? r : sd_event_source_set_enabled(identities->cgroups_turn, SD_EVENT_OFF);
}

/* What did not fit into a turn waits for the next one, events too, though they make the descriptor readable. */
static void plan_turn(struct identities *identities, bool is_all) {
        if (!identities->cgroups_io)
                return;
        if (!is_all)
                (void) sd_event_source_set_time_relative(identities->cgroups_turn, CGROUPS_TURN_NS / 1000);
        (void) sd_event_source_set_enabled(identities->cgroups_turn, is_all ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
        (void) sd_event_source_set_enabled(identities->cgroups_io, is_all ? SD_EVENT_ON : SD_EVENT_OFF);
}

static int open_cgroups(struct identities *identities, const char *mount, uint32_t max) {
        int r;

        r = cgroups_new(&identities->cgroups, mount, max);
        if (r >= 0)
                r = wait_for(identities, cgroups_fd(identities->cgroups), &identities->cgroups_io);
        if (r >= 0)
                r = make_timer(identities);
        if (r >= 0)
                plan_turn(identities, !cgroups_is_behind(identities->cgroups));
        return r;
}

static int open_sources(struct identities *identities, const struct identity_source *sources) {
        size_t n = 0;
        int r = 0;

        while (sources[n].name)
                n++;
        identities->sources = calloc(n + 1, sizeof *identities->sources);
        if (!identities->sources)
                return -ENOMEM;
        for (size_t i = 0; i < n && r >= 0; i++) {
                struct open_source *open = &identities->sources[i];

                open->source = &sources[i];
                if (open->source->open)
                        r = open->source->open(&open->state);
                if (r < 0)
                        return r;
                identities->n_sources++;
                if (open->source->fd)
                        r = wait_for(identities, open->source->fd(open->state), &open->io);
        }
        return r;
}

int identities_new(struct identities **ret_identities, const struct identities_config *config) {
        struct identities *identities = calloc(1, sizeof *identities);
        int r;

        if (!identities)
                return -ENOMEM;
        identities->event = config->event;
        identities->complain = config->complain;
        r = procfs_open(&identities->procfs, config->proc);
        if (r >= 0 && config->cgroup_mount)
                r = open_cgroups(identities, config->cgroup_mount, config->max_cgroups);
        if (r >= 0)
                r = open_sources(identities, config->sources ? config->sources : identity_sources);
        if (r < 0) {
                identities_free(identities);
                return r;
        }
        *ret_identities = identities;
        return 0;
}

struct identities *identities_free(struct identities *identities) {
        if (!identities)
                return NULL;
        for (size_t i = 0; i < identities->n_sources; i++) {
                struct open_source *open = &identities->sources[i];

                sd_event_source_disable_unref(open->io);
                if (open->source->close)
                        open->source->close(open->state);
        }
        free(identities->sources);
        rules_free(identities->rules);
        sd_event_source_disable_unref(identities->cgroups_io);
        sd_event_source_disable_unref(identities->cgroups_turn);
        cgroups_free(identities->cgroups);
        procfs_close(&identities->procfs);
        free(identities);
        return NULL;
}

int identities_keep(const struct identities *identities, FILE *file) {
        return identities->cgroups ? cgroups_keep(identities->cgroups, file) : 0;
}

int identities_restore(struct identities *identities, FILE *file) {
        return identities->cgroups ? cgroups_restore(identities->cgroups, file) : 0;
}

static void pass_complaint(const struct identities *identities, const struct open_source *open) {
        const char *complaint = open->source->complaint ? open->source->complaint(open->state) : NULL;

        if (complaint && identities->complain)
                identities->complain(open->source->name, complaint);
}

/* True: a cgroup that somebody asked for too early may be known by now. */
static bool follow_cgroups(struct identities *identities) {
        plan_turn(identities, cgroups_follow(identities->cgroups));
        if (!identities->is_asked_early || cgroups_walks(identities->cgroups) == identities->asked_walks)
                return false;
        identities->is_asked_early = false;
        return true;
}

void identities_follow(struct identities *identities) {
        bool has_news = identities->cgroups && follow_cgroups(identities);

        for (size_t i = 0; i < identities->n_sources; i++) {
                const struct open_source *open = &identities->sources[i];

                if (open->source->follow && open->source->follow(open->state))
                        has_news = true;
                pass_complaint(identities, open);
        }
        identities->generation += has_news;
}

void identities_set_rules(struct identities *identities, struct rules *rules) {
        identities->generation += !rules_is_same(identities->rules, rules);
        rules_free(identities->rules);
        identities->rules = rules;
}

uint32_t identities_generation(const struct identities *identities) {
        return identities->generation;
}

bool identities_is_alive(const struct identities *identities, uint32_t pid, uint64_t start_time) {
        return procfs_is_alive(&identities->procfs, pid, start_time);
}

void identities_command_line(const struct identities *identities, uint32_t pid, uint64_t start_time, char *ret_line,
                             size_t size) {
        char line[1024];
        int n = procfs_command_line(&identities->procfs, pid, start_time, line, sizeof line);

        for (int i = 0; i < n; i++)
                if (line[i] == '\0' || line[i] == '\n' || line[i] == '\t')
                        line[i] = ' ';
        while (n > 0 && line[n - 1] == ' ')
                n--;
        (void) text_clean(ret_line, size, line, n > 0 ? (size_t) n : 0);
}

static bool is_root(const char *path) {
        return path && strcmp(path, "/") == 0;
}

/* Cgroup id 1 is the root of the whole tree; a cgroup namespace has a root with another id. */
static const char *known_path(const struct identities *identities, uint64_t cgroup_id) {
        if (cgroup_id <= 1)
                return "/";
        return identities->cgroups ? cgroups_path(identities->cgroups, cgroup_id) : NULL;
}

static void note_early(struct identities *identities) {
        if (identities->is_asked_early || !identities->cgroups || !cgroups_is_behind(identities->cgroups))
                return;
        identities->is_asked_early = true;
        identities->asked_walks = cgroups_walks(identities->cgroups);
}

/* What /proc says of a process's cgroup now. A path that has the row's id is the row's, whoever told it. */
static const char *ask_proc(struct identities *identities, const struct process_key *key, uint32_t pid, char *buffer,
                            size_t size) {
        if (!identities->cgroups)
                return procfs_cgroup(&identities->procfs, pid, key->start_time, "", buffer, size) < 0 ? NULL : buffer;
        if (procfs_cgroup(&identities->procfs, pid, 0, "", buffer, size) >= 0 &&
            cgroups_confirm(identities->cgroups, key->cgroup_id, buffer) > 0)
                return buffer;
        note_early(identities);
        return NULL; /* it is gone, or has moved on */
}

/* The path of the cgroup in which a row moved data. NULL: not known, or not any more. buffer has room for it. */
static const char *find_path(struct identities *identities, const struct process_key *key, uint32_t pid, char *buffer,
                             size_t size) {
        const char *path = known_path(identities, key->cgroup_id);
        int r;

        if (!path && identities->cgroups) {
                (void) cgroups_follow(identities->cgroups);
                path = cgroups_path(identities->cgroups, key->cgroup_id);
        }
        if (path && !is_root(path))
                return path;
        if (!path)
                return ask_proc(identities, key, pid, buffer, size);
        r = procfs_cgroup(&identities->procfs, pid, key->start_time, "name=systemd", buffer, size);
        if (r == -ENOENT)
                return path;
        return r < 0 ? NULL : buffer;
}

/* In the root of all cgroups, and where the cgroup is not known any more, a process is called after its program. */
static void name_program(const char *comm, struct identity *identity) {
        char name[LEDGER_COMM_SIZE];

        if (identity->app.kind != APP_KERNEL)
                return;
        (void) text_clean(name, sizeof name, comm, strnlen(comm, LEDGER_COMM_SIZE));
        if (name[0])
                app_from_program(name, identity);
}

bool identities_find(struct identities *identities, const struct process_key *key, uint32_t pid, const char *comm,
                     struct identity *ret_identity) {
        struct rules_match match;
        char buffer[1024];
        const char *path = find_path(identities, key, pid, buffer, sizeof buffer);

        *ret_identity = IDENTITY_NULL;
        for (size_t i = 0; path && i < identities->n_sources; i++) {
                const struct open_source *open = &identities->sources[i];

                if (!open->source->matches || open->source->matches(path))
                        open->source->look_up(open->state, path, ret_identity);
        }
        if (!path || is_root(path))
                name_program(comm, ret_identity);
        if (rules_find_process(identities->rules, &identities->procfs, pid, key->start_time, comm, &match))
                app_from_group(match.group, ret_identity);
        return path;
}
