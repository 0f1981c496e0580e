/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A pass walks all open files, and the sockets of our own network namespace that no descriptor leads to: it finds out
 * who holds which socket, and folds each ledger (bpf/scan.bpf.h). That costs up to a microsecond for each open socket,
 * whether it moves data or not. So with many sockets a pass is made in parts, one in each interval. The parts take
 * 1/300 of a processor, or more if a pass could not begin every nine seconds else (every 28 with more than MUCH_WORK).
 * Between two parts descriptors may change hands.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "daemon/collect/collector-private.h"

/* So many passes in a row must have met fewer sockets than are counted, see correct(). */
#define EXCESS_PASSES 8

/* In units of pass_work (bpf/scan.bpf.h), one of which takes about a quarter of a microsecond: 400 ms. */
#define MUCH_WORK 1600000
#define NS_PER_WORK 250
#define PASS_SHARE 300 /* passes take one part in so many of a processor's time */
/* The longest time from the beginning of a pass to that of the next. With intervals of a second it is less than ten
 * seconds, and thirty, from one look at a socket to the next. */
#define LONGEST_NS UINT64_C(9000000000)
#define LONGEST_WITH_MUCH_WORK_NS UINT64_C(28000000000)

/* Sockets whose end no hook saw (outside the part of the cgroup tree that we can attach to) must not fill the cap. What
 * each of eight passes in a row did not meet is taken off their counter. What each of them met beyond the counter is
 * added: sockets that were taken off while no descriptor led to them. Both numbers are the smallest of the eight, as
 * sockets come and go while a pass runs. */
static void correct(__u64 *counter, struct excess *excess, uint64_t n_before, uint64_t n_met) {
        int64_t n = (int64_t) (n_before - n_met);

        if (excess->n_passes == 0)
                excess->least = excess->most = n;
        if (n < excess->least)
                excess->least = n;
        if (n > excess->most)
                excess->most = n;
        if (++excess->n_passes < EXCESS_PASSES)
                return;
        if (excess->least > 0)
                __atomic_fetch_sub(counter, (uint64_t) excess->least, __ATOMIC_RELAXED);
        else if (excess->most < 0)
                __atomic_fetch_sub(counter, (uint64_t) excess->most, __ATOMIC_RELAXED);
        excess->n_passes = 0;
}

static void correct_counters(struct collect *collect) {
        struct socktally_bpf__bss *bss = collect->skeleton->bss;
        struct pass *pass = &collect->pass;

        if (!(collect->attached & SET(SET_FILES)))
                return;
        correct(&bss->health.sockets_tracked, &pass->tracked_excess, pass->n_tracked, bss->pass_sockets);
        correct(&bss->sockets_uncapped, &pass->uncapped_excess, pass->n_uncapped, bss->pass_uncapped);
}

static uint64_t n_tracked(const struct collect *collect) {
        return __atomic_load_n(&collect->skeleton->bss->health.sockets_tracked, __ATOMIC_RELAXED);
}

static uint64_t n_overflowed(const struct collect *collect) {
        return __atomic_load_n(&collect->skeleton->bss->health.rows_overflowed, __ATOMIC_RELAXED);
}

/* The time from the beginning of a pass of so much work to that of the next. */
static uint64_t period_of(uint64_t work) {
        uint64_t longest = work > MUCH_WORK ? LONGEST_WITH_MUCH_WORK_NS : LONGEST_NS;
        uint64_t period = work * NS_PER_WORK * PASS_SHARE;

        return period < longest ? period : longest;
}

void collect_pass_end(struct collect *collect) {
        struct pass *pass = &collect->pass;

        if (pass->walk >= 0)
                close(pass->walk);
        pass->walk = -1;
        pass->stage = PASS_NONE;
}

static void begin(struct collect *collect, uint64_t now) {
        struct socktally_bpf__bss *bss = collect->skeleton->bss;
        struct pass *pass = &collect->pass;

        collect_pass_end(collect);
        if (bss->pass_number == 0) /* what was never met has 0 */
                bss->pass_number = 1;
        bss->pass_sockets = bss->pass_uncapped = bss->pass_work = 0;
        bss->last_seen = bss->last_named = (struct process_key) { 0 };
        bss->n_again = bss->pass_place = 0;
        bss->pass_round = ++bss->health.rounds;
        pass->stage = PASS_FILES;
        pass->begin_ns = now;
        pass->n_tracked = n_tracked(collect);
        pass->n_uncapped = __atomic_load_n(&bss->sockets_uncapped, __ATOMIC_RELAXED);
        pass->n_overflowed = n_overflowed(collect);
        pass->n_walked = pass->n_waypoints = 0;
        pass->is_row_wanted = bss->is_table_short && collect->n_used < collect->config.max_processes;
}

