/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of hooks, and how their programs get through the verifier. What is optional may be missing in this kernel;
 * the table says which is which. Existence is decided from BTF, never from the version number.
 *
 * Programs come in sets. The first object holds what a start needs, and all maps for as long as the collector lives;
 * sets that come later are loaded by an object that shares its maps. The collector keeps a descriptor of each program
 * and no object but the first: a program that was loaded once can be attached at any time, at no cost meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "daemon/collect-private.h"

static const struct hook hooks[] = {
        { "on_set_state", SET_ALWAYS, NULL, -1, false, "tcp" },
        { "on_tcp_destroy", SET_ALWAYS, NULL, -1, false, "tcp" },
        { "on_process_exit", SET_ALWAYS, NULL, -1, false, NULL },
        { "on_process_exec", SET_ALWAYS, NULL, -1, false, NULL },
        { "on_send_length", SET_TRACEPOINT, NULL, -1, false, NULL },
        { "on_recv_length", SET_TRACEPOINT, NULL, -1, false, NULL },
        { "on_sock_release", SET_SOCK_RELEASE, NULL, -1, false, NULL },
        { "on_inet_release", SET_INET_RELEASE, "inet_release", -1, false, NULL },
        { "on_inet_sendmsg", SET_INET, "inet_sendmsg", 3, false, NULL },
        { "on_inet6_sendmsg", SET_INET, "inet6_sendmsg", 3, true, NULL },
        { "on_inet_recvmsg", SET_INET, "inet_recvmsg", 4, false, NULL },
        { "on_inet6_recvmsg", SET_INET, "inet6_recvmsg", 4, true, NULL },
        { "on_sock_common_recvmsg", SET_INET, "sock_common_recvmsg", 4, true, NULL },
        { "on_inet_sendpage", SET_INET, "inet_sendpage", 5, true, NULL },
        { "on_udp_sendmsg", SET_PROTOCOL, "udp_sendmsg", 3, false, "udp" },
        { "on_udp_recvmsg", SET_PROTOCOL, "udp_recvmsg", 5, false, "udp" },
        { "on_udpv6_sendmsg", SET_PROTOCOL, "udpv6_sendmsg", 3, true, "udp" },
        { "on_udpv6_recvmsg", SET_PROTOCOL, "udpv6_recvmsg", 5, true, "udp" },
        { "on_raw_sendmsg", SET_PROTOCOL, "raw_sendmsg", 3, true, "udp" },
        { "on_raw_recvmsg", SET_PROTOCOL, "raw_recvmsg", 5, true, "udp" },
        { "on_rawv6_sendmsg", SET_PROTOCOL, "rawv6_sendmsg", 3, true, "udp" },
        { "on_rawv6_recvmsg", SET_PROTOCOL, "rawv6_recvmsg", 5, true, "udp" },
        { "on_ping_v4_sendmsg", SET_PROTOCOL, "ping_v4_sendmsg", 3, true, "udp" },
        { "on_ping_v6_sendmsg", SET_PROTOCOL, "ping_v6_sendmsg", 3, true, "udp" },
        { "on_ping_recvmsg", SET_PROTOCOL, "ping_recvmsg", 5, true, "udp" },
        { "on_accept", SET_PROTOCOL, "inet_csk_accept", 2, true, "tcp" },
        { "on_accept_before_6_10", SET_PROTOCOL, "inet_csk_accept", 4, true, "tcp" },
        { "look_at_tasks", SET_CENSUS, NULL, -1, false, NULL },
};

_Static_assert(sizeof(hooks) / sizeof(hooks[0]) <= COLLECT_MAX_HOOKS, "a descriptor for each");

size_t collect_hook_table(const struct hook **ret_hooks) {
        *ret_hooks = hooks;
        return sizeof(hooks) / sizeof(hooks[0]);
}

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

int collect_say(char *reason, size_t size, int error, const char *what, const char *which) {
        if (reason)
                snprintf(reason, size, "%s%s%s: %s", what, which[0] ? " " : "", which, strerror(-error));
        return error;
}

int collect_lacks_tracepoint(char *reason, size_t size) {
        return collect_say(reason, size, -ENOENT, "this kernel lacks the tracepoint", "sock_send_length");
}

static int choose_hook(struct bpf_object *object, const struct btf *btf, const struct hook *hook, char *reason,
                       size_t size) {
        struct bpf_program *program;

        if (hook->function && !has_function(btf, hook)) {
                if (hook->is_optional)
                        return 0;
                return collect_say(reason, size, -ENOENT, "this kernel lacks the function", hook->function);
        }
        if (hook->set == SET_TRACEPOINT && !has_tracepoint(btf, "sock_send_length"))
                return collect_lacks_tracepoint(reason, size);
        program = bpf_object__find_program_by_name(object, hook->program);
        if (!program)
                return collect_say(reason, size, -ENOENT, "no such program:", hook->program);
        bpf_program__set_autoload(program, true);
        return 0;
}

