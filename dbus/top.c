/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /org/socktally1: settings, facts, and what can be asked of the daemon as a whole. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dbus/bus-private.h"
#include "dbus/caller.h"
#include "dbus/setting.h"

static int look(struct object *object) {
        object->record.facts = (struct control_facts) {};
        object->bus->operations->facts(object->bus->daemon, &object->record.facts);
        return 0;
}

static void look_closer(struct object *object) {
        object->bus->operations->memory(object->bus->daemon, &object->record.facts);
}

static int get_methods(sd_bus *connection, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        struct bus *bus = ((struct object *) userdata)->bus;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "{ss}");
        for (size_t i = 0; r >= 0 && i < bus->operations->n_modules; i++) {
                struct control_module module = {};

                if (bus->operations->module(bus->daemon, i, &module) >= 0)
                        r = sd_bus_message_append(reply, "{ss}", module.name, module.method ? module.method : "");
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* Keys and values as in a configuration file, each with its source. */
static int get_settings(sd_bus *connection, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        struct bus *bus = ((struct object *) userdata)->bus;
        struct control_settings_row row;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "(sss)");
        for (size_t i = 0; r >= 0 && i < bus->operations->n_settings; i++)
                if (bus->operations->settings_row(bus->daemon, i, &row) >= 0)
                        r = sd_bus_message_append(reply, "(sss)", row.key, row.value, row.source);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int on_open_segment(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        struct object *object = userdata;
        struct bus *bus = object->bus;
        struct control_error failure = { .failure = CONTROL_FAILED };
        const char *view;
        int fd, r;

        r = sd_bus_message_read(message, "s", &view);
        if (r < 0)
                return r;
        if (strcmp(view, "full") == 0) {
                r = caller_authorise(bus, message, CALLER_MAY_READ_FULL, on_open_segment, userdata, error);
                if (r <= 0)
                        return r < 0 ? r : 1;
        } else if (strcmp(view, "public") != 0)
                return failure_say(error, CONTROL_INVALID_ARGUMENT,
                                   "There is no view \"%.40s\"; there are \"public\" and \"full\"", view);
        if (bus->operations->open_segment(bus->daemon, view, &fd, &failure) < 0)
                return failure_set(error, &failure);
        look(object);
        return sd_bus_reply_method_return(message, "ht", fd, object->record.facts.incarnation);
}

static int act(sd_bus_message *message, struct object *object, sd_bus_message_handler_t handler,
               int (*operation)(void *daemon, struct control_error *ret_error), sd_bus_error *error) {
        struct control_error failure = { .failure = CONTROL_FAILED };
        int r;

        r = caller_authorise(object->bus, message, CALLER_MAY_CONFIGURE, handler, object, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = operation(object->bus->daemon, &failure);
        announce(object->bus, BUS_ALL); /* a reload applies the lines that are right */
        if (r < 0)
                return failure_set(error, &failure);
        return sd_bus_reply_method_return(message, NULL);
}

static int on_reload(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        struct object *object = userdata;

        return act(message, object, on_reload, object->bus->operations->reload, error);
}

static int on_save(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        struct object *object = userdata;

        return act(message, object, on_save, object->bus->operations->save, error);
}

#define FACT(member) offsetof(struct object, record.facts.member)
#define CHANGES SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE
#define CONSTANT SD_BUS_VTABLE_PROPERTY_CONST
#define OPEN SD_BUS_VTABLE_UNPRIVILEGED

static const sd_bus_vtable facts[] = {
        SD_BUS_PROPERTY("Settings", "a(sss)", get_settings, 0, CHANGES),
        SD_BUS_PROPERTY("CurrentIntervalUSec", "t", NULL, FACT(interval_usec), CHANGES),
        SD_BUS_PROPERTY("Version", "s", NULL, FACT(version), CONSTANT),
        SD_BUS_PROPERTY("KernelRelease", "s", NULL, FACT(kernel), CONSTANT),
        SD_BUS_PROPERTY("StartTimestampUSec", "t", NULL, FACT(started_usec), CONSTANT),
        SD_BUS_PROPERTY("EffectiveMethods", "a{ss}", get_methods, 0, CHANGES),
        SD_BUS_PROPERTY("Readers", "u", NULL, FACT(readers), CHANGES),
        SD_BUS_PROPERTY("Incarnation", "t", NULL, FACT(incarnation), CHANGES),
        SD_BUS_PROPERTY("KernelMemoryBytes", "t", NULL, FACT(kernel_memory), 0),
        SD_BUS_PROPERTY("Sequence", "t", NULL, FACT(sequence), 0),
        SD_BUS_PROPERTY("CostNSec", "t", NULL, FACT(cost_ns), 0),
        SD_BUS_PROPERTY("SocketsTracked", "t", NULL, FACT(sockets_tracked), 0),
        SD_BUS_PROPERTY("SocketsOverflowed", "t", NULL, FACT(sockets_overflowed), 0),
        SD_BUS_PROPERTY("RowsOverflowed", "t", NULL, FACT(rows_overflowed), 0),
        SD_BUS_PROPERTY("MissedTxCalls", "t", NULL, FACT(missed_tx_calls), 0),
        SD_BUS_PROPERTY("MissedRxCalls", "t", NULL, FACT(missed_rx_calls), 0),
};

static const sd_bus_vtable methods[] = {
        SD_BUS_METHOD_WITH_ARGS("OpenSegment", SD_BUS_ARGS("s", view), SD_BUS_RESULT("h", segment, "t", incarnation),
                                on_open_segment, OPEN),
        SD_BUS_METHOD_WITH_ARGS("Sync", SD_BUS_NO_ARGS, SD_BUS_RESULT("t", sequence), sync_on_method, OPEN),
        SD_BUS_METHOD_WITH_ARGS("Reload", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, on_reload, OPEN),
        SD_BUS_METHOD_WITH_ARGS("Save", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, on_save, OPEN),
        SD_BUS_SIGNAL_WITH_ARGS("SegmentReplaced", SD_BUS_ARGS("t", incarnation), 0),
        SD_BUS_VTABLE_END
};

static void format_methods(struct object *object, size_t unused, char *ret_text, size_t size) {
        struct bus *bus = object->bus;
        size_t n = 0;

        ret_text[0] = '\0';
        for (size_t i = 0; i < bus->operations->n_modules && n < size; i++) {
                struct control_module module = {};

                if (bus->operations->module(bus->daemon, i, &module) >= 0)
                        n += (size_t) snprintf(ret_text + n, size - n, "%s=%s ", module.name, module.method);
        }
}

static void format_settings(struct object *object, size_t unused, char *ret_text, size_t size) {
        struct bus *bus = object->bus;
        size_t n = 0;

        ret_text[0] = '\0';
        for (size_t i = 0; i < bus->operations->n_settings && n < size; i++) {
                struct control_settings_row row;

                if (bus->operations->settings_row(bus->daemon, i, &row) >= 0)
                        n += (size_t) snprintf(ret_text + n, size - n, "%s=%s\n%s\n", row.key, row.value, row.source);
        }
}

static const struct watched watched[] = {
        { "Settings", format_settings, 0 },
        { "CurrentIntervalUSec", announce_format_u64, offsetof(struct control_facts, interval_usec) },
        { "EffectiveMethods", format_methods, 0 },
        { "Readers", announce_format_u32, offsetof(struct control_facts, readers) },
        { "Incarnation", announce_format_u64, offsetof(struct control_facts, incarnation) },
};

#define N(array) (sizeof array / sizeof array[0])

/* A property for each of the daemon's settings, the facts, a method Set... for each setting, the other methods. */
static void fill_vtable(const struct bus *bus, sd_bus_vtable *vtable) {
        static const sd_bus_vtable start = SD_BUS_VTABLE_START(0);

        *vtable++ = start;
        for (size_t i = 0; i < bus->n_settings; i++) {
                const struct bus_setting *s = &bus->settings[i];

                *vtable++ = (sd_bus_vtable) SD_BUS_WRITABLE_PROPERTY(s->property, s->signature, setting_get,
                                                                     property_refuse, 0, CHANGES | OPEN);
        }
        memcpy(vtable, facts, sizeof facts);
        vtable += N(facts);
        for (size_t i = 0; i < bus->n_settings; i++) {
                const struct bus_setting *s = &bus->settings[i];

                *vtable++ = (sd_bus_vtable) SD_BUS_METHOD_WITH_NAMES(s->method, s->signature, s->argument, "", ,
                                                                     setting_on_method, OPEN);
        }
        memcpy(vtable, methods, sizeof methods);
}

static void fill_watched(const struct bus *bus, struct watched *filled) {
        for (size_t i = 0; i < bus->n_settings; i++)
                *filled++ = (struct watched) { bus->settings[i].property, setting_format, i };
        memcpy(filled, watched, sizeof watched);
}

int top_make(struct bus *bus) {
        sd_bus_vtable *vtable = calloc(1 + 2 * bus->n_settings + N(facts) + N(methods), sizeof *vtable);
        struct watched *filled = calloc(bus->n_settings + N(watched), sizeof *filled);

        bus->manager = (struct kind) {
                .interface = BUS_NAME ".Manager",
                .prefix = BUS_PATH,
                .vtable = vtable,
                .look = look,
                .look_closer = look_closer,
                .watched = filled,
                .n_watched = bus->n_settings + N(watched),
                .group = BUS_MANAGER,
        };
        if (!vtable || !filled)
                return -ENOMEM;
        fill_vtable(bus, vtable);
        fill_watched(bus, filled);
        return 0;
}

void top_free(struct bus *bus) {
        free((void *) bus->manager.vtable);
        free((void *) bus->manager.watched);
}
