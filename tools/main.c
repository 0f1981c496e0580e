/* SPDX-License-Identifier: GPL-2.0-or-later */
/* socktally: chooses the command and sees to it that what it printed has arrived. */
#include <err.h>
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "config.h"
#include "tools/list.h"
#include "tools/options.h"
#include "tools/segment-view.h"
#include "tools/status.h"
#include "tools/top.h"

static enum exit_status run(const struct options *options) {
        switch (options->command) {
        case COMMAND_TOP:
                return top_run(options);
        case COMMAND_PROCESSES:
        case COMMAND_SERVICES:
                return list_run(options);
        case COMMAND_STATUS:
                return status_run(options);
        case COMMAND_SEGMENT_DUMP:
                return segment_view_dump(options);
        case COMMAND_SEGMENT_VERIFY:
                return segment_view_verify(options);
        case COMMAND_HELP:
                options_print_help(stdout);
                return STATUS_DONE;
        case COMMAND_VERSION:
                (void)puts("socktally " PACKAGE_VERSION);
                return STATUS_DONE;
        }
        return STATUS_USAGE;
}

int main(int argc, char **argv) {
        bool has_terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
        struct options options;
        enum exit_status status;

        /* Messages begin with the command's name also when libtool runs it from the build tree. */
        program_invocation_short_name = (char *)"socktally";
        /* Only letters: numbers are the same everywhere. */
        (void)setlocale(LC_CTYPE, "");
        status = options_parse(&options, argc, argv, has_terminal);
        if (status == STATUS_DONE)
                status = run(&options);
        if (fflush(stdout) != 0 || ferror(stdout)) {
                if (errno != EPIPE) /* whoever read has seen enough */
                        warn("cannot write to standard output");
                status = status == STATUS_DONE ? STATUS_FAILED : status;
        }
        return status;
}
