/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_DAEMON_H
#define SOCKTALLYD_DAEMON_H
/* The whole daemon: one thread, one loop. It owns everything that the other files make. */
#include "daemon/control/options.h"

struct collect_operations;
struct control;
struct daemon;

/* Reads the configuration, starts counting, publishes once. counting: &collect_operations but in tests. On error the
 * reason was logged and nothing is left. */
int daemon_new(struct daemon **ret_daemon, const struct options *options,
               const struct collect_operations *counting);
/* Tells the service manager that all is ready and runs until a signal ends it. */
int daemon_run(struct daemon *daemon);
struct daemon *daemon_free(struct daemon *daemon);
/* For who drives it otherwise than by its loop and the bus. */
struct control *daemon_control(struct daemon *daemon);

#endif
