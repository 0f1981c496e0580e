/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_OBJECT_H
#define SOCKTALLY_OBJECT_H
/* The objects on the bus: the manager, modules, tables. */
#include <stdbool.h>
#include <stddef.h>

#include <systemd/sd-bus.h>

#include "daemon/control/operations.h"

#define LOCAL_NAME "org.freedesktop.DBus.Local" /* sd-bus itself */

struct bus;
struct object;

/* A property whose changes are announced. text: its value, in words that differ when the value does. place: for text,
 * such as where the value is in the record that the daemon gave. */
struct watched {
        const char *property;
        void (*text)(struct object *object, size_t place, char *ret_text, size_t size);
        size_t place;
};

/* The three kinds of objects. */
struct kind {
        const char *interface, *prefix;
        const sd_bus_vtable *vtable;
        int (*look)(struct object *object); /* gets the record from the daemon, as far as it is watched */
        void (*look_closer)(struct object *object); /* gets the rest, for who reads it; NULL: there is none */
        const struct watched *watched;
        size_t n_watched;
        unsigned what; /* BUS_... */
};

union record {
        struct control_facts facts;
        struct control_module module;
        struct control_table table;
};

struct object {
        struct bus *bus;
        const struct kind *kind;
        size_t number; /* in the operations' table */
        char *path;
        char **announced; /* n_watched texts: what listeners believe */
        union record record; /* as of the last look */
};

/* From the bus itself. Anybody may send this daemon a signal that looks like the bus's, and sd-bus lets it through. */
bool is_from_bus(sd_bus_message *message);

/* The object's record, fresh. */
int object_look(struct object *object);
int object_look_closer(struct object *object);
int property_refuse(sd_bus *connection, const char *path, const char *interface, const char *property,
                    sd_bus_message *value, void *userdata, sd_bus_error *error);

#endif
