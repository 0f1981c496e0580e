/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which tasks may still be in a call that began before a certain moment? The program look_at_tasks() asks each task's
 * stack; what its return addresses are called the kernel alone knows, so the program prints those that are new, and
 * here they are told apart. What is not known yet is taken for a call until the next walk.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "daemon/collect-private.h"

/* As in bpf/census.bpf.h. */
enum frame_kind { FRAME_NEW, FRAME_ASKED, FRAME_OTHER, FRAME_CALL, FRAME_ROOT };

#define SYMBOL_SIZE 256

static bool starts_with(const char *name, const char *const *beginnings, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (strncmp(name, beginnings[i], strlen(beginnings[i])) == 0)
                        return true;
        return false;
}

/* Who sleeps in a send or receive has the function of a protocol on the stack. Those before it, on the way from the
 * system call, all families have; and the families named here never come to our hooks. */
static enum frame_kind kind_of_symbol(const char *symbol) {
        static const char *const roots[] = { "entry_", "ret_from_fork", "asm_", "el0" };
        static const char *const others[] = { "sys_",     "x64_sys_", "ia32_sys_", "ia32_compat_sys_", "se_sys_",
                                              "arm64_sys_", "sock_",  "unix_",     "netlink_",         "packet_",
                                              "vsock_",   "kernel_",  "io_" };
        const char *name = symbol;

        if (starts_with(name, roots, sizeof(roots) / sizeof(roots[0])))
                return FRAME_ROOT;
        if (!strstr(name, "sendmsg") && !strstr(name, "recvmsg") && !strstr(name, "sendpage"))
                return FRAME_OTHER;
        name += strspn(name, "_");
        return starts_with(name, others, sizeof(others) / sizeof(others[0])) ? FRAME_OTHER : FRAME_CALL;
}

static int learn_frames(struct collect *collect, FILE *lines) {
        int fd = bpf_map__fd(collect->skeleton->maps.frames);
        char line[SYMBOL_SIZE + 32], symbol[SYMBOL_SIZE];
        unsigned long long address;

        while (fgets(line, sizeof(line), lines))
                if (sscanf(line, "%llx %255s", &address, symbol) == 2) {
                        uint32_t kind = kind_of_symbol(symbol);
                        uint64_t key = address;

                        if (bpf_map_update_elem(fd, &key, &kind, BPF_ANY) < 0)
                                return -errno;
                }
        return ferror(lines) ? -EIO : 0;
}

/* A trampoline or a module's function can be where another was. */
void collect_forget_frames(struct collect *collect) {
        int fd = bpf_map__fd(collect->skeleton->maps.frames);
        uint64_t key;

        while (bpf_map_get_next_key(fd, NULL, &key) == 0 && bpf_map_delete_elem(fd, &key) == 0)
                continue;
}

static int census_link(const struct collect *collect) {
        const struct hook *hooks;
        size_t n = collect_hook_table(&hooks);

        for (size_t i = 0; i < n; i++)
                if (hooks[i].set == SET_CENSUS)
                        return collect->links[i];
        return -1;
}

static int walk_tasks(struct collect *collect) {
        FILE *lines;
        int fd, r;

        fd = bpf_iter_create(census_link(collect));
        if (fd < 0)
                return -errno;
        lines = fdopen(fd, "r");
        if (!lines) {
                r = -errno;
                close(fd);
                return r;
        }
        r = learn_frames(collect, lines);
        fclose(lines);
        return r;
}

int collect_take_census(struct collect *collect, uint32_t *ret_awaited) {
        struct socktally_bpf__bss *bss = collect->skeleton->bss;
        struct handover *h = &collect->handover;
        int r;

        bss->census_epoch = h->epoch & 0xffff;
        bss->census_begins = !h->has_begun;
        bss->census_asks_stacks = h->asks_stacks;
        bss->census_awaited = bss->census_failed = 0;
        r = walk_tasks(collect);
        if (r < 0)
                return r;
        if (bss->census_failed > 0)
                return -ENOMEM;
        h->has_begun = true;
        *ret_awaited = bss->census_awaited;
        return 0;
}
