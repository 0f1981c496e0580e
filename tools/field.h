/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_FIELD_H
#define SOCKTALLY_FIELD_H
/*
 * What a table on the screen can show and be sorted by: one metric of the segment, a sum of metrics such as all bytes
 * sent, or what identifies a row. A *choice* is the list of fields that one table shows.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libclient/metrics.h"
#include "libclient/socktally.h"
#include "tools/units.h"

enum field_kind { SHOWS_PID, SHOWS_USER, SHOWS_TEXT, SHOWS_PROCESSES, SHOWS_NUMBER };

/* Texts that a row can have. X(NAME, column): TEXT_NAME is the text of that column. */
#define ROW_TEXTS(X)                                                                                                   \
        X(COMM, comm)                                                                                                  \
        X(SERVICE, service)                                                                                            \
        X(APP, app)                                                                                                    \
        X(CONTAINER, container)                                                                                        \
        X(DISPLAY_NAME, display_name)                                                                                  \
        X(APP_KIND, app_kind)                                                                                          \
        X(RUNTIME, container_runtime)                                                                                  \
        X(POD, pod)                                                                                                    \
        X(COMMAND, command_line)

enum row_text {
#define X(name, column) TEXT_##name,
        ROW_TEXTS(X)
#undef X
        N_TEXTS
};

struct field {
        const char *name;  /* as --sort and --columns take it */
        const char *title;
        enum field_kind kind;
        enum quantity unit;
        bool is_gauge;     /* a current value: it has no rate */
        uint64_t metrics;  /* SHOWS_NUMBER: bit per enum socktally_metric, the field is their sum */
        enum row_text text; /* SHOWS_TEXT */
};

struct shown {
        const struct field *field;
        bool is_rate;
};

#define CHOICE_MAX 160
struct choice {
        struct shown shown[CHOICE_MAX];
        size_t n;
};

/* NULL when there is no such field. */
const struct field *field_find(const char *name);
/* All of them, to be named in a message; NULL past the end. */
const struct field *field_at(size_t index);

/* The columns of a table. list: "traffic", "protocols", "scopes", "activity", "all" or names separated by commas; NULL
 * is the first. -EINVAL: ret_unknown is where an unknown name begins. */
int choice_make(struct choice *ret_choice, enum socktally_table table, const char *list, bool with_rates,
                bool with_totals, const char **ret_unknown);
int choice_check(const char *list, const char **ret_unknown);

#endif
