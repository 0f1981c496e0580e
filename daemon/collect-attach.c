/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which programs a load mode and an attach method need, and how they get into the kernel. A method is tried whole: all
 * that it requires is loaded and attached, or nothing stays. What is optional may be missing in this kernel; the table
 * says which is which. Existence is decided from BTF, never from the version number.
 */
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "daemon/collect-private.h"

/* Inode of the initial PID namespace (PROC_PID_INIT_INO in the kernel's include/linux/proc_ns.h). */
#define INITIAL_PIDNS_INODE 0xEFFFFFFCU

enum hook_use {
        USE_ALWAYS = 1 << 0,
        USE_TRACEPOINT = 1 << 1,
        USE_TRAMPOLINE = 1 << 2,         /* load modes entry and return */
        USE_TRAMPOLINE_PASSIVE = 1 << 3, /* load mode passive: nothing on TCP's data path */
        USE_RELEASE_TRAMPOLINE = 1 << 4,
        USE_RELEASE_CGROUP = 1 << 5,
};

struct hook {
        const char *program;
        unsigned use;
        const char *function; /* trampolines: the kernel function, looked up in BTF */
        int n_arguments;      /* -1: any */
        bool is_optional;
};

static const struct hook hooks[] = {
        { "on_set_state", USE_ALWAYS, NULL, -1, false },
        { "on_tcp_destroy", USE_ALWAYS, NULL, -1, false },
        { "on_process_exit", USE_ALWAYS, NULL, -1, false },
        { "on_process_exec", USE_ALWAYS, NULL, -1, false },
        { "on_send_length", USE_TRACEPOINT, NULL, -1, false },
        { "on_recv_length", USE_TRACEPOINT, NULL, -1, false },
        { "on_sock_release", USE_RELEASE_CGROUP, NULL, -1, false },
        { "on_inet_release", USE_RELEASE_TRAMPOLINE, "inet_release", -1, false },
        { "on_inet_sendmsg", USE_TRAMPOLINE, "inet_sendmsg", 3, false },
        { "on_inet6_sendmsg", USE_TRAMPOLINE, "inet6_sendmsg", 3, true },
        { "on_inet_recvmsg", USE_TRAMPOLINE, "inet_recvmsg", 4, false },
        { "on_inet6_recvmsg", USE_TRAMPOLINE, "inet6_recvmsg", 4, true },
        { "on_sock_common_recvmsg", USE_TRAMPOLINE, "sock_common_recvmsg", 4, true },
        { "on_inet_sendpage", USE_TRAMPOLINE, "inet_sendpage", 5, true },
        { "on_udp_sendmsg", USE_TRAMPOLINE_PASSIVE, "udp_sendmsg", 3, false },
        { "on_udp_recvmsg", USE_TRAMPOLINE_PASSIVE, "udp_recvmsg", 5, false },
        { "on_udpv6_sendmsg", USE_TRAMPOLINE_PASSIVE, "udpv6_sendmsg", 3, true },
        { "on_udpv6_recvmsg", USE_TRAMPOLINE_PASSIVE, "udpv6_recvmsg", 5, true },
        { "on_raw_sendmsg", USE_TRAMPOLINE_PASSIVE, "raw_sendmsg", 3, true },
        { "on_raw_recvmsg", USE_TRAMPOLINE_PASSIVE, "raw_recvmsg", 5, true },
        { "on_rawv6_sendmsg", USE_TRAMPOLINE_PASSIVE, "rawv6_sendmsg", 3, true },
        { "on_rawv6_recvmsg", USE_TRAMPOLINE_PASSIVE, "rawv6_recvmsg", 5, true },
        { "on_ping_v4_sendmsg", USE_TRAMPOLINE_PASSIVE, "ping_v4_sendmsg", 3, true },
        { "on_ping_v6_sendmsg", USE_TRAMPOLINE_PASSIVE, "ping_v6_sendmsg", 3, true },
        { "on_ping_recvmsg", USE_TRAMPOLINE_PASSIVE, "ping_recvmsg", 5, true },
        { "on_accept", USE_TRAMPOLINE_PASSIVE, "inet_csk_accept", 2, true },
        { "on_accept_before_6_10", USE_TRAMPOLINE_PASSIVE, "inet_csk_accept", 4, true },
};

