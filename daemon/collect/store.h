/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_COLLECT_STORE_H
#define SOCKTALLYD_COLLECT_STORE_H
/* What counts in the kernel, for a collector of the next process that runs this program. */
#include "daemon/collect/hooks.h"

#define COLLECT_KEPT_MAPS 32
/* Descriptors at the most: maps, programs and links, one table more. */
#define COLLECT_KEPT_FDS (COLLECT_KEPT_MAPS + 2 * COLLECT_MAX_HOOKS + 1)

/* What the descriptors are, by the kernel's numbers; 0: there is none. */
struct collect_kept {
        uint64_t build; /* of the programs */
        struct collect_config config;
        enum attach_method method;
        unsigned attached, walks; /* sets; the walks are made anew */
        uint64_t maps[COLLECT_KEPT_MAPS], table; /* in the object's order; a process table that is not of the object */
        uint64_t programs[COLLECT_MAX_HOOKS], links[COLLECT_MAX_HOOKS];
        char reason[COLLECT_REASON_SIZE], missing[N_MODULES][COLLECT_REASON_SIZE];
};

/* Another number than before whenever collect_keep() would hand out something else. Never 0. */
uint64_t collect_generation(const struct collect *collect);
/* Returns how many descriptors there are. They stay the collector's. A process that has copies of them when the
 * collector ends keeps maps, programs and links in the kernel, and counting goes on. -EBUSY: nothing is counted, a
 * former table is not read to its end, or there are maps per core. */
int collect_keep(struct collect *collect, struct collect_kept *ret_kept, int *ret_fds, uint64_t *ret_numbers,
                 size_t max);
/* Like collect_start(), but takes over what an earlier daemon left in the kernel. numbers: the kernel's, one for each
 * descriptor in fds, which stay the caller's. -ESTALE: the programs or the configuration are others than this
 * daemon's. */
int collect_adopt(struct collect **ret_collect, const struct collect_config *config, const struct collect_kept *kept,
                  const int *fds, const uint64_t *numbers, size_t n_fds);

#endif
