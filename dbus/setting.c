/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each setting is a writable property for root, and a method for users whom polkit allows it, as SetIntervalUSec. The
 * daemon knows the names and types of settings, and decides which values are allowed.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dbus/bus-private.h"
#include "dbus/caller.h"
#include "dbus/setting.h"

static const char *const signatures[] = {
        [CONTROL_NO_VALUE] = "",
        [CONTROL_NUMBER] = "t",
        [CONTROL_TEXT] = "s",
        [CONTROL_BOOLEAN] = "b",
};

void settings_free(struct bus *bus) {
        for (size_t i = 0; i < bus->n_settings; i++) {
                free(bus->settings[i].method);
                free(bus->settings[i].argument);
        }
        free(bus->settings);
}

static int setting_make(struct bus_setting *made, size_t number, const struct control_setting *setting) {
        *made = (struct bus_setting) {
                .number = number,
                .property = setting->property,
                .type = setting->type,
                .signature = signatures[setting->type],
        };
        made->argument = calloc(1, strlen(setting->argument) + 2);
        if (asprintf(&made->method, "Set%s", setting->property) < 0)
                made->method = NULL;
        if (!made->argument || !made->method)
                return -ENOMEM;
        strcpy(made->argument, setting->argument);
        return 0;
}

int settings_make(struct bus *bus) {
        int r = 0;

        bus->settings = calloc(bus->operations->n_settings + 1, sizeof *bus->settings);
        if (!bus->settings)
                return -ENOMEM;
        for (size_t i = 0; r >= 0 && i < bus->operations->n_settings; i++) {
                struct control_setting setting = {};

                if (bus->operations->setting(bus->daemon, i, &setting) >= 0 && setting.property)
                        r = setting_make(bus->settings + bus->n_settings++, i, &setting);
        }
        return r;
}

static const struct bus_setting *find(const struct bus *bus, const char *property) {
        for (size_t i = 0; i < bus->n_settings; i++)
                if (strcmp(bus->settings[i].property, property) == 0)
                        return &bus->settings[i];
        return NULL;
}

void setting_format(struct object *object, size_t i, char *ret_text, size_t size) {
        struct bus *bus = object->bus;
        struct control_value value = {};

        (void) bus->operations->get(bus->daemon, bus->settings[i].number, &value);
        if (value.text)
                snprintf(ret_text, size, "%s", value.text);
        else
                snprintf(ret_text, size, "%" PRIu64, value.number);
}

int setting_get(sd_bus *connection, const char *path, const char *interface, const char *property,
                sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        struct bus *bus = ((struct object *) userdata)->bus;
        const struct bus_setting *setting = find(bus, property);
        struct control_value value = {};
        int r;

        r = bus->operations->get(bus->daemon, setting->number, &value);
        if (r < 0)
                return r;
        if (setting->type == CONTROL_TEXT)
                return sd_bus_message_append(reply, "s", value.text ? value.text : "");
        if (setting->type == CONTROL_BOOLEAN)
                return sd_bus_message_append(reply, "b", value.number != 0);
        return sd_bus_message_append(reply, "t", value.number);
}

/* Reads the value that comes next in the message. 0: there is none, or it is of another type. */
static int read_value(sd_bus_message *message, const struct bus_setting *setting, struct control_value *ret_value) {
        struct control_value value = {};
        int is_on = 0, r;

        if (setting->type == CONTROL_TEXT)
                r = sd_bus_message_read(message, "s", &value.text);
        else if (setting->type == CONTROL_BOOLEAN)
                r = sd_bus_message_read(message, "b", &is_on);
        else
                r = sd_bus_message_read(message, "t", &value.number);
        if (setting->type == CONTROL_BOOLEAN)
                value.number = is_on != 0;
        if (r > 0)
                *ret_value = value;
        return r;
}

/* Checks the value, then whether the caller has the right, sets the value, announces it and answers. Without an answer
 * about the caller yet, handler will be called with the same message again (caller_authorise()). */
static int change(struct bus *bus, sd_bus_message *message, const struct bus_setting *setting,
                  const struct control_value *value, enum caller_right right, sd_bus_message_handler_t handler,
                  void *userdata, sd_bus_error *error) {
        struct control_error failure = { .failure = CONTROL_FAILED };
        int r;

        if (bus->operations->check && bus->operations->check(bus->daemon, setting->number, value, &failure) < 0)
                return failure_set(error, &failure);
        r = caller_authorise(bus, message, right, handler, userdata, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        if (bus->operations->set(bus->daemon, setting->number, value, &failure) < 0)
                return failure_set(error, &failure);
        announce(bus, BUS_ALL);
        return sd_bus_reply_method_return(message, NULL);
}

int setting_on_method(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        struct bus *bus = ((struct object *) userdata)->bus;
        const struct bus_setting *setting = find(bus, sd_bus_message_get_member(message) + strlen("Set"));
        struct control_value value = {};
        int r;

        r = read_value(message, setting, &value);
        if (r < 0)
                return r;
        return change(bus, message, setting, &value, CALLER_MAY_CONFIGURE, setting_on_method, userdata, error);
}

int setting_set(struct bus *bus, sd_bus_message *message, const char *property, sd_bus_message_handler_t again,
                sd_bus_error *error) {
        const struct bus_setting *setting = find(bus, property);
        struct control_value value = {};
        const char *contents = NULL;
        int r;

        if (!setting)
                return 0;
        if (sd_bus_message_peek_type(message, NULL, &contents) < 0 || strcmp(contents, setting->signature) != 0)
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "%s is of type %s, not of the type %.40s",
                                         setting->property, setting->signature, contents ? contents : "");
        r = sd_bus_message_enter_container(message, 'v', setting->signature);
        if (r < 0)
                return r;
        r = read_value(message, setting, &value);
        if (r < 0)
                return r;
        return change(bus, message, setting, &value, CALLER_IS_ROOT, again, bus, error);
}
