/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_SETTING_H
#define SOCKTALLY_SETTING_H
/*
 * The keys of socktally.conf(5) as `set` and `settings` know them. One row says how a key is changed over the bus and
 * which words complete it. A key without a row is found out from the daemon: a table is a key, and so is a property of
 * the Manager, as each has its method to be set. The daemon judges values.
 */
#include <stdbool.h>
#include <stddef.h>

#include "libclient/metrics.h"
#include "tools/control.h"

#define SETTING_SIZE 128
/* "tcp udp": where no daemon can be asked. */
#define SETTING_MODULE_WORD(number, name) " " #name
#define SETTING_MODULES_KNOWN (&(SOCKTALLY_MODULES(SETTING_MODULE_WORD))[1])

enum setting_kind {
        SETTING_WORD,     /* one of the choices, by way of SetX of the property */
        SETTING_SPAN,     /* of time; the property is in microseconds */
        SETTING_SWITCH,   /* yes or no */
        SETTING_CAPACITY, /* of a table */
        SETTING_MODULES,  /* names of modules that are on, by way of each module */
        SETTING_LOG_LEVEL, /* by way of LogControl1 */
        SETTING_AT_START, /* not while the daemon runs */
};

struct setting {
        const char *key; /* as the file has it */
        enum setting_kind kind;
        const char *property; /* of the Manager; for a capacity the name of the table */
        const char *choices;  /* separated by spaces; examples where any value may do */
};

/* The row after `row`, the first after NULL, NULL after the last. */
const struct setting *setting_next(const struct setting *row);
/* Any case, with or without dashes; NULL: there is none. */
const struct setting *setting_find(const char *key);
/* Has storage for a setting without a row; it lives as long as control does. */
struct setting_found {
        struct setting setting;
        char key[SETTING_SIZE], property[SETTING_SIZE];
};
/* The row, or what the daemon's properties and tables say of such a key. NULL: there is none. */
const struct setting *setting_resolve(const struct control *control, const char *key, struct setting_found *found);
/* The table of a capacity; NULL: the daemon has none. */
const struct control_object *setting_table(const struct control *control, const struct setting *setting);
/* Every key that can be named now, rows first. Returns how many. */
size_t setting_keys(const struct control *control, const char *keys[], size_t n_max);
/* What is in force, as a file would have it, from the properties of the daemon; false: it does not tell. */
bool setting_value(const struct control *control, const struct setting *setting, char ret_value[static SETTING_SIZE]);
/* "1min 30s", as a file has it. Fills and returns buffer. */
const char *setting_span(char buffer[static SETTING_SIZE], uint64_t usec);
/* "yes", "on", "true", "1" and their opposites; -EINVAL. */
int setting_parse_switch(const char *text, bool *ret_is_on);

#endif
