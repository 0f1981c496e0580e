/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_SETTING_H
#define SOCKTALLY_SETTING_H
/* The daemon's settings as properties of the manager. */
#include "dbus/bus-private.h"

/* A setting, and what a vtable needs of it. */
struct bus_setting {
        size_t number; /* in the daemon's table */
        const char *property;
        enum control_type type;
        const char *signature; /* the type as D-Bus writes it */
        char *method;   /* Set and the property's name */
        char *argument; /* with another NUL behind, as vtables want it */
};

/* Makes bus->settings. settings_free() may be called after settings_make() has failed. */
int settings_make(struct bus *bus);
void settings_free(struct bus *bus);
int setting_get(sd_bus *connection, const char *path, const char *interface, const char *property,
                sd_bus_message *reply, void *userdata, sd_bus_error *error);
int setting_on_method(sd_bus_message *message, void *userdata, sd_bus_error *error);
/* For property-set.c: 0 if there is no such setting. again: runs when the bus has said who calls. */
int setting_set(struct bus *bus, sd_bus_message *message, const char *property, sd_bus_message_handler_t again,
                sd_bus_error *error);
/* For struct watched: i is the setting's number in bus->settings. */
void setting_format(struct object *object, size_t i, char *ret_text, size_t size);

#endif
