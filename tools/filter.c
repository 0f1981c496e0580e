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

static bool is_wanted(const struct filter *filter, const struct entry *entry, enum socktally_table table,
                      struct users *users) {
        bool is_named_one = filter->n_names == 0;

        for (size_t i = 0; i < filter->n_names; i++)
                is_named_one |= is_named(entry, table, users, filter->names[i]);
        return is_named_one && (!filter->has_pid || (entry->pid.is_known && entry->pid.value == filter->pid)) &&
               (!filter->has_user || (entry->uid.is_known && entry->uid.value == filter->uid)) &&
               (!filter->service || is_like(entry->texts[TEXT_SERVICE], filter->service)) &&
               (!filter->app || is_like(entry->texts[TEXT_APP], filter->app) ||
                is_like(entry->texts[TEXT_DISPLAY_NAME], filter->app)) &&
               (!filter->container || is_like(entry->texts[TEXT_CONTAINER], filter->container) ||
                is_like(entry->texts[TEXT_DISPLAY_NAME], filter->container)) &&
               (!filter->part || has_part(entry, users, filter->part));
}

void filter_apply(const struct filter *filter, struct listing *listing, struct users *users) {
        size_t n = 0;

        for (size_t i = 0; i < listing->n; i++)
                if (is_wanted(filter, &listing->entries[i], listing->table, users))
                        listing->entries[n++] = listing->entries[i];
        listing->n = n;
}
