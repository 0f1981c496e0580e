/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PropertiesChanged that is always right. Nobody has to know which property a change touches: what listeners were told
 * last is kept as text, and whatever differs from it is told. So nothing is announced that did not change, nothing that
 * changed and came back, and nothing is forgotten. While there is no bus changes are noted and not told: who comes
 * back reads everything.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dbus/bus-private.h"

#define MAX_WATCHED 64
#define MAX_TEXT 32768 /* of the longest value: all settings with their sources */

static const void *member(const struct object *object, size_t place) {
        return (const char *) &object->record + place;
}

void announce_text_string(struct object *object, size_t place, char *ret_text, size_t size) {
        const char *text = *(const char *const *) member(object, place);

        snprintf(ret_text, size, "%s", text ? text : "");
}

void announce_text_u32(struct object *object, size_t place, char *ret_text, size_t size) {
        snprintf(ret_text, size, "%" PRIu32, *(const uint32_t *) member(object, place));
}

void announce_text_u64(struct object *object, size_t place, char *ret_text, size_t size) {
        snprintf(ret_text, size, "%" PRIu64, *(const uint64_t *) member(object, place));
}

void announce_text_flag(struct object *object, size_t place, char *ret_text, size_t size) {
        snprintf(ret_text, size, "%d", *(const bool *) member(object, place));
}

/* Keeps what is so now; collects the names of what was different, or of nothing when ret_names is NULL. */
static int compare(struct object *object, const char **ret_names) {
        char text[MAX_TEXT];
        size_t n = 0;

        for (size_t i = 0; i < object->kind->n_watched; i++) {
                char *copy;

                object->kind->watched[i].text(object, object->kind->watched[i].place, text, sizeof text);
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
