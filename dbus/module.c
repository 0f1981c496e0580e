/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /org/socktally1/module/NAME: one for each row of the daemon's table of modules. */
#include <inttypes.h>

#include "dbus/bus-private.h"
#include "dbus/caller.h"

static int look(struct object *object) {
        object->record.module = (struct control_module) {};
        return object->bus->operations->module(object->bus->daemon, object->number, &object->record.module);
}

static void look_closer(struct object *object) {
        object->bus->operations->module_statistics(object->bus->daemon, object->number, &object->record.module);
}

static int get_enabled(sd_bus *connection, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "b", ((struct object *) userdata)->record.module.is_enabled);
}

static int on_enable(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        struct object *object = userdata;
        struct bus *bus = object->bus;
        struct control_error failure = { .failure = CONTROL_FAILED };
        uint64_t lifetime_usec;
        int r;

        r = sd_bus_message_read(message, "t", &lifetime_usec);
        if (r < 0)
                return r;
        if (lifetime_usec > CONTROL_LIFETIME_MAX_USEC)
                return failure_say(error, CONTROL_INVALID_ARGUMENT, "A lifetime of %" PRIu64 " microseconds is too "
                                   "long; allowed are 1 to %" PRIu64 " (365 days), and 0 for good", lifetime_usec,
                                   CONTROL_LIFETIME_MAX_USEC);
        r = caller_authorise(bus, message, CALLER_MAY_CONFIGURE, on_enable, userdata, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        if (bus->operations->module_enable(bus->daemon, object->number, lifetime_usec, &failure) < 0)
                return failure_set(error, &failure);
        announce(bus, BUS_ALL);
        return sd_bus_reply_method_return(message, NULL);
}

static int on_disable(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        struct object *object = userdata;
        struct bus *bus = object->bus;
        struct control_error failure = { .failure = CONTROL_FAILED };
        int r;

        r = caller_authorise(bus, message, CALLER_MAY_CONFIGURE, on_disable, userdata, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        if (bus->operations->module_disable(bus->daemon, object->number, &failure) < 0)
                return failure_set(error, &failure);
        announce(bus, BUS_ALL);
        return sd_bus_reply_method_return(message, NULL);
}

#define AT(member) offsetof(struct object, record.module.member)
#define CHANGES SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Name", "s", NULL, AT(name), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Enabled", "b", get_enabled, 0, CHANGES),
        SD_BUS_PROPERTY("State", "s", NULL, AT(state), CHANGES),
        SD_BUS_PROPERTY("Reason", "s", NULL, AT(reason), CHANGES),
        SD_BUS_PROPERTY("AttachMethod", "s", NULL, AT(method), CHANGES),
        SD_BUS_PROPERTY("ExpiresUSec", "t", NULL, AT(expires_usec), CHANGES),
        SD_BUS_PROPERTY("Events", "t", NULL, AT(events), 0),
        SD_BUS_PROPERTY("Misses", "t", NULL, AT(misses), 0),
        SD_BUS_PROPERTY("NSecPerEvent", "t", NULL, AT(ns_per_event), 0),
        SD_BUS_METHOD_WITH_ARGS("Enable", SD_BUS_ARGS("t", lifetime_usec), SD_BUS_NO_RESULT, on_enable,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Disable", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, on_disable, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END
};

static const struct watched watched[] = {
        { "Enabled", announce_format_flag, offsetof(struct control_module, is_enabled) },
        { "State", announce_format_string, offsetof(struct control_module, state) },
        { "Reason", announce_format_string, offsetof(struct control_module, reason) },
        { "AttachMethod", announce_format_string, offsetof(struct control_module, method) },
        { "ExpiresUSec", announce_format_u64, offsetof(struct control_module, expires_usec) },
};

const struct kind module_kind = {
        .interface = BUS_NAME ".Module",
        .prefix = BUS_PATH "/module",
        .vtable = vtable,
        .look = look,
        .look_closer = look_closer,
        .watched = watched,
        .n_watched = sizeof watched / sizeof watched[0],
        .group = BUS_MODULES,
};
