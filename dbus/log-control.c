/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * org.freedesktop.LogControl1, see org.freedesktop.LogControl1(5): what `systemctl service-log-level` talks to. The
 * level is the daemon's. The target is always its standard error, which systemd leads to the journal.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "daemon/log.h"
#include "dbus/bus-private.h"
#include "dbus/caller.h"

static const char *target(void) {
        return getenv("JOURNAL_STREAM") ? "journal" : "console";
}

static int get_level(sd_bus *connection, const char *path, const char *interface, const char *property,
                     sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        struct bus *bus = userdata;
        int level = bus->operations->log_level ? bus->operations->log_level(bus->daemon) : LOG_INFO;

        if (level < LOG_EMERG || level > LOG_DEBUG)
                level = LOG_DEBUG;
        return sd_bus_message_append(reply, "s", log_level_name(level));
}

static int get_target(sd_bus *connection, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", target());
}

static int get_identifier(sd_bus *connection, const char *path, const char *interface, const char *property,
                          sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", program_invocation_short_name);
}

static const sd_bus_vtable log_control_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_WRITABLE_PROPERTY("LogLevel", "s", get_level, property_refuse, 0, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_WRITABLE_PROPERTY("LogTarget", "s", get_target, property_refuse, 0, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_PROPERTY("SyslogIdentifier", "s", get_identifier, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_VTABLE_END
};

int log_control_add(struct bus *bus) {
        return sd_bus_add_object_vtable(bus->connection, NULL, LOG_CONTROL_PATH, LOG_CONTROL_INTERFACE,
                                        log_control_vtable, bus);
}

/* Before anybody is asked who calls. */
static int check(const char *property, const char *value, sd_bus_error *error) {
        int level;

        if (strcmp(property, "LogLevel") == 0 && log_level_parse(value, &level) < 0)
                return failure_say(error, CONTROL_INVALID_ARGUMENT, "LogLevel=%.40s: must be " LOG_LEVELS, value);
        if (strcmp(property, "LogLevel") == 0 || strcmp(value, target()) == 0 || strcmp(value, "auto") == 0)
                return 0;
        return failure_say(error, CONTROL_NOT_SUPPORTED, "LogTarget=%.40s: is always \"%s\": the daemon writes to its "
                           "standard error, and StandardError= of its unit says where that leads", value, target());
}

static int set(struct bus *bus, const char *property, const char *value, sd_bus_error *error) {
        struct control_error failure = { .failure = CONTROL_FAILED };
        int level;

        if (strcmp(property, "LogLevel") != 0)
                return 0; /* the target is what it is */
        if (!bus->operations->set_log_level)
                return failure_say(error, CONTROL_NOT_SUPPORTED, "The level of the log cannot be changed at run time");
        if (log_level_parse(value, &level) < 0)
                return -EINVAL;
        if (bus->operations->set_log_level(bus->daemon, level, &failure) < 0)
                return failure_set(error, &failure);
        return 0;
}

int log_control_set(struct bus *bus, sd_bus_message *message, const char *property, sd_bus_message_handler_t again,
                    sd_bus_error *error) {
        const char *value;
        int r;

        if (strcmp(property, "LogLevel") != 0 && strcmp(property, "LogTarget") != 0)
                return 0;
        r = sd_bus_message_read(message, "v", "s", &value);
        if (r < 0)
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "%s is of type s", property);
        r = check(property, value, error);
        if (r < 0)
                return r;
        r = caller_authorise(bus, message, CALLER_IS_ROOT, again, bus, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = set(bus, property, value, error);
        if (r < 0)
                return r;
        announce(bus, BUS_MANAGER); /* Settings shows the level */
        return sd_bus_reply_method_return(message, NULL);
}
