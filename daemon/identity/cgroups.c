/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The id of a cgroup is the inode number of its directory, and the kernel never gives it to another one. Each directory
 * is watched before its children are listed, so nothing can appear unseen in between. When a cgroup goes its path is
 * kept: the rows of its processes are read later (cgroup-table.c).
 *
 * Any user may make cgroups below their own, as many and as fast as they like. So the number of directories is bounded,
 * and so is the work of a turn: cgroups_follow() has a budget, which is filled up again as time passes, and each
 * directory that is looked at or opened takes one of it. What was not looked at waits: directories in a queue, from the
 * root of the tree downwards, events in the kernel. If the kernel's queue overflows, all known directories are looked
 * at once more: first whether they are there, which makes room, then for what is in them.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/clock.h"
#include "daemon/identity/cgroup-table.h"
#include "daemon/identity/cgroups.h"

#define BUDGET 128 /* a directory takes some 10 to 30 us */
#define WATCHED (IN_CREATE | IN_DELETE_SELF | IN_ONLYDIR | IN_DONT_FOLLOW)

struct cgroups {
        char *mount;
        int fd;
        uint32_t max;
        struct cgroup_table table; /* its queue: directories that are to be listed */
        int budget;                /* directories that may still be looked at */
        uint64_t budget_ns;        /* when it was filled up */
        uint32_t to_check;         /* this slot and those behind it may be of directories that are gone */
        DIR *directory;            /* the one that is being listed */
        uint32_t listed;           /* its slot; LOOKUP_NONE: none is */
        uint32_t n_walks;          /* how often nothing was left to look at */
        uint64_t next_rescan_ns;   /* not before this time */
        bool is_behind;            /* events were lost, and the tree was not looked at since */
};

static void end_list(struct cgroups *cgroups) {
        if (cgroups->directory)
                closedir(cgroups->directory);
        cgroups->directory = NULL;
        cgroups->listed = LOOKUP_NONE;
}

static void set_gone(struct cgroups *cgroups, uint32_t number) {
        cgroup_set_gone(&cgroups->table, number);
        if (cgroups->listed == number)
                end_list(cgroups);
}

static int full_path(const struct cgroups *cgroups, const char *path, char *ret_path, size_t size) {
        int n = snprintf(ret_path, size, "%s%s", cgroups->mount, path);

        return n < 0 || (size_t) n >= size ? -ENAMETOOLONG : 0;
}

/* Learns one directory, and queues it if it was not watched yet. -ENOBUFS: there is no room for it. */
static int learn(struct cgroups *cgroups, const char *path) {
        char full[CGROUP_PATH_SIZE];
        uint32_t number;
        struct stat st;
        int r, watch;

        r = full_path(cgroups, path, full, sizeof full);
        if (r < 0)
                return r;
        /* The id first: a cgroup that goes right after is at least known by name. */
        if (lstat(full, &st) < 0)
                return -errno;
        number = cgroup_find(&cgroups->table, st.st_ino);
        if (number != LOOKUP_NONE && cgroups->table.slots[number].is_gone) {
                cgroup_forget(&cgroups->table, number);
                number = LOOKUP_NONE;
        }
        if (number == LOOKUP_NONE) {
                if (cgroups->table.n_here >= cgroups->max)
                        return -ENOBUFS;
                r = cgroup_add(&cgroups->table, st.st_ino, path, &number);
                if (r < 0)
                        return r;
        }
        if (cgroups->table.slots[number].watch >= 0)
                return 0;
        cgroup_queue(&cgroups->table, number);
        watch = inotify_add_watch(cgroups->fd, full, WATCHED);
        if (watch < 0) {
                r = -errno;
                if (r == -ENOENT)
                        set_gone(cgroups, number);
                return r;
        }
        if (cgroup_find_watch(&cgroups->table, watch) == LOOKUP_NONE)
                cgroup_set_watch(&cgroups->table, number, watch);
        return 0;
}

