/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_CONTROL_CONFIGURATION_H
#define SOCKTALLYD_CONTROL_CONFIGURATION_H
/*
 * socktally.conf and its drop-ins, with systemd's precedence: the first main file that exists, then all drop-ins in the
 * order of their names, where a file hides those of its name in directories that come later.
 */
#include "daemon/control/settings.h"

/* Gets one line per problem; nothing is fatal, what is wrong is left out. error: why a whole file or directory cannot
 * be read, as a negative errno; 0 for a line in it. */
typedef void configuration_report(void *userdata, const char *line, int error);

/* directories: those that may hold `socktally.conf` and `socktally.conf.d`, most important first, NULL at the end. All
 * files are tried; the first error of one that cannot be read is returned, 0 if there was none. */
int configuration_load(struct settings *settings, const char *const directories[], configuration_report *report,
                       void *userdata);
/* The same without the drop-ins of this name. */
int configuration_load_except(struct settings *settings, const char *const directories[], const char *name,
                              configuration_report *report, void *userdata);
/* One file, which is expected to exist. */
int configuration_load_file(struct settings *settings, const char *path, configuration_report *report, void *userdata);

#endif