/* Walks over all files. Returns 1 if the program has paused, 0 if it has met all. */
static int walk_all(struct collect *collect, enum walk walk) {
        struct pass *pass = &collect->pass;
        int r;

        collect->skeleton->bss->walk = walk;
        if (pass->walk < 0)
                pass->walk = collect_walk_begin(collect, "fold_files");
        if (pass->walk < 0)
                return pass->walk == -ENOENT ? 0 : pass->walk;
        r = collect_walk_on(pass->walk);
        if (r == 0) {
                close(pass->walk);
                pass->walk = -1;
        }
        return r;
}

/* A process that lost its row, because the table was too small, gets one again here when there is room: its calls on
 * sockets that it owns do not ask for a row. */
static int walk_files(struct collect *collect, uint64_t limit) {
        struct socktally_bpf__bss *bss = collect->skeleton->bss;
        struct pass *pass = &collect->pass;
        int r;

        bss->is_row_wanted = pass->is_row_wanted;
        r = walk_all(collect, WALK_PASS);
        bss->is_row_wanted = false;
        if (r == 0 && pass->is_row_wanted && n_overflowed(collect) == pass->n_overflowed)
                bss->is_table_short = false;
        return r;
}

/* Folds what may be shared: in the files of the noted processes, or in all files if they are too many. */
static int walk_again(struct collect *collect, uint64_t limit) {
        struct socktally_bpf__bss *bss = collect->skeleton->bss;
        struct pass *pass = &collect->pass;

        if (collect_are_many(collect, bss->n_again))
                return walk_all(collect, WALK_AGAIN);
        bss->walk = WALK_AGAIN;
        while (pass->n_walked < bss->n_again) {
                if (collect_walk_process(collect, "fold_files", bss->again[pass->n_walked++]) < 0) {
                        bss->n_again = MAX_ACTIVE + 1; /* all, then */
                        return walk_all(collect, WALK_AGAIN);
                }
                if (bss->pass_work >= limit)
                        return 1;
        }
        return 0;
}

/* Have the walks over files met fewer ledgers than there are? Then no descriptor leads to some of their sockets, which
 * a walk over the kernel's tables of sockets meets. That takes milliseconds even if the tables are empty. */
static bool has_unmet(const struct collect *collect) {
        const struct socktally_bpf__bss *bss = collect->skeleton->bss;

        return collect->pass.n_tracked > bss->pass_sockets || collect->pass.n_uncapped > bss->pass_uncapped;
}

static int walk_sockets(struct collect *collect, uint64_t limit) {
        int r;

        if (collect->attached & SET(SET_FILES) && !has_unmet(collect))
                return 0;
        r = collect_walk(collect, "fold_tcp");
        return r == 0 ? collect_walk(collect, "fold_udp") : r;
}

/* A pass counts when all of its walks have reached their end. Else what they did not meet would be taken for gone. */
static void finish(struct collect *collect) {
        struct socktally_bpf__bss *bss = collect->skeleton->bss;
        struct pass *pass = &collect->pass;

        bss->pass_number++;
        correct_counters(collect);
        pass->work = bss->pass_work;
        /* After a pass that was made at once the next one, which may be made in parts, begins at once. */
        pass->next_ns = pass->last_ns > pass->begin_ns ? pass->begin_ns + period_of(pass->work) : 0;
        memcpy(pass->former, pass->waypoints, sizeof(pass->former));
        pass->n_former = pass->n_waypoints;
}

/* The number of the process, or thread with files of its own, that the pass under way has come to. */
static uint32_t place(const struct collect *collect) {
        switch (collect->pass.stage) {
        case PASS_FILES: return collect->skeleton->bss->pass_place;
        case PASS_AGAIN:
        case PASS_SOCKETS: return UINT32_MAX;
        case PASS_NONE: break;
        }
        return 0;
}

