/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counting begins and ends. A method is tried whole: all that it requires is loaded and attached, or nothing stays.
 * Sets of hooks can come and go later on.
 */
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "daemon/collect-private.h"

/* Inode of the initial PID namespace (PROC_PID_INIT_INO in the kernel's include/linux/proc_ns.h). */
#define INITIAL_PIDNS_INODE 0xEFFFFFFCU

static void configure(struct collect *collect) {
        struct socktally_bpf *skeleton = collect->skeleton;
        struct stat namespace;

        skeleton->rodata->cfg_max_sockets = collect->config.max_sockets;
        if (stat("/proc/self/ns/pid", &namespace) == 0 && namespace.st_ino != INITIAL_PIDNS_INODE) {
                skeleton->rodata->cfg_pidns_inode = namespace.st_ino;
                skeleton->rodata->cfg_scan_is_whole = false;
        }
        if (collect->config.max_sockets < bpf_map__max_entries(skeleton->maps.active_opens))
                bpf_map__set_max_entries(skeleton->maps.active_opens, collect->config.max_sockets);
        bpf_map__set_max_entries(skeleton->maps.processes, collect->config.max_processes);
}

/* The root of the cgroup v2 tree, as far up as this process can see it. */
static int open_cgroup_root(void) {
        struct mntent entry;
        char buffer[4096];
        FILE *mounts;
        int fd = -ENOENT;

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

static int attach_to_cgroup(int program) {
        int fd, r;

        fd = open_cgroup_root();
        if (fd < 0)
                return fd;
        r = bpf_link_create(program, fd, BPF_CGROUP_INET_SOCK_RELEASE, NULL);
        close(fd);
        return r;
}

/* What the first object says of a program holds for it wherever it was loaded. */
static int attach_hook(struct collect *collect, const struct hook *hook, size_t number, char *reason, size_t size) {
        const struct bpf_program *known = bpf_object__find_program_by_name(collect->skeleton->obj, hook->program);
        int program = collect->programs[number], r;

        if (program < 0)
                return 0;
        if (hook->set == SET_SOCK_RELEASE)
                r = attach_to_cgroup(program);
        else
                r = bpf_link_create(program, 0, bpf_program__expected_attach_type(known), NULL);
        if (r < 0 && hook->is_optional)
                return 0;
        if (r < 0)
                return collect_say(reason, size, r, "cannot attach", bpf_program__section_name(known));
        collect->links[number] = r;
        return 0;
}

/* Of sets that are loaded. */
static int attach_sets(struct collect *collect, unsigned sets, char *reason, size_t size) {
        const struct hook *hooks;
        size_t n = collect_hook_table(&hooks);
        int r;

        for (size_t i = 0; i < n; i++) {
                if (!(sets & 1U << hooks[i].set))
                        continue;
                collect->attached |= 1U << hooks[i].set;
                collect->generation++;
                r = attach_hook(collect, &hooks[i], i, reason, size);
                if (r < 0)
                        return r;
        }
        return 0;
}

int collect_attach_iterators(struct collect *collect) {
        union bpf_iter_link_info info = { .map.map_fd = bpf_map__fd(collect->skeleton->maps.ledgers) };
        LIBBPF_OPTS(bpf_iter_attach_opts, options);

        /* Assigned one by one: libbpf insists that the padding behind the last member is zero. */
        options.link_info = &info;
        options.link_info_len = sizeof(info);
        collect->scan_link = bpf_program__attach_iter(collect->skeleton->progs.scan_files, NULL);
        if (!collect->scan_link)
                return -errno;
        collect->tcp_link = bpf_program__attach_iter(collect->skeleton->progs.scan_tcp, NULL);
        if (!collect->tcp_link)
                return -errno;
        collect->fold_link = bpf_program__attach_iter(collect->skeleton->progs.fold_sockets, &options);
        return collect->fold_link ? 0 : -errno;
}

int collect_walk(struct bpf_link *link) {
        char buffer[64];
        ssize_t n;
        int fd, r;

        fd = bpf_iter_create(bpf_link__fd(link));
        if (fd < 0)
                return -errno;
        /* The programs print nothing: a read returns when all is walked, or after a million objects with EAGAIN. */
        do
                n = read(fd, buffer, sizeof(buffer));
        while (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)));
        r = n < 0 ? -errno : 0;
        close(fd);
        return r;
}

