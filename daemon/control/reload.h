/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_CONTROL_RELOAD_H
#define SOCKTALLYD_CONTROL_RELOAD_H
/* Where settings come from when the daemon starts and when it reads them again, and where they are saved. */
#include "daemon/control/configuration.h"
#include "daemon/control/options.h"

struct control;
struct identities;

struct reload {
        struct options options;
        const char *const *directories; /* of the configuration; NULL: one file was named on the command line */
};

void reload_init(struct reload *reload, const struct options *options);
/* Reads the settings from files and command line, and reports what is wrong. Returns the error of the first file that
 * cannot be read, or 0. */
int reload_read(const struct reload *reload, struct settings *ret_settings, configuration_report *report,
                void *userdata);
/* Reads the rules for apps from their file and gives them to the identities. If it cannot be read, which is reported
 * and returned, those that there are stay. */
int reload_rules(const struct reload *reload, struct identities *identities, configuration_report *report,
                 void *userdata);
/* The operations "reload" and "save" of operations.h. */
int reload_apply(struct control *control, struct control_error *ret_error);
int reload_save(struct control *control, struct control_error *ret_error);

#endif
