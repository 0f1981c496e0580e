/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel says of the programs: how often they ran, how long that took, how often it could not run them. It
 * counts runs and time only while somebody asked for it (kernel.bpf_stats_enabled, or bpf_enable_stats(3)).
 */
#include <errno.h>

#include <bpf/bpf.h>

#include "daemon/collect/collector-private.h"

/* Iterators are left out: the collector runs them itself, so they are no load that comes with the system's events. */
static bool serves(const struct hook *hook, size_t module) {
        return !(SET(hook->set) & SETS_WALKS) && collect_modules_of(hook->set) & MODULE(module);
}

void collect_statistics(const struct collect *collect, size_t module, struct collect_statistics *ret_statistics) {
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
