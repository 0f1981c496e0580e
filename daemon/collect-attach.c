/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which programs a load mode and an attach method need, and how they get into the kernel. A method is tried whole: all
 * that it requires is loaded and attached, or nothing stays. What is optional may be missing in this kernel; the table
 * says which is which. Existence is decided from BTF, never from the version number.
 *
 * Programs come and go in sets. The first object holds what a start needs, and all maps for as long as the collector
 * lives; sets that are wanted later come in an object of their own that shares the maps of the first.
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

struct hook {
        const char *program;
        enum hook_set set;
        const char *function; /* trampolines: the kernel function, looked up in BTF */
        int n_arguments;      /* -1: any */
        bool is_optional;
};

static const struct hook hooks[] = {
        { "on_set_state", SET_ALWAYS, NULL, -1, false },
        { "on_tcp_destroy", SET_ALWAYS, NULL, -1, false },
        { "on_process_exit", SET_ALWAYS, NULL, -1, false },
        { "on_process_exec", SET_ALWAYS, NULL, -1, false },
        { "on_send_length", SET_TRACEPOINT, NULL, -1, false },
        { "on_recv_length", SET_TRACEPOINT, NULL, -1, false },
        { "on_sock_release", SET_SOCK_RELEASE, NULL, -1, false },
        { "on_inet_release", SET_INET_RELEASE, "inet_release", -1, false },
        { "on_inet_sendmsg", SET_INET, "inet_sendmsg", 3, false },
        { "on_inet6_sendmsg", SET_INET, "inet6_sendmsg", 3, true },
        { "on_inet_recvmsg", SET_INET, "inet_recvmsg", 4, false },
        { "on_inet6_recvmsg", SET_INET, "inet6_recvmsg", 4, true },
        { "on_sock_common_recvmsg", SET_INET, "sock_common_recvmsg", 4, true },
        { "on_inet_sendpage", SET_INET, "inet_sendpage", 5, true },
        { "on_udp_sendmsg", SET_PROTOCOL, "udp_sendmsg", 3, false },
        { "on_udp_recvmsg", SET_PROTOCOL, "udp_recvmsg", 5, false },
        { "on_udpv6_sendmsg", SET_PROTOCOL, "udpv6_sendmsg", 3, true },
        { "on_udpv6_recvmsg", SET_PROTOCOL, "udpv6_recvmsg", 5, true },
        { "on_raw_sendmsg", SET_PROTOCOL, "raw_sendmsg", 3, true },
        { "on_raw_recvmsg", SET_PROTOCOL, "raw_recvmsg", 5, true },
        { "on_rawv6_sendmsg", SET_PROTOCOL, "rawv6_sendmsg", 3, true },
        { "on_rawv6_recvmsg", SET_PROTOCOL, "rawv6_recvmsg", 5, true },
        { "on_ping_v4_sendmsg", SET_PROTOCOL, "ping_v4_sendmsg", 3, true },
        { "on_ping_v6_sendmsg", SET_PROTOCOL, "ping_v6_sendmsg", 3, true },
        { "on_ping_recvmsg", SET_PROTOCOL, "ping_recvmsg", 5, true },
        { "on_accept", SET_PROTOCOL, "inet_csk_accept", 2, true },
        { "on_accept_before_6_10", SET_PROTOCOL, "inet_csk_accept", 4, true },
        { "look_at_tasks", SET_CENSUS, NULL, -1, false },
};

