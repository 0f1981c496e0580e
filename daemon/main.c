/* SPDX-License-Identifier: GPL-2.0-or-later */
/* socktallyd: counts socket traffic per process and publishes it. Everything is in the library beside. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/collect/operations.h"
#include "daemon/control/check.h"
#include "daemon/daemon.h"

#define KEEP_BYTES (128 * 1024)

int main(int argc, char *argv[]) {
        struct daemon *daemon = NULL;
        struct options options;
        char message[256];
        int r;

        r = options_parse(argc, argv, &options, message, sizeof message);
        if (r == OPTIONS_DONE)
                return EXIT_SUCCESS;
        if (r < 0) {
                fprintf(stderr, "socktallyd: %s\n", message);
                return 2;
        }
        if (options.is_check)
                return check_run(&options) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        /* Otherwise one large message of a stranger teaches malloc() to keep as much for good. */
        (void) mallopt(M_MMAP_THRESHOLD, KEEP_BYTES);
        (void) mallopt(M_TRIM_THRESHOLD, KEEP_BYTES);
        r = daemon_new(&daemon, &options, &collect_operations);
        if (r >= 0)
                r = daemon_run(daemon);
        daemon_free(daemon);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
