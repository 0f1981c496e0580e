/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is done before the rows are read, so that they have what was moved: a whole pass in each interval while there is
 * little to look at. With more a flush, which finds what finished calls moved, and a part of a pass, which finds the
 * rest: what no finished call explains (a call that still runs, splice(), zero-copy), drops, retransmits, names, and
 * who holds a socket now.
 */
#include <errno.h>

#include "daemon/collect/collector-private.h"

#define LITTLE_WORK 20000 /* in units of pass_work (bpf/scan.bpf.h): some 5 ms */
#define MANY_EXITED 1024  /* rows of processes that have exited: they leave with passes only */

static int fold_all(struct collect *collect) {
        struct socktally_bpf__bss *bss = collect->skeleton->bss;
        int r;

        bss->pass_round = ++bss->health.rounds;
        r = collect_walk_files(collect, WALK_AGAIN);
        if (r == 0)
                r = collect_walk(collect, "fold_tcp");
        return r == 0 ? collect_walk(collect, "fold_udp") : r;
}

int collect_fold(struct collect *collect) {
        int r;

        collect_pass_end(collect);
        r = fold_all(collect); /* finds what has no ledger yet */
        return r < 0 ? r : fold_all(collect);
}

/* Are there processes without a row for which there is room now? Only a pass gives them one. */
static bool is_row_missing(const struct collect *collect) {
        return collect->skeleton->bss->is_table_short && collect->n_used < collect->config.max_processes;
}

/* Does somebody wait for the end of a pass? */
static bool is_pass_awaited(const struct collect *collect) {
        return collect->is_pass_wanted || collect->n_exited > MANY_EXITED || is_row_missing(collect);
}

/* A flush finds nothing in load mode passive: no hook sees calls, so no process is noted as active. */
static bool can_be_in_parts(const struct collect *collect) {
        bool was_pass_made = collect->pass.n_former > 0;

        return was_pass_made && collect_pass_work(collect) >= LITTLE_WORK && collect_mode(collect) != LOAD_PASSIVE;
}

static int gather_in_parts(struct collect *collect) {
        int r = collect_pass_on(collect);

        return r < 0 ? r : collect_flush(collect);
}

int collect_gather(struct collect *collect) {
        int r = -ECANCELED; /* no part was tried */

        collect->skeleton->bss->pass_msec = collect->sample.time_ns / 1000000 | 1;
        if (can_be_in_parts(collect) && !is_pass_awaited(collect))
                r = gather_in_parts(collect);
        if (r < 0) {
                collect_forget_active(collect);
                r = collect_pass(collect);
                collect->is_pass_wanted = r < 0;
        }
        collect->sample.complete_ns = collect_complete_ns(collect);
        return r;
}

void collect_want_pass(struct collect *collect) {
        collect->is_pass_wanted = true;
}
