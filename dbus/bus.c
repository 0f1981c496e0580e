/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The life of the bus face: connection, name, objects. Counting never depends on it. The bus may come after the daemon
 * and go before it: sd-bus waits for the socket to appear, and a lost connection is made again. Objects are made once,
 * from the daemon's tables, and outlive connections.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "daemon/log.h"
#include "dbus/bus-private.h"
#include "dbus/caller.h"
#include "dbus/setting.h"

#define SYSTEM_BUS "unix:path=/run/dbus/system_bus_socket"
#define RECONNECT_USEC 1000000
/* Answers to RequestName: DBUS_REQUEST_NAME_REPLY_PRIMARY_OWNER and _ALREADY_OWNER in the D-Bus specification. */
#define NAME_IS_OURS 1
#define NAME_WAS_OURS 4

static int connect_to_bus(struct bus *bus);

static const struct kind *const kinds_with_names[] = { &module_kind, &table_kind };

/* Somebody asked for a module or a table that there is not. */
static int refuse_name(const struct bus *bus, const struct kind *kind, const char *name, sd_bus_error *error) {
        char names[128] = "";
        size_t n = 0;

        for (size_t i = 0; i < bus->n_objects && n < sizeof names; i++)
                if (bus->objects[i].kind == kind)
                        n += (size_t) snprintf(names + n, sizeof names - n, "%s%s", n > 0 ? ", " : "",
                                               bus->objects[i].path + strlen(kind->prefix) + 1);
        return failure_say(error, kind == &module_kind ? CONTROL_NO_SUCH_MODULE : CONTROL_INVALID_ARGUMENT,
                           "There is no %s \"%.40s\"; there are %s", kind == &module_kind ? "module" : "table", name,
                           names);
}

static int on_find(sd_bus *connection, const char *path, const char *interface, void *userdata, void **ret_found,
                   sd_bus_error *error) {
        struct bus *bus = userdata;

        for (size_t i = 0; i < bus->n_objects; i++) {
                struct object *object = bus->objects + i;

                if (strcmp(object->kind->interface, interface) != 0 || strcmp(object->path, path) != 0)
                        continue;
                if (object_look_closer(object) < 0)
                        return 0;
                *ret_found = object;
                return 1;
        }
        for (size_t i = 0; i < sizeof kinds_with_names / sizeof kinds_with_names[0]; i++) {
                const struct kind *kind = kinds_with_names[i];
                size_t n = strlen(kind->prefix);

                if (strcmp(kind->interface, interface) == 0 && strncmp(path, kind->prefix, n) == 0 && path[n] == '/')
                        return refuse_name(bus, kind, path + n + 1, error);
        }
        return 0;
}

/* sd-bus takes what lies below prefix, which may be above the place of this enumerator, and frees the list. */
static int on_enumerate(sd_bus *connection, const char *prefix, void *userdata, char ***ret_nodes,
                        sd_bus_error *error) {
        struct bus *bus = userdata;
        char **nodes = calloc(bus->n_objects + 1, sizeof *nodes);
        size_t n = 0;

        for (size_t i = 0; nodes && i < bus->n_objects; i++)
                if (bus->objects[i].kind != &bus->manager) {
                        nodes[n] = strdup(bus->objects[i].path);
                        if (!nodes[n++])
                                break;
                }
        if (!nodes || (n > 0 && !nodes[n - 1])) {
                for (size_t i = 0; i < n; i++)
                        free(nodes[i]);
                free(nodes);
                return -ENOMEM;
        }
        *ret_nodes = nodes;
        return 1;
}

static int add_kind(struct bus *bus, const struct kind *kind) {
        int r;

        r = sd_bus_add_fallback_vtable(bus->connection, NULL, kind->prefix, kind->interface, kind->vtable, on_find,
                                       bus);
        if (r < 0 || kind == &bus->manager)
                return r;
        return sd_bus_add_node_enumerator(bus->connection, NULL, kind->prefix, on_enumerate, bus);
}

