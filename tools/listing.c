/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Columns are looked up anew for each snapshot: a few hundred string comparisons, and no way to use an offset of a
 * segment that is gone. Only what the order needs is computed for every row; what is shown is computed for the rows
 * that are shown.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tools/catalog.h"
#include "tools/listing.h"

static const char *const metric_names[] = {
#define X(id, name, kind, unit, module, mode, help) #name,
        SOCKTALLY_METRICS(X)
#undef X
};

static const char *const text_names[N_TEXTS] = {
#define X(name, column) [TEXT_##name] = #column,
        ROW_TEXTS(X)
#undef X
};

struct identity_columns {
        struct socktally_column kind, pid, uid, processes, exited, texts[N_TEXTS];
        bool has_kind, has_pid, has_uid, has_processes, has_exited;
};

const char *row_kind_name(uint64_t kind) {
        static const char names[][13] = {
                [SOCKTALLY_ROW_PROCESS] = "process", [SOCKTALLY_ROW_KERNEL] = "kernel",
                [SOCKTALLY_ROW_OVERFLOW] = "overflow", [SOCKTALLY_ROW_EXITED] = "exited",
                [SOCKTALLY_ROW_SERVICE] = "service", [SOCKTALLY_ROW_NO_UNIT] = "no-unit",
                [SOCKTALLY_ROW_HOST] = "host",       [SOCKTALLY_ROW_ENDED] = "ended",
                [SOCKTALLY_ROW_APP] = "app",         [SOCKTALLY_ROW_CONTAINER] = "container",
                [SOCKTALLY_ROW_USER] = "user",       [SOCKTALLY_ROW_NO_APP] = "no-app",
                [SOCKTALLY_ROW_NO_CONTAINER] = "no-container", [SOCKTALLY_ROW_NO_USER] = "no-user",
        };

        return kind < sizeof(names) / sizeof(names[0]) ? names[kind] : NULL;
}

static bool look_up(const struct listing *listing, const char *name, struct socktally_column *ret_column) {
        return socktally_column(listing->reader, listing->table, name, ret_column) >= 0;
}

static void look_up_columns(struct listing *listing, struct identity_columns *ret_columns) {
        listing->has_metric = 0;
        for (size_t i = 0; i < SOCKTALLY_N_METRICS; i++)
                if (look_up(listing, metric_names[i], &listing->metrics[i]))
                        listing->has_metric |= UINT64_C(1) << i;
        ret_columns->has_kind = look_up(listing, "kind", &ret_columns->kind);
        ret_columns->has_pid = look_up(listing, "pid", &ret_columns->pid);
        ret_columns->has_uid = look_up(listing, "uid", &ret_columns->uid);
        ret_columns->has_processes = look_up(listing, "processes", &ret_columns->processes);
        ret_columns->has_exited = look_up(listing, "exited", &ret_columns->exited);
        listing->has_pid = ret_columns->has_pid;
        for (size_t i = 0; i < N_TEXTS; i++)
                listing->has_text[i] = look_up(listing, text_names[i], &ret_columns->texts[i]);
}

static struct amount number(const struct socktally_row *row, const struct socktally_column *column, bool has_column) {
        struct amount amount = { .is_known = false };

        if (has_column)
                amount.is_known = socktally_value(row, column, &amount.value) == SOCKTALLY_VALUE;
        return amount;
}

static const char *text(const struct socktally_row *row, const struct socktally_column *column, bool has_column) {
        const char *found;

        return has_column && socktally_text(row, column, &found) == SOCKTALLY_VALUE && *found ? found : NULL;
}

static void read_identity(struct entry *entry, const struct listing *listing, const struct identity_columns *columns) {
        const struct socktally_row *row = &entry->row;

        entry->kind = number(row, &columns->kind, columns->has_kind);
        entry->pid = number(row, &columns->pid, columns->has_pid);
        entry->uid = number(row, &columns->uid, columns->has_uid);
        entry->processes = number(row, &columns->processes, columns->has_processes);
        entry->exited = number(row, &columns->exited, columns->has_exited);
        for (size_t i = 0; i < N_TEXTS; i++)
                entry->texts[i] = text(row, &columns->texts[i], listing->has_text[i]);
        entry->pid.is_known &= entry->pid.value != 0;
        entry->uid.is_known &= entry->uid.value != UINT32_MAX;
}

const char *listing_text(const struct listing *listing, const struct entry *entry, const struct field *field) {
        const struct catalog *catalog = catalog_of(listing->table);
        bool is_own = catalog && strcmp(catalog->own, field->name) == 0;

        return is_own && entry->texts[TEXT_DISPLAY_NAME] ? entry->texts[TEXT_DISPLAY_NAME] : entry->texts[field->text];
}

bool listing_is_special(const struct listing *listing, const struct entry *entry) {
        const struct catalog *catalog = catalog_of(listing->table);

        return catalog && entry->kind.is_known && entry->kind.value != catalog->kind;
}

static bool is_kind(const struct entry *entry, uint64_t kind) {
        return entry->kind.is_known && entry->kind.value == kind;
}

