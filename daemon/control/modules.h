/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_CONTROL_MODULES_H
#define SOCKTALLYD_CONTROL_MODULES_H
/*
 * Modules on, off, and on for a while. The setting Modules has those that are on for good; here is which are on now.
 */
#include <systemd/sd-event.h>

#include "daemon/interval.h"
#include "daemon/module.h"

struct module_state {
        struct modules *owner;
        bool is_enabled;
        uint64_t expires_usec;   /* CLOCK_REALTIME, as it was foreseen; 0: never */
        sd_event_source *source; /* the end, by CLOCK_BOOTTIME */
        struct collect_report report; /* modules_get() hands out its reason; good until the next call */
};

/* Written by modules.c alone. */
struct modules {
        const struct data_line *line;
        struct interval *interval;
        struct settings *settings;
        sd_event *event;
        struct module_state states[N_MODULES];
};

/* The collector was started with the modules that settings has. */
void modules_start(struct modules *modules, const struct data_line *line, struct interval *interval,
                   struct settings *settings, sd_event *event);
void modules_stop(struct modules *modules);
/* What runs, by which method and why. */
void modules_log(const struct modules *modules);

/* -ENOENT: there is no such module. */
int modules_get(struct modules *modules, size_t number, struct control_module *ret_module);
void modules_statistics(const struct modules *modules, size_t number, struct control_module *module);
/* These publish and change the setting, too: what is on for good. */
int modules_enable(struct modules *modules, size_t number, uint64_t lifetime_usec, struct control_error *ret_error);
int modules_disable(struct modules *modules, size_t number, struct control_error *ret_error);
/* These, and no others, are on for good, as the setting will say. All or nothing. */
int modules_set(struct modules *modules, uint32_t wanted, struct control_error *ret_error);

#endif