static void disconnect(struct bus *bus) {
        if (!bus->connection)
                return;
        caller_abandon(bus);
        sync_abandon(bus);
        /* Flushing would wait for a bus that may not be there. What could be sent was sent. */
        bus->connection = sd_bus_close_unref(bus->connection);
}

static int on_reconnect(sd_event_source *source, uint64_t usec, void *userdata);

static int reconnect_soon(struct bus *bus) {
        bus->reconnect = sd_event_source_unref(bus->reconnect);
        return sd_event_add_time_relative(bus->event, &bus->reconnect, CLOCK_MONOTONIC, RECONNECT_USEC, 0, on_reconnect,
                                          bus);
}

/* sd-bus itself waits for a bus that is not there yet. connect_to_bus() fails for want of memory or descriptors. */
static int on_reconnect(sd_event_source *source, uint64_t usec, void *userdata) {
        struct bus *bus = userdata;
        int r;

        disconnect(bus);
        r = connect_to_bus(bus);
        if (r >= 0)
                return 0;
        if (!bus->is_refused)
                log_line(LOG_WARNING, "Cannot connect to the bus again, trying each second: %s", strerror(-r));
        bus->is_refused = true;
        return reconnect_soon(bus);
}

/* sd-bus is still at work on this connection, so the next one is made later. */
static int on_lost(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        struct bus *bus = userdata;

        if (!is_from_bus(message))
                return 0;
        log_line(LOG_INFO, "The bus is gone, connecting again when it is back");
        bus->is_refused = false;
        return reconnect_soon(bus);
}

static int on_name(sd_bus_message *answer, void *userdata, sd_bus_error *ret_error) {
        struct bus *bus = userdata;
        const sd_bus_error *error = sd_bus_message_get_error(answer);
        uint32_t result = 0;

        if (sd_bus_is_open(bus->connection) <= 0)
                return 0; /* lost meanwhile */
        if (error)
                log_line(LOG_WARNING, "Cannot have the name " BUS_NAME " on the bus, so nobody can change settings: %s",
                         error->message ? error->message : error->name);
        else if (sd_bus_message_read(answer, "u", &result) >= 0 && result != NAME_IS_OURS &&
                 result != NAME_WAS_OURS)
                log_line(LOG_WARNING, "The name " BUS_NAME " on the bus belongs to another program, so nobody can "
                         "change settings of this daemon");
        return 0;
}

static int add_objects(struct bus *bus) {
        const struct kind *const kinds[] = { &bus->manager, &module_kind, &table_kind };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < sizeof kinds / sizeof kinds[0]; i++)
                r = add_kind(bus, kinds[i]);
        if (r >= 0)
                r = sd_bus_add_object_manager(bus->connection, NULL, BUS_PATH);
        if (r >= 0)
                r = log_control_add(bus);
        if (r >= 0)
                r = sd_bus_add_filter(bus->connection, NULL, property_set_on_message, bus);
        if (r >= 0)
                r = sd_bus_match_signal(bus->connection, NULL, NULL, "/org/freedesktop/DBus/Local", LOCAL_NAME,
                                        "Disconnected", on_lost, bus);
        return r;
}

static int start(struct bus *bus) {
        int r;

        r = sd_bus_set_address(bus->connection, bus->address);
        if (r >= 0)
                r = sd_bus_set_bus_client(bus->connection, true);
        if (r >= 0)
                r = sd_bus_negotiate_fds(bus->connection, true);
        /* Otherwise the end of the loop would close it, before bus_free() could answer those who wait. */
        if (r >= 0)
                r = sd_bus_set_close_on_exit(bus->connection, false);
        if (r >= 0)
                r = sd_bus_set_watch_bind(bus->connection, true);
        if (r >= 0)
                r = sd_bus_attach_event(bus->connection, bus->event, BUS_PRIORITY);
        if (r >= 0)
                r = sd_bus_start(bus->connection);
        return r;
}