unsigned collect_sets_of(enum attach_method method, enum load_mode mode) {
        if (method == ATTACH_TRACEPOINT)
                return 1U << SET_TRACEPOINT | 1U << SET_SOCK_RELEASE;
        return 1U << SET_INET_RELEASE | 1U << (mode == LOAD_PASSIVE ? SET_PROTOCOL : SET_INET);
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

bool collect_has_tracepoints(void) {
        struct btf *btf = btf__load_vmlinux_btf();
        bool is_there = btf && has_tracepoint(btf, "sock_send_length");

        btf__free(btf);
        return is_there;
}

static int say(char *reason, size_t size, int error, const char *what, const char *which) {
        if (reason)
                snprintf(reason, size, "%s%s%s: %s", what, which[0] ? " " : "", which, strerror(-error));
        return error;
}

static int choose_hook(struct bpf_object *object, const struct btf *btf, const struct hook *hook, char *reason,
                       size_t size) {
        struct bpf_program *program;

        if (hook->function && !has_function(btf, hook)) {
                if (hook->is_optional)
                        return 0;
                return say(reason, size, -ENOENT, "this kernel lacks the function", hook->function);
        }
        if (hook->set == SET_TRACEPOINT && !has_tracepoint(btf, "sock_send_length"))
                return say(reason, size, -ENOENT, "this kernel lacks the tracepoint", "sock_send_length");
        program = bpf_object__find_program_by_name(object, hook->program);
        if (!program)
                return say(reason, size, -ENOENT, "no such program:", hook->program);
        bpf_program__set_autoload(program, true);
        return 0;
}

/* Marks which programs are to be loaded. -ENOENT: the kernel lacks one that the sets cannot do without. */
static int choose(struct bpf_object *object, const struct btf *btf, unsigned sets, char *reason, size_t size) {
        bool is_first = sets & 1U << SET_ALWAYS;
        struct bpf_program *program;
        int r;

        bpf_object__for_each_program(program, object) {
                const char *section = bpf_program__section_name(program);

                bpf_program__set_autoload(program, is_first && strncmp(section, "iter/", 5) == 0 &&
                                                           strcmp(section, "iter/task") != 0);
        }
        for (size_t i = 0; i < sizeof(hooks) / sizeof(hooks[0]); i++)
                if (sets & 1U << hooks[i].set) {
                        r = choose_hook(object, btf, &hooks[i], reason, size);
                        if (r < 0)
                                return r;
                }
        return 0;
}

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
        (void) bpf_map__set_autocreate(skeleton->maps.frames, false);
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

static int attach_hook(struct collect *collect, struct socktally_bpf *skeleton, const struct hook *hook, char *reason,
                       size_t size) {
        struct bpf_program *program = bpf_object__find_program_by_name(skeleton->obj, hook->program);
        struct collect_set *set = &collect->sets[hook->set];
        struct bpf_link *link = NULL;
        int r = 0;

        if (!program || bpf_program__fd(program) < 0)
                return 0;
        if (hook->set == SET_SOCK_RELEASE) {
                r = attach_to_cgroup(program, &link);
        } else {
                link = hook->set == SET_CENSUS ? bpf_program__attach_iter(program, NULL) : bpf_program__attach(program);
                if (!link)
                        r = -errno;
        }
        if (r < 0 && hook->is_optional)
                return 0;
        if (r < 0)
                return say(reason, size, r, "cannot attach", bpf_program__section_name(program));
        set->links[set->n_links++] = link;
        return 0;
}

static void give_object(struct collect *collect, struct collect_object *object, unsigned sets) {
        for (unsigned i = 0; i < N_HOOK_SETS; i++)
                if (sets & 1U << i) {
                        collect->sets[i].object = object;
                        object->n_sets++;
                }
}

/* Of sets that are loaded. */
static int attach_sets(struct collect *collect, unsigned sets, char *reason, size_t size) {
        int r;

        for (size_t i = 0; i < sizeof(hooks) / sizeof(hooks[0]); i++) {
                struct collect_set *set = &collect->sets[hooks[i].set];

                if (!(sets & 1U << hooks[i].set))
                        continue;
                set->is_attached = true;
                r = attach_hook(collect, set->object->skeleton, &hooks[i], reason, size);
                if (r < 0)
                        return r;
        }
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

static int attach_all(struct collect *collect, unsigned sets, char *reason, size_t size) {
        int r;

        r = attach_iterators(collect);
        if (r < 0)
                return say(reason, size, r, "cannot attach the iterators", "");
        give_object(collect, &collect->first, sets);
        r = attach_sets(collect, sets, reason, size);
        if (r < 0)
                return r;
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

/* Opens an object in which the programs of some sets are chosen. */
static int open_object(struct collect *collect, unsigned sets, struct socktally_bpf **ret_skeleton, char *reason,
                       size_t size) {
        struct socktally_bpf *skeleton;
        struct btf *btf;
        int r;

        btf = btf__load_vmlinux_btf();
        if (!btf)
                return say(reason, size, -errno, "the kernel offers no type information (/sys/kernel/btf/vmlinux)", "");
        skeleton = socktally_bpf__open();
        r = skeleton ? choose(skeleton->obj, btf, sets, reason, size) : say(reason, size, -errno, "cannot open", "");
        if (skeleton)
                cores_configure(&collect->cores, btf, skeleton->maps.cores);
        btf__free(btf);
        if (r < 0) {
                socktally_bpf__destroy(skeleton);
                return r;
        }
        *ret_skeleton = skeleton;
        return 0;
}

static int load(struct collect *collect, unsigned sets, char *reason, size_t size) {
        int r;

        r = open_object(collect, sets, &collect->skeleton, reason, size);
        if (r < 0)
                return r;
        collect->first.skeleton = collect->skeleton;
        collect->first.n_sets = 1; /* for the maps and iterators */
        configure(collect);
        r = socktally_bpf__load(collect->skeleton);
        if (r < 0)
                return say(reason, size, r, "the kernel refused the programs", "");
        collect_apply(collect);
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

static int share_maps(struct collect *collect, struct socktally_bpf *skeleton) {
        struct bpf_map *map, *theirs;

        bpf_object__for_each_map(map, skeleton->obj) {
                if (map == skeleton->maps.frames)
                        continue;
                theirs = bpf_object__find_map_by_name(collect->skeleton->obj, bpf_map__name(map));
                if (!theirs || bpf_map__reuse_fd(map, bpf_map__fd(theirs)) < 0)
                        return theirs ? -errno : -ENOENT;
        }
        return 0;
}

static int load_sets(struct collect *collect, unsigned sets, char *reason, size_t size) {
        struct collect_object *object;
        int r;

        object = calloc(1, sizeof(*object));
        if (!object)
                return say(reason, size, -ENOMEM, "cannot load more programs", "");
        r = open_object(collect, sets, &object->skeleton, reason, size);
        if (r < 0) {
                free(object);
                return r;
        }
        r = share_maps(collect, object->skeleton);
        if (r == 0)
                r = socktally_bpf__load(object->skeleton);
        if (r < 0) {
                socktally_bpf__destroy(object->skeleton);
                free(object);
                return say(reason, size, r, "the kernel refused the programs", "");
        }
        give_object(collect, object, sets);
        return 0;
}

int collect_load_sets(struct collect *collect, unsigned sets, char *reason, size_t size) {
        for (unsigned i = 0; i < N_HOOK_SETS; i++)
                if (collect->sets[i].object)
                        sets &= ~(1U << i);
        return sets ? load_sets(collect, sets, reason, size) : 0;
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
        for (unsigned i = 0; i < N_HOOK_SETS; i++) {
                struct collect_set *set = &collect->sets[i];

                if (!(sets & 1U << i))
                        continue;
                while (set->n_links > 0)
                        bpf_link__destroy(set->links[--set->n_links]);
                set->is_attached = false;
        }
}

static void unload(struct collect_set *set, enum hook_set number) {
        for (size_t i = 0; i < sizeof(hooks) / sizeof(hooks[0]); i++)
                if (hooks[i].set == number)
                        bpf_program__unload(bpf_object__find_program_by_name(set->object->skeleton->obj,
                                                                             hooks[i].program));
        if (--set->object->n_sets == 0) {
                socktally_bpf__destroy(set->object->skeleton);
                free(set->object);
        }
        set->object = NULL;
}

void collect_unload_sets(struct collect *collect) {
        for (unsigned i = 0; i < N_HOOK_SETS; i++)
                if (collect->sets[i].object && !collect->sets[i].is_attached)
                        unload(&collect->sets[i], i);
}

void collect_detach(struct collect *collect) {
        if (!collect->skeleton)
                return;
        collect_drop_sets(collect, ~0U);
        collect_unload_sets(collect);
        bpf_link__destroy(collect->scan_link);
        bpf_link__destroy(collect->tcp_link);
        bpf_link__destroy(collect->fold_link);
        collect->scan_link = collect->tcp_link = collect->fold_link = NULL;
        socktally_bpf__destroy(collect->skeleton);
        collect->skeleton = NULL;
        collect->first = (struct collect_object) { NULL, 0 };
        if (collect->owns_table)
                close(collect->table_fd);
        collect->owns_table = false;
        cores_close(&collect->cores);
}
