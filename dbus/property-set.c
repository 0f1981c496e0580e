/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writable properties. sd-bus wants to know at once whether a property may be written, but the bus must be asked first
 * who the caller is. So a call of Set is caught before sd-bus sees it, and answered when the bus has answered. Calls
 * for other properties are left to sd-bus, which has the right errors for them.
 */
#include <string.h>

#include "dbus/bus-private.h"
#include "dbus/setting.h"

/* set: 0 if the interface has no such property that can be set. again: runs when the bus has said who calls. */
static const struct {
        const char *path, *interface;
        int (*set)(struct bus *bus, sd_bus_message *message, const char *property, sd_bus_message_handler_t again,
                   sd_bus_error *error);
} writable[] = {
        { BUS_PATH, BUS_NAME ".Manager", setting_set },
        { LOG_CONTROL_PATH, LOG_CONTROL_INTERFACE, log_control_set },
};

/* Every message comes by here. 0: not ours, let sd-bus have it. */
int property_set_on_message(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        const char *path = sd_bus_message_get_path(message), *interface, *property;
        int r = 0;

        if (!sd_bus_message_is_method_call(message, "org.freedesktop.DBus.Properties", "Set") ||
            !sd_bus_message_has_signature(message, "ssv") ||
            sd_bus_message_read(message, "ss", &interface, &property) < 0)
                return 0;
        for (size_t i = 0; i < sizeof writable / sizeof writable[0]; i++)
                if (strcmp(path, writable[i].path) == 0 && strcmp(interface, writable[i].interface) == 0)
                        r = writable[i].set(userdata, message, property, property_set_on_message, error);
        if (r == 0)
                sd_bus_message_rewind(message, true);
        return r;
}
