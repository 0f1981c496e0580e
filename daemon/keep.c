/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The store has the kernel's maps, programs and links, each under a name with its number, and two files in memory. A
 * file has the totals, the paths of cgroups, and a list of the maps, programs and links that belong to these totals.
 * How descriptors get there is in sd_notify(3), FDSTORE=1. FDPOLL=0 is needed for maps: poll() on a map answers with an
 * error, and the manager drops descriptors that do.
 *
 * The manager has all of it all the time, so that nothing is lost when the daemon is killed. What is kept is valid at
 * every instant:
 *   - The two files are written in turn. A file is marked as not valid while it is written. Of those that are valid the
 *     one with the higher number is in force.
 *   - Maps, programs and links are stored before the file that lists them is marked as valid. Those that it does not
 *     list are removed from the store after that.
 *   - Rows leave the kernel only after a save (collect_saved()), so totals of any age and the kernel's rows belong
 *     together.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "daemon/identity/identities.h"
#include "daemon/keep.h"
#include "daemon/totals/totals.h"

#define STATE "socktally-state"
#define KERNEL "socktally-kernel"
#define MAGIC UINT64_C(0x3270656b6c746b73)
#define ANSWER_USEC (2 * UINT64_C(1000000))
#define NAME_SIZE 64

/* What a file begins with. The totals follow, then the paths of cgroups. */
struct front {
        uint64_t is_valid, magic, size;
        uint64_t number;   /* of the save */
        uint64_t sequence; /* of the last publication before it */
        bool has_kernel;   /* the maps, programs and links that kernel tells of are in the store */
        struct collect_kept kernel;
};

/* Objects that an older daemon stored have no number. */
static void name_object(char name[static NAME_SIZE], uint64_t number) {
        if (number)
                snprintf(name, NAME_SIZE, KERNEL "-%llx", (unsigned long long) number);
        else
                snprintf(name, NAME_SIZE, KERNEL);
}

bool keep_accept_descriptor(struct keep *keep, const char *name, int fd) {
        size_t length = strlen(KERNEL);

        if (strcmp(name, STATE) == 0 && keep->n_files < KEEP_FILES) {
                keep->files[keep->n_files] = fdopen(fd, "r+");
                return keep->files[keep->n_files] && ++keep->n_files;
        }
        if (strncmp(name, KERNEL, length) == 0 && keep->objects.n < KEEP_OBJECTS) {
                keep->objects.fds[keep->objects.n] = fd;
                keep->objects.numbers[keep->objects.n++] =
                        name[length] == '-' ? strtoull(name + length + 1, NULL, 16) : 0;
                return true;
        }
        return false;
}

static bool read_front(FILE *file, struct front *ret_front) {
        rewind(file);
        return fread(ret_front, sizeof *ret_front, 1, file) == 1 && ret_front->is_valid &&
               ret_front->magic == MAGIC && ret_front->size == sizeof *ret_front;
}

void keep_choose_file(struct keep *keep) {
        struct front front;

        for (size_t i = 0; i < keep->n_files; i++) {
                if (!read_front(keep->files[i], &front) || front.number <= keep->number)
                        continue;
                keep->state = keep->files[i];
                keep->number = front.number;
                keep->sequence = front.sequence;
                keep->has_kernel = front.has_kernel;
                keep->kernel = front.kernel;
        }
        if (keep->state) /* totals_restore() reads on behind the front */
                (void) read_front(keep->state, &front);
}

void keep_forget_kernel(struct keep *keep) {
        keep->has_kernel = false;
}

void keep_close(struct keep *keep) {
        for (size_t i = 0; i < keep->n_files; i++)
                fclose(keep->files[i]);
        for (size_t i = 0; i < keep->objects.n; i++)
                close(keep->objects.fds[i]);
        *keep = (struct keep) { 0 };
}

struct keeper {
        const struct collect_operations *counting;
        FILE *files[KEEP_FILES];
        bool is_stored[KEEP_FILES]; /* the manager has it */
        size_t next;                /* the file that is written next; the other one is in force */
        struct front front;
        uint64_t generation; /* of the collector whose maps, programs and links are stored; 0: none are */
        struct keep_objects stored; /* the manager has these; fds are not used */
        struct keep_objects wanted; /* those of the collector; the fds stay the collector's */
};

static FILE *new_file(void) {
        int fd = memfd_create(STATE, MFD_CLOEXEC);
        FILE *file = fd < 0 ? NULL : fdopen(fd, "w+");

        if (fd >= 0 && !file)
                close(fd);
        return file;
}

int keeper_new(struct keeper **ret_keeper, const struct keep *keep, const struct collect_operations *counting) {
        struct keeper *keeper = calloc(1, sizeof *keeper);

        if (!keeper)
                return -ENOMEM;
        keeper->counting = counting;
        for (size_t i = 0; i < KEEP_FILES; i++) {
                int fd = i < keep->n_files ? dup(fileno(keep->files[i])) : -1;

                keeper->is_stored[i] = fd >= 0;
                keeper->files[i] = fd < 0 ? new_file() : fdopen(fd, "r+");
                if (!keeper->files[i]) {
                        keeper_free(keeper);
                        return -ENOMEM;
                }
                if (i < keep->n_files && keep->state == keep->files[i])
                        keeper->next = (i + 1) % KEEP_FILES;
        }
        keeper->front = (struct front) { .magic = MAGIC, .size = sizeof keeper->front, .number = keep->number };
        keeper->stored = keep->objects;
        *ret_keeper = keeper;
        return 0;
}