/* Adds what is known; says through ret_complete whether that was all. */
static struct amount sum(const struct listing *listing, const struct entry *entry, const struct field *field,
                         bool is_rate, bool *ret_complete) {
        uint64_t metrics = scope_metrics(listing->scope, field->metrics);
        struct amount total = { .is_known = false };

        *ret_complete = true;
        for (size_t i = 0; i < SOCKTALLY_N_METRICS; i++) {
                uint64_t value = 0;
                double rate = 0;
                int r = SOCKTALLY_NOT_TRACKED;

                if (!(metrics & UINT64_C(1) << i))
                        continue;
                if (listing->has_metric & UINT64_C(1) << i && !(is_rate && is_kind(entry, SOCKTALLY_ROW_EXITED)))
                        r = is_rate ? socktally_rate(&entry->row, &listing->metrics[i], &rate)
                                    : socktally_value(&entry->row, &listing->metrics[i], &value);
                if (r != SOCKTALLY_VALUE) {
                        *ret_complete = false;
                        continue;
                }
                if (is_rate)
                        value = rate >= 0x1p64 ? UINT64_MAX : (uint64_t)(rate + 0.5);
                total.is_known = true;
                if (__builtin_add_overflow(total.value, value, &total.value))
                        total.value = UINT64_MAX;
        }
        return total;
}

struct amount listing_amount(const struct listing *listing, const struct entry *entry, const struct field *field,
                             bool is_rate) {
        bool is_complete;
        struct amount amount = sum(listing, entry, field, is_rate, &is_complete);

        amount.is_known &= is_complete;
        return amount;
}

static void compute_order(const struct listing *listing, struct entry *entry, const struct order *order,
                          const struct field *traffic) {
        bool ignored;

        entry->is_complete = true;
        switch (order->field->kind) {
        case SHOWS_PID:
                entry->first = entry->pid;
                break;
        case SHOWS_USER:
                entry->first = entry->uid;
                break;
        case SHOWS_PROCESSES:
                entry->first = entry->processes;
                break;
        case SHOWS_TEXT:
                entry->first_text = listing_text(listing, entry, order->field);
                entry->first = (struct amount){ .is_known = false };
                break;
        case SHOWS_NUMBER:
                entry->first = sum(listing, entry, order->field, order->is_rate && !order->field->is_gauge,
                                   &entry->is_complete);
                break;
        }
        entry->second = sum(listing, entry, traffic, false, &ignored);
}

static int compare_amounts(struct amount a, struct amount b) {
        if (a.is_known != b.is_known)
                return a.is_known ? 1 : -1;
        if (!a.is_known)
                return 0;
        return (a.value > b.value) - (a.value < b.value);
}

/* No text sorts behind every text. */
static int compare_texts(const char *a, const char *b) {
        if (!a || !b)
                return (b != NULL) - (a != NULL);
        return strcmp(a, b);
}

static int compare(const void *left, const void *right, void *context) {
        const struct entry *a = left, *b = right;
        const struct order *order = context;
        int c = 0;

        if (order->field->kind == SHOWS_TEXT)
                c = compare_texts(a->first_text, b->first_text);
        else if (order->field->kind == SHOWS_PID || order->field->kind == SHOWS_USER)
                c = a->first.is_known != b->first.is_known ? compare_amounts(b->first, a->first)
                                                           : compare_amounts(a->first, b->first);
        else
                c = compare_amounts(b->first, a->first); /* what is most comes first */
        if (order->is_reverse)
                c = -c;
        /* Rows that are equal keep one order, or an idle table would dance. */
        if (c == 0)
                c = compare_amounts(b->second, a->second);
        if (c == 0)
                c = compare_amounts(a->pid, b->pid);
        return c ? c : (a->row.index > b->row.index) - (a->row.index < b->row.index);
}

/* A special row that nothing was ever counted in tells a person nothing. */
static bool is_empty_special(const struct listing *listing, const struct entry *entry) {
        uint64_t value;

        if (!listing_is_special(listing, entry))
                return false;
        for (size_t i = 0; i < SOCKTALLY_N_METRICS; i++)
                if (listing->has_metric & UINT64_C(1) << i &&
                    socktally_value(&entry->row, &listing->metrics[i], &value) == SOCKTALLY_VALUE && value > 0)
                        return false;
        return true;
}

static int make_room(struct listing *listing, size_t n) {
        struct entry *bigger;

        if (n <= listing->n_allocated)
                return 0;
        bigger = reallocarray(listing->entries, n, sizeof(*bigger));
        if (!bigger)
                return -ENOMEM;
        listing->entries = bigger;
        listing->n_allocated = n;
        return 0;
}

int listing_take(struct listing *listing, const struct socktally *reader, enum socktally_table table,
                 const struct order *order) {
        const struct field *traffic = field_find("traffic");
        size_t n = socktally_count(reader, table);
        struct identity_columns columns;
        struct order copy = *order;
        int r;

        listing->reader = reader;
        listing->table = table;
        listing->n = 0;
        r = make_room(listing, n);
        if (r < 0)
                return r;
        look_up_columns(listing, &columns);
        for (size_t i = 0; i < n; i++) {
                struct entry *entry = &listing->entries[listing->n];

                r = socktally_row(reader, table, i, &entry->row);
                if (r != SOCKTALLY_VALUE)
                        break;
                read_identity(entry, listing, &columns);
                if (listing->hides_empty && is_empty_special(listing, entry))
                        continue;
                compute_order(listing, entry, order, traffic);
                listing->n++;
        }
        if (r < 0)
                listing->n = 0;
        if (listing->n > 0) /* there may be no array */
                qsort_r(listing->entries, listing->n, sizeof(*listing->entries), compare, &copy);
        return r < 0 ? r : 0;
}

void listing_done(struct listing *listing) {
        free(listing->entries);
        *listing = (struct listing){ .n = 0 };
}
