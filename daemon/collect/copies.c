/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Calls that the kernel skipped the programs for (bpf/copies.bpf.h): how many there were, and the copies that stand in
 * for what is skipped. Copies are loaded when the first call was missed, attached while calls are missed, and detached
 * when that has been quiet for a while, so that nobody pays for them who loses nothing.
 *
 * What is missed is known from two counters: how often the kernel skipped the program that counts what it sees, and how
 * often a later copy stood in. By trampoline that program is another one while copies count. By tracepoint the calls
 * are those of all address families, so it is an upper bound for inet sockets.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "daemon/clock.h"
#include "daemon/collect/collector-private.h"

#define QUIET_READS 30 /* reads without a skipped call before the copies leave, and as many until they have left */
#define READ_TRIES 10  /* of two counters that move, see read_both() */
#define LOAD_USEC 2000000 /* how long one read may load copies before it leaves the rest to the next one */

/* How often the kernel skipped programs since they were loaded, by direction. */
struct misses {
        uint64_t alone[2];    /* those of which there are no copies */
        uint64_t original[2]; /* those that count while no copies do ... */
        uint64_t first[2];    /* ... and those that count while copies do; by tracepoint they are the same */
};

/* Does a call or a connection stay uncounted when the kernel skips this hook? Each send and receive does. What the
 * hooks of TCP's states are skipped for is found at the last close, if there is a hook for that, which is never
 * skipped. */
static bool is_loss(const struct collect *collect, const struct hook *hook) {
        if (SET(hook->set) & (SETS_CALLS | SETS_COPIES))
                return true;
        return hook->set == SET_TCP_LIFE && collect->skeleton->data->switches & SWITCH_UNSEEN_RELEASE;
}

/* Adds how often the kernel skipped one program. */
static void add_misses(struct misses *misses, const struct hook *hook, uint64_t n) {
        for (unsigned dir = 0; dir < 2; dir++) {
                if (!(hook->directions & 1U << dir))
                        continue;
                if (hook->copy == 0)
                        misses->alone[dir] += n;
                else if (SET(hook->set) & SETS_CALLS)
                        misses->original[dir] += n;
                if (hook->copy == 1)
                        misses->first[dir] += n;
        }
}

static void read_misses(const struct collect *collect, struct misses *ret_misses) {
        const struct hook *hooks;
        size_t n = collect_hook_table(&hooks);

        memset(ret_misses, 0, sizeof(*ret_misses));
        for (size_t i = 0; i < n; i++) {
                struct bpf_prog_info info = { 0 };
                __u32 size = sizeof(info);

                if (collect->programs[i] >= 0 && is_loss(collect, &hooks[i]) &&
                    bpf_obj_get_info_by_fd(collect->programs[i], &info, &size) == 0)
                        add_misses(ret_misses, &hooks[i], info.recursion_misses);
        }
}

/* Of the programs that have copies, those whose skips are calls that nobody has counted yet: number 1 while copies
 * count, else the original. */
static const uint64_t *deciding(const struct misses *misses, uint64_t copies) {
        return copies == SWITCH_COPIES ? misses->first : misses->original;
}

static unsigned sets_of_copies(const struct collect *collect) {
        return collect->method == ATTACH_TRACEPOINT ? SET(SET_COPIES) : SET(SET_UDP_COPIES);
}

/* Copies begin or stop to count. From then on the skips of another program are the missed calls (deciding()). The
 * difference between the two counters goes into missed_before, so that the published number goes on from where it was.
 * A call that is skipped between the two reads may be counted twice. */
