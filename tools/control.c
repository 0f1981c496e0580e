/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/control.h"
#include "tools/nearest.h"
#include "tools/options.h"

static int call(sd_bus *bus, bool is_start, const char *path, const char *interface, const char *member,
                const char *argument, sd_bus_error *error, sd_bus_message **ret_reply) {
        sd_bus_message *message = NULL;
        int r;

        r = sd_bus_message_new_method_call(bus, &message, BUS_NAME, path, interface, member);
        if (r >= 0)
                r = sd_bus_message_set_auto_start(message, is_start);
        if (r >= 0 && argument)
                r = sd_bus_message_append(message, "s", argument);
        if (r >= 0)
                r = sd_bus_call(bus, message, is_start ? BUS_START_USEC : BUS_ANSWER_USEC, error, ret_reply);
        (void)sd_bus_message_unref(message);
        return r < 0 ? r : 0;
}

/* The name of an object is the last part of its path, which is encoded. */
static int object_init(struct control_object *object, enum control_kind kind, const char *path) {
        const char *prefix = kind == CONTROL_MODULE ? BUS_PATH "/module" : BUS_PATH "/table";
        int r;

        *object = (struct control_object){ .kind = kind, .path = strdup(path) };
        if (!object->path)
                return -ENOMEM;
        r = sd_bus_path_decode(path, prefix, &object->name);
        return r == 0 ? -EBADMSG : r; /* such an object lives nowhere else */
}

static int read_interface(struct control *control, const char *path, sd_bus_message *message) {
        struct control_object *object = &control->objects[control->n_objects];
        const char *interface;
        bool is_module;
        int r;

        r = sd_bus_message_read_basic(message, 's', &interface);
        if (r < 0)
                return r;
        is_module = strcmp(interface, BUS_MODULE) == 0;
        if ((!is_module && strcmp(interface, BUS_TABLE) != 0) || control->n_objects == CONTROL_MAX_OBJECTS)
                return sd_bus_message_skip(message, "a{sv}");
        control->n_objects++;
        r = object_init(object, is_module ? CONTROL_MODULE : CONTROL_TABLE, path);
        return r < 0 ? r : properties_read(&object->properties, message);
}

static int read_interfaces(struct control *control, const char *path, sd_bus_message *message) {
        int r = sd_bus_message_enter_container(message, 'a', "{sa{sv}}");

        while (r >= 0 && (r = sd_bus_message_enter_container(message, 'e', "sa{sv}")) > 0) {
                r = read_interface(control, path, message);
                if (r >= 0)
                        r = sd_bus_message_exit_container(message);
        }
        return r < 0 ? r : sd_bus_message_exit_container(message);
}

static int read_objects(struct control *control, sd_bus_message *message) {
        int r = sd_bus_message_enter_container(message, 'a', "{oa{sa{sv}}}");

        while (r >= 0 && (r = sd_bus_message_enter_container(message, 'e', "oa{sa{sv}}")) > 0) {
                const char *path;

                r = sd_bus_message_read_basic(message, 'o', &path);
                if (r >= 0)
                        r = read_interfaces(control, path, message);
                if (r >= 0)
                        r = sd_bus_message_exit_container(message);
        }
        return r < 0 ? r : sd_bus_message_exit_container(message);
}

int control_take(struct control *ret_control, sd_bus *bus, bool is_start, sd_bus_error *error) {
        sd_bus_message *reply = NULL;
        int r;

        *ret_control = (struct control){ .n_objects = 0 };
        r = call(bus, is_start, BUS_PATH, "org.freedesktop.DBus.Properties", "GetAll", BUS_MANAGER, error, &reply);
        if (r >= 0)
                r = properties_read(&ret_control->manager, reply);
        reply = sd_bus_message_unref(reply);
        if (r >= 0)
                r = call(bus, false, BUS_PATH, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL, error,
                         &reply);
        if (r >= 0)
                r = read_objects(ret_control, reply);
        (void)sd_bus_message_unref(reply);
        if (r < 0)
                control_done(ret_control);
        return r < 0 ? r : 0;
}

static int read_row(struct control *control, sd_bus_message *message) {
        const char *key, *value, *source;
        struct control_row *rows;
        int r = sd_bus_message_read(message, "(sss)", &key, &value, &source);

        if (r <= 0)
                return r;
        rows = reallocarray(control->settings, control->n_settings + 1, sizeof(*rows));
        if (!rows)
                return -ENOMEM;
        control->settings = rows;
        rows[control->n_settings] = (struct control_row){ strdup(key), strdup(value), strdup(source) };
        if (!rows[control->n_settings].key || !rows[control->n_settings].value || !rows[control->n_settings].source)
                r = -ENOMEM;
        control->n_settings++;
        return r;
}

int control_take_settings(struct control *control, sd_bus *bus, sd_bus_error *error) {
        sd_bus_message *reply = NULL;
        int r = sd_bus_get_property(bus, BUS_NAME, BUS_PATH, BUS_MANAGER, "Settings", error, &reply, "a(sss)");

        if (r < 0 && sd_bus_error_has_name(error, SD_BUS_ERROR_UNKNOWN_PROPERTY)) {
                sd_bus_error_free(error);
                return -EOPNOTSUPP;
        }
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "(sss)");
        while (r >= 0 && (r = read_row(control, reply)) > 0)
                continue;
        (void)sd_bus_message_unref(reply);
        return r < 0 ? r : 0;
}

void control_done(struct control *control) {
        properties_done(&control->manager);
        for (size_t i = 0; i < control->n_objects; i++) {
                free(control->objects[i].path);
                free(control->objects[i].name);
                properties_done(&control->objects[i].properties);
        }
        for (size_t i = 0; i < control->n_settings; i++) {
                free(control->settings[i].key);
                free(control->settings[i].value);
                free(control->settings[i].source);
        }
        free(control->settings);
        *control = (struct control){ .n_objects = 0 };
}

const struct control_object *control_find(const struct control *control, enum control_kind kind, const char *name) {
        for (size_t i = 0; i < control->n_objects; i++)
                if (control->objects[i].kind == kind && strcmp(control->objects[i].name, name) == 0)
                        return &control->objects[i];
        return NULL;
}

enum exit_status control_refuse_name(const struct control *control, enum control_kind kind, const char *command,
                                     const char *name) {
        const char *names[CONTROL_MAX_OBJECTS];
        size_t n = 0;

        for (size_t i = 0; i < control->n_objects; i++)
                if (control->objects[i].kind == kind)
                        names[n++] = control->objects[i].name;
        return nearest_refuse(command, kind == CONTROL_MODULE ? "module" : "table", name, names, n);
}
