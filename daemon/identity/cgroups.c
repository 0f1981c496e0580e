/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The id of a cgroup is the inode number of its directory, and the kernel never gives it to another one. Each directory
 * is watched before its children are listed, so nothing can appear unseen in between. When a cgroup goes its path is
 * kept: the rows of its processes are read later. The queue of those that are gone is bounded, the oldest are forgotten
 * first; the number of directories is bounded too, and with it the work of a walk, since any user may make cgroups
 * below their own.
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
#include "daemon/identity/cgroups.h"
#include "daemon/lookup.h"

#define GONE_MAX 2048  /* paths that are kept after their cgroups went */
#define PATH_SIZE 1024 /* systemd stays far below */
#define KEPT_MAGIC UINT32_C(0x31706763)
#define WATCHED (IN_CREATE | IN_DELETE_SELF | IN_ONLYDIR | IN_DONT_FOLLOW)

/* What cgroups_keep() writes: the front, and each path behind its length. */
struct kept_front {
        uint32_t magic, n;
};

struct kept_path {
        uint64_t id;
        uint32_t length, zero;
};

struct cgroup {
        uint64_t id;
        char *path;     /* NULL: a free slot */
        int watch;      /* -1: gone, or not watched */
        uint32_t next;  /* free slots */
        uint32_t place; /* among those that are gone */
        bool is_gone;
};

struct cgroups {
        char *mount;
        int fd;
        uint32_t max;
        struct cgroup *slots;
        uint32_t n_slots, n_allocated, n_here;
        uint32_t first_free;
        struct lookup by_id, by_watch;
        uint32_t gone[GONE_MAX]; /* a ring */
        uint32_t gone_next;
        uint32_t budget;         /* directories that the walk under way may still meet */
        uint64_t next_rescan_ns; /* not before this time */
        bool is_behind;          /* events were lost, and the tree was not walked since */
};

static bool match_id(const void *owner, uint32_t number, const void *key) {
        const struct cgroups *cgroups = owner;

        return cgroups->slots[number].id == *(const uint64_t *) key;
}

static bool match_watch(const void *owner, uint32_t number, const void *key) {
        const struct cgroups *cgroups = owner;

        return cgroups->slots[number].watch == *(const int *) key;
}

static uint32_t find_id(const struct cgroups *cgroups, uint64_t id) {
        return lookup_find(&cgroups->by_id, lookup_hash(&id, sizeof id), match_id, cgroups, &id);
}

static uint32_t find_watch(const struct cgroups *cgroups, int watch) {
        return lookup_find(&cgroups->by_watch, lookup_hash(&watch, sizeof watch), match_watch, cgroups, &watch);
}

static int slot_take(struct cgroups *cgroups, uint32_t *ret_number) {
        if (cgroups->first_free != LOOKUP_NONE) {
                *ret_number = cgroups->first_free;
                cgroups->first_free = cgroups->slots[*ret_number].next;
                return 0;
        }
        if (cgroups->n_slots == cgroups->n_allocated) {
                uint32_t n = cgroups->n_allocated ? cgroups->n_allocated * 2 : 64;
                struct cgroup *slots = reallocarray(cgroups->slots, n, sizeof *slots);

                if (!slots)
                        return -ENOMEM;
                cgroups->slots = slots;
                cgroups->n_allocated = n;
        }
        *ret_number = cgroups->n_slots++;
        return 0;
}

static void slot_free(struct cgroups *cgroups, uint32_t number) {
        struct cgroup *cgroup = &cgroups->slots[number];

        lookup_remove(&cgroups->by_id, lookup_hash(&cgroup->id, sizeof cgroup->id), number);
        free(cgroup->path);
        cgroup->path = NULL;
        cgroup->next = cgroups->first_free;
        cgroups->first_free = number;
}

static void unwatch(struct cgroups *cgroups, uint32_t number) {
        struct cgroup *cgroup = &cgroups->slots[number];

        if (cgroup->watch < 0)
                return;
        lookup_remove(&cgroups->by_watch, lookup_hash(&cgroup->watch, sizeof cgroup->watch), number);
        cgroup->watch = -1;
}