static unsigned uses_of(const struct collect *collect, enum attach_method method, bool with_release) {
        unsigned use = USE_ALWAYS;

        if (method == ATTACH_TRACEPOINT)
                use |= USE_TRACEPOINT | (with_release ? USE_RELEASE_CGROUP : 0);
        else if (collect->config.load_mode == LOAD_PASSIVE)
                use |= USE_TRAMPOLINE_PASSIVE | USE_RELEASE_TRAMPOLINE;
        else
                use |= USE_TRAMPOLINE | USE_RELEASE_TRAMPOLINE;
        return use;
}

/* Does this kernel have the function, with the arguments that the program expects? */
static bool has_function(const struct btf *btf, const struct hook *hook) {
        const struct btf_type *type;
        int id;

        id = btf__find_by_name_kind(btf, hook->function, BTF_KIND_FUNC);
        if (id < 0)
                return false;
        type = btf__type_by_id(btf, id);
        type = type ? btf__type_by_id(btf, type->type) : NULL;
        return type && (hook->n_arguments < 0 || btf_vlen(type) == hook->n_arguments);
}

static bool has_tracepoint(const struct btf *btf, const char *name) {
        char type[128];

        snprintf(type, sizeof(type), "btf_trace_%s", name);
        return btf__find_by_name_kind(btf, type, BTF_KIND_TYPEDEF) > 0;
}

static int say(char *reason, size_t size, int error, const char *what, const char *which) {
        if (reason)
                snprintf(reason, size, "%s%s%s: %s", what, which[0] ? " " : "", which, strerror(-error));
        return error;
}

/* Marks which programs are to be loaded. -ENOENT: the kernel lacks one that the method cannot do without. */
static int choose(struct collect *collect, const struct btf *btf, unsigned use, char *reason, size_t size) {
        struct bpf_object *object = collect->skeleton->obj;
        struct bpf_program *program;

        bpf_object__for_each_program(program, object)
                if (bpf_program__type(program) != BPF_PROG_TYPE_TRACING ||
                    strncmp(bpf_program__section_name(program), "iter/", 5) != 0)
                        bpf_program__set_autoload(program, false);
        for (size_t i = 0; i < sizeof(hooks) / sizeof(hooks[0]); i++) {
                const struct hook *hook = &hooks[i];

                if (!(hook->use & use))
                        continue;
                if (hook->function && !has_function(btf, hook)) {
                        if (hook->is_optional)
                                continue;
                        return say(reason, size, -ENOENT, "this kernel lacks the function", hook->function);
                }
                program = bpf_object__find_program_by_name(object, hook->program);
                if (!program)
                        return say(reason, size, -ENOENT, "no such program:", hook->program);
                bpf_program__set_autoload(program, true);
        }
        return 0;
}

