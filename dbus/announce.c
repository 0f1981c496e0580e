/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PropertiesChanged that is always right. Nobody has to know which property a change touches. For each property the
 * text of the value that was last announced is kept, and a property is announced when the text of its present value is
 * another one. So no property is announced that did not change, or that changed and came back, and none is forgotten.
 * Example: Interval= is set to 2s and back to 1s in one turn of the loop: nothing is announced.
 *
 * While there is no bus, texts are kept as if they had been announced: a program that connects later reads all values.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dbus/bus-private.h"

#define MAX_WATCHED 64
#define MAX_TEXT 32768 /* of the longest value: all settings with their sources */

static const void *member(const struct object *object, size_t offset) {
        return (const char *) &object->record + offset;
}

void announce_format_string(struct object *object, size_t offset, char *ret_text, size_t size) {
        const char *text = *(const char *const *) member(object, offset);

        snprintf(ret_text, size, "%s", text ? text : "");
}

void announce_format_u32(struct object *object, size_t offset, char *ret_text, size_t size) {
        snprintf(ret_text, size, "%" PRIu32, *(const uint32_t *) member(object, offset));
}

void announce_format_u64(struct object *object, size_t offset, char *ret_text, size_t size) {
        snprintf(ret_text, size, "%" PRIu64, *(const uint64_t *) member(object, offset));
}

void announce_format_flag(struct object *object, size_t offset, char *ret_text, size_t size) {
        snprintf(ret_text, size, "%d", *(const bool *) member(object, offset));
}

/* Compares the present values in the object's record with those that were last announced, and keeps the present ones
 * as announced. Returns how many were different, and their names, unless ret_names is NULL. */
static int replace_announced(struct object *object, const char **ret_names) {
        char text[MAX_TEXT];
        size_t n = 0;

        for (size_t i = 0; i < object->kind->n_watched; i++) {
                const struct watched *watched = &object->kind->watched[i];
                char *copy;

                watched->format(object, watched->argument, text, sizeof text);
                if (object->announced[i] && strcmp(object->announced[i], text) == 0)
                        continue;
                copy = strdup(text);
                if (!copy)
                        return -ENOMEM;
                free(object->announced[i]);
                object->announced[i] = copy;
                if (ret_names && n < MAX_WATCHED)
                        ret_names[n++] = watched->property;
        }
        return (int) n;
}

/* For readers in a sandbox, which have their segment from OpenSegment() and cannot reach the readers' socket. Nothing
 * else tells them that nobody writes this segment any more. names: of the properties that changed. */
static void announce_segment(struct object *object, const char *const names[]) {
        for (size_t i = 0; names[i]; i++)
                if (strcmp(names[i], "Incarnation") == 0)
                        sd_bus_emit_signal(object->bus->connection, object->path, object->kind->interface,
                                           "SegmentReplaced", "t", object->record.facts.incarnation);
}

void announce(struct bus *bus, unsigned groups) {
        for (size_t i = 0; i < bus->n_objects; i++) {
                struct object *object = bus->objects + i;
                const char *names[MAX_WATCHED + 1] = {};

                if (!(object->kind->group & groups) || object_look(object) < 0)
                        continue;
                if (replace_announced(object, names) <= 0 || sd_bus_is_ready(bus->connection) <= 0)
                        continue;
                sd_bus_emit_properties_changed_strv(bus->connection, object->path, object->kind->interface,
                                                    (char **) names);
                if (object->kind == &bus->manager)
                        announce_segment(object, names);
        }
}

int announce_set_baseline(struct bus *bus) {
        for (size_t i = 0; i < bus->n_objects; i++) {
                int r = object_look(bus->objects + i);

                if (r >= 0)
                        r = replace_announced(bus->objects + i, NULL);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int on_turn_end(sd_event_source *source, void *userdata) {
        struct bus *bus = userdata;
        unsigned groups = bus->changed_groups;

        bus->changed_groups = 0;
        announce(bus, groups);
        return 0;
}

int announce_start(struct bus *bus) {
        int r = sd_event_add_defer(bus->event, &bus->turn_end, on_turn_end, bus);

        if (r < 0)
                return r;
        /* After counting, which may change more in this turn; before calls from the bus, which could read a value that
         * listeners were not told. */
        r = sd_event_source_set_priority(bus->turn_end, BUS_PRIORITY - 1);
        if (r < 0)
                return r;
        return sd_event_source_set_enabled(bus->turn_end, SD_EVENT_OFF);
}

void bus_changed(struct bus *bus, unsigned groups) {
        if (!bus)
                return;
        bus->changed_groups |= groups;
        sd_event_source_set_enabled(bus->turn_end, SD_EVENT_ONESHOT);
}
