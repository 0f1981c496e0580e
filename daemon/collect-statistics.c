/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel says of the programs: how often they ran, how long that took, how often it could not run them. It
 * counts runs and time only while somebody asked for it (kernel.bpf_stats_enabled, or bpf_enable_stats(3)).
 */
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>

#include "daemon/collect-private.h"

/* Programs that serve one module alone, by the beginning of their names; all others serve every module. */
static const struct {
        const char *program, *module;
} owners[] = {
        { "on_set_state", "tcp" }, { "on_tcp_", "tcp" },  { "on_accept", "tcp" },
        { "on_udp", "udp" },       { "on_raw", "udp" },   { "on_ping", "udp" },
};

static bool serves(const char *program, const char *module) {
        for (size_t i = 0; i < sizeof(owners) / sizeof(owners[0]); i++)
                if (strncmp(program, owners[i].program, strlen(owners[i].program)) == 0)
                        return strcmp(owners[i].module, module) == 0;
        return true;
}

/* The iterators are the collector's own passes, no events. */
static bool is_event(const struct bpf_program *program) {
        return strncmp(bpf_program__section_name(program), "iter/", 5) != 0;
}

void collect_statistics(const struct collect *collect, const char *module, struct collect_statistics *ret_statistics) {
        struct collect_statistics sum = { 0 };
        struct bpf_program *program;

        bpf_object__for_each_program(program, collect->skeleton->obj) {
                struct bpf_prog_info info = { 0 };
                __u32 size = sizeof(info);

                if (bpf_program__fd(program) < 0 || !is_event(program) || !serves(bpf_program__name(program), module) ||
                    bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size) < 0)
                        continue;
                sum.n_runs += info.run_cnt;
                sum.time_ns += info.run_time_ns;
                sum.n_misses += info.recursion_misses;
        }
        *ret_statistics = sum;
}
