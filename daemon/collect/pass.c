/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Passes and flushes. A pass walks all open files and the sockets of our own network namespace: it finds out who holds
 * which socket, and folds each ledger (bpf/scan.bpf.h). That costs up to a microsecond for each open socket, whether it
 * moves data or not.
 *
 * A flush walks the files of those processes alone that finished a call since the last fold, and puts what finished
 * calls have added into the rows. The rest waits for the next pass: what no finished call explains (a call that still
 * runs, splice(), zero-copy), drops, retransmits, names, and who holds a socket now.
 *
 * Each read makes a pass while there is little to look at. With more, passes become rarer, so that they take no more
 * than 1/300 of a processor, or as much as they need to come every ten seconds.
 */
#include <stdlib.h>

#include "daemon/collect/collector-private.h"

/* So many passes in a row must have met fewer sockets than are tracked, see correct_tracked(). */
#define EXCESS_PASSES 8
#define MANY_EXITED 1024 /* rows of processes that have exited: they leave with passes only */

/* In units of pass_work (bpf/scan.bpf.h), one of which takes about a quarter of a microsecond: some 5 ms, 400 ms. */
#define LITTLE_WORK 20000
#define MUCH_WORK 1600000
#define NS_PER_WORK 250
#define PASS_SHARE 300 /* passes take one part in so many of a processor's time */
#define PASS_LATEST_NS UINT64_C(10000000000)      /* after the last one ... */
#define LONG_PASS_LATEST_NS UINT64_C(30000000000) /* ... with much work */

/* Sockets whose end no hook saw (outside the part of the cgroup tree that we can attach to) must not fill the cap.
 * Only what eight passes in a row did not meet is taken off: sockets come and go while a pass runs. Some are met
 * again, those that no descriptor led to meanwhile. */
static void correct_tracked(struct collect *collect, uint64_t before) {
        struct socktally_bpf__bss *bss = collect->skeleton->bss;
        int64_t excess = (int64_t) (before - bss->pass_sockets);

        if (collect->n_excess == 0 || excess < collect->least_excess)
                collect->least_excess = excess;
        if (++collect->n_excess < EXCESS_PASSES)
                return;
        __atomic_fetch_sub(&bss->health.sockets_tracked, (uint64_t) collect->least_excess, __ATOMIC_RELAXED);
        collect->n_excess = 0;
}

/* The walk of a pass. A process that lost its row, because the table was too small, gets one again here when there is
 * room: its calls on sockets that it owns do not ask for a row. */
static int scan(struct collect *collect) {
        struct socktally_bpf__bss *bss = collect->skeleton->bss;
        uint64_t before = __atomic_load_n(&bss->health.rows_overflowed, __ATOMIC_RELAXED);
        int r;

        bss->is_row_wanted = bss->is_table_short && collect->n_used < collect->config.max_processes;
        r = collect_walk_files(collect, WALK_PASS);
        if (r == 0 && bss->is_row_wanted && __atomic_load_n(&bss->health.rows_overflowed, __ATOMIC_RELAXED) == before)
                bss->is_table_short = false;
        bss->is_row_wanted = false;
        return r;
}

int collect_walk_files(const struct collect *collect, enum walk walk) {
        collect->skeleton->bss->walk = walk;
        return collect_walk(collect, "fold_files");
}

/* Sockets that no descriptor leads to. */
static int walk_sockets(const struct collect *collect) {
        int r = collect_walk(collect, "fold_tcp");

        return r == 0 ? collect_walk(collect, "fold_udp") : r;
}

static int fold_all(const struct collect *collect) {
        int r;

        collect->skeleton->bss->health.rounds++; /* each ledger once */
        r = collect_walk_files(collect, WALK_AGAIN);
        return r == 0 ? walk_sockets(collect) : r;
}

int collect_fold(const struct collect *collect) {
        int r = fold_all(collect); /* finds what has no ledger yet */

        return r < 0 ? r : fold_all(collect);
}

/* The processes that have noted themselves as active (note_active() in bpf/call.bpf.h) since this was last called.
 * Returns how many; more than MAX_ACTIVE: not all are known. */
static uint32_t take_active(struct collect *collect, uint32_t *ret_pids) {
        struct socktally_bpf__bss *bss = collect->skeleton->bss;
        uint32_t end = __atomic_load_n(&bss->n_active, __ATOMIC_ACQUIRE), n = 0;

        if (end - collect->active_end > MAX_ACTIVE) {
                collect->active_end = end;
                return MAX_ACTIVE + 1;
        }
        for (; collect->active_end != end; collect->active_end++) {
                uint32_t *note = &bss->active[collect->active_end % MAX_ACTIVE];
                uint32_t pid = __atomic_exchange_n(note, 0, __ATOMIC_ACQ_REL);

                if (pid == 0) /* is being written now */
                        break;
                ret_pids[n++] = pid;
        }
        return n;
}