static int connect_to_bus(struct bus *bus) {
        int r;

        r = sd_bus_new(&bus->connection);
        if (r >= 0)
                r = start(bus);
        if (r >= 0)
                r = add_objects(bus);
        if (r >= 0)
                r = sd_bus_request_name_async(bus->connection, NULL, BUS_NAME, 0, on_name, bus);
        if (r < 0)
                bus->connection = sd_bus_close_unref(bus->connection);
        return r;
}

static int object_init(struct object *object, struct bus *bus, const struct kind *kind, size_t number) {
        const union record *record = &object->record;
        int r;

        *object = (struct object) { .bus = bus, .kind = kind, .number = number };
        object->announced = calloc(kind->n_watched, sizeof *object->announced);
        if (!object->announced)
                return -ENOMEM;
        r = object_look(object);
        if (r < 0)
                return r;
        if (kind == &bus->manager) {
                object->path = strdup(kind->prefix);
                return object->path ? 0 : -ENOMEM;
        }
        return sd_bus_path_encode(kind->prefix, kind == &module_kind ? record->module.name : record->table.name,
                                  &object->path);
}

static int make_objects(struct bus *bus) {
        const struct control_operations *operations = bus->operations;
        int r;

        bus->objects = calloc(1 + operations->n_modules + operations->n_tables, sizeof *bus->objects);
        if (!bus->objects)
                return -ENOMEM;
        r = object_init(bus->objects + bus->n_objects++, bus, &bus->manager, 0);
        for (size_t i = 0; r >= 0 && i < operations->n_modules; i++)
                r = object_init(bus->objects + bus->n_objects++, bus, &module_kind, i);
        for (size_t i = 0; r >= 0 && i < operations->n_tables; i++)
                r = object_init(bus->objects + bus->n_objects++, bus, &table_kind, i);
        return r < 0 ? r : announce_set_baseline(bus);
}

/* Where systemd's user instances put it when nobody says. */
static char *session_address(void) {
        const char *address = secure_getenv("DBUS_SESSION_BUS_ADDRESS"), *directory = secure_getenv("XDG_RUNTIME_DIR");
        char *made;

        if (address)
                return strdup(address);
        if (!directory)
                return asprintf(&made, "unix:path=/run/user/%u/bus", (unsigned) geteuid()) < 0 ? NULL : made;
        return asprintf(&made, "unix:path=%s/bus", directory) < 0 ? NULL : made;
}

static char *find_address(const char *which) {
        const char *address = secure_getenv("DBUS_SYSTEM_BUS_ADDRESS");

        if (which && strcmp(which, "session") == 0)
                return session_address();
        if (which && strcmp(which, "system") != 0)
                return strdup(which);
        return strdup(address ? address : SYSTEM_BUS);
}

int bus_new(struct bus **ret_bus, const char *which, struct sd_event *event,
            const struct control_operations *operations, void *daemon) {
        struct bus *bus = calloc(1, sizeof *bus);
        int r;

        if (!bus)
                return -ENOMEM;
        bus->operations = operations;
        bus->daemon = daemon;
        bus->event = sd_event_ref(event);
        bus->address = find_address(which);
        r = bus->address ? announce_start(bus) : -ENOMEM;
        if (r >= 0)
                r = settings_make(bus);
        if (r >= 0)
                r = top_make(bus);
        if (r >= 0)
                r = make_objects(bus);
        if (r >= 0)
                r = connect_to_bus(bus);
        if (r < 0) {
                bus_free(bus);
                return r;
        }
        *ret_bus = bus;
        return 0;
}

struct bus *bus_free(struct bus *bus) {
        if (!bus)
                return NULL;
        disconnect(bus);
        sd_event_source_disable_unref(bus->reconnect);
        sd_event_source_disable_unref(bus->turn_end);
        for (size_t i = 0; i < bus->n_objects; i++) {
                for (size_t k = 0; bus->objects[i].announced && k < bus->objects[i].kind->n_watched; k++)
                        free(bus->objects[i].announced[k]);
                free(bus->objects[i].announced);
                free(bus->objects[i].path);
        }
        free(bus->objects);
        top_free(bus);
        settings_free(bus);
        free(bus->address);
        sd_event_unref(bus->event);
        free(bus);
        return NULL;
}
