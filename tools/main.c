/* SPDX-License-Identifier: GPL-2.0-or-later */
/* socktally: chooses the command and sees to it that what it printed has arrived. */
#include <err.h>
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "tools/change.h"
#include "tools/completion.h"
#include "tools/doctor.h"
#include "tools/identify.h"
#include "tools/list.h"
#include "tools/options.h"
#include "tools/overview.h"
#include "tools/rules.h"
#include "tools/segment-view.h"
#include "tools/status.h"
#include "tools/top.h"

static enum exit_status (*const runs[N_COMMANDS])(const struct options *options) = {
        [COMMAND_TOP] = top_run,
        [COMMAND_PROCESSES] = list_run,
        [COMMAND_APPS] = list_run,
        [COMMAND_SERVICES] = list_run,
        [COMMAND_CONTAINERS] = list_run,
        [COMMAND_USERS] = list_run,
        [COMMAND_STATUS] = status_run,
        [COMMAND_MODULES] = overview_run,
        [COMMAND_TABLES] = overview_run,
        [COMMAND_SETTINGS] = overview_run,
        [COMMAND_ENABLE] = change_run,
        [COMMAND_DISABLE] = change_run,
        [COMMAND_SET] = change_run,
        [COMMAND_IDENTIFY] = identify_run,
        [COMMAND_RULES] = rules_command_run,
        [COMMAND_DOCTOR] = doctor_run,
        [COMMAND_SEGMENT_DUMP] = segment_view_dump,
        [COMMAND_SEGMENT_VERIFY] = segment_view_verify,
        [COMMAND_HELP] = options_help_run,
        [COMMAND_VERSION] = options_version_run,
        [COMMAND_COMPLETE] = completion_run,
};

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
                status = runs[options.command](&options);
        if (fflush(stdout) != 0 || ferror(stdout)) {
                if (errno != EPIPE) /* whoever read has seen enough */
                        warn("cannot write to standard output");
                status = status == STATUS_DONE ? STATUS_FAILED : status;
        }
        return status;
}
