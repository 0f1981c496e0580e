/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The object of programs that this kernel gets. Existence is decided from the kernel's type information, never from its
 * version number.
 *
 * Nothing that a kernel lacks is in its object: libbpf would look for a missing type or function in every module, which
 * takes CAP_SYS_ADMIN. There are two builds of the object for that reason, and offsets of the few members that are not
 * everywhere are set as constants.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "daemon/collect/collector-private.h"

/* Only its bytes are used. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#include "bpf/before-6-2.skel.h"
#pragma GCC diagnostic pop

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

/* Can the hook's program be attached to something in this kernel? */
static bool can_be_attached(const struct btf *btf, const struct hook *hook) {
        int n = hook->function ? arguments_of(btf, hook->function) : 0;

        if (hook->function)
                return n == hook->n_arguments || (n >= 0 && hook->n_arguments == ANY_ARGUMENTS);
        if (strncmp(hook->program, "on_recv_length", strlen("on_recv_length")) != 0)
                return true;
        return is_confidential() == (strstr(hook->program, "_locked") != NULL);
}

/* Does this kernel have the function, but with a number of arguments that none of our programs expects? */
static bool has_unknown_arguments(const struct btf *btf, const char *function) {
        int n = arguments_of(btf, function);
        const struct hook *hooks;
        size_t n_hooks = collect_hook_table(&hooks);

        for (size_t i = 0; i < n_hooks; i++)
                if (hooks[i].function && strcmp(hooks[i].function, function) == 0 && hooks[i].n_arguments == n)
                        return false;
        return n >= 0;
}

/* A module's functions are not in the kernel's own type information, and to read the module's takes CAP_SYS_ADMIN. */
static bool is_ipv6_a_module(const struct btf *btf) {
        return arguments_of(btf, "udpv6_sendmsg") < 0 && access("/proc/self/net/if_inet6", F_OK) == 0;
}

/* Chooses which programs of the object are loaded: those of some sets, without the refused ones, as far as this kernel
 * has a place for them. -ENOENT: it lacks one that the sets cannot do without. */
static int choose_programs(struct bpf_object *object, const struct btf *btf, unsigned sets, uint64_t refused,
                           char *reason, size_t size) {
        struct bpf_program *program;
        const struct hook *hooks;
        size_t n = collect_hook_table(&hooks);

        if (sets & SET(SET_TRACEPOINT) && !has_tracepoint(btf, "sock_send_length"))
                return collect_say(reason, size, -ENOENT, "this kernel lacks the tracepoint", "sock_send_length");
        bpf_object__for_each_program(program, object)
                bpf_program__set_autoload(program, false);
        for (size_t i = 0; i < n; i++) {
                if (!(sets & SET(hooks[i].set)) || refused >> i & 1)
                        continue;
                if (can_be_attached(btf, &hooks[i])) {
                        program = bpf_object__find_program_by_name(object, hooks[i].program);
                        if (!program)
                                return collect_say(reason, size, -ENOENT, "no such program:", hooks[i].program);
                        bpf_program__set_autoload(program, true);
                } else if (hooks[i].function && has_unknown_arguments(btf, hooks[i].function))
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
                r = choose_programs(skeleton->obj, btf, sets, refused, reason, size);
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

int collect_keep_programs(struct collect *collect, const struct socktally_bpf *skeleton) {
        const struct hook *hooks;
        size_t n = collect_hook_table(&hooks);

        for (size_t i = 0; i < n; i++) {
                const struct bpf_program *program;
                int fd;

                program = bpf_object__find_program_by_name(skeleton->obj, hooks[i].program);
                fd = program && bpf_program__autoload(program) ? bpf_program__fd(program) : -1;
                if (fd < 0)
                        continue;
                collect->programs[i] = fcntl(fd, F_DUPFD_CLOEXEC, 0);
                if (collect->programs[i] < 0)
                        return -errno;
        }
        return 0;
}