static void switch_copies(struct collect *collect, uint64_t copies) {
        uint64_t former = collect->copies;
        struct misses before, after;

        read_misses(collect, &before);
        collect->copies = copies;
        collect_apply(collect);
        read_misses(collect, &after);
        if (collect->method == ATTACH_TRAMPOLINE && (former == SWITCH_COPIES) != (copies == SWITCH_COPIES))
                for (int dir = 0; dir < 2; dir++)
                        collect->skeleton->bss->missed_before[dir] +=
                                deciding(&after, former)[dir] - deciding(&before, copies)[dir];
        memcpy(collect->skipped, deciding(&after, copies), sizeof(collect->skipped));
        collect->n_quiet = collect->n_reads = 0;
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

static int load_copy(struct collect *collect, unsigned sets, size_t number) {
        struct socktally_bpf *skeleton;
        int r;

        r = collect_open_object(sets, ~(UINT64_C(1) << number), &skeleton, NULL, 0);
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

/* Loads the programs of the copies, each once for the life of the collector. -EAGAIN: some are left for the next
 * read, so that publications and the watchdog do not wait for a slow verifier. */
static int load_copies(struct collect *collect) {
        unsigned sets = sets_of_copies(collect);
        uint64_t begun = clock_usec(CLOCK_MONOTONIC);
        const struct hook *hooks;
        size_t n = collect_hook_table(&hooks);
        int r;

        for (size_t i = 0; i < n; i++) {
                if (!(sets & SET(hooks[i].set)) || collect->copies_loaded >> i & 1)
                        continue;
                if (clock_usec(CLOCK_MONOTONIC) - begun > LOAD_USEC)
                        return -EAGAIN;
                r = load_copy(collect, sets, i);
                if (r < 0)
                        return r;
                collect->copies_loaded |= UINT64_C(1) << i;
        }
        return 0;
}

/* Can copies be attached? By trampoline only beside their originals: with module udp off there are none. */
static bool can_begin(const struct collect *collect) {
        if (collect->copies_error < 0)
                return false;
        if (collect->method == ATTACH_TRACEPOINT)
                return !collect->lacks_marks;
        return collect->attached & SET(SET_UDP_CALLS);
}

static int begin_copies(struct collect *collect) {
        int r = load_copies(collect);

        if (r == 0)
                r = collect_attach_sets(collect, sets_of_copies(collect), NULL, 0);
        if (r < 0)
                return r;
        collect->skeleton->bss->copies_epoch++;
        switch_copies(collect, SWITCH_COPIES);
        return 0;
}

void copies_end(struct collect *collect) {
        if (collect->copies == SWITCH_COPIES)
                switch_copies(collect, SWITCH_COPIES | SWITCH_LEAVING);
        collect_detach_sets(collect, sets_of_copies(collect));
}

/* Empties the table of marks, while no program reads or makes any. */
static void clear_marks(const struct collect *collect) {
        int fd = bpf_map__fd(collect->skeleton->maps.marks);
        uint32_t task, next;
        bool is_last = bpf_map_get_next_key(fd, NULL, &next) < 0;

        while (!is_last) {
                task = next;
                is_last = bpf_map_get_next_key(fd, &task, &next) < 0;
                (void) bpf_map_delete_elem(fd, &task);
        }
        collect->skeleton->bss->is_marks_full = false;
}

void copies_adopt(struct collect *collect) {
        const struct hook *hooks;
        size_t n = collect_hook_table(&hooks);

        for (size_t i = 0; i < n; i++)
                if (SET(hooks[i].set) & SETS_COPIES && collect->programs[i] >= 0)
                        collect->copies_loaded |= UINT64_C(1) << i;
        collect->copies = collect->skeleton->data->switches & (SWITCH_COPIES | SWITCH_LEAVING);
        /* Their links were not stored when the daemon before ended: the kernel has detached them. */
        if (collect->copies == SWITCH_COPIES && !(collect->attached & SETS_COPIES))
                copies_end(collect);
}

static void read_recovered(const struct collect *collect, uint64_t recovered[2]) {
        for (int dir = 0; dir < 2; dir++)
                recovered[dir] = __atomic_load_n(&collect->skeleton->bss->recovered[dir], __ATOMIC_RELAXED);
}

/* Two counters that move while they are read agree when one of them is the same before and after the other. */
static void read_both(const struct collect *collect, struct misses *ret_misses, uint64_t recovered[2]) {
        uint64_t before[2];

        for (int i = 0; i < READ_TRIES; i++) {
                read_recovered(collect, before);
                read_misses(collect, ret_misses);
                read_recovered(collect, recovered);
                if (memcmp(before, recovered, sizeof(before)) == 0)
                        return;
        }
}

/* Counts what was missed until now. Returns whether it is quiet: no call was skipped since the last read that copies
 * could have recovered. */
static bool note_misses(struct collect *collect) {
        const struct socktally_bpf__bss *bss = collect->skeleton->bss;
        uint64_t recovered[2];
        struct misses misses;
        const uint64_t *skipped;
        bool is_quiet;

        read_both(collect, &misses, recovered);
        skipped = deciding(&misses, collect->copies);
        is_quiet = memcmp(skipped, collect->skipped, sizeof(collect->skipped)) == 0;
        memcpy(collect->skipped, skipped, sizeof(collect->skipped));
        for (int dir = 0; dir < 2; dir++) {
                int64_t n = (int64_t) (bss->missed_before[dir] + misses.alone[dir] + skipped[dir] - recovered[dir] +
                                       bss->unsure[dir] + bss->unmarked[dir]);

                collect->sample.missed[dir] = n > 0 ? (uint64_t) n : 0;
        }
        /* By trampoline all skipped calls are on inet sockets. After switch_copies() some may be counted twice. */
        collect->sample.is_missed_exact = collect->method == ATTACH_TRAMPOLINE && bss->copies_epoch == 0;
        return is_quiet;
}

void copies_follow(struct collect *collect) {
        bool is_full = collect->skeleton->bss->is_marks_full, is_quiet = note_misses(collect);
        int r;

        collect->n_quiet = is_quiet ? collect->n_quiet + 1 : 0;
        collect->n_reads++;
        if (collect->copies == SWITCH_COPIES) {
                if (collect->n_quiet >= QUIET_READS || is_full)
                        copies_end(collect);
        } else if (collect->copies && collect->n_reads >= QUIET_READS) {
                switch_copies(collect, 0);
                clear_marks(collect);
        } else if (!is_quiet && !is_full && can_begin(collect)) {
                r = begin_copies(collect);
                collect->copies_error = r == -EAGAIN || r == -EBUSY ? 0 : r; /* their links are still being dropped */
        }
}