static void set_gone(struct cgroups *cgroups, uint32_t number) {
        struct cgroup *cgroup = &cgroups->slots[number];
        uint32_t *place;

        unwatch(cgroups, number);
        if (cgroup->is_gone)
                return;
        cgroup->place = cgroups->gone_next++ % GONE_MAX;
        place = &cgroups->gone[cgroup->place];
        if (*place != LOOKUP_NONE)
                slot_free(cgroups, *place);
        *place = number;
        cgroup->is_gone = true;
        cgroups->n_here--;
}

/* Forgets one that is gone, because something else has its id: other file systems use inode numbers again. */
static void forget(struct cgroups *cgroups, uint32_t number) {
        cgroups->gone[cgroups->slots[number].place] = LOOKUP_NONE;
        slot_free(cgroups, number);
}

static int add(struct cgroups *cgroups, uint64_t id, const char *path, uint32_t *ret_number) {
        uint32_t number;
        char *copy;
        int r;

        copy = strdup(path);
        if (!copy)
                return -ENOMEM;
        r = lookup_reserve(&cgroups->by_id);
        if (r >= 0)
                r = lookup_reserve(&cgroups->by_watch);
        if (r >= 0)
                r = slot_take(cgroups, &number);
        if (r < 0) {
                free(copy);
                return r;
        }
        cgroups->slots[number] = (struct cgroup) { .id = id, .path = copy, .watch = -1 };
        cgroups->n_here++;
        lookup_add(&cgroups->by_id, lookup_hash(&id, sizeof id), number);
        *ret_number = number;
        return 0;
}

static int full_path(const struct cgroups *cgroups, const char *path, char *ret_path, size_t size) {
        int n = snprintf(ret_path, size, "%s%s", cgroups->mount, path);

        return n < 0 || (size_t) n >= size ? -ENAMETOOLONG : 0;
}

/* Learns one directory. 1: it is new, or was not watched yet; 0: known. */
static int learn(struct cgroups *cgroups, const char *path) {
        char full[PATH_SIZE];
        uint32_t number;
        struct stat st;
        int r, watch;

        r = full_path(cgroups, path, full, sizeof full);
        if (r < 0)
                return r;
        /* The id first: a cgroup that goes right after is at least known by name. */
        if (lstat(full, &st) < 0)
                return -errno;
        number = find_id(cgroups, st.st_ino);
        if (number != LOOKUP_NONE && cgroups->slots[number].is_gone) {
                forget(cgroups, number);
                number = LOOKUP_NONE;
        }
        if (number == LOOKUP_NONE) {
                if (cgroups->n_here >= cgroups->max)
                        return -ENOBUFS;
                r = add(cgroups, st.st_ino, path, &number);
                if (r < 0)
                        return r;
        }
        if (cgroups->slots[number].watch >= 0)
                return 0;
        watch = inotify_add_watch(cgroups->fd, full, WATCHED);
        if (watch < 0) {
                r = -errno;
                if (r == -ENOENT)
                        set_gone(cgroups, number);
                return r;
        }
        if (find_watch(cgroups, watch) != LOOKUP_NONE)
                return 0;
        cgroups->slots[number].watch = watch;
        lookup_add(&cgroups->by_watch, lookup_hash(&watch, sizeof watch), number);
        return 1;
}

static void walk(struct cgroups *cgroups, const char *path, bool is_rescan);

static void walk_child(struct cgroups *cgroups, const char *path, const char *name, bool is_rescan) {
        char child[PATH_SIZE];

        if (snprintf(child, sizeof child, "%s/%s", strcmp(path, "/") == 0 ? "" : path, name) < (int) sizeof child)
                walk(cgroups, child, is_rescan);
}

