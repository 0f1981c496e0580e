/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory that a burst of processes took is given back when it was not needed for a while. Slots keep their numbers, so
 * what is behind the last one in use can go; others are in front of it, and are used first from then on.
 */
#include <malloc.h>

#include "daemon/totals/totals-private.h"

#define SPARSE_UPDATES 16 /* so long most slots must be free before memory is given back */

static bool is_sparse(uint32_t n_used, uint32_t n_allocated) {
        return n_used < n_allocated / 8;
}

/* Freed memory between what is in use would stay with the process without malloc_trim(). */
void totals_give_back(struct totals *a) {
        if (!is_sparse(a->processes.n_used, a->processes.n_allocated) &&
            !is_sparse(a->cursors.n_used, a->cursors.n_allocated))
                a->n_sparse = 0;
        else if (++a->n_sparse == SPARSE_UPDATES) {
                processes_shrink(&a->processes);
                cursors_shrink(&a->cursors);
                malloc_trim(0);
                a->n_sparse = 0;
        }
}
