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
#include "tools/field.h"

enum command {
        COMMAND_TOP,
        COMMAND_PROCESSES,
        COMMAND_SERVICES,
        COMMAND_STATUS,
        COMMAND_SEGMENT_DUMP,
        COMMAND_SEGMENT_VERIFY,
        COMMAND_HELP,
        COMMAND_VERSION
};

enum color_when { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };

struct options {
        enum command command;
        const char *file;              /* of segment dump and verify */
        const char *runtime_directory; /* NULL: the library's default */
        enum socktally_view view;
        enum color_when color;
        bool is_services;              /* top: begin with the services */
        bool is_json, is_once, is_exact, is_reverse, has_rates, has_legend;
        uint64_t interval_usec;        /* 0: as the daemon publishes */
        uint64_t count;                /* refreshes of top; 0: not given */
        size_t limit;                  /* rows; SIZE_MAX: all */
        const struct field *sort;
        const char *columns;           /* checked list, NULL: the default */
};

/* Returns STATUS_DONE, or STATUS_USAGE after saying on stderr what was wrong. argv is reordered. */
enum exit_status options_parse(struct options *ret_options, int argc, char **argv, bool has_terminal);
void options_print_help(FILE *file);
const char *command_name(enum command command);

#endif