static void configure(struct collect *collect, enum attach_method method, bool sees_release) {
        struct socktally_bpf *skeleton = collect->skeleton;
        struct stat namespace;

        skeleton->rodata->cfg_max_sockets = collect->config.max_sockets;
        skeleton->rodata->cfg_sees_calls = method == ATTACH_TRACEPOINT || collect->config.load_mode != LOAD_PASSIVE;
        skeleton->rodata->cfg_sees_release = sees_release;
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

static int attach_to_cgroup(struct bpf_program *program, struct bpf_link **ret_link) {
        int fd, r = 0;

        fd = open_cgroup_root();
        if (fd < 0)
                return fd;
        *ret_link = bpf_program__attach_cgroup(program, fd);
        if (!*ret_link)
                r = -errno;
        close(fd);
        return r;
}

static int attach_hook(struct collect *collect, const struct hook *hook, char *reason, size_t size) {
        struct bpf_program *program = bpf_object__find_program_by_name(collect->skeleton->obj, hook->program);
        struct bpf_link *link = NULL;
        int r = 0;

        if (!program || bpf_program__fd(program) < 0)
                return 0;
        if (hook->use & USE_RELEASE_CGROUP) {
                r = attach_to_cgroup(program, &link);
        } else {
                link = bpf_program__attach(program);
                if (!link)
                        r = -errno;
        }
        if (r < 0 && hook->is_optional)
                return 0;
        if (r < 0)
                return say(reason, size, r, "cannot attach", bpf_program__section_name(program));
        collect->links[collect->n_links++] = link;
        return 0;
}

static int attach_iterators(struct collect *collect) {
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

static int attach_all(struct collect *collect, unsigned use, char *reason, size_t size) {
        int r;

        r = attach_iterators(collect);
        if (r < 0)
                return say(reason, size, r, "cannot attach the iterators", "");
        for (size_t i = 0; i < sizeof(hooks) / sizeof(hooks[0]); i++)
                if (hooks[i].use & use) {
                        r = attach_hook(collect, &hooks[i], reason, size);
                        if (r < 0)
                                return r;
                }
        /* Sockets that were there before the hooks; what they moved until now is not counted. */
        r = collect_walk(collect->scan_link);
        if (r < 0)
                return say(reason, size, r, "cannot walk the open files", "");
        r = collect_walk(collect->tcp_link);
        if (r < 0)
                return say(reason, size, r, "cannot walk the TCP sockets", "");
        collect->skeleton->bss->is_scanned = true;
        return 0;
}

static int load(struct collect *collect, enum attach_method method, unsigned use, bool sees_release, char *reason,
                size_t size) {
        struct btf *btf;
        int r;

        btf = btf__load_vmlinux_btf();
        if (!btf)
                return say(reason, size, -errno, "the kernel offers no type information (/sys/kernel/btf/vmlinux)", "");
        if (method == ATTACH_TRACEPOINT && !has_tracepoint(btf, "sock_send_length")) {
                btf__free(btf);
                return say(reason, size, -ENOENT, "this kernel lacks the tracepoint", "sock_send_length");
        }
        collect->skeleton = socktally_bpf__open();
        r = collect->skeleton ? choose(collect, btf, use, reason, size) : say(reason, size, -errno, "cannot open", "");
        if (collect->skeleton)
                cores_configure(&collect->cores, btf, collect->skeleton->maps.cores);
        btf__free(btf);
        if (r < 0)
                return r;
        configure(collect, method, sees_release);
        r = socktally_bpf__load(collect->skeleton);
        if (r < 0)
                return say(reason, size, r, "the kernel refused the programs", "");
        collect->skeleton->data->switches = collect_switches(&collect->config);
        collect->table_fd = bpf_map__fd(collect->skeleton->maps.processes);
        if (!collect->config.is_per_core)
                return 0;
        r = cores_create(collect, collect->config.max_processes);
        if (r < 0)
                return say(reason, size, r, "the kernel refused a table per core", "");
        cores_attach(collect, r);
        return 0;
}

int collect_attach(struct collect *collect, enum attach_method method, bool with_release, char *reason, size_t size) {
        bool sees_release = with_release || method == ATTACH_TRAMPOLINE;
        unsigned use = uses_of(collect, method, with_release);
        int r;

        r = load(collect, method, use, sees_release, reason, size);
        if (r == 0)
                r = attach_all(collect, use, reason, size);
        if (r < 0) {
                collect_detach(collect);
                return r;
        }
        collect->method = method;
        collect->sees_release = sees_release;
        collect->sees_calls = method == ATTACH_TRACEPOINT || collect->config.load_mode != LOAD_PASSIVE;
        return 0;
}

void collect_detach(struct collect *collect) {
        while (collect->n_links > 0)
                bpf_link__destroy(collect->links[--collect->n_links]);
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
