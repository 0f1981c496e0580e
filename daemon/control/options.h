/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_CONTROL_OPTIONS_H
#define SOCKTALLYD_CONTROL_OPTIONS_H
/* The command line. Texts point into argv. */
#include "daemon/control/settings.h"

#define OPTIONS_RUNTIME_DIRECTORY "/run/socktally"

struct options {
        const char *config_path;       /* NULL: the usual places */
        const char *rules_path;        /* NULL: apps.conf in the usual places */
        const char *runtime_directory;
        const char *bus;               /* system, session, none, an address; NULL: see daemon.c */
        bool is_check;                 /* only try what the kernel allows */
        bool debug;                    /* the same as --log-level=debug */
        const char *values[N_SETTINGS]; /* by number in the table of settings; NULL: not given */
};

enum options_outcome { OPTIONS_RUN = 0, OPTIONS_DONE = 1 /* help or version was printed */ };

/* enum options_outcome; -EINVAL with one line in message. */
int options_parse(int argc, char *argv[], struct options *ret_options, char *message, size_t size);
/* What the command line says wins over what settings holds. */
void options_apply(const struct options *options, struct settings *settings);

#endif
