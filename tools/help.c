/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The usage, made from the rows of the grammar: a command or an option that exists is in it. */
#include <string.h>

#include "config.h"
#include "tools/options.h"

#define COLUMN 28 /* where the explanations begin */

/* left has its own indentation; help may have several lines. */
static void print_row(FILE *file, const char *left, const char *help) {
        size_t used = strlen(left);

        (void)fputs(left, file);
        if (used + 1 >= COLUMN) {
                (void)fputc('\n', file);
                used = 0;
        }
        while (*help) {
                size_t n = strcspn(help, "\n");

                (void)fprintf(file, "%*s%.*s\n", (int)(COLUMN - used), "", (int)n, help);
                help += n + (help[n] == '\n');
                used = 0;
        }
}

static void print_commands(FILE *file) {
        char left[96];

        for (size_t i = 0; i < N_COMMANDS; i++) {
                const struct grammar_command *row = grammar_command((enum command)i);

                if (!row->help)
                        continue;
                (void)snprintf(left, sizeof(left), "  %s%s%s", row->name, *row->arguments ? " " : "", row->arguments);
                print_row(file, left, row->help);
        }
}

static void print_options(FILE *file, enum option_group group) {
        char left[96];

        for (const struct grammar_option *o = grammar_next_option(NULL); o; o = grammar_next_option(o)) {
                if (o->group != group)
                        continue;
                (void)snprintf(left, sizeof(left), "  %c%c%c --%s%s%s", o->value < 256 ? '-' : ' ',
                               o->value < 256 ? o->value : ' ', o->value < 256 ? ',' : ' ', o->name,
                               o->argument ? " " : "", o->argument ? o->argument : "");
                print_row(file, left, o->help);
        }
}

void options_print_help(FILE *file) {
        static const char *const titles[N_OPTION_GROUPS] = {
                [GROUP_ROWS] = "Which rows:\n",
                [GROUP_FORMAT] = "Choosing and formatting:\n",
                [GROUP_CHANGE] = "Changing:\n",
                [GROUP_SOURCE] = "Where from:\n",
                [GROUP_GENERAL] = "",
        };

        (void)fputs("Usage: socktally [COMMAND] [OPTION...]\n"
                    "Shows how much network traffic each process, app, service, container and\n"
                    "user causes.\n"
                    "\n"
                    "Commands:\n",
                    file);
        print_commands(file);
        for (size_t group = 0; group < N_OPTION_GROUPS; group++) {
                (void)fprintf(file, "\n%s", titles[group]);
                print_options(file, (enum option_group)group);
        }
        (void)fputs("\nExit codes: 0 done, 1 failed, 2 bad usage, 3 daemon not there, 4 not permitted.\n", file);
}

enum exit_status options_help_run(const struct options *options) {
        options_print_help(stdout);
        return STATUS_DONE;
}

enum exit_status options_version_run(const struct options *options) {
        (void)puts("socktally " PACKAGE_VERSION);
        return STATUS_DONE;
}