struct keeper *keeper_free(struct keeper *keeper) {
        for (size_t i = 0; keeper && i < KEEP_FILES; i++)
                if (keeper->files[i])
                        fclose(keeper->files[i]);
        free(keeper);
        return NULL;
}

static int set_valid(struct keeper *keeper, bool is_valid) {
        keeper->front.is_valid = is_valid;
        return pwrite(fileno(keeper->files[keeper->next]), &keeper->front.is_valid, sizeof keeper->front.is_valid,
                      offsetof(struct front, is_valid)) < 0 ? -errno : 0;
}

void keeper_wait_for_manager(struct keeper *keeper) {
        if (keeper)
                (void) sd_notify_barrier(false, ANSWER_USEC);
}

static bool has_object(const struct keep_objects *objects, uint64_t number) {
        for (size_t i = 0; i < objects->n; i++)
                if (objects->numbers[i] == number)
                        return true;
        return false;
}

static int store_object(struct keeper *keeper, uint64_t number, int fd) {
        char name[NAME_SIZE], message[NAME_SIZE + 32];
        int r;

        if (keeper->stored.n == KEEP_OBJECTS)
                return -ENOBUFS;
        name_object(name, number);
        snprintf(message, sizeof message, "FDSTORE=1\nFDPOLL=0\nFDNAME=%s", name);
        r = sd_pid_notify_with_fds(0, false, message, &fd, 1);
        if (r > 0)
                keeper->stored.numbers[keeper->stored.n++] = number;
        return r > 0 ? 0 : r < 0 ? r : -ENOTCONN;
}

/* Stores the collector's maps, programs and links that the manager does not have yet. If one cannot be stored the file
 * will say that it has only the totals. */
static void store_kernel(struct keeper *keeper, struct collect *collect) {
        struct keep_objects *wanted = &keeper->wanted;
        int n, r = 0;

        keeper->front.has_kernel = false;
        wanted->n = 0;
        n = keeper->counting->keep(collect, &keeper->front.kernel, wanted->fds, wanted->numbers, KEEP_OBJECTS);
        if (n <= 0)
                return;
        wanted->n = (size_t) n;
        for (size_t i = 0; i < wanted->n && r == 0; i++)
                if (!has_object(&keeper->stored, wanted->numbers[i]))
                        r = store_object(keeper, wanted->numbers[i], wanted->fds[i]);
        keeper->front.has_kernel = r == 0;
}

/* Removes from the store what the file that is now in force does not list. The manager must not be the last to close a
 * trampoline's link, as the kernel would keep it waiting. So a child of the collector (collect/drop.c) has these links
 * open until the manager has closed the descriptor "change". The manager does that after it has closed the links, as
 * it takes messages in their order. */
static void remove_unwanted(struct keeper *keeper, struct collect *collect) {
        int change = keeper->counting->change_fd(collect);
        struct keep_objects *stored = &keeper->stored;
        size_t n = 0;

        for (size_t i = 0; i < stored->n; i++) {
                uint64_t number = stored->numbers[i];
                char name[NAME_SIZE];

                name_object(name, number);
                if (has_object(&keeper->wanted, number) ||
                    sd_notifyf(false, "FDSTOREREMOVE=1\nFDNAME=%s", name) <= 0)
                        stored->numbers[n++] = number;
        }
        stored->n = n;
        if (change >= 0)
                (void) sd_pid_notify_with_fds(0, false, "BARRIER=1", &change, 1);
}

static int store_file(struct keeper *keeper) {
        int fd = fileno(keeper->files[keeper->next]), r;

        if (keeper->is_stored[keeper->next])
                return 0;
        r = sd_pid_notify_with_fds(0, false, "FDSTORE=1\nFDNAME=" STATE, &fd, 1);
        keeper->is_stored[keeper->next] = r > 0;
        return r < 0 ? r : 0;
}

static int write_file(struct keeper *keeper, const struct totals *totals, const struct identities *identities) {
        FILE *file = keeper->files[keeper->next];
        int r;

        r = set_valid(keeper, false);
        if (r < 0)
                return r;
        rewind(file);
        fwrite(&keeper->front, sizeof keeper->front, 1, file);
        r = totals_keep(totals, file);
        if (r >= 0)
                r = identities_keep(identities, file);
        if (fflush(file) != 0 && r >= 0)
                r = -EIO;
        return r < 0 ? r : store_file(keeper);
}

int keeper_save(struct keeper *keeper, struct collect *collect, const struct totals *totals,
                const struct identities *identities, uint64_t sequence) {
        bool has_new_objects;
        int r;

        if (!keeper)
                return 0;
        has_new_objects = keeper->generation != keeper->counting->generation(collect);
        if (has_new_objects)
                store_kernel(keeper, collect);
        keeper->front.sequence = sequence;
        keeper->front.number++;
        r = write_file(keeper, totals, identities);
        if (r >= 0)
                r = set_valid(keeper, true);
        if (r < 0)
                return r;
        keeper->next = (keeper->next + 1) % KEEP_FILES;
        if (has_new_objects)
                remove_unwanted(keeper, collect);
        if (keeper->front.has_kernel)
                keeper->generation = keeper->counting->generation(collect);
        return 0;
}
