/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_TEST_BUS_DAEMON_H
#define SOCKTALLY_TEST_BUS_DAEMON_H
#include "tests/unit/bus-stage.h"

/* Until SIGTERM. SIGUSR1: the script was edited. 0 or a negative errno. */
int bus_daemon_run(const char *address, struct stage_script *script);
/* The polkit of paper, until SIGTERM. */
int bus_polkit_run(const char *address, struct stage_script *script);

#endif
