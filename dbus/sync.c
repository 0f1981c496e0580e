/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sync: everything that happened before the call is published when it returns. Anybody may call it, and folding costs.
 * So one round of folding serves all callers that came before it, and these rounds take at most a fifth of the time. A
 * caller may have to wait for that reason, but is not refused. A caller with too many calls that wait is refused.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "daemon/clock.h"
#include "dbus/bus-private.h"

#define REST_USEC 10000

static void answer(sd_bus_message *message, const sd_bus_error *error, uint64_t sequence) {
        if (sd_bus_error_is_set(error))
                sd_bus_reply_method_error(message, error);
        else
                sd_bus_reply_method_return(message, "t", sequence);
}

static void answer_all(struct bus *bus, const sd_bus_error *error, uint64_t sequence) {
        size_t n = bus->n_syncs;

        bus->n_syncs = 0;
        for (size_t i = 0; i < n; i++) {
                answer(bus->syncs[i], error, sequence);
                sd_bus_message_unref(bus->syncs[i]);
        }
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        struct bus *bus = userdata;
        struct control_error failure = { .failure = CONTROL_FAILED };
        sd_bus_error error = SD_BUS_ERROR_NULL;
        uint64_t start = clock_usec(CLOCK_MONOTONIC), end, sequence = 0;

        if (bus->operations->sync(bus->daemon, &sequence, &failure) < 0)
                failure_set(&error, &failure);
        end = clock_usec(CLOCK_MONOTONIC);
        bus->sync_not_before = end + ((end - start) * 4 > REST_USEC ? (end - start) * 4 : REST_USEC);
        announce(bus, BUS_ALL);
        answer_all(bus, &error, sequence);
        sd_bus_error_free(&error);
        return 0;
}

static bool has_too_many(const struct bus *bus, sd_bus_message *message) {
        const char *sender = sd_bus_message_get_sender(message);
        size_t n = 0;

        for (size_t i = 0; i < bus->n_syncs; i++)
                n += strcmp(sd_bus_message_get_sender(bus->syncs[i]), sender) == 0;
        return n >= MAX_SYNCS_OF_ONE;
}

int sync_on_method(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        struct object *object = userdata;
        struct bus *bus = object->bus;
        int r;

        if (!sd_bus_message_get_sender(message))
                return sd_bus_error_set(error, SD_BUS_ERROR_ACCESS_DENIED, "The caller has no name");
        if (has_too_many(bus, message))
                return sd_bus_error_setf(error, SD_BUS_ERROR_LIMITS_EXCEEDED, "%d calls of Sync wait already; wait for "
                                         "their answers", MAX_SYNCS_OF_ONE);
        if (bus->n_syncs == MAX_SYNCS)
                return sd_bus_error_setf(error, SD_BUS_ERROR_LIMITS_EXCEEDED, "%d callers wait for Sync already",
                                         MAX_SYNCS);
        if (bus->n_syncs == 0) {
                bus->sync_timer = sd_event_source_unref(bus->sync_timer);
                r = sd_event_add_time(bus->event, &bus->sync_timer, CLOCK_MONOTONIC, bus->sync_not_before, 1, on_timer,
                                      bus);
                if (r < 0)
                        return r;
        }
        bus->syncs[bus->n_syncs++] = sd_bus_message_ref(message);
        return 1;
}

void sync_abandon(struct bus *bus) {
        sd_bus_error error = SD_BUS_ERROR_MAKE_CONST(BUS_NAME ".Error.Failed", "The bus is lost, or the daemon ends");

        answer_all(bus, &error, 0);
        bus->sync_timer = sd_event_source_unref(bus->sync_timer);
}
