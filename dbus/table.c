/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /org/socktally1/table/NAME: one for each row of the daemon's table of tables. */
#include <inttypes.h>

#include "dbus/bus-private.h"
#include "dbus/caller.h"

static int look(struct object *object) {
        object->record.table = (struct control_table) {};
        return object->bus->operations->table(object->bus->daemon, object->number, &object->record.table);
}

static int check_capacity(const struct object *object, uint32_t capacity, sd_bus_error *error) {
        const struct control_table *table = &object->record.table;

        if (capacity >= table->capacity_min && capacity <= table->capacity_max)
                return 0;
        return failure_say(error, CONTROL_INVALID_ARGUMENT, "The table %s cannot have a capacity of %" PRIu32
                           " rows; allowed are %" PRIu32 " to %" PRIu32, table->name, capacity, table->capacity_min,
                           table->capacity_max);
}

static int on_set_capacity(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        struct object *object = userdata;
        struct bus *bus = object->bus;
        struct control_error failure = { .failure = CONTROL_FAILED };
        uint32_t capacity;
        int r;

        r = sd_bus_message_read(message, "u", &capacity);
        if (r >= 0)
                r = look(object);
        if (r >= 0)
                r = check_capacity(object, capacity, error);
        if (r < 0)
                return r;
        r = caller_authorise(bus, message, CALLER_MAY_CONFIGURE, on_set_capacity, userdata, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        if (bus->operations->table_set_capacity(bus->daemon, object->number, capacity, &failure) < 0)
                return failure_set(error, &failure);
        announce(bus, BUS_ALL);
        return sd_bus_reply_method_return(message, NULL);
}

#define AT(member) offsetof(struct object, record.table.member)

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Name", "s", NULL, AT(name), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Capacity", "u", NULL, AT(capacity), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("CapacityMin", "u", NULL, AT(capacity_min), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("CapacityMax", "u", NULL, AT(capacity_max), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Used", "u", NULL, AT(used), 0),
        SD_BUS_PROPERTY("Peak", "u", NULL, AT(peak), 0),
        SD_BUS_PROPERTY("Overflowed", "t", NULL, AT(overflowed), 0),
        SD_BUS_METHOD_WITH_ARGS("SetCapacity", SD_BUS_ARGS("u", capacity), SD_BUS_NO_RESULT, on_set_capacity,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END
};

static const struct watched watched[] = {
        { "Capacity", announce_format_u32, offsetof(struct control_table, capacity) },
};

const struct kind table_kind = {
        .interface = BUS_NAME ".Table",
        .prefix = BUS_PATH "/table",
        .vtable = vtable,
        .look = look,
        .watched = watched,
        .n_watched = sizeof watched / sizeof watched[0],
        .group = BUS_TABLES,
};
