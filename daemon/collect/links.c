/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Programs are attached to their hooks and detached, in sets. Sets come and go while counting goes on, with modules and
 * load mode.
 */
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "daemon/collect/collector-private.h"

/* Together 15 s. The kernel drops a link in a tenth of a second. Of 60 waits in busy emulators one took 6 s, the others
 * 1.5 to 3.8. */
#define DROP_TRIES 150
#define DROP_WAIT_MS 100

/* The root of the cgroup v2 tree, as far up as this process can see it. -ENODEV: it is not mounted. */
static int open_cgroup_root(void) {
        struct mntent entry;
        char buffer[4096];
        FILE *mounts;
        int fd = -ENODEV;

        mounts = setmntent("/proc/self/mounts", "re");
        if (!mounts)
                return -errno;
        while (getmntent_r(mounts, &entry, buffer, sizeof(buffer)))
                if (strcmp(entry.mnt_type, "cgroup2") == 0) {
                        fd = open(entry.mnt_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                        if (fd < 0)
                                fd = -errno;
                        break;
                }
        endmntent(mounts);
        return fd;
}

static int attach_to_cgroup(int program, enum bpf_attach_type type) {
        int fd, r;

        fd = open_cgroup_root();
        if (fd < 0)
                return fd;
        r = bpf_link_create(program, fd, type, NULL);
        if (r < 0)
                r = -errno;
        close(fd);
        return r;
}

/* The program may come from another object, or from an earlier daemon. Its attach type is the one that our object says
 * for the program of that name. */
int collect_attach_hook(struct collect *collect, const struct hook *hook, size_t number) {
        const struct bpf_program *known = bpf_object__find_program_by_name(collect->skeleton->obj, hook->program);
        enum bpf_attach_type type = bpf_program__expected_attach_type(known);
        int program = collect->programs[number], r;

        if (program < 0 || collect->links[number] >= 0)
                return 0;
        if (hook->set == SET_SOCK_RELEASE || hook->set == SET_SOCK_CREATE)
                r = attach_to_cgroup(program, type);
        else if ((r = bpf_link_create(program, 0, type, NULL)) < 0)
                r = -errno;
        if (r < 0)
                return r;
        collect->links[number] = r;
        return 0;
}

/* The kernel attaches a program to a function once. A set that was detached a moment ago may still have its links, as
 * the child of drop.c takes some tenths of a second to drop them. Then the kernel says EBUSY, and we try again. */
static int attach_with_retries(struct collect *collect, const struct hook *hook, size_t number) {
        int r = collect_attach_hook(collect, hook, number);

        for (int i = 0; r == -EBUSY && i < DROP_TRIES; i++) {
                drop_wait(&collect->drop, DROP_WAIT_MS);
                r = collect_attach_hook(collect, hook, number);
        }
        return r;
}

int collect_attach_sets(struct collect *collect, unsigned sets, char *reason, size_t size) {
        const struct hook *hooks;
        size_t n = collect_hook_table(&hooks);
        int r;

        sets &= ~collect->attached;
        for (size_t i = 0; i < n; i++) {
                r = sets & SET(hooks[i].set) ? attach_with_retries(collect, &hooks[i], i) : 0;
                if (r < 0) {
                        (void) collect_say(reason, size, r, "the kernel refused", hooks[i].program);
                        collect_detach_sets(collect, sets);
                        return r;
                }
        }
        collect->attached |= sets;
        collect->generation++;
        return 0;
}

void collect_detach_sets(struct collect *collect, unsigned sets) {
        int links[COLLECT_MAX_HOOKS];
        const struct hook *hooks;
        size_t n = collect_hook_table(&hooks), n_links = 0;

        for (size_t i = 0; i < n; i++)
                if (sets & SET(hooks[i].set) && collect->links[i] >= 0) {
                        if (hooks[i].function)
                                links[n_links++] = collect->links[i];
                        else
                                close(collect->links[i]);
                        collect->links[i] = -1;
                }
        drop_links(&collect->drop, links, n_links);
        collect->attached &= ~sets;
        collect->generation++;
}

bool collect_is_silenced(const struct collect *collect) {
        char digit = '1';
        int fd;

        if (collect->method != ATTACH_TRAMPOLINE)
                return false;
        fd = open("/proc/sys/kernel/ftrace_enabled", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return false;
        (void) !read(fd, &digit, 1);
        close(fd);
        return digit == '0';
}
