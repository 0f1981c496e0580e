/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each method is tried with the rights of the service, as it may be refused what root is allowed. The load mode is that
 * of the options, as it decides which hooks a method needs. Tables are as small as they can be.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "daemon/collect/collector.h"
#include "daemon/control/check.h"
#include "daemon/privilege.h"
#include "daemon/text.h"

#define SERVICE_USER "socktally" /* of socktally.service */

/* One line, whatever the kernel said. */
static void print(enum attach_method method, int r, const char *reason) {
        char line[COLLECT_REASON_SIZE];

        text_clean(line, sizeof line, reason, strlen(reason));
        printf("attach-method\t%s\t%s\t%s\n", attach_method_name(method), r < 0 ? "no" : "yes",
               r < 0 && !line[0] ? strerror(-r) : line);
        fflush(stdout);
}

static int try_method(enum attach_method method, const struct settings *settings, bool debug) {
        struct collect_config config = {
                .load_mode = settings->load_mode,
                .attach_method = method,
                .modules = EVERY_MODULE,
                .max_processes = SETTINGS_ROWS_MIN,
                .max_sockets = SETTINGS_ROWS_MIN,
                .debug = debug,
        };
        char reason[COLLECT_REASON_SIZE] = "";
        struct collect *collect = NULL;
        int r;

        r = collect_start(&collect, &config);
        if (r >= 0) {
                snprintf(reason, sizeof reason, "%s", collect_reason(collect));
                r = collect_is_counting(collect) ? 0 : -EOPNOTSUPP;
        }
        collect_stop(collect);
        print(method, r, reason);
        return r;
}

/* What the unit gives, where there is a user for it to run as. The limit is for kernels before 5.11, as in the unit. */
static int take_rights(void) {
        const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
        char names[64];
        int r;

        if (geteuid() != 0) {
                printf("rights\tthose of the caller, who is not root\n");
                return 0;
        }
        (void) setrlimit(RLIMIT_MEMLOCK, &unlimited);
        r = privilege_become("/etc/passwd", SERVICE_USER);
        privilege_held(names, sizeof names);
        if (r >= 0)
                printf("rights\tthose of the service: user " SERVICE_USER " with %s\n", names[0] ? names : "none");
        else if (r == -ENOENT)
                printf("rights\tthose of root, as there is no user " SERVICE_USER "\n");
        else
                fprintf(stderr, "socktallyd: cannot take the rights of user " SERVICE_USER ": %s\n", strerror(-r));
        fflush(stdout); /* before the collector forks */
        return r == -ENOENT ? 0 : r;
}

int check_run(const struct options *options) {
        struct settings settings = settings_default();
        int result = -EOPNOTSUPP, r = take_rights();

        if (r < 0)
                return r;
        options_apply(options, &settings);
        for (int method = ATTACH_AUTO + 1; method < N_ATTACH_METHODS; method++)
                if (try_method((enum attach_method) method, &settings, options->debug) >= 0)
                        result = 0;
        return result;
}
