/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_CONTROL_CONTROL_H
#define SOCKTALLYD_CONTROL_CONTROL_H
/*
 * The parts of the daemon that the control line reads and changes. daemon.c sets the pointers. Each part is a struct
 * with a header and functions of its own, and only these functions write to it.
 */
#include <stdint.h>
#include <sys/types.h>

#include "daemon/control/modules.h"
#include "daemon/control/operations.h"
#include "daemon/control/reload.h"
#include "daemon/interval.h"

/* For the operations of control_operations(). */
struct control {
        const struct data_line *line;
        struct interval *interval;
        struct modules *modules;
        struct settings *settings; /* in force */
        struct reload *reload;
        struct watcher *watcher;
        /* What never changes while the daemon runs. */
        char kernel[72];           /* as uname -r */
        uint64_t started_usec;     /* CLOCK_REALTIME */
        gid_t full_group;          /* may have the view "full" */
};

#endif