/* The number below which the pass under way has folded the files of all processes; 0: not known. Those to walk again
 * are folded last. */
static uint32_t folded_place(const struct collect *collect) {
        const struct socktally_bpf__bss *bss = collect->skeleton->bss;
        uint32_t folded = place(collect);

        if (collect->pass.stage == PASS_NONE || bss->n_again > MAX_ACTIVE)
                return 0;
        for (uint32_t i = 0; i < bss->n_again; i++)
                if (bss->again[i] < folded)
                        folded = bss->again[i];
        return folded;
}

/* Notes where this part begins. Waypoints are so far apart that half of them are left for a pass that takes longer than
 * it should. */
static void note_waypoint(struct collect *collect, uint64_t now) {
        struct pass *pass = &collect->pass;
        uint64_t distance = period_of(pass->work) / (MAX_WAYPOINTS / 2);
        uint64_t due = pass->n_waypoints == 0 ? 0 : pass->waypoints[pass->n_waypoints - 1].time_ns + distance;

        if (now >= due && pass->n_waypoints < MAX_WAYPOINTS)
                pass->waypoints[pass->n_waypoints++] = (struct waypoint) { .time_ns = now, .pid = place(collect) };
}

/* Makes the pass, as far as the limit of work. Returns 1 if it is not over then, 0 if it is. */
static int go_on(struct collect *collect, uint64_t now, uint64_t limit) {
        static int (*const steps[])(struct collect *collect, uint64_t limit) = {
                [PASS_FILES] = walk_files,
                [PASS_AGAIN] = walk_again,
                [PASS_SOCKETS] = walk_sockets,
        };
        struct pass *pass = &collect->pass;
        int r = 0;

        note_waypoint(collect, now);
        collect->skeleton->data->pass_pause = limit;
        while (r == 0 && pass->stage != PASS_NONE) {
                r = steps[pass->stage](collect, limit);
                if (r == 0)
                        pass->stage = pass->stage == PASS_SOCKETS ? PASS_NONE : pass->stage + 1;
        }
        collect->skeleton->data->pass_pause = UINT64_MAX;
        if (r == 0)
                finish(collect);
        if (r < 0)
                collect_pass_end(collect);
        return r;
}

int collect_pass(struct collect *collect) {
        uint64_t now = collect->sample.time_ns;

        begin(collect, now);
        collect->pass.last_ns = now;
        return go_on(collect, now, UINT64_MAX);
}

/* How much work is done in this interval, so that the pass ends in time. There may be more than was estimated: at the
 * end of its time the pass is brought to its end at once. */
static uint64_t part_of(const struct collect *collect, uint64_t work, uint64_t now) {
        const struct pass *pass = &collect->pass;
        uint64_t period = period_of(work), part = work * ((now - pass->last_ns) / 1000) / (period / 1000);

        return now - pass->begin_ns >= period ? UINT64_MAX / 2 : part + part / 8;
}

uint64_t collect_pass_work(const struct collect *collect) {
        uint64_t work = n_tracked(collect) * (1 + WORK_SOCKET);

        return work > collect->pass.work ? work : collect->pass.work;
}

int collect_pass_on(struct collect *collect) {
        uint64_t now = collect->sample.time_ns, part;
        struct pass *pass = &collect->pass;
        int r = 0;

        if (pass->stage == PASS_NONE && now >= pass->next_ns)
                begin(collect, now);
        part = part_of(collect, collect_pass_work(collect), now);
        pass->last_ns = now;
        if (pass->stage != PASS_NONE)
                r = go_on(collect, now, collect->skeleton->bss->pass_work + part);
        return r < 0 ? r : 0;
}

/* What the pass under way has not met yet was met by the last one, when it had come as far or later. Not so inside a
 * PID namespace, where the numbers of processes are others. What was complete once stays so. */
uint64_t collect_complete_ns(const struct collect *collect) {
        const struct pass *pass = &collect->pass;
        uint64_t complete = pass->former[0].time_ns;
        uint32_t reached = collect->skeleton->rodata->cfg_pidns_inode ? 0 : folded_place(collect);

        for (uint32_t i = 1; i < pass->n_former && pass->former[i].pid < reached; i++)
                complete = pass->former[i].time_ns;
        return complete > collect->sample.complete_ns ? complete : collect->sample.complete_ns;
}
