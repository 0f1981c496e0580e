/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A flush walks the files of those processes alone that finished a call since the last one, and puts what finished
 * calls have added into the rows. The programs note these processes in a ring (note_active() in bpf/call.bpf.h).
 */
#include <stdlib.h>

#include "daemon/collect/collector-private.h"

/* The processes that have noted themselves since this was last called. Returns how many; more than MAX_ACTIVE: not all
 * are known. */
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

void collect_forget_active(struct collect *collect) {
        uint32_t pids[MAX_ACTIVE];

        (void) take_active(collect, pids);
}

static int compare_pids(const void *a, const void *b) {
        uint32_t left = *(const uint32_t *) a, right = *(const uint32_t *) b;

        return left < right ? -1 : left > right;
}

static int walk_some(struct collect *collect, uint32_t *pids, uint32_t n) {
        int r;

        if (collect_are_many(collect, n))
                return collect_walk_files(collect, WALK_FLUSH);
        collect->skeleton->bss->walk = WALK_FLUSH;
        qsort(pids, n, sizeof(*pids), compare_pids);
        for (uint32_t i = 0; i < n; i++) {
                r = i > 0 && pids[i] == pids[i - 1] ? 0 : collect_walk_process(collect, "fold_files", pids[i]);
                if (r < 0)
                        return collect_walk_files(collect, WALK_FLUSH);
        }
        return 0;
}

/* Processes are taken out of the ring before health.rounds, the number of the round, is raised. A process notes itself
 * once in a round. Example: a call adds to a ledger just after the walk has passed it. That is in the new round, so
 * the process is noted again, and the next flush finds the ledger. */
int collect_flush(struct collect *collect) {
        struct socktally_bpf__bss *bss = collect->skeleton->bss;
        uint32_t pids[MAX_ACTIVE], n;

        n = take_active(collect, pids);
        bss->last_seen = (struct process_key) { 0 };
        __atomic_fetch_add(&bss->health.rounds, 1, __ATOMIC_SEQ_CST);
        return n > 0 ? walk_some(collect, pids, n) : 0;
}
