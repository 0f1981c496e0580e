/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of hooks, and the object of programs that this kernel gets. Existence is decided from the kernel's type
 * information, never from its version number.
 *
 * Nothing that a kernel lacks is in its object: libbpf would look for a missing type or function in every module, which
 * takes CAP_SYS_ADMIN. There are two builds of the object for that reason, and offsets of the few members that are not
 * everywhere are set as constants.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "daemon/collect-private.h"

/* Only its bytes are used. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#include "bpf/before-6-2.skel.h"
#pragma GCC diagnostic pop

#define TRAMPOLINE_AS(set, name, n, may_be_absent, copy) { "on_" #name, set, #name, n, may_be_absent, true, copy }
#define TRAMPOLINE(set, name, n, may_be_absent) TRAMPOLINE_AS(set, name, n, may_be_absent, 0)
/* The arguments of these changed in Linux 5.19 and 7.2: one of the three fits. */
#define RECEIVE_AS(set, name, copy)                                                                                    \
        TRAMPOLINE_AS(set, name, 4, true, copy),                                                                       \
        { "on_" #name "_before_7_2", set, #name, 5, true, true, copy },                                                \
        { "on_" #name "_before_5_19", set, #name, 6, true, true, copy }
#define RECEIVE(set, name) RECEIVE_AS(set, name, 0)
/* What is attached last runs first. */
#define TRAMPOLINE_COPIES(set, name)                                                                                   \
        { "on_" #name "_2", set, #name, ANY_ARGUMENTS, true, false, 2 },                                               \
        { "on_" #name "_1", set, #name, ANY_ARGUMENTS, true, false, 1 }

static const struct hook hooks[] = {
        { "on_set_state", SET_TCP_LIFE, NULL, 0, false, true, 0 },
        { "on_tcp_destroy", SET_TCP_LIFE, NULL, 0, false, true, 0 },
        { "on_process_exit", SET_PROCESS, NULL, 0, false, false, 0 },
        { "on_process_exec", SET_PROCESS, NULL, 0, false, false, 0 },
        { "on_sock_create", SET_SOCK_CREATE, NULL, 0, false, false, 0 },
        { "on_sock_release", SET_SOCK_RELEASE, NULL, 0, false, false, 0 },
        { "on_inet_release", SET_INET_RELEASE, "inet_release", 1, false, false, 0 },
        { "on_send_length", SET_TRACEPOINT, NULL, 0, false, true, 1 },
        { "on_recv_length", SET_TRACEPOINT, NULL, 0, false, true, 1 },
        { "on_recv_length_locked", SET_TRACEPOINT, NULL, 0, false, true, 1 },
        { "on_send_length_2", SET_COPIES, NULL, 0, false, false, 2 },
        { "on_send_length_3", SET_COPIES, NULL, 0, false, false, 3 },
        { "on_recv_length_2", SET_COPIES, NULL, 0, false, false, 2 },
        { "on_recv_length_2_locked", SET_COPIES, NULL, 0, false, false, 2 },
        { "on_recv_length_3", SET_COPIES, NULL, 0, false, false, 3 },
        { "on_recv_length_3_locked", SET_COPIES, NULL, 0, false, false, 3 },
        TRAMPOLINE(SET_TCP_CALLS, tcp_sendmsg, 3, false),
        RECEIVE(SET_TCP_CALLS, tcp_recvmsg),
        TRAMPOLINE(SET_TCP_CALLS, tcp_sendpage, 5, true),
        TRAMPOLINE(SET_MPTCP_CALLS, mptcp_sendmsg, 3, true),
        RECEIVE(SET_MPTCP_CALLS, mptcp_recvmsg),
        TRAMPOLINE_AS(SET_UDP_CALLS, udp_sendmsg, 3, false, 3),
        RECEIVE_AS(SET_UDP_CALLS, udp_recvmsg, 3),
        TRAMPOLINE(SET_UDP_CALLS, ip_append_page, 6, true),
        TRAMPOLINE_AS(SET_UDP_CALLS, udpv6_sendmsg, 3, true, 3),
        RECEIVE_AS(SET_UDP_CALLS, udpv6_recvmsg, 3),
        TRAMPOLINE(SET_UDP_CALLS, raw_sendmsg, 3, true),
        RECEIVE(SET_UDP_CALLS, raw_recvmsg),
        TRAMPOLINE(SET_UDP_CALLS, rawv6_sendmsg, 3, true),
        RECEIVE(SET_UDP_CALLS, rawv6_recvmsg),
        TRAMPOLINE(SET_UDP_CALLS, ping_v4_sendmsg, 3, true),
        TRAMPOLINE(SET_UDP_CALLS, ping_v6_sendmsg, 3, true),
        RECEIVE(SET_UDP_CALLS, ping_recvmsg),
        TRAMPOLINE_COPIES(SET_UDP_COPIES, udp_sendmsg),
        TRAMPOLINE_COPIES(SET_UDP_COPIES, udp_recvmsg),
        TRAMPOLINE_COPIES(SET_UDP_COPIES, udpv6_sendmsg),
        TRAMPOLINE_COPIES(SET_UDP_COPIES, udpv6_recvmsg),
        { "scan_files", SET_FILES, NULL, 0, false, true, 0 },
        { "fold_files", SET_FILES, NULL, 0, false, true, 0 },
        { "fold_tcp", SET_TCP_WALK, NULL, 0, false, false, 0 },
        { "fold_udp", SET_UDP_WALK, NULL, 0, false, false, 0 },
};

_Static_assert(sizeof(hooks) / sizeof(hooks[0]) <= COLLECT_MAX_HOOKS, "a descriptor for each");

size_t collect_hook_table(const struct hook **ret_hooks) {
        *ret_hooks = hooks;
        return sizeof(hooks) / sizeof(hooks[0]);
}

unsigned collect_sets_of(enum attach_method method) {
        unsigned sets = SET(SET_TCP_LIFE) | SET(SET_PROCESS) | SET(SET_SOCK_CREATE) | SETS_WALKS;

        if (method == ATTACH_TRACEPOINT)
                return sets | SET(SET_TRACEPOINT) | SET(SET_SOCK_RELEASE);
        return sets | SET(SET_INET_RELEASE) | SET(SET_TCP_CALLS) | SET(SET_MPTCP_CALLS) | SET(SET_UDP_CALLS);
}

unsigned collect_wanted_sets(enum attach_method method, const struct collect_config *config) {
        unsigned sets = collect_sets_of(method);

        if (config->is_tcp_off)
                sets &= ~(SET(SET_TCP_CALLS) | SET(SET_MPTCP_CALLS));
        if (config->load_mode == LOAD_PASSIVE)
                sets &= ~SET(SET_TCP_CALLS);
        if (config->is_udp_off)
                sets &= ~SET(SET_UDP_CALLS);
        return sets;
}

int collect_say(char *reason, size_t size, int error, const char *what, const char *which) {
        if (reason)
                snprintf(reason, size, "%s%s%s: %s", what, which[0] ? " " : "", which, strerror(-error));
        return error;
}

static bool has_tracepoint(const struct btf *btf, const char *name) {
        char type[128];

        snprintf(type, sizeof(type), "btf_trace_%s", name);
        return btf__find_by_name_kind(btf, type, BTF_KIND_TYPEDEF) > 0;
}

/* The number of a function's arguments; -ENOENT: this kernel does not have it. */
static int arguments_of(const struct btf *btf, const char *function) {
        const struct btf_type *type;
        int id = btf__find_by_name_kind(btf, function, BTF_KIND_FUNC);

        if (id < 0)
                return -ENOENT;
        type = btf__type_by_id(btf, (uint32_t) id);
        type = type ? btf__type_by_id(btf, type->type) : NULL;
        return type ? (int) btf_vlen(type) : -ENOENT;
}

/* libbpf takes a kernel in which programs may not read kernel memory by helper, as one that is locked down for
 * confidentiality, for an old one, and replaces the helper that reads user memory by one that is refused. */
static bool is_confidential(void) {
        static const struct bpf_insn read_kernel[] = {
                { .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_1, .src_reg = BPF_REG_10 },
                { .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = BPF_REG_1, .imm = -8 },
                { .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_2, .imm = 8 },
                { .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3, .imm = 0 },
                { .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_probe_read_kernel },
                { .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0 },
                { .code = BPF_JMP | BPF_EXIT },
        };
        int fd = bpf_prog_load(BPF_PROG_TYPE_TRACEPOINT, "try_read", "GPL", read_kernel,
                               sizeof(read_kernel) / sizeof(read_kernel[0]), NULL);

        if (fd >= 0)
                close(fd);
        return fd < 0;
}

/* Is there something in this kernel that the hook can be attached to? */
static bool has_place(const struct btf *btf, const struct hook *hook) {
        int n = hook->function ? arguments_of(btf, hook->function) : 0;

        if (hook->function)
                return n == hook->n_arguments || (n >= 0 && hook->n_arguments == ANY_ARGUMENTS);
        if (strncmp(hook->program, "on_recv_length", strlen("on_recv_length")) != 0)
                return true;
        return is_confidential() == (strstr(hook->program, "_locked") != NULL);
}

/* A function that is there, with arguments that none of our programs expects? */
static bool is_strange(const struct btf *btf, const char *function) {
        int n = arguments_of(btf, function);

        for (size_t i = 0; i < sizeof(hooks) / sizeof(hooks[0]); i++)
                if (hooks[i].function && strcmp(hooks[i].function, function) == 0 && hooks[i].n_arguments == n)
                        return false;
        return n >= 0;
}

/* A module's functions are not in the kernel's own type information, and to read the module's takes CAP_SYS_ADMIN. */
static bool is_ipv6_a_module(const struct btf *btf) {
        return arguments_of(btf, "udpv6_sendmsg") < 0 && access("/proc/self/net/if_inet6", F_OK) == 0;
}

/* -ENOENT: the kernel lacks what the sets cannot do without. */
static int choose(struct bpf_object *object, const struct btf *btf, unsigned sets, uint64_t refused, char *reason,
                  size_t size) {
        struct bpf_program *program;

        if (sets & SET(SET_TRACEPOINT) && !has_tracepoint(btf, "sock_send_length"))
                return collect_say(reason, size, -ENOENT, "this kernel lacks the tracepoint", "sock_send_length");
        bpf_object__for_each_program(program, object)
                bpf_program__set_autoload(program, false);
        for (size_t i = 0; i < sizeof(hooks) / sizeof(hooks[0]); i++) {
                if (!(sets & SET(hooks[i].set)) || refused >> i & 1)
                        continue;
                if (has_place(btf, &hooks[i])) {
                        program = bpf_object__find_program_by_name(object, hooks[i].program);
                        if (!program)
                                return collect_say(reason, size, -ENOENT, "no such program:", hooks[i].program);
                        bpf_program__set_autoload(program, true);
                } else if (hooks[i].function && is_strange(btf, hooks[i].function))
                        return collect_say(reason, size, -ENOENT, "this kernel has other arguments for",
                                           hooks[i].function);
                else if (hooks[i].function && !hooks[i].may_be_absent)
                        return collect_say(reason, size, -ENOENT, "this kernel lacks the function", hooks[i].function);
        }
        if (reason && sets & SET(SET_UDP_CALLS) && is_ipv6_a_module(btf))
                snprintf(reason, size, "IPv6 is a module of this kernel: datagrams of IPv6 sockets are not counted");
        return 0;
}

/* In bytes; 0: there is no such member. */
static uint32_t offset_of(const struct btf *btf, const char *name, const char *member) {
        int id = btf__find_by_name_kind(btf, name, BTF_KIND_STRUCT);
        const struct btf_type *type = id > 0 ? btf__type_by_id(btf, (uint32_t) id) : NULL;

        for (uint32_t i = 0; type && i < btf_vlen(type); i++)
                if (strcmp(btf__name_by_offset(btf, btf_members(type)[i].name_off), member) == 0)
                        return btf_member_bit_offset(type, i) / 8;
        return 0;
}

static void set_offsets(struct socktally_bpf *skeleton, const struct btf *btf) {
        skeleton->rodata->cfg_drop_counters = offset_of(btf, "sock", "sk_drop_counters");
        skeleton->rodata->cfg_drops1 = offset_of(btf, "numa_drop_counters", "drops1");
        skeleton->rodata->cfg_has_sendpage = arguments_of(btf, "udp_sendpage") >= 0;
        skeleton->rodata->cfg_receive_arguments = (uint32_t) arguments_of(btf, "udp_recvmsg");
}

/* The builds have the same maps, variables and programs, so one description serves both. */
static struct socktally_bpf *open_build(bool has_casts) {
        struct socktally_bpf *skeleton = calloc(1, sizeof(*skeleton));
        size_t size;

        if (!skeleton)
                return NULL;
        if (socktally_bpf__create_skeleton(skeleton) == 0) {
                if (!has_casts) {
                        skeleton->skeleton->data = (void *) before_6_2_bpf__elf_bytes(&size);
                        skeleton->skeleton->data_sz = size;
                }
                if (bpf_object__open_skeleton(skeleton->skeleton, NULL) == 0)
                        return skeleton;
        }
        socktally_bpf__destroy(skeleton);
        return NULL;
}

int collect_open_object(unsigned sets, uint64_t refused, struct socktally_bpf **ret_skeleton, char *reason,
                        size_t size) {
        struct socktally_bpf *skeleton;
        struct btf *btf;
        int r;

        btf = btf__load_vmlinux_btf();
        if (!btf) /* the library says ESRCH, whatever it was */
                return collect_say(reason, size, -ENOENT,
                                   "the kernel offers no type information (/sys/kernel/btf/vmlinux)", "");
        skeleton = open_build(arguments_of(btf, "bpf_rdonly_cast") >= 0);
        if (skeleton) {
                set_offsets(skeleton, btf);
                r = choose(skeleton->obj, btf, sets, refused, reason, size);
        } else {
                r = collect_say(reason, size, -errno ?: -ENOMEM, "cannot open the programs", "");
        }
        btf__free(btf);
        if (r < 0) {
                socktally_bpf__destroy(skeleton);
                return r;
        }
        *ret_skeleton = skeleton;
        return 0;
}
