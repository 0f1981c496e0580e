/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon's own reader of the file is asked, so what is said here is what the journal would say. */
#include <err.h>
#include <inttypes.h>
#include <stdio.h>

#include "daemon/directories.h"
#include "daemon/identity/rules-file.h"
#include "tools/rules.h"

static void complain(void *userdata, const char *line, int error) {
        unsigned *n = userdata;

        warnx("%s", line);
        (*n)++;
}

static int read_rules(const char *path, struct rules **ret_rules, unsigned *ret_n_faults) {
        *ret_rules = NULL;
        *ret_n_faults = 0;
        return path ? rules_file_load(ret_rules, path, complain, ret_n_faults)
                    : rules_file_find(ret_rules, configuration_directories, complain, ret_n_faults);
}

int rules_command_read(const char *path, struct rules **ret_rules) {
        unsigned n_faults;
        int r = read_rules(path, ret_rules, &n_faults);

        return path ? r : 0;
}

enum exit_status rules_command_run(const struct options *options) {
        const char *path = options->n_arguments > 0 ? options->arguments[0] : NULL;
        unsigned n_faults;
        struct rules *rules;
        int r = read_rules(path, &rules, &n_faults);

        if (r >= 0 && !rules)
                (void)printf("ok: there is no apps.conf in %s, so there are no rules\n", configuration_directories[0]);
        else if (r >= 0 && n_faults == 0)
                (void)printf("ok: %s, %" PRIu32 " patterns\n", rules_path(rules), rules_count(rules));
        (void)rules_free(rules);
        return n_faults == 0 ? STATUS_DONE : STATUS_FAILED;
}