static bool is_below(const struct dirent *entry) {
        return entry->d_type == DT_DIR && strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

/* Learns a directory and everything below. Depth is bounded by the length of a path, the number of directories by the
 * budget, whoever made them. */
static void walk(struct cgroups *cgroups, const char *path, bool is_rescan) {
        char full[PATH_SIZE];
        struct dirent *entry;
        DIR *directory;
        int r;

        r = learn(cgroups, path);
        if ((r <= 0 && !is_rescan) || full_path(cgroups, path, full, sizeof full) < 0)
                return;
        directory = opendir(full);
        if (!directory)
                return;
        while (cgroups->budget > 0 && (entry = readdir(directory)))
                if (is_below(entry)) {
                        cgroups->budget--;
                        walk_child(cgroups, path, entry->d_name, is_rescan);
                }
        closedir(directory);
}

/* As many as can be remembered, the first one included. */
static void set_budget(struct cgroups *cgroups) {
        cgroups->budget = cgroups->max > 0 ? cgroups->max - 1 : 0;
}

static bool is_there(const struct cgroups *cgroups, const struct cgroup *cgroup) {
        char full[PATH_SIZE];
        struct stat st;

        return full_path(cgroups, cgroup->path, full, sizeof full) >= 0 && lstat(full, &st) >= 0 &&
               st.st_ino == cgroup->id;
}

/* After events were lost: marks known cgroups whose directory is gone, which makes room, then walks the whole tree.
 * That is much work, and any user can cause it by making and removing cgroups fast enough. So it is not done again
 * before CGROUPS_RESCAN_NS have passed. */
static void rescan(struct cgroups *cgroups) {
        uint64_t now = clock_ns(CLOCK_MONOTONIC);

        if (now < cgroups->next_rescan_ns)
                return;
        cgroups->next_rescan_ns = now + CGROUPS_RESCAN_NS;
        cgroups->is_behind = false;
        for (uint32_t i = 0; i < cgroups->n_slots; i++)
                if (cgroups->slots[i].path && !cgroups->slots[i].is_gone && !is_there(cgroups, &cgroups->slots[i]))
                        set_gone(cgroups, i);
        set_budget(cgroups);
        walk(cgroups, "/", true);
}

int cgroups_new(struct cgroups **ret_cgroups, const char *mount, uint32_t max) {
        struct cgroups *cgroups = calloc(1, sizeof *cgroups);
        int r;

        if (!cgroups)
                return -ENOMEM;
        cgroups->first_free = LOOKUP_NONE;
        cgroups->max = max;
        memset(cgroups->gone, 0xff, sizeof cgroups->gone);
        cgroups->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        r = cgroups->fd < 0 ? -errno : 0;
        cgroups->mount = strdup(mount);
        if (!cgroups->mount)
                r = -ENOMEM;
        if (r < 0) {
                cgroups_free(cgroups);
                return r;
        }
        set_budget(cgroups);
        walk(cgroups, "/", true);
        *ret_cgroups = cgroups;
        return 0;
}

struct cgroups *cgroups_free(struct cgroups *cgroups) {
        if (!cgroups)
                return NULL;
        for (uint32_t i = 0; i < cgroups->n_slots; i++)
                free(cgroups->slots[i].path);
        free(cgroups->slots);
        lookup_done(&cgroups->by_id);
        lookup_done(&cgroups->by_watch);
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
        char path[PATH_SIZE];
        uint32_t number;

        if (event->mask & IN_Q_OVERFLOW) {
                cgroups->is_behind = true;
                return;
        }
        number = find_watch(cgroups, event->wd);
        if (number == LOOKUP_NONE)
                return;
        if (event->mask & (IN_IGNORED | IN_DELETE_SELF))
                set_gone(cgroups, number);
        else if (event->mask & IN_CREATE && event->mask & IN_ISDIR && event->len > 0 &&
                 snprintf(path, sizeof path, "%s", cgroups->slots[number].path) < (int) sizeof path) {
                set_budget(cgroups);
                walk_child(cgroups, path, event->name, false);
        }
}

static void take_events(struct cgroups *cgroups) {
        char buffer[8192] __attribute__((aligned(__alignof__(struct inotify_event))));

        /* Bounded: a user who makes and removes cgroups as fast as possible must not keep the loop here. */
        for (unsigned round = 0; round < 16; round++) {
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

void cgroups_follow(struct cgroups *cgroups) {
        take_events(cgroups);
        if (cgroups->is_behind)
                rescan(cgroups);
}

const char *cgroups_path(const struct cgroups *cgroups, uint64_t id) {
        uint32_t number = find_id(cgroups, id);

        return number == LOOKUP_NONE ? NULL : cgroups->slots[number].path;
}

int cgroups_confirm(struct cgroups *cgroups, uint64_t id, const char *path) {
        char full[PATH_SIZE];
        struct stat st;
        int r;

        r = full_path(cgroups, path, full, sizeof full);
        if (r < 0)
                return r;
        if (lstat(full, &st) < 0)
                return -errno;
        if (st.st_ino != id)
                return 0;
        set_budget(cgroups);
        walk(cgroups, path, false);
        return 1;
}

static void keep_one(const struct cgroup *cgroup, FILE *file) {
        struct kept_path kept = { .id = cgroup->id, .length = (uint32_t) strlen(cgroup->path) };

        fwrite(&kept, sizeof kept, 1, file);
        fwrite(cgroup->path, kept.length, 1, file);
}

/* Those that are gone come first, in the order in which they went, and are forgotten first by the next daemon, too. */
int cgroups_keep(const struct cgroups *cgroups, FILE *file) {
        struct kept_front front = { .magic = KEPT_MAGIC, .n = cgroups->n_here };

        for (uint32_t i = 0; i < GONE_MAX; i++)
                front.n += cgroups->gone[i] != LOOKUP_NONE;
        fwrite(&front, sizeof front, 1, file);
        for (uint32_t i = 0; i < GONE_MAX; i++) {
                uint32_t number = cgroups->gone[(cgroups->gone_next + i) % GONE_MAX];

                if (number != LOOKUP_NONE)
                        keep_one(&cgroups->slots[number], file);
        }
        for (uint32_t i = 0; i < cgroups->n_slots; i++)
                if (cgroups->slots[i].path && !cgroups->slots[i].is_gone)
                        keep_one(&cgroups->slots[i], file);
        return ferror(file) ? -EIO : 0;
}

static int restore_one(struct cgroups *cgroups, FILE *file) {
        struct kept_path kept;
        char path[PATH_SIZE];
        uint32_t number;
        int r;

        if (fread(&kept, sizeof kept, 1, file) != 1 || kept.length == 0 || kept.length >= sizeof path ||
            fread(path, kept.length, 1, file) != 1)
                return -ESTALE;
        path[kept.length] = '\0';
        if (find_id(cgroups, kept.id) != LOOKUP_NONE)
                return 0;
        r = add(cgroups, kept.id, path, &number);
        if (r >= 0)
                set_gone(cgroups, number);
        return r;
}

int cgroups_restore(struct cgroups *cgroups, FILE *file) {
        struct kept_front front;
        int r = 0;

        if (fread(&front, sizeof front, 1, file) != 1 || front.magic != KEPT_MAGIC)
                return -ESTALE;
        for (uint32_t i = 0; i < front.n && r >= 0; i++)
                r = restore_one(cgroups, file);
        return r;
}

size_t cgroups_count(const struct cgroups *cgroups) {
        return cgroups->n_here;
}

/* A backslash and three octal digits. */
static bool is_escape(const char *p) {
        return p[0] == '\\' && p[1] >= '0' && p[1] <= '3' && p[2] && p[3];
}

/* Octal escapes for blanks, see proc(5). */
static void unescape(char *text) {
        char *to = text;

        for (const char *p = text; *p; to++)
                if (is_escape(p)) {
                        *to = (char) ((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
                        p += 4;
                } else
                        *to = *p++;
        *to = '\0';
}

/* systemd's own places win over other mounts of the same tree. */
static int mount_rank(const char *mount) {
        if (strcmp(mount, "/sys/fs/cgroup") == 0)
                return 3;
        return strcmp(mount, "/sys/fs/cgroup/unified") == 0 ? 2 : 1;
}

int cgroups_find_mount(const char *mountinfo_path, char *ret_mount, size_t size) {
        FILE *file = fopen(mountinfo_path, "re");
        char *line = NULL;
        size_t allocated = 0;
        int best = 0;

        if (!file)
                return -errno;
        while (getline(&line, &allocated, file) >= 0) {
                char mount[PATH_SIZE];
                const char *type = strstr(line, " - ");

                if (!type || strncmp(type, " - cgroup2 ", 11) != 0 ||
                    sscanf(line, "%*u %*u %*s %*s %1023s", mount) != 1)
                        continue;
                unescape(mount);
                if (mount_rank(mount) > best && strlen(mount) < size) {
                        best = mount_rank(mount);
                        strcpy(ret_mount, mount);
                }
        }
        free(line);
        fclose(file);
        return best ? 0 : -ENOENT;
}
