/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two names in the store: the kernel's maps, programs and links, in whatever order the manager has them, and a file in
 * memory with the totals and what the descriptors are. See sd_notify(3), FDSTORE=1; the manager must not poll maps,
 * which answer with an error, as it drops what does.
 *
 * The manager has them all the time, so that nothing is lost when the daemon is killed. The file is written after each
 * publication, and says that it is not valid from before the next look at the kernel until it is written again: rows
 * that the kernel gave up in between are in nobody's totals yet. Who finds it so begins anew.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "daemon/aggregate.h"
#include "daemon/identify.h"
#include "daemon/keep.h"

#define STATE "socktally-state"
#define KERNEL "socktally-kernel"
#define MAGIC UINT64_C(0x3170656b6c746b73) /* in front; what follows tells its own sizes */
#define ANSWER_USEC (2 * UINT64_C(1000000))

struct front {
        uint64_t is_valid, magic, size, sequence;
        bool has_kernel;
        struct collect_kept kernel;
};

bool keep_take(struct keep *keep, const char *name, int fd) {
        if (strcmp(name, STATE) == 0 && !keep->state) {
                keep->state = fdopen(fd, "r");
                return keep->state;
        }
        if (strcmp(name, KERNEL) == 0 && keep->n_fds < COLLECT_KEPT_FDS) {
                keep->fds[keep->n_fds++] = fd;
                return true;
        }
        return false;
}

void keep_open(struct keep *keep) {
        struct front front;

        if (!keep->state)
                return;
        rewind(keep->state);
        if (fread(&front, sizeof front, 1, keep->state) == 1 && front.is_valid &&
            front.magic == MAGIC && front.size == sizeof front) {
                keep->sequence = front.sequence;
                keep->has_kernel = front.has_kernel;
                keep->kernel = front.kernel;
                return;
        }
        fclose(keep->state);
        keep->state = NULL;
}

void keep_close(struct keep *keep, bool is_used) {
        uint64_t is_valid = 0;

        /* What is in the file is not so any more, whatever becomes of it. */
        if (keep->state && is_used)
                (void) !pwrite(fileno(keep->state), &is_valid, sizeof is_valid, offsetof(struct front, is_valid));
        /* A hook that the manager holds stays attached when it is dropped here. */
        if ((keep->state || keep->n_fds > 0) && is_used) {
                (void) sd_notify(false, "FDSTOREREMOVE=1\nFDNAME=" STATE);
                (void) sd_notify(false, "FDSTOREREMOVE=1\nFDNAME=" KERNEL);
                (void) sd_notify_barrier(false, ANSWER_USEC);
        }
        if (keep->state)
                fclose(keep->state);
        for (size_t i = 0; i < keep->n_fds; i++)
                close(keep->fds[i]);
        keep->state = NULL;
        keep->n_fds = 0;
}

struct keeper {
        FILE *file;
        struct front front;
        uint64_t generation; /* of the collector, when the kernel's side was handed out; 0: it is not */
        bool is_stored; /* the manager has the file */
};

int keeper_new(struct keeper **ret_keeper) {
        struct keeper *keeper = calloc(1, sizeof *keeper);
        int fd = memfd_create(STATE, MFD_CLOEXEC);

        if (keeper && fd >= 0)
                keeper->file = fdopen(fd, "w+");
        if (keeper && keeper->file) {
                keeper->front = (struct front) { .magic = MAGIC, .size = sizeof keeper->front };
                *ret_keeper = keeper;
                return 0;
        }
        if (fd >= 0)
                close(fd);
        free(keeper);
        return -ENOMEM;
}

struct keeper *keeper_free(struct keeper *keeper) {
        if (keeper)
                fclose(keeper->file);
        free(keeper);
        return NULL;
}

static int set_valid(struct keeper *keeper, bool is_valid) {
        keeper->front.is_valid = is_valid;
        return pwrite(fileno(keeper->file), &keeper->front.is_valid, sizeof keeper->front.is_valid,
                      offsetof(struct front, is_valid)) < 0 ? -errno : 0;
}

void keeper_begin(struct keeper *keeper) {
        if (keeper && keeper->front.is_valid)
                (void) set_valid(keeper, false);
}

static int remove_kernel(struct keeper *keeper) {
        int r;

        keeper->front.has_kernel = false;
        if (keeper->generation == 0)
                return 0;
        r = sd_notify(false, "FDSTOREREMOVE=1\nFDNAME=" KERNEL);
        if (r > 0)
                keeper->generation = 0;
        return r;
}

void keeper_wait(struct keeper *keeper) {
        if (keeper && keeper->is_stored)
                (void) sd_notify_barrier(false, ANSWER_USEC);
}

/* What the collector has may be another since the last time. */
static void store_kernel(struct keeper *keeper, struct collect *collect) {
        int fds[COLLECT_KEPT_FDS], n, change;

        if (keeper->generation == collect_generation(collect))
                return;
        if (remove_kernel(keeper) < 0)
                return;
        /* What the collector has dropped is waited for by a child of its own: until the manager, too, has let go. */
        change = collect_change_fd(collect);
        if (change >= 0)
                (void) sd_pid_notify_with_fds(0, false, "BARRIER=1", &change, 1);
        n = collect_keep(collect, &keeper->front.kernel, fds, COLLECT_KEPT_FDS);
        if (n <= 0)
                return;
        if (sd_pid_notify_with_fds(0, false, "FDSTORE=1\nFDPOLL=0\nFDNAME=" KERNEL, fds, (unsigned) n) <= 0)
                return;
        keeper->front.has_kernel = true;
        keeper->generation = collect_generation(collect);
}

static int store_file(struct keeper *keeper) {
        int fd = fileno(keeper->file), r;

        if (keeper->is_stored)
                return 0;
        r = sd_pid_notify_with_fds(0, false, "FDSTORE=1\nFDNAME=" STATE, &fd, 1);
        keeper->is_stored = r > 0;
        return r;
}

int keeper_save(struct keeper *keeper, struct collect *collect, const struct aggregate *aggregate,
                const struct identify *identify, uint64_t sequence) {
        int r;

        if (!keeper)
                return 0;
        keeper_begin(keeper);
        store_kernel(keeper, collect);
        keeper->front.sequence = sequence;
        rewind(keeper->file);
        fwrite(&keeper->front, sizeof keeper->front, 1, keeper->file);
        r = aggregate_keep(aggregate, keeper->file);
        if (r >= 0)
                r = identify_keep(identify, keeper->file);
        if (fflush(keeper->file) != 0 && r >= 0)
                r = -EIO;
        if (r >= 0)
                r = store_file(keeper);
        return r < 0 ? r : set_valid(keeper, true);
}
