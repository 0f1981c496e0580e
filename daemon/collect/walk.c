/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The collector's walks over open files and sockets (bpf/scan.bpf.h), and the passes that are made of them. What they
 * need to know beside it: which sockets are younger than the daemon.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "daemon/clock.h"
#include "daemon/collect/collector-private.h"

#define INODE_BATCH 1024 /* LAST_INO_BATCH in the kernel's fs/inode.c */
#define INODE_TRIES (4 * INODE_BATCH)
#define EXCESS_PASSES 8

static int link_of(const struct collect *collect, const char *program) {
        const struct hook *hooks;
        size_t n = collect_hook_table(&hooks);

        for (size_t i = 0; i < n; i++)
                if (strcmp(hooks[i].program, program) == 0)
                        return collect->links[i];
        return -1;
}

int collect_walk(const struct collect *collect, const char *program) {
        int link = link_of(collect, program), fd, r;
        char buffer[64];
        ssize_t n;

        if (link < 0)
                return 0;
        fd = bpf_iter_create(link);
        if (fd < 0)
                return -errno;
        /* The programs print nothing: a read returns when all is walked, or after a million objects with EAGAIN. */
        do
                n = read(fd, buffer, sizeof(buffer));
        while (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)));
        r = n < 0 ? -errno : 0;
        close(fd);
        return r;
}

/* The number that the kernel gives to a new socket's inode; 0: not known. */
static uint64_t new_inode(void) {
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        struct stat status = { 0 };

        if (fd < 0)
                return 0;
        (void) fstat(fd, &status);
        close(fd);
        return status.st_ino;
}

/* Each processor takes the numbers in batches from a counter. The first of a new batch tells where that counter was,
 * and what begins behind this batch has been given to nobody yet. */
void collect_note_inodes(struct collect *collect) {
        collect->skeleton->data->first_young_inode = UINT64_MAX;
        collect->skeleton->bss->is_youth_no_proof = false;
        for (int i = 0; i < INODE_TRIES; i++) {
                uint64_t number = new_inode();

                if (number % INODE_BATCH == 1) {
                        collect->skeleton->data->first_young_inode = number + INODE_BATCH - 1;
                        return;
                }
        }
}

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

/* The owner of a socket does not ask for a row with each call. Who lost his because the table was too small gets one
 * again from this look at the open files, when there is room. */
static int scan(struct collect *collect) {
        struct socktally_bpf__bss *bss = collect->skeleton->bss;
        uint64_t before = __atomic_load_n(&bss->health.rows_overflowed, __ATOMIC_RELAXED);
        int r;

        bss->is_row_wanted = bss->is_table_short && collect->n_used < collect->config.max_processes;
        r = collect_walk(collect, "scan_files");
        if (r == 0 && bss->is_row_wanted && __atomic_load_n(&bss->health.rows_overflowed, __ATOMIC_RELAXED) == before)
                bss->is_table_short = false;
        bss->is_row_wanted = false;
        return r;
}

static int walk_all(const struct collect *collect) {
        int r;

        collect->skeleton->bss->health.passes++; /* each ledger once */
        r = collect_walk(collect, "fold_files");
        if (r == 0)
                r = collect_walk(collect, "fold_tcp");
        return r == 0 ? collect_walk(collect, "fold_udp") : r;
}

int collect_fold(const struct collect *collect) {
        int r = walk_all(collect); /* finds what has no ledger yet */

        return r < 0 ? r : walk_all(collect);
}

/* A pass counts when all of its walks have reached their end. Else what they did not meet would be taken for gone. */
int collect_pass(struct collect *collect) {
        struct socktally_bpf__bss *bss = collect->skeleton->bss;
        uint64_t tracked = __atomic_load_n(&bss->health.sockets_tracked, __ATOMIC_RELAXED);
        int r;

        if (bss->pass_number == 0) /* what was never met has 0 */
                bss->pass_number = 1;
        bss->pass_msec = clock_ns(CLOCK_BOOTTIME) / 1000000 | 1;
        bss->pass_sockets = 0;
        bss->last_seen = bss->last_named = (struct process_key) { 0 };
        r = scan(collect);
        if (r == 0)
                r = walk_all(collect);
        if (r < 0)
                return r;
        bss->pass_number++;
        if (collect->attached & SET(SET_FILES))
                correct_tracked(collect, tracked);
        return 0;
}