static int compare_pids(const void *a, const void *b) {
        uint32_t left = *(const uint32_t *) a, right = *(const uint32_t *) b;

        return left < right ? -1 : left > right;
}

/* The files of some processes, or all files: if those are many, before the kernel had walks over one process (Linux
 * 6.1), and inside a PID namespace, where the numbers of processes are others. */
static int walk_some(struct collect *collect, enum walk walk, uint32_t *pids, uint32_t n) {
        int r;

        collect->skeleton->bss->walk = walk;
        if (n > collect->n_used / 4 || n > MAX_ACTIVE || collect->skeleton->rodata->cfg_pidns_inode)
                return collect_walk(collect, "fold_files");
        qsort(pids, n, sizeof(*pids), compare_pids);
        for (uint32_t i = 0; i < n; i++) {
                r = i > 0 && pids[i] == pids[i - 1] ? 0 : collect_walk_process(collect, "fold_files", pids[i]);
                if (r < 0)
                        return collect_walk(collect, "fold_files");
        }
        return 0;
}

/* Processes are taken out of the ring before health.rounds, the number of the round, is raised. A process notes itself
 * once in a round. Example: a call adds to a ledger just after the walk has passed it. That is in the new round, so
 * the process is noted again, and the next flush finds the ledger. */
static int flush(struct collect *collect) {
        struct socktally_bpf__bss *bss = collect->skeleton->bss;
        uint32_t pids[MAX_ACTIVE], n;

        n = take_active(collect, pids);
        bss->last_seen = (struct process_key) { 0 };
        __atomic_fetch_add(&bss->health.rounds, 1, __ATOMIC_SEQ_CST);
        return n > 0 ? walk_some(collect, WALK_FLUSH, pids, n) : 0;
}

/* How long after a pass the next one is due. */
static uint64_t time_to_next(uint64_t work) {
        uint64_t latest = work > MUCH_WORK ? LONG_PASS_LATEST_NS : PASS_LATEST_NS;
        uint64_t time = work * NS_PER_WORK * PASS_SHARE;

        if (work < LITTLE_WORK)
                return 0;
        return time < latest ? time : latest;
}

/* A pass counts when all of its walks have reached their end. Else what they did not meet would be taken for gone. */
static int pass(struct collect *collect, uint64_t now) {
        struct socktally_bpf__bss *bss = collect->skeleton->bss;
        uint64_t tracked = __atomic_load_n(&bss->health.sockets_tracked, __ATOMIC_RELAXED);
        uint32_t pids[MAX_ACTIVE];
        int r;

        collect->is_pass_wanted = true;
        (void) take_active(collect, pids);
        if (bss->pass_number == 0) /* what was never met has 0 */
                bss->pass_number = 1;
        bss->pass_sockets = bss->pass_work = 0;
        bss->last_seen = bss->last_named = (struct process_key) { 0 };
        bss->n_again = 0;
        bss->health.rounds++; /* each ledger once */
        r = scan(collect);
        if (r == 0 && bss->n_again > 0)
                r = walk_some(collect, WALK_AGAIN, bss->again, bss->n_again);
        if (r == 0)
                r = walk_sockets(collect);
        if (r < 0)
                return r;
        bss->pass_number++;
        if (collect->attached & SET(SET_FILES))
                correct_tracked(collect, tracked);
        collect->is_pass_wanted = false;
        collect->sample.pass_time_ns = now;
        collect->next_pass_ns = now + time_to_next(bss->pass_work);
        return 0;
}

/* There is room for processes that lost their row, which a pass gives them. */
static bool is_row_missing(const struct collect *collect) {
        return collect->skeleton->bss->is_table_short && collect->n_used < collect->config.max_processes;
}

/* In load mode passive each read makes a pass: no hook sees calls, so no process is noted as active. */
static bool is_pass_due(const struct collect *collect, uint64_t now) {
        return collect->is_pass_wanted || now >= collect->next_pass_ns || collect->n_exited > MANY_EXITED ||
               is_row_missing(collect) || collect_mode(collect) == LOAD_PASSIVE;
}

int collect_gather(struct collect *collect) {
        uint64_t now = collect->sample.time_ns;

        collect->skeleton->bss->pass_msec = now / 1000000 | 1;
        if (!is_pass_due(collect, now) && flush(collect) == 0)
                return 0;
        return pass(collect, now);
}

void collect_want_pass(struct collect *collect) {
        collect->is_pass_wanted = true;
}
