/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_LISTING_H
#define SOCKTALLY_LISTING_H
/*
 * The rows of one table of a snapshot in the order in which they are shown. A listing borrows from the reader: it is
 * void after the reader's next refresh, and listing_take() makes it anew. Its memory is kept from one to the next.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libclient/socktally.h"
#include "tools/field.h"
#include "tools/scope.h"

/* A number, or nothing: unknown is never 0. */
struct amount {
        bool is_known;
        uint64_t value;
};

struct entry {
        struct socktally_row row;
        struct amount kind, pid, uid, processes, exited;
        const char *texts[N_TEXTS]; /* NULL: none */
        struct amount first, second; /* what it is sorted by */
        const char *first_text;
        bool is_complete;            /* first is a sum of which every part is known */
};

struct listing {
        const struct socktally *reader;
        enum socktally_table table;
        struct socktally_column metrics[SOCKTALLY_N_METRICS];
        uint64_t has_metric; /* bit per metric that the table has a column for */
        bool has_pid, has_text[N_TEXTS]; /* the same of the others that rows are chosen by */
        bool hides_empty; /* leave out kernel, overflow and the like while nothing was counted in them */
        enum scope scope; /* of the bytes in sums */
        struct entry *entries;
        size_t n, n_allocated;
};

struct order {
        const struct field *field;
        bool is_rate, is_reverse;
};

void listing_done(struct listing *listing);
/* -ENOMEM, or an error of socktally_row(); the listing is empty then. */
int listing_take(struct listing *listing, const struct socktally *reader, enum socktally_table table,
                 const struct order *order);

/* Sum of the field's metrics in the row: unknown if one of them is. Rates are per second; the row of those that exited
 * has none, because it grows whenever a row goes into it. */
struct amount listing_amount(const struct listing *listing, const struct entry *entry, const struct field *field,
                             bool is_rate);
/* The text of a field, NULL if there is none: of an app or a container's own name, what people call it. */
const char *listing_text(const struct listing *listing, const struct entry *entry, const struct field *field);
/* Is the row none of those that the table is of, but the rest of something? */
bool listing_is_special(const struct listing *listing, const struct entry *entry);
/* "process", "kernel", ...; NULL for a kind that this command does not know. */
const char *row_kind_name(uint64_t kind);

#endif
