/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The collector's walks over open files and sockets (bpf/scan.bpf.h), and what they need to know: which sockets are
 * younger than the daemon.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "daemon/clock.h"
#include "daemon/collect/collector-private.h"

#define INODE_BATCH 1024 /* LAST_INO_BATCH in the kernel's fs/inode.c */
#define INODE_TRIES (4 * INODE_BATCH)
#define INODE_PATIENCE_NS 20000000

/* Of a program in the table of hooks; -1: this build has none of that name. */
static int program_number(const char *program) {
        const struct hook *hooks;
        size_t n = collect_hook_table(&hooks);

        for (size_t i = 0; i < n; i++)
                if (strcmp(hooks[i].program, program) == 0)
                        return (int) i;
        return -1;
}

/* -1: its set is not attached. */
static int link_of(const struct collect *collect, const char *program) {
        int number = program_number(program);

        return number < 0 ? -1 : collect->links[number];
}

static int begin_walk(int link) {
        int walk = bpf_iter_create(link);

        return walk < 0 ? -errno : walk;
}

/* A read returns when all is walked, when the program pauses (count_file() in bpf/scan.bpf.h), which is the byte that
 * is read, or after a million objects with EAGAIN. */
int collect_walk_on(int walk) {
        char nothing;
        ssize_t n;

        do
                n = read(walk, &nothing, sizeof(nothing));
        while (n < 0 && (errno == EAGAIN || errno == EINTR));
        return n < 0 ? -errno : (int) n;
}

static int walk_to_end(int walk) {
        int r;

        if (walk < 0)
                return walk;
        do
                r = collect_walk_on(walk);
        while (r > 0);
        close(walk);
        return r;
}

int collect_walk_begin(const struct collect *collect, const char *program) {
        int link = link_of(collect, program);

        return link < 0 ? -ENOENT : begin_walk(link);
}

int collect_walk(const struct collect *collect, const char *program) {
        int link = link_of(collect, program);

        return link < 0 ? 0 : walk_to_end(begin_walk(link));
}

int collect_walk_files(const struct collect *collect, enum walk walk) {
        collect->skeleton->bss->walk = walk;
        return collect_walk(collect, "fold_files");
}

bool collect_are_many(const struct collect *collect, uint32_t n) {
        if (n == 0)
                return false;
        return n > collect->n_used / 4 || n > MAX_ACTIVE || collect->skeleton->rodata->cfg_pidns_inode;
}

int collect_walk_process(const struct collect *collect, const char *program, uint32_t pid) {
        union bpf_iter_link_info info = { .task.pid = pid };
        LIBBPF_OPTS(bpf_link_create_opts, options, .iter_info = &info, .iter_info_len = sizeof(info));
        int number = program_number(program), link, r;

        if (number < 0 || collect->links[number] < 0)
                return 0;
        link = bpf_link_create(collect->programs[number], 0, BPF_TRACE_ITER, &options);
        if (link < 0)
                return -errno;
        r = walk_to_end(begin_walk(link));
        close(link);
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

/* A processor takes the numbers in batches from a counter. The first of a new batch: what has a higher number will be
 * younger than now, on each processor. 0: not known. */
static uint64_t begin_batch(void) {
        uint64_t number;

        for (int i = 0; i < INODE_TRIES; i++) {
                number = new_inode();
                if (number % INODE_BATCH == 1)
                        return number;
        }
        return 0;
}

/* Uses up the old batches of other processors: what they give out of those is young, too, but has a lower number. */
static void end_old_batches(uint64_t first) {
        uint64_t end = clock_ns(CLOCK_MONOTONIC) + INODE_PATIENCE_NS;
        cpu_set_t all, one;

        if (sched_getaffinity(0, sizeof(all), &all) < 0)
                return;
        for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
                if (!CPU_ISSET(cpu, &all))
                        continue;
                CPU_ZERO(&one);
                CPU_SET(cpu, &one);
                if (sched_setaffinity(0, sizeof(one), &one) < 0)
                        break;
                for (int i = 0; i < INODE_BATCH && new_inode() < first; i++)
                        continue;
                if (clock_ns(CLOCK_MONOTONIC) > end)
                        break;
        }
        (void) sched_setaffinity(0, sizeof(all), &all);
}

void collect_note_inodes(struct collect *collect) {
        uint64_t first;

        collect->skeleton->data->first_young_inode = UINT64_MAX;
        collect->skeleton->bss->is_youth_no_proof = false;
        first = begin_batch();
        if (first == 0)
                return;
        end_old_batches(first);
        collect->skeleton->data->first_young_inode = first;
}
