/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_DAEMON_PRIVATE_H
#define SOCKTALLYD_DAEMON_PRIVATE_H
/*
 * The daemon's inside, shared by those files only that put it together or change it: daemon.c (assembly), and in
 * control/ operations.c (what the bus asks for), change.c (one setting, as a transaction) and reload.c
 * (files).
 */
#include <systemd/sd-event.h>

#include "daemon/control/configuration.h"
#include "daemon/control/error.h"
#include "daemon/control/modules.h"
#include "daemon/control/operations.h"
#include "daemon/daemon.h"
#include "daemon/identity/identity.h"
#include "daemon/interval.h"
#include "daemon/keep.h"
#include "daemon/publish/publication.h"
#include "daemon/publish/readers.h"
#include "daemon/runtime.h"
#include "daemon/totals/totals.h"

struct daemon {
        struct settings settings;
        struct options options;
        const char *const *directories; /* of the configuration; NULL: one file was named on the command line */
        struct runtime runtime;
        gid_t gid;
        struct data_line line;
        struct interval interval;
        struct watcher watcher;
        struct bus *bus; /* NULL: not served */
        sd_event *event;
        sd_event_source *identity_source;
        uint64_t started_usec;       /* CLOCK_REALTIME */
        uint64_t incarnation;
        struct keep keep;            /* of the daemon before, until it is taken over */
        bool is_adopted;             /* counts on with the kernel's side of the one before */
        struct modules modules;
        char kernel[72];
};

/* control/change.c. Values as in a file; where it came from is kept. On error nothing has changed. A value that is in
 * force already is no change: its source stays what it was. */
int change_setting(struct daemon *daemon, size_t number, const char *value, const char *source,
                   struct control_error *ret_error);
/* Does the setting apply only when the daemon starts? */
bool change_waits_for_start(size_t number);
/* What settings_set() or its like refused, with what is allowed. Returns error. */
int change_refuse_value(size_t number, const char *value, int error, struct control_error *ret_error);

/* control/reload.c */
/* What files and command line say. Reports what is wrong; the first error of a file that cannot be read is returned. */
int reload_read(const struct daemon *daemon, struct settings *ret_settings, configuration_report *report,
                void *userdata);
int control_reload(void *daemon, struct control_error *ret_error);
int control_save(void *daemon, struct control_error *ret_error);

#endif
