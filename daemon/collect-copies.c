/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Calls that the kernel skipped the programs for (bpf/copies.bpf.h): how many there were, and the copies that stand in
 * for what is skipped. Copies are loaded when the first call was missed, attached while calls are missed, and detached
 * when that has been quiet for a while, so that nobody pays for them who loses nothing.
 *
 * What is missed and not recovered is known from two counters: how often the kernel skipped the first copy, and how
 * often a later one stood in. The tracepoints are those of all address families, so it is an upper bound for inet
 * sockets.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "daemon/collect-private.h"

#define QUIET_READS 30 /* without a miss, before the copies go */
#define READS 10       /* of two counters that move */

static bool is_first_copy(const struct hook *hook) {
        return SET(hook->set) & SETS_CALLS;
}

static bool is_sender(const struct hook *hook) {
        return strstr(hook->program, "send") || strstr(hook->program, "append");
}

/* How often the kernel skipped the programs that count calls, since they were loaded, by direction. */
static void read_skipped(const struct collect *collect, uint64_t skipped[2]) {
        const struct hook *hooks;
        size_t n = collect_hook_table(&hooks);

        skipped[0] = skipped[1] = 0;
        for (size_t i = 0; i < n; i++) {
                struct bpf_prog_info info = { 0 };
                __u32 size = sizeof(info);

                if (collect->programs[i] < 0 || !is_first_copy(&hooks[i]) ||
                    bpf_obj_get_info_by_fd(collect->programs[i], &info, &size) < 0)
                        continue;
                skipped[is_sender(&hooks[i]) ? 0 : 1] += info.recursion_misses;
        }
}

static int share_maps(const struct collect *collect, const struct socktally_bpf *skeleton) {
        struct bpf_map *map, *ours;

        bpf_object__for_each_map(map, skeleton->obj) {
                ours = bpf_object__find_map_by_name(collect->skeleton->obj, bpf_map__name(map));
                if (!ours || bpf_map__reuse_fd(map, bpf_map__fd(ours)) < 0)
                        return ours ? -errno : -ENOENT;
        }
        return 0;
}

/* A program that was loaded once can be attached at any time. */
static int load_copies(struct collect *collect) {
        struct socktally_bpf *skeleton;
        int r;

        r = collect_open_object(SET(SET_COPIES), 0, &skeleton, NULL, 0);
        if (r < 0)
                return r;
        r = share_maps(collect, skeleton);
        if (r == 0)
                r = socktally_bpf__load(skeleton);
        if (r == 0)
                r = collect_keep_programs(collect, skeleton);
        socktally_bpf__destroy(skeleton);
        return r;
}

static int begin(struct collect *collect) {
        int r = 0;

        if (!collect->has_copies)
                r = load_copies(collect);
        collect->has_copies = r == 0;
        if (r == 0)
                r = collect_attach_sets(collect, SET(SET_COPIES), NULL, 0);
        if (r < 0)
                return r;
        collect->skeleton->bss->copies_epoch++;
        collect->uses_copies = true;
        collect_apply(collect);
        return 0;
}

static void end(struct collect *collect) {
        collect->uses_copies = false;
        collect_apply(collect);
        collect_detach_sets(collect, SET(SET_COPIES));
}

static void read_recovered(const struct collect *collect, uint64_t recovered[2]) {
        for (int dir = 0; dir < 2; dir++)
                recovered[dir] = __atomic_load_n(&collect->skeleton->bss->recovered[dir], __ATOMIC_RELAXED);
}

/* Two counters that move while they are read agree when one of them is the same before and after the other. */
static void read_both(const struct collect *collect, uint64_t skipped[2], uint64_t recovered[2]) {
        uint64_t before[2];

        for (int i = 0; i < READS; i++) {
                read_recovered(collect, before);
                read_skipped(collect, skipped);
                read_recovered(collect, recovered);
                if (memcmp(before, recovered, sizeof(before)) == 0)
                        return;
        }
}

void copies_follow(struct collect *collect) {
        uint64_t skipped[2], recovered[2];
        bool is_quiet;

        read_both(collect, skipped, recovered);
        is_quiet = memcmp(skipped, collect->skipped, sizeof(skipped)) == 0;
        memcpy(collect->skipped, skipped, sizeof(skipped));
        for (int dir = 0; dir < 2; dir++)
                collect->sample.missed[dir] = skipped[dir] > recovered[dir] ? skipped[dir] - recovered[dir] : 0;
        collect->sample.is_missed_exact = collect->method == ATTACH_TRAMPOLINE; /* on functions of inet alone */
        collect->n_quiet = is_quiet ? collect->n_quiet + 1 : 0;
        if (collect->method != ATTACH_TRACEPOINT || !collect->skeleton->rodata->cfg_has_marks)
                return;
        if (!is_quiet && !collect->uses_copies && collect->copies_error == 0)
                collect->copies_error = begin(collect);
        else if (collect->n_quiet >= QUIET_READS && collect->uses_copies)
                end(collect);
}
