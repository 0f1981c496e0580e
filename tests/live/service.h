/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_LIVE_SERVICE_H
#define SOCKTALLY_LIVE_SERVICE_H
/*
 * The daemon under test as a child process with a runtime directory of its own. Whoever started it stops it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* How the tests are to run: what main passes to every scene. */
struct playbill {
        const char *runtime_directory; /* of the daemon; NULL: there is none, the players only check themselves */
        const char *daemon;            /* program, for scenes that start one of their own */
        const char *load_mode, *attach_method;
        uint32_t scale; /* bulk sizes are divided by it */
        const char *unknown; /* a metric, a module or "all": what may not be known; NULL: none of them */
        const char *unsure;  /* the same for what nobody can tell, and is not compared */
        bool is_late;        /* what players moved need not show before they are gone */
};

struct service {
        pid_t pid;
        int pidfd;
        char directory[96];
        uint64_t ready_after_ms;
};

#define SERVICE_NULL { .pidfd = -1 }

/* Starts the daemon and returns once it said READY=1. extra: further options, NULL at the end, or NULL. On error -1 and
 * one line in ret_problem. */
int service_start(struct service *service, const struct playbill *bill, const char *const *extra, char *ret_problem,
                  size_t size);
/* Ends it with SIGTERM. -1 and one line if it did not exit with 0 or left something in its directory. Does nothing for
 * one that is not running. */
int service_stop(struct service *service, char *ret_problem, size_t size);

#endif
