/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What all objects have in common. */
#include <string.h>

#include "dbus/bus-private.h"

int object_look(struct object *object) {
        return object->kind->look(object);
}

int object_look_closer(struct object *object) {
        int r = object_look(object);

        if (r >= 0 && object->kind->look_closer)
                object->kind->look_closer(object);
        return r;
}

bool is_from_bus(sd_bus_message *message) {
        const char *sender = sd_bus_message_get_sender(message);

        return sender && (strcmp(sender, "org.freedesktop.DBus") == 0 || strcmp(sender, LOCAL_NAME) == 0);
}

/* property-set.c answers before sd-bus gets here. If it does not, nobody was asked who the caller is. */
int property_refuse(sd_bus *connection, const char *path, const char *interface, const char *property,
                   sd_bus_message *value, void *userdata, sd_bus_error *error) {
        return sd_bus_error_set(error, SD_BUS_ERROR_ACCESS_DENIED, "Access denied");
}
