/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PropertiesChanged that is always right. Nobody has to know which property a change touches: what listeners were told
 * last is kept as text, and whatever differs from it is told. So nothing is announced that did not change, nothing that
 * changed and came back, and nothing is forgotten.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dbus/bus-private.h"
#include "dbus/setting.h"

#define MAX_WATCHED 64
#define MAX_TEXT 32768 /* of the longest value: all settings with their sources */

static void methods_text(struct bus *bus, char *ret_text, size_t size) {
        size_t n = 0;

        ret_text[0] = '\0';
        for (size_t i = 0; i < bus->operations->n_modules && n < size; i++) {
                struct control_module module = {};

                if (bus->operations->module(bus->daemon, i, &module) >= 0)
                        n += (size_t) snprintf(ret_text + n, size - n, "%s=%s ", module.name, module.method);
        }
}

static void settings_text(struct bus *bus, char *ret_text, size_t size) {
        size_t n = 0;

        ret_text[0] = '\0';
        for (size_t i = 0; i < bus->operations->n_settings && n < size; i++) {
                struct control_settings_row row;

                if (bus->operations->settings_row(bus->daemon, i, &row) >= 0)
                        n += (size_t) snprintf(ret_text + n, size - n, "%s=%s\n%s\n", row.key, row.value, row.source);
        }
}

static void value_text(struct object *object, const struct watched *watched, char *ret_text, size_t size) {
        const void *place = (const char *) &object->record + watched->offset;
        const char *text;

        switch (watched->type) {
        case 's':
                text = *(const char *const *) place;
                snprintf(ret_text, size, "%s", text ? text : "");
                break;
        case 'u':
                snprintf(ret_text, size, "%" PRIu32, *(const uint32_t *) place);
                break;
        case 't':
                snprintf(ret_text, size, "%" PRIu64, *(const uint64_t *) place);
                break;
        case 'b':
                snprintf(ret_text, size, "%d", *(const bool *) place);
                break;
        case 'x':
                setting_text(object->bus, watched->offset, ret_text, size);
                break;
        case 'm':
                methods_text(object->bus, ret_text, size);
                break;
        case 'r':
                settings_text(object->bus, ret_text, size);
                break;
        }
}

/* Keeps what is so now; collects the names of what was different, or of nothing when ret_names is NULL. */
static int compare(struct object *object, const char **ret_names) {
        char text[MAX_TEXT];
        size_t n = 0;

        for (size_t i = 0; i < object->kind->n_watched; i++) {
                char *copy;

                value_text(object, object->kind->watched + i, text, sizeof text);
                if (object->announced[i] && strcmp(object->announced[i], text) == 0)
                        continue;
                copy = strdup(text);
                if (!copy)
                        return -ENOMEM;
                free(object->announced[i]);
                object->announced[i] = copy;
                if (ret_names && n < MAX_WATCHED)
                        ret_names[n++] = object->kind->watched[i].property;
        }
        return (int) n;
}

/* Sandboxed readers hold a segment that nobody writes any more, and have nothing else to learn it from. */
static void announce_segment(struct object *object, const char *const names[]) {
        for (size_t i = 0; names[i]; i++)
                if (strcmp(names[i], "Incarnation") == 0)
                        sd_bus_emit_signal(object->bus->connection, object->path, object->kind->interface,
                                           "SegmentReplaced", "t", object->record.facts.incarnation);
}

void announce(struct bus *bus, unsigned what) {
        for (size_t i = 0; i < bus->n_objects; i++) {
                struct object *object = bus->objects + i;
                const char *names[MAX_WATCHED + 1] = {};

                if (!(object->kind->what & what) || object_look(object) < 0)
                        continue;
                if (compare(object, names) <= 0 || sd_bus_is_ready(bus->connection) <= 0)
                        continue;
                sd_bus_emit_properties_changed_strv(bus->connection, object->path, object->kind->interface,
                                                    (char **) names);
                if (object->kind == &bus->manager)
                        announce_segment(object, names);
        }
}

int announce_nothing_of_now(struct bus *bus) {
        for (size_t i = 0; i < bus->n_objects; i++) {
                int r = object_look(bus->objects + i);

                if (r >= 0)
                        r = compare(bus->objects + i, NULL);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int on_changed(sd_event_source *source, void *userdata) {
        struct bus *bus = userdata;
        unsigned what = bus->what;

        bus->what = 0;
        announce(bus, what);
        return 0;
}

int announce_start(struct bus *bus) {
        int r = sd_event_add_defer(bus->event, &bus->changed, on_changed, bus);

        if (r < 0)
                return r;
        /* After everything else of this turn, and before somebody reads what listeners were not told. */
        r = sd_event_source_set_priority(bus->changed, BUS_PRIORITY - 1);
        if (r < 0)
                return r;
        return sd_event_source_set_enabled(bus->changed, SD_EVENT_OFF);
}

void bus_changed(struct bus *bus, unsigned what) {
        if (!bus)
                return;
        bus->what |= what;
        sd_event_source_set_enabled(bus->changed, SD_EVENT_ONESHOT);
}
