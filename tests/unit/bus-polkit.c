/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The polkit of paper: answers as the script says, and remembers what it was asked. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <systemd/sd-event.h>

#include "tests/unit/bus-daemon.h"

static int answer(sd_bus_message *message, const struct stage_script *script) {
        switch (script->polkit) {
        case POLKIT_YES:
                return sd_bus_reply_method_return(message, "(bba{ss})", true, false, 0);
        case POLKIT_NO:
                return sd_bus_reply_method_return(message, "(bba{ss})", false, false, 0);
        case POLKIT_CHALLENGE:
                return sd_bus_reply_method_return(message, "(bba{ss})", false, true, 0);
        case POLKIT_ERROR:
                return sd_bus_reply_method_errorf(message, "org.freedesktop.PolicyKit1.Error.Failed", "No subject");
        case POLKIT_GARBAGE:
                return sd_bus_reply_method_return(message, "s", "perhaps");
        case POLKIT_SILENT:
                return 1;
        }
        return 1;
}

static int on_check(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        struct stage_script *script = userdata;
        const char *kind, *key, *name, *action, *id;
        uint32_t flags;
        int r;

        r = sd_bus_message_read(message, "(sa{sv})s", &kind, 1, &key, "s", &name, &action);
        if (r >= 0)
                r = sd_bus_message_skip(message, "a{ss}");
        if (r >= 0)
                r = sd_bus_message_read(message, "us", &flags, &id);
        if (r < 0)
                return r;
        if (strcmp(kind, "system-bus-name") != 0 || strcmp(key, "name") != 0 || id[0] == '\0')
                return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS, "Not as polkit wants it");
        snprintf(script->action, sizeof script->action, "%s", action);
        snprintf(script->subject, sizeof script->subject, "%s", name);
        script->flags = flags;
        r = answer(message, script);
        __atomic_add_fetch(&script->n_checks, 1, __ATOMIC_SEQ_CST);
        return r < 0 ? r : 1;
}

static int on_cancel(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        struct stage_script *script = userdata;

        __atomic_add_fetch(&script->n_cancels, 1, __ATOMIC_SEQ_CST);
        return sd_bus_reply_method_return(message, NULL);
}

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("CheckAuthorization", "(sa{sv})sa{ss}us", "(bba{ss})", on_check, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("CancelCheckAuthorization", "s", "", on_cancel, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END
};

static int serve(sd_bus *bus, sd_event *event, const char *address, struct stage_script *script) {
        int r;

        r = sd_bus_set_address(bus, address);
        if (r >= 0)
                r = sd_bus_set_bus_client(bus, true);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r >= 0)
                r = sd_bus_add_object_vtable(bus, NULL, "/org/freedesktop/PolicyKit1/Authority",
                                             "org.freedesktop.PolicyKit1.Authority", vtable, script);
        if (r >= 0)
                r = sd_bus_request_name(bus, "org.freedesktop.PolicyKit1", 0);
        if (r >= 0)
                r = sd_bus_attach_event(bus, event, 0);
        if (r >= 0)
                r = sd_event_loop(event);
        return r;
}

int bus_polkit_run(const char *address, struct stage_script *script) {
        sd_event *event = NULL;
        sd_bus *bus = NULL;
        sigset_t signals;
        int r;

        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        sigprocmask(SIG_BLOCK, &signals, NULL);
        r = sd_event_new(&event);
        if (r >= 0)
                r = sd_event_add_signal(event, NULL, SIGTERM, NULL, NULL);
        if (r >= 0)
                r = sd_bus_new(&bus);
        if (r >= 0)
                r = serve(bus, event, address, script);
        sd_bus_close_unref(bus);
        sd_event_unref(event);
        return r;
}
