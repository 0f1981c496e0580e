/* SPDX-License-Identifier: GPL-2.0-or-later */
/* socktally: chooses the command and sees to it that what it printed has arrived. */
#include <err.h>
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "tools/options.h"

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
                status = grammar_command(options.command)->run(&options);
        if (fflush(stdout) != 0 || ferror(stdout)) {
                if (errno != EPIPE) /* whoever read has seen enough */
                        warn("cannot write to standard output");
                status = status == STATUS_DONE ? STATUS_FAILED : status;
        }
        return status;
}
