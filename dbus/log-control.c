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
#include "dbus/setting.h"

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
        SD_BUS_WRITABLE_PROPERTY("LogLevel", "s", get_level, setting_refuse, 0, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_WRITABLE_PROPERTY("LogTarget", "s", get_target, setting_refuse, 0, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_PROPERTY("SyslogIdentifier", "s", get_identifier, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_VTABLE_END
};

int log_control_add(struct bus *bus) {
        return sd_bus_add_object_vtable(bus->connection, NULL, LOG_CONTROL_PATH, "org.freedesktop.LogControl1",
                                        log_control_vtable, bus);
}

/* Before anybody is asked who calls. */
int log_control_check(const char *property, const char *value, sd_bus_error *error) {
        int level;

        if (strcmp(property, "LogLevel") == 0 && log_level_parse(value, &level) < 0)
                return failure_say(error, CONTROL_INVALID_ARGUMENT, "LogLevel=%.40s: must be " LOG_LEVELS, value);
        if (strcmp(property, "LogLevel") == 0 || strcmp(value, target()) == 0 || strcmp(value, "auto") == 0)
                return 0;
        return failure_say(error, CONTROL_NOT_SUPPORTED, "LogTarget=%.40s: is always \"%s\": the daemon writes to its "
                           "standard error, and StandardError= of its unit says where that leads", value, target());
}

int log_control_set(struct bus *bus, const char *property, const char *value, sd_bus_error *error) {
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
