/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The settings: writable properties for root, and SetX methods for whom polkit allows it. One table knows their names;
 * the daemon judges the values. sd-bus wants to know at once whether a property may be written, and finding out who the
 * caller is takes a question to the bus. So Set is caught before sd-bus sees it, and answered when the bus has
 * answered; whatever is not a known setting goes on to sd-bus, which has the right error for it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "dbus/bus-private.h"
#include "dbus/caller.h"

static const struct {
        const char *property;
        char type;
} settings[N_CONTROL_SETTINGS] = {
        [CONTROL_LOAD_MODE] = { "LoadMode", 's' },
        [CONTROL_ATTACH_METHOD] = { "AttachMethod", 's' },
        [CONTROL_INTERVAL] = { "IntervalUSec", 't' },
        [CONTROL_IDLE_INTERVAL] = { "IdleIntervalUSec", 't' },
};

int setting_number(const char *property) {
        for (int i = 0; i < N_CONTROL_SETTINGS; i++)
                if (strcmp(settings[i].property, property) == 0)
                        return i;
        return -1;
}

int setting_text(struct bus *bus, int setting, char *ret_text, size_t size) {
        struct control_value value = {};
        int r = bus->operations->get(bus->daemon, (enum control_setting) setting, &value);

        if (value.text)
                snprintf(ret_text, size, "%s", value.text);
        else
                snprintf(ret_text, size, "%" PRIu64, value.number);
        return r;
}

int setting_get(sd_bus *connection, const char *path, const char *interface, const char *property,
                sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        struct object *object = userdata;
        struct control_value value = {};
        int number = setting_number(property);
        int r;

        r = object->bus->operations->get(object->bus->daemon, (enum control_setting) number, &value);
        if (r < 0)
                return r;
        if (settings[number].type == 's')
                return sd_bus_message_append(reply, "s", value.text ? value.text : "");
        return sd_bus_message_append(reply, "t", value.number);
}

/* sd-bus never gets here, see above. If it does, nobody was asked who the caller is. */
int setting_refuse(sd_bus *connection, const char *path, const char *interface, const char *property,
                   sd_bus_message *value, void *userdata, sd_bus_error *error) {
        return sd_bus_error_set(error, SD_BUS_ERROR_ACCESS_DENIED, "Access denied");
}

/* The value at the message's current place; 0: another type. */
static int read_value(sd_bus_message *message, int number, struct control_value *ret_value) {
        struct control_value value = {};
        int r;

        if (settings[number].type == 's')
                r = sd_bus_message_read(message, "s", &value.text);
        else
                r = sd_bus_message_read(message, "t", &value.number);
        if (r > 0)
                *ret_value = value;
        return r;
}

/* Judges, asks, sets, tells and answers. */
static int change(struct bus *bus, sd_bus_message *message, int number, const struct control_value *value,
                  enum caller_right right, sd_bus_message_handler_t handler, void *userdata, sd_bus_error *error) {
        enum control_setting setting = (enum control_setting) number;
        struct control_error failure = { .failure = CONTROL_FAILED };
        int r;

        if (bus->operations->check && bus->operations->check(bus->daemon, setting, value, &failure) < 0)
                return failure_set(error, &failure);
        r = caller_authorise(bus, message, right, handler, userdata, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        if (bus->operations->set(bus->daemon, setting, value, &failure) < 0)
                return failure_set(error, &failure);
        announce(bus, BUS_ALL);
        return sd_bus_reply_method_return(message, NULL);
}

int setting_on_method(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        struct object *object = userdata;
        struct control_value value = {};
        int number = setting_number(sd_bus_message_get_member(message) + strlen("Set"));
        int r;

        r = read_value(message, number, &value);
        if (r < 0)
                return r;
        return change(object->bus, message, number, &value, CALLER_MAY_CONFIGURE, setting_on_method, userdata, error);
}

static int set_property(struct bus *bus, sd_bus_message *message, int number, sd_bus_error *error) {
        struct control_value value = {};
        const char type[] = { settings[number].type, '\0' }, *contents = NULL;
        int r;

        if (sd_bus_message_peek_type(message, NULL, &contents) < 0 || strcmp(contents, type) != 0)
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "%s is of type %s, not of the type %.40s",
                                         settings[number].property, type, contents ? contents : "");
        r = sd_bus_message_enter_container(message, 'v', type);
        if (r < 0)
                return r;
        r = read_value(message, number, &value);
        if (r < 0)
                return r;
        return change(bus, message, number, &value, CALLER_IS_ROOT, setting_on_message, bus, error);
}

static int set_log(struct bus *bus, sd_bus_message *message, const char *property, sd_bus_error *error) {
        const char *value;
        int r;

        r = sd_bus_message_read(message, "v", "s", &value);
        if (r < 0)
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "%s is of type s", property);
        r = caller_authorise(bus, message, CALLER_IS_ROOT, setting_on_message, bus, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = log_control_set(bus, property, value, error);
        return r < 0 ? r : sd_bus_reply_method_return(message, NULL);
}

/* Every message comes by here. 0: not ours, let sd-bus have it. */
int setting_on_message(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        struct bus *bus = userdata;
        const char *path = sd_bus_message_get_path(message), *interface, *property;

        if (!sd_bus_message_is_method_call(message, "org.freedesktop.DBus.Properties", "Set") ||
            !sd_bus_message_has_signature(message, "ssv") ||
            sd_bus_message_read(message, "ss", &interface, &property) < 0)
                return 0;
        if (strcmp(path, BUS_PATH) == 0 && strcmp(interface, manager_kind.interface) == 0 &&
            setting_number(property) >= 0)
                return set_property(bus, message, setting_number(property), error);
        if (strcmp(path, LOG_CONTROL_PATH) == 0 && strcmp(interface, "org.freedesktop.LogControl1") == 0 &&
            (strcmp(property, "LogLevel") == 0 || strcmp(property, "LogTarget") == 0))
                return set_log(bus, message, property, error);
        sd_bus_message_rewind(message, true);
        return 0;
}
