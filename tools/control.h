/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_CONTROL_H
#define SOCKTALLY_CONTROL_H
/* What the control line shows at one moment: the daemon as a whole, its modules and its tables, in the bus's order. */
#include "tools/bus.h"
#include "tools/property.h"

#define CONTROL_MAX_OBJECTS 64

enum control_kind { CONTROL_MODULE, CONTROL_TABLE };

struct control_object {
        enum control_kind kind;
        char *path, *name;
        struct properties properties;
};

struct control_row { /* of the property Settings */
        char *key, *value, *source;
};

struct control {
        struct properties manager;
        struct control_object objects[CONTROL_MAX_OBJECTS];
        size_t n_objects;
        struct control_row *settings;
        size_t n_settings; /* 0: the daemon does not tell */
};

/* 0, or a negative errno with error filled. is_start: a daemon that may be started by the bus is. */
int control_take(struct control *ret_control, sd_bus *bus, bool is_start, sd_bus_error *error);
void control_done(struct control *control);
/* The settings as the configuration files write them; -EOPNOTSUPP: this daemon does not tell. */
int control_take_settings(struct control *control, sd_bus *bus, sd_bus_error *error);
/* NULL: there is none of that name. */
const struct control_object *control_find(const struct control *control, enum control_kind kind, const char *name);

/* Says that there is no such name, what exists, and which is nearest. */
enum exit_status control_refuse_name(const struct control *control, enum control_kind kind, const char *command,
                                     const char *name);

#endif