static int learn_child(struct cgroups *cgroups, uint32_t parent, const char *name) {
        const char *path = cgroups->table.slots[parent].path;
        char child[CGROUP_PATH_SIZE];

        cgroups->budget--;
        if (snprintf(child, sizeof child, "%s/%s", strcmp(path, "/") == 0 ? "" : path, name) >= (int) sizeof child)
                return -ENAMETOOLONG;
        return learn(cgroups, child);
}

static bool is_below(const struct dirent *entry) {
        return entry->d_type == DT_DIR && strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static bool is_there(const struct cgroups *cgroups, const struct cgroup *cgroup) {
        char full[CGROUP_PATH_SIZE];
        struct stat st;

        return full_path(cgroups, cgroup->path, full, sizeof full) >= 0 && lstat(full, &st) >= 0 &&
               st.st_ino == cgroup->id;
}

static bool is_checking(const struct cgroups *cgroups) {
        return cgroups->to_check < cgroups->table.n_slots;
}

static bool is_walking(const struct cgroups *cgroups) {
        return is_checking(cgroups) || cgroups->directory || cgroups->table.first_queued != LOOKUP_NONE;
}

/* Is the directory of the next slot still there? Then it is to be listed, too. */
static void check_next(struct cgroups *cgroups) {
        uint32_t number = cgroups->to_check++;
        const struct cgroup *cgroup = &cgroups->table.slots[number];

        if (!cgroup->path || cgroup->is_gone)
                return;
        cgroups->budget--;
        if (is_there(cgroups, cgroup))
                cgroup_queue(&cgroups->table, number);
        else
                set_gone(cgroups, number);
}

static void open_next(struct cgroups *cgroups) {
        uint32_t number = cgroups->table.first_queued;
        char full[CGROUP_PATH_SIZE];

        cgroups->budget--;
        cgroup_unqueue(&cgroups->table, number);
        if (full_path(cgroups, cgroups->table.slots[number].path, full, sizeof full) < 0)
                return;
        cgroups->directory = opendir(full);
        if (cgroups->directory)
                cgroups->listed = number;
}

/* Without room nothing that waits could be learned. */
static void list_next(struct cgroups *cgroups) {
        const struct dirent *entry = readdir(cgroups->directory);

        if (!entry)
                end_list(cgroups);
        else if (is_below(entry) && learn_child(cgroups, cgroups->listed, entry->d_name) == -ENOBUFS) {
                end_list(cgroups);
                while (cgroups->table.first_queued != LOOKUP_NONE)
                        cgroup_unqueue(&cgroups->table, cgroups->table.first_queued);
        }
}

static void walk(struct cgroups *cgroups) {
        if (!is_walking(cgroups))
                return;
        while (cgroups->budget > 0 && is_walking(cgroups))
                if (is_checking(cgroups))
                        check_next(cgroups);
                else if (cgroups->directory)
                        list_next(cgroups);
                else
                        open_next(cgroups);
        cgroups->n_walks += !is_walking(cgroups);
}

/* After events were lost. Any user can cause that by making and removing cgroups fast enough. So it is not done again
 * before CGROUPS_RESCAN_NS have passed. */
static void begin_rescan(struct cgroups *cgroups) {
        uint64_t now = clock_ns(CLOCK_MONOTONIC);

        if (!cgroups->is_behind || is_checking(cgroups) || now < cgroups->next_rescan_ns)
                return;
        cgroups->next_rescan_ns = now + CGROUPS_RESCAN_NS;
        cgroups->is_behind = false;
        cgroups->to_check = 0;
}

static void fill_budget(struct cgroups *cgroups) {
        uint64_t now = clock_ns(CLOCK_MONOTONIC);

        if (now - cgroups->budget_ns < CGROUPS_TURN_NS)
                return;
        cgroups->budget = BUDGET;
        cgroups->budget_ns = now;
}

int cgroups_new(struct cgroups **ret_cgroups, const char *mount, uint32_t max) {
        struct cgroups *cgroups = calloc(1, sizeof *cgroups);
        int r;

        if (!cgroups)
                return -ENOMEM;
        cgroup_table_init(&cgroups->table);
        cgroups->listed = cgroups->to_check = LOOKUP_NONE;
        cgroups->max = max;
        cgroups->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        r = cgroups->fd < 0 ? -errno : 0;
        cgroups->mount = strdup(mount);
        if (!cgroups->mount)
                r = -ENOMEM;
        if (r < 0) {
                cgroups_free(cgroups);
                return r;
        }
        fill_budget(cgroups);
        (void) learn(cgroups, "/");
        walk(cgroups);
        *ret_cgroups = cgroups;
        return 0;
}

struct cgroups *cgroups_free(struct cgroups *cgroups) {
        if (!cgroups)
                return NULL;
        end_list(cgroups);
        cgroup_table_done(&cgroups->table);
        if (cgroups->fd >= 0)
                close(cgroups->fd);
        free(cgroups->mount);
        free(cgroups);
        return NULL;
}

int cgroups_fd(const struct cgroups *cgroups) {
        return cgroups->fd;
}

static void take_event(struct cgroups *cgroups, const struct inotify_event *event) {
        uint32_t number;

        if (event->mask & IN_Q_OVERFLOW) {
                cgroups->is_behind = true;
                return;
        }
        number = cgroup_find_watch(&cgroups->table, event->wd);
        if (number == LOOKUP_NONE)
                return;
        if (event->mask & (IN_IGNORED | IN_DELETE_SELF))
                set_gone(cgroups, number);
        else if (event->mask & IN_CREATE && event->mask & IN_ISDIR && event->len > 0)
                (void) learn_child(cgroups, number, event->name);
}

/* Half of the budget is the walk's, if there is one, so that events without end do not hold it up. */
static void take_events(struct cgroups *cgroups) {
        char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
        int kept = is_walking(cgroups) ? BUDGET / 2 : 0;

        for (unsigned round = 0; round < 32 && cgroups->budget > kept; round++) {
                ssize_t n = read(cgroups->fd, buffer, sizeof buffer);

                if (n <= 0)
                        return;
                for (char *p = buffer; p < buffer + n;) {
                        const struct inotify_event *event = (const struct inotify_event *) p;

                        take_event(cgroups, event);
                        p += sizeof *event + event->len;
                }
        }
}

bool cgroups_follow(struct cgroups *cgroups) {
        fill_budget(cgroups);
        take_events(cgroups);
        begin_rescan(cgroups);
        walk(cgroups);
        return cgroups->budget > 0;
}

bool cgroups_is_behind(const struct cgroups *cgroups) {
        return cgroups->is_behind || cgroups->budget <= 0 || is_walking(cgroups);
}

uint32_t cgroups_walks(const struct cgroups *cgroups) {
        return cgroups->n_walks;
}

const char *cgroups_path(const struct cgroups *cgroups, uint64_t id) {
        uint32_t number = cgroup_find(&cgroups->table, id);

        return number == LOOKUP_NONE ? NULL : cgroups->table.slots[number].path;
}

int cgroups_confirm(struct cgroups *cgroups, uint64_t id, const char *path) {
        char full[CGROUP_PATH_SIZE];
        struct stat st;
        int r;

        r = full_path(cgroups, path, full, sizeof full);
        if (r < 0)
                return r;
        if (lstat(full, &st) < 0)
                return -errno;
        if (st.st_ino != id)
                return 0;
        (void) learn(cgroups, path);
        return 1;
}

int cgroups_keep(const struct cgroups *cgroups, FILE *file) {
        return cgroup_table_keep(&cgroups->table, file);
}

int cgroups_restore(struct cgroups *cgroups, FILE *file) {
        return cgroup_table_restore(&cgroups->table, file);
}

size_t cgroups_count(const struct cgroups *cgroups) {
        return cgroups->table.n_here;
}
