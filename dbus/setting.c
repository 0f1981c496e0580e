/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The settings: writable properties for root, and SetX methods for whom polkit allows it. The daemon knows their names
 * and types and judges the values. sd-bus wants to know at once whether a property may be written, and finding out who
 * the caller is takes a question to the bus. So Set is caught before sd-bus sees it, and answered when the bus has
 * answered; whatever is not a known setting goes on to sd-bus, which has the right error for it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dbus/bus-private.h"
#include "dbus/caller.h"
#include "dbus/setting.h"

void settings_free(struct bus *bus) {
        for (size_t i = 0; i < bus->n_settings; i++) {
                free(bus->settings[i].method);
                free(bus->settings[i].argument);
        }
        free(bus->settings);
}

static int setting_make(struct bus_setting *made, size_t number, const struct control_setting *setting) {
        *made = (struct bus_setting) { number, setting->property, { setting->type, '\0' }, NULL, NULL };
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

int setting_text(struct bus *bus, size_t i, char *ret_text, size_t size) {
        struct control_value value = {};
        int r = bus->operations->get(bus->daemon, bus->settings[i].number, &value);

        if (value.text)
                snprintf(ret_text, size, "%s", value.text);
        else
                snprintf(ret_text, size, "%" PRIu64, value.number);
        return r;
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
        if (setting->type[0] == 's')
                return sd_bus_message_append(reply, "s", value.text ? value.text : "");
        if (setting->type[0] == 'b')
                return sd_bus_message_append(reply, "b", value.number != 0);
        return sd_bus_message_append(reply, "t", value.number);
}

/* sd-bus never gets here, see above. If it does, nobody was asked who the caller is. */
int setting_refuse(sd_bus *connection, const char *path, const char *interface, const char *property,
                   sd_bus_message *value, void *userdata, sd_bus_error *error) {
        return sd_bus_error_set(error, SD_BUS_ERROR_ACCESS_DENIED, "Access denied");
}

/* The value at the message's current place; 0: another type. */
static int read_value(sd_bus_message *message, const struct bus_setting *setting, struct control_value *ret_value) {
        struct control_value value = {};
        int is_on = 0, r;

        if (setting->type[0] == 's')
                r = sd_bus_message_read(message, "s", &value.text);
        else if (setting->type[0] == 'b')
                r = sd_bus_message_read(message, "b", &is_on);
        else
                r = sd_bus_message_read(message, "t", &value.number);
        if (setting->type[0] == 'b')
                value.number = is_on != 0;
        if (r > 0)
                *ret_value = value;
        return r;
}

/* Judges, asks, sets, tells and answers. */
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

static int set_property(struct bus *bus, sd_bus_message *message, const struct bus_setting *setting,
                        sd_bus_error *error) {
        struct control_value value = {};
        const char *contents = NULL;
        int r;

        if (sd_bus_message_peek_type(message, NULL, &contents) < 0 || strcmp(contents, setting->type) != 0)
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "%s is of type %s, not of the type %.40s",
                                         setting->property, setting->type, contents ? contents : "");
        r = sd_bus_message_enter_container(message, 'v', setting->type);
        if (r < 0)
                return r;
        r = read_value(message, setting, &value);
        if (r < 0)
                return r;
        return change(bus, message, setting, &value, CALLER_IS_ROOT, setting_on_message, bus, error);
}

static int set_log(struct bus *bus, sd_bus_message *message, const char *property, sd_bus_error *error) {
        const char *value;
        int r;

        r = sd_bus_message_read(message, "v", "s", &value);
        if (r < 0)
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "%s is of type s", property);
        r = log_control_check(property, value, error);
        if (r < 0)
                return r;
        r = caller_authorise(bus, message, CALLER_IS_ROOT, setting_on_message, bus, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = log_control_set(bus, property, value, error);
        if (r < 0)
                return r;
        announce(bus, BUS_MANAGER); /* Settings shows the level */
        return sd_bus_reply_method_return(message, NULL);
}

/* Every message comes by here. 0: not ours, let sd-bus have it. */
int setting_on_message(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        struct bus *bus = userdata;
        const char *path = sd_bus_message_get_path(message), *interface, *property;

        if (!sd_bus_message_is_method_call(message, "org.freedesktop.DBus.Properties", "Set") ||
            !sd_bus_message_has_signature(message, "ssv") ||
            sd_bus_message_read(message, "ss", &interface, &property) < 0)
                return 0;
        if (strcmp(path, BUS_PATH) == 0 && strcmp(interface, bus->manager.interface) == 0 && find(bus, property))
                return set_property(bus, message, find(bus, property), error);
        if (strcmp(path, LOG_CONTROL_PATH) == 0 && strcmp(interface, "org.freedesktop.LogControl1") == 0 &&
            (strcmp(property, "LogLevel") == 0 || strcmp(property, "LogTarget") == 0))
                return set_log(bus, message, property, error);
        sd_bus_message_rewind(message, true);
        return 0;
}
