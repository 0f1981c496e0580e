/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel says of the programs: how often they ran, how long that took, how often it could not run them. It
 * counts runs and time only while somebody asked for it (kernel.bpf_stats_enabled, or bpf_enable_stats(3)).
 */
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>

#include "daemon/collect/collector-private.h"

/* The walks are the collector's own passes, no events. */
static bool serves(const struct hook *hook, const char *module) {
        unsigned tcp = SET(SET_TCP_LIFE) | SET(SET_TCP_CALLS) | SET(SET_MPTCP_CALLS);
        unsigned udp = SET(SET_UDP_CALLS) | SET(SET_UDP_COPIES);

        return !(SET(hook->set) & (SETS_WALKS | (strcmp(module, "tcp") == 0 ? udp : tcp)));
}

void collect_statistics(const struct collect *collect, const char *module, struct collect_statistics *ret_statistics) {
        struct collect_statistics sum = { 0 };
        const struct hook *hooks;
        size_t n = collect_hook_table(&hooks);

        for (size_t i = 0; i < n; i++) {
                struct bpf_prog_info info = { 0 };
                __u32 size = sizeof(info);

                if (collect->programs[i] < 0 || !serves(&hooks[i], module) ||
                    bpf_obj_get_info_by_fd(collect->programs[i], &info, &size) < 0)
                        continue;
                sum.n_runs += info.run_cnt;
                sum.time_ns += info.run_time_ns;
                sum.n_misses += info.recursion_misses;
        }
        *ret_statistics = sum;
}
