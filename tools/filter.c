/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A name may have a backslash, as systemd writes \x2d for a dash, so a backslash is nothing special in a pattern. */
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/filter.h"

static bool is_like(const char *text, const char *pattern) {
        char unit[256];

        if (!text)
                return false;
        if (fnmatch(pattern, text, FNM_NOESCAPE) == 0)
                return true;
        (void)snprintf(unit, sizeof(unit), "%s.service", pattern);
        return fnmatch(unit, text, FNM_NOESCAPE) == 0;
}

/* The texts that a row is known by: of an app, for example, its id and what people call it. */
static const enum row_text *names_of(enum socktally_table table, size_t *ret_n) {
        static const enum row_text process[] = { TEXT_COMM }, service[] = { TEXT_SERVICE },
                                   app[] = { TEXT_APP, TEXT_DISPLAY_NAME },
                                   container[] = { TEXT_CONTAINER, TEXT_DISPLAY_NAME, TEXT_POD };

        *ret_n = 1;
        switch (table) {
        case SOCKTALLY_TABLE_PROCESSES:
                return process;
        case SOCKTALLY_TABLE_SERVICES:
                return service;
        case SOCKTALLY_TABLE_APPS:
                *ret_n = 2;
                return app;
        case SOCKTALLY_TABLE_CONTAINERS:
                *ret_n = 3;
                return container;
        case SOCKTALLY_TABLE_HOST:
        case SOCKTALLY_TABLE_USERS:
                break;
        }
        *ret_n = 0;
        return NULL;
}

static bool has_number(struct amount amount, const char *text) {
        char *end;
        unsigned long number = strtoul(text, &end, 10);

        return amount.is_known && *text >= '0' && *text <= '9' && *end == '\0' && number == amount.value;
}

static bool has_user_named(const struct entry *entry, struct users *users, const char *pattern) {
        return entry->uid.is_known && is_like(users_name(users, (uint32_t)entry->uid.value), pattern);
}

static bool is_named(const struct entry *entry, enum socktally_table table, struct users *users, const char *pattern) {
        size_t n;
        const enum row_text *names = names_of(table, &n);

        for (size_t i = 0; i < n; i++)
                if (is_like(entry->texts[names[i]], pattern))
                        return true;
        if (table == SOCKTALLY_TABLE_USERS)
                return has_number(entry->uid, pattern) || has_user_named(entry, users, pattern);
        return has_number(entry->pid, pattern);
}

static bool has_part(const struct entry *entry, struct users *users, const char *part) {
        for (size_t i = 0; i < N_TEXTS; i++)
                if (entry->texts[i] && strcasestr(entry->texts[i], part))
                        return true;
        return has_number(entry->pid, part) ||
               (entry->uid.is_known && strcasestr(users_name(users, (uint32_t)entry->uid.value), part));
}

/* A table that does not have the column is not filtered by it: top goes through all tables with one filter. */
static bool has_text_like(const struct listing *listing, const struct entry *entry, enum row_text text,
                          const char *pattern) {
        return !pattern || !listing->has_text[text] || is_like(entry->texts[text], pattern) ||
               (listing->table != SOCKTALLY_TABLE_PROCESSES && is_like(entry->texts[TEXT_DISPLAY_NAME], pattern));
}

static bool is_wanted(const struct filter *filter, const struct listing *listing, const struct entry *entry,
                      struct users *users) {
        bool is_named_one = filter->n_names == 0;

        for (size_t i = 0; i < filter->n_names; i++)
                is_named_one |= is_named(entry, listing->table, users, filter->names[i]);
        return is_named_one &&
               (!filter->has_pid || !listing->has_pid || (entry->pid.is_known && entry->pid.value == filter->pid)) &&
               (!filter->has_user || (entry->uid.is_known && entry->uid.value == filter->uid)) &&
               has_text_like(listing, entry, TEXT_SERVICE, filter->service) &&
               has_text_like(listing, entry, TEXT_APP, filter->app) &&
               has_text_like(listing, entry, TEXT_CONTAINER, filter->container) &&
               (!filter->part || has_part(entry, users, filter->part));
}

bool filter_is_set(const struct filter *filter) {
        return filter->n_names > 0 || filter->has_pid || filter->has_user || filter->service || filter->app ||
               filter->container || filter->part;
}

void filter_apply(const struct filter *filter, struct listing *listing, struct users *users) {
        size_t n = 0;

        for (size_t i = 0; i < listing->n; i++)
                if (is_wanted(filter, listing, &listing->entries[i], users))
                        listing->entries[n++] = listing->entries[i];
        listing->n = n;
}