static int attach_all(struct collect *collect, unsigned sets, char *reason, size_t size) {
        int r;

        r = collect_attach_iterators(collect);
        if (r < 0)
                return collect_say(reason, size, r, "cannot attach the iterators", "");
        r = attach_sets(collect, sets, reason, size);
        if (r < 0)
                return r;
        /* Sockets that were there before the hooks; what they moved until now is not counted. */
        r = collect_walk(collect->scan_link);
        if (r < 0)
                return collect_say(reason, size, r, "cannot walk the open files", "");
        r = collect_walk(collect->tcp_link);
        if (r < 0)
                return collect_say(reason, size, r, "cannot walk the TCP sockets", "");
        collect->skeleton->bss->is_scanned = true;
        return 0;
}

static int load(struct collect *collect, unsigned sets, char *reason, size_t size) {
        int r;

        r = collect_open_object(collect, sets, &collect->skeleton, reason, size);
        if (r < 0)
                return r;
        configure(collect);
        r = socktally_bpf__load(collect->skeleton);
        if (r == 0)
                r = collect_keep_programs(collect, collect->skeleton, sets);
        if (r < 0)
                return collect_say(reason, size, r, "the kernel refused the programs", "");
        collect_apply(collect);
        collect->table_fd = bpf_map__fd(collect->skeleton->maps.processes);
        if (!collect->config.is_per_core)
                return 0;
        r = cores_create(collect, collect->config.max_processes);
        if (r < 0)
                return collect_say(reason, size, r, "the kernel refused a table per core", "");
        cores_exchange(collect, r);
        collect->cores.fd = r;
        return 0;
}

int collect_attach(struct collect *collect, enum attach_method method, bool with_release, char *reason, size_t size) {
        unsigned sets = 1U << SET_ALWAYS | collect_sets_of(method, collect->config.load_mode);
        int r;

        if (!with_release)
                sets &= ~(1U << SET_SOCK_RELEASE);
        collect_begin_with(collect, sets);
        r = load(collect, sets, reason, size);
        if (r == 0)
                r = attach_all(collect, sets, reason, size);
        if (r < 0) {
                collect_detach(collect);
                return r;
        }
        collect->method = method;
        return 0;
}

int collect_add_sets(struct collect *collect, unsigned sets, char *reason, size_t size) {
        int r;

        r = collect_load_sets(collect, sets, reason, size);
        if (r < 0)
                return r;
        r = attach_sets(collect, sets, reason, size);
        if (r < 0)
                collect_drop_sets(collect, sets);
        return r;
}

void collect_drop_sets(struct collect *collect, unsigned sets) {
        const struct hook *hooks;
        size_t n = collect_hook_table(&hooks);

        collect_wait_apart(collect);
        for (size_t i = 0; i < n; i++)
                if (sets & 1U << hooks[i].set && collect->links[i] >= 0) {
                        close(collect->links[i]);
                        collect->links[i] = -1;
                }
        collect->attached &= ~sets;
        collect->generation++;
}

/* Lives until it is the last to have the links open. */
static _Noreturn void outlive(const int *pipe) {
        char byte;

        close(pipe[1]);
        while (read(pipe[0], &byte, 1) < 0 && errno == EINTR)
                continue;
        _exit(0);
}

void collect_drop_apart(struct collect *collect, unsigned sets) {
        pid_t child = -1;
        int pair[2];

        collect_wait_left(collect);
        if (!(collect->attached & sets))
                return;
        if (pipe2(pair, O_CLOEXEC) == 0) {
                child = fork();
                if (child == 0)
                        outlive(pair);
                close(pair[0]);
        } else {
                pair[1] = -1;
        }
        collect_drop_sets(collect, sets);
        if (pair[1] >= 0)
                close(pair[1]);
        if (child > 0) {
                collect->leaving.child = child;
                collect->leaving.sets = sets;
        }
}

bool collect_has_left(struct collect *collect) {
        if (collect->leaving.child == 0)
                return true;
        if (waitpid(collect->leaving.child, NULL, WNOHANG) == 0)
                return false;
        collect->leaving.child = 0;
        collect->leaving.sets = 0;
        return true;
}

void collect_wait_left(struct collect *collect) {
        while (collect->leaving.child && waitpid(collect->leaving.child, NULL, 0) < 0 && errno == EINTR)
                continue;
        (void) collect_has_left(collect);
}

void collect_detach(struct collect *collect) {
        if (!collect->skeleton)
                return;
        collect_end_loader(collect);
        collect_wait_left(collect);
        collect_drop_sets(collect, ~0U);
        collect_unload_sets(collect, ~0U);
        bpf_link__destroy(collect->scan_link);
        bpf_link__destroy(collect->tcp_link);
        bpf_link__destroy(collect->fold_link);
        collect->scan_link = collect->tcp_link = collect->fold_link = NULL;
        socktally_bpf__destroy(collect->skeleton);
        collect->skeleton = NULL;
        if (collect->owns_table)
                close(collect->table_fd);
        collect->owns_table = false;
        cores_close(&collect->cores);
}