/* Marks which programs are to be loaded. -ENOENT: the kernel lacks one that the sets cannot do without. */
static int choose(struct bpf_object *object, const struct btf *btf, unsigned sets, char *reason, size_t size) {
        bool is_first = sets == 0 || sets & 1U << SET_ALWAYS; /* none: the collector's own passes alone */
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

int collect_open_object(struct collect *collect, unsigned sets, struct socktally_bpf **ret_skeleton, char *reason,
                        size_t size) {
        struct socktally_bpf *skeleton;
        struct btf *btf;
        int r;

        btf = btf__load_vmlinux_btf();
        if (!btf)
                return collect_say(reason, size, -errno,
                                   "the kernel offers no type information (/sys/kernel/btf/vmlinux)", "");
        collect->has_tracepoints = has_tracepoint(btf, "sock_send_length");
        collect->release_id = btf__find_by_name_kind(btf, "inet_release", BTF_KIND_FUNC);
        skeleton = socktally_bpf__open();
        r = skeleton ? 0 : collect_say(reason, size, -errno, "cannot open the programs", "");
        if (r == 0) {
                cores_configure(&collect->cores, btf, skeleton->maps.cores);
                r = choose(skeleton->obj, btf, sets, reason, size);
        }
        btf__free(btf);
        if (r < 0) {
                socktally_bpf__destroy(skeleton);
                return r;
        }
        *ret_skeleton = skeleton;
        return 0;
}

void collect_put_programs(struct collect *collect, enum hook_set set, const int *programs) {
        for (size_t i = 0; i < sizeof(hooks) / sizeof(hooks[0]); i++)
                if (hooks[i].set == set)
                        collect->programs[i] = programs[i];
        collect->loaded |= 1U << set;
}

int collect_keep_programs(struct collect *collect, const struct socktally_bpf *skeleton, unsigned sets) {
        for (size_t i = 0; i < sizeof(hooks) / sizeof(hooks[0]); i++) {
                struct bpf_program *program;
                int fd;

                if (!(sets & 1U << hooks[i].set))
                        continue;
                collect->loaded |= 1U << hooks[i].set;
                collect->programs[i] = -1;
                program = bpf_object__find_program_by_name(skeleton->obj, hooks[i].program);
                fd = program ? bpf_program__fd(program) : -1;
                if (fd < 0)
                        continue;
                collect->programs[i] = fcntl(fd, F_DUPFD_CLOEXEC, 0);
                if (collect->programs[i] < 0)
                        return -errno;
        }
        return 0;
}

static int share_maps(struct collect *collect, struct socktally_bpf *skeleton) {
        struct bpf_map *map, *theirs;

        bpf_object__for_each_map(map, skeleton->obj) {
                theirs = bpf_object__find_map_by_name(collect->skeleton->obj, bpf_map__name(map));
                if (!theirs || bpf_map__reuse_fd(map, bpf_map__fd(theirs)) < 0)
                        return theirs ? -errno : -ENOENT;
        }
        return 0;
}

int collect_load_sets(struct collect *collect, unsigned sets, char *reason, size_t size) {
        struct socktally_bpf *skeleton;
        int r;

        collect_wait_loader(collect, sets);
        sets &= ~collect->loaded;
        r = collect_is_refused(collect, sets, reason, size);
        if (sets == 0 || r < 0)
                return r;
        r = collect_open_object(collect, sets, &skeleton, reason, size);
        if (r < 0)
                return r;
        r = share_maps(collect, skeleton);
        if (r == 0)
                r = socktally_bpf__load(skeleton);
        if (r == 0) {
                r = collect_keep_programs(collect, skeleton, sets);
                if (r < 0)
                        collect_unload_sets(collect, sets);
        }
        socktally_bpf__destroy(skeleton);
        return r < 0 ? collect_say(reason, size, r, "the kernel refused the programs", "") : 0;
}

void collect_unload_sets(struct collect *collect, unsigned sets) {
        sets &= collect->loaded;
        for (size_t i = 0; i < sizeof(hooks) / sizeof(hooks[0]); i++)
                if (sets & 1U << hooks[i].set && collect->programs[i] >= 0) {
                        close(collect->programs[i]);
                        collect->programs[i] = -1;
                }
        collect->loaded &= ~sets;
}
