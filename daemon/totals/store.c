/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The totals as bytes, for the next process of this program. Slots refer to each other by number and to nothing else,
 * so arrays are written as they are. The lookups that find slots by key are made anew. The sizes of all structures
 * stand in front. A reader with other sizes or other metrics refuses the bytes as a whole.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/totals/totals-private.h"

#define NAME(id, name, ...) #name " "
static const char metrics[] = SOCKTALLY_METRICS(NAME);

struct kept {
        uint32_t sizes[5]; /* of this structure and of each kind of slot */
        char metrics[sizeof(metrics)];
        struct layout_host_row host;
        uint64_t specials_taken[N_SPECIALS][SOCKTALLY_N_METRICS];
        struct missed missed;
        uint64_t rows_overflowed, now_ns, sequence;
        uint32_t update;
        bool is_without[N_GROUPINGS];
        /* What points to memory is made anew. */
        struct processes processes;
        struct cursors cursors;
        struct groups groups[N_GROUPINGS];
};

static const uint32_t sizes[5] = { sizeof(struct kept), sizeof(struct process), sizeof(struct cursor),
                                   sizeof(struct group_row), sizeof(struct group_closed) };

static void write_slots(FILE *file, const void *slots, size_t size, uint32_t n) {
        if (n > 0) /* without any there may be no array */
                fwrite(slots, size, n, file);
}

int totals_keep(const struct totals *a, FILE *file) {
        struct kept kept = {
                .host = a->host,
                .missed = a->missed,
                .rows_overflowed = a->rows_overflowed,
                .now_ns = a->now_ns,
                .sequence = a->sequence,
                .update = a->update,
                .processes = a->processes,
                .cursors = a->cursors,
        };

        memcpy(kept.sizes, sizes, sizeof sizes);
        memcpy(kept.metrics, metrics, sizeof metrics);
        memcpy(kept.is_without, a->config.is_without, sizeof kept.is_without);
        memcpy(kept.groups, a->groups, sizeof kept.groups);
        memcpy(kept.specials_taken, a->specials_taken, sizeof kept.specials_taken);
        fwrite(&kept, sizeof kept, 1, file);
        write_slots(file, a->processes.slots, sizeof *a->processes.slots, a->processes.n_slots);
        write_slots(file, a->cursors.slots, sizeof *a->cursors.slots, a->cursors.n_slots);
        for (unsigned g = 0; g < N_GROUPINGS; g++) {
                write_slots(file, a->groups[g].rows, sizeof *a->groups[g].rows, a->groups[g].n_rows);
                write_slots(file, a->groups[g].closed, sizeof *a->groups[g].closed, a->groups[g].n_closed);
        }
        return ferror(file) ? -EIO : 0;
}

/* An array of its own, at least as large as an empty one would be. */
static void *read_slots(FILE *file, size_t size, uint32_t n, uint32_t *ret_allocated) {
        uint32_t n_allocated = n < 64 ? 64 : n;
        void *slots = calloc(n_allocated, size);

        if (slots && fread(slots, size, n, file) != n) {
                free(slots);
                return NULL;
        }
        *ret_allocated = n_allocated;
        return slots;
}

static int read_processes(struct totals *a, const struct kept *kept, FILE *file) {
        processes_done(&a->processes);
        a->processes = kept->processes;
        a->processes.by_pid = LOOKUP_NULL;
        a->processes.slots = read_slots(file, sizeof *a->processes.slots, kept->processes.n_slots,
                                        &a->processes.n_allocated);
        return a->processes.slots ? processes_index(&a->processes) : -EIO;
}

static int read_cursors(struct totals *a, const struct kept *kept, FILE *file) {
        cursors_done(&a->cursors);
        a->cursors = kept->cursors;
        a->cursors.by_key = LOOKUP_NULL;
        a->cursors.slots = read_slots(file, sizeof *a->cursors.slots, kept->cursors.n_slots, &a->cursors.n_allocated);
        return a->cursors.slots ? cursors_index(&a->cursors) : -EIO;
}

static int read_groups(struct groups *groups, const struct groups *kept, FILE *file) {
        uint32_t unused;

        groups_done(groups);
        *groups = *kept;
        groups->by_key = groups->by_closed = LOOKUP_NULL;
        groups->closed = NULL;
        groups->uses = NULL;
        groups->rows = read_slots(file, sizeof *groups->rows, kept->n_rows, &groups->n_allocated);
        if (groups->rows)
                groups->closed = read_slots(file, sizeof *groups->closed, kept->n_closed, &unused);
        return groups->closed ? groups_index(groups) : -EIO;
}

static void refer_to_groups(struct totals *a, enum grouping g) {
        for (uint32_t i = 0; i < a->cursors.n_slots; i++)
                if (a->cursors.slots[i].is_used)
                        groups_ref(&a->groups[g], a->cursors.slots[i].groups[g]);
}

static int read_all(struct totals *a, const struct kept *kept, FILE *file) {
        int r;

        a->host = kept->host;
        a->missed = kept->missed;
        a->rows_overflowed = kept->rows_overflowed;
        a->now_ns = kept->now_ns;
        a->sequence = kept->sequence;
        a->update = kept->update;
        memcpy(a->config.is_without, kept->is_without, sizeof kept->is_without);
        memcpy(a->specials_taken, kept->specials_taken, sizeof a->specials_taken);
        r = read_processes(a, kept, file);
        if (r >= 0)
                r = read_cursors(a, kept, file);
        for (unsigned g = 0; g < N_GROUPINGS && r >= 0; g++) {
                r = read_groups(&a->groups[g], &kept->groups[g], file);
                if (r >= 0)
                        refer_to_groups(a, g);
        }
        return r;
}

int totals_restore(struct totals **ret_totals, const struct totals_config *config, FILE *file) {
        struct totals *a;
        struct kept kept;
        int r;

        if (fread(&kept, sizeof kept, 1, file) != 1 || memcmp(kept.sizes, sizes, sizeof sizes) != 0 ||
            memcmp(kept.metrics, metrics, sizeof metrics) != 0)
                return -ESTALE;
        r = totals_new(&a, config);
        if (r < 0)
                return r;
        r = read_all(a, &kept, file);
        if (r >= 0)
                r = totals_resize(a, &config->max, kept.sequence);
        if (r < 0) {
                totals_free(a);
                return r;
        }
        for (unsigned g = 0; g < N_GROUPINGS; g++)
                totals_keep_groups(a, g, !config->is_without[g], kept.sequence);
        a->is_restored = true;
        *ret_totals = a;
        return 0;
}
