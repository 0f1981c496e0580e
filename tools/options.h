/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_OPTIONS_H
#define SOCKTALLY_OPTIONS_H
/* The command line, parsed and checked: everything behind it can trust these values. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "libclient/socktally.h"
#include "tools/exit-status.h"
#include "tools/catalog.h"
#include "tools/field.h"
#include "tools/filter.h"
#include "tools/grammar.h"
#include "tools/scope.h"

enum color_when { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };

struct options {
        enum command command;
        const char *const *arguments;  /* behind the command's name */
        size_t n_arguments;
        const char *rules_path;        /* NULL: apps.conf in the usual places */
        const char *runtime_directory; /* NULL: the library's default */
        enum socktally_view view;
        enum color_when color;
        const struct catalog *top;     /* the table that top begins with; NULL: the best that there is */
        struct filter filter;
        enum scope scope;
        bool is_json, is_once, is_exact, is_reverse, has_rates, has_legend;
        bool is_saved;                 /* set: for good */
        uint64_t lifetime_usec;        /* enable; 0: for good */
        uint64_t interval_usec;        /* 0: as the daemon publishes */
        uint64_t count;                /* refreshes of top; 0: not given */
        size_t limit;                  /* rows; SIZE_MAX: all */
        const struct field *sort;
        const char *columns;           /* checked list, NULL: the default */
};

/* Returns STATUS_DONE, or STATUS_USAGE after saying on stderr what was wrong. argv is reordered. */
enum exit_status options_parse(struct options *ret_options, int argc, char **argv, bool has_terminal);
void options_print_help(FILE *file);
/* The commands help and --version. */
enum exit_status options_help_run(const struct options *options);
enum exit_status options_version_run(const struct options *options);
/* Says "socktally: ..." and where to read on. */
enum exit_status options_refuse(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
