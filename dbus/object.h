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

/* A property whose changes are announced. format writes the present value as text, which is another one whenever the
 * value is. argument is for format, which says what it is. */
struct watched {
        const char *property;
        void (*format)(struct object *object, size_t argument, char *ret_text, size_t size);
        size_t argument;
};

/* The three kinds of objects. */
struct kind {
        const char *interface, *prefix;
        const sd_bus_vtable *vtable;
        int (*look)(struct object *object); /* fills in the record, but for what look_closer does */
        void (*look_closer)(struct object *object); /* members that take system calls; NULL: there are none */
        const struct watched *watched;
        size_t n_watched;
        unsigned group; /* BUS_MANAGER, BUS_MODULES or BUS_TABLES */
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
        char **announced; /* n_watched texts, of the values that were last announced */
        union record record; /* as the daemon was when object_look() was last called */
};

/* Is the message from the bus itself? Any program may send this daemon a signal that looks like one of the bus's, and
 * sd-bus lets it through. */
bool is_from_bus(sd_bus_message *message);

/* Fills in the object's record from the daemon, as far as its changes are announced. */
int object_look(struct object *object);
/* Fills in all of it, for a program that reads properties. */
int object_look_closer(struct object *object);
/* The vtables' setter of writable properties, which never sets: property-set.c does. */
int property_refuse(sd_bus *connection, const char *path, const char *interface, const char *property,
                    sd_bus_message *value, void *userdata, sd_bus_error *error);

#endif
