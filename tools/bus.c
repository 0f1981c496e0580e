/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Errors are told apart by their names: those of the daemon, of the bus and of who starts services for it. */
#include <err.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tools/bus.h"
#include "tools/untrusted.h"

#define HOW_TO_START "start it with 'systemctl start socktally', or run 'socktallyd' as root"
#define HOW_TO_BE_ALLOWED \
        "run it as root, or have polkit allow the action org.socktally1.configure; 'socktally doctor' tells more"

static const char not_there[] = HOW_TO_START;
static const char not_allowed[] = HOW_TO_BE_ALLOWED;
static const char no_agent[] = "nobody could be asked for a password; run it on a terminal or as root";
static const char other_release[] = "this daemon does not know that; install daemon and command from one release";
static const char in_journal[] = "'journalctl -u socktally' may tell more";

/* A name that ends with a dot stands for all that begin so. */
static const struct {
        const char *name;
        enum exit_status status;
        const char *advice; /* NULL: the message says it all */
} verdicts[] = {
        { BUS_NAME ".Error.InvalidArgument", STATUS_USAGE, NULL },
        { BUS_NAME ".Error.NoSuchModule", STATUS_USAGE, NULL },
        { BUS_NAME ".Error.NotPermitted", STATUS_NOT_PERMITTED, NULL },
        { BUS_NAME ".Error.", STATUS_FAILED, NULL },
        { "org.freedesktop.DBus.Error.InvalidArgs", STATUS_USAGE, NULL },
        { "org.freedesktop.DBus.Error.AccessDenied", STATUS_NOT_PERMITTED, not_allowed },
        { "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", STATUS_NOT_PERMITTED, no_agent },
        { "org.freedesktop.DBus.Error.ServiceUnknown", STATUS_NO_DAEMON, not_there },
        { "org.freedesktop.DBus.Error.NameHasNoOwner", STATUS_NO_DAEMON, not_there },
        { "org.freedesktop.DBus.Error.Spawn.", STATUS_NO_DAEMON, not_there },
        { "org.freedesktop.DBus.Error.TimedOut", STATUS_NO_DAEMON, not_there },
        { "org.freedesktop.systemd1.", STATUS_NO_DAEMON, not_there },
        { "org.freedesktop.DBus.Error.Disconnected", STATUS_NO_DAEMON, not_there },
        { "org.freedesktop.DBus.Error.FileNotFound", STATUS_NO_DAEMON, not_there },
        { "org.freedesktop.DBus.Error.NoServer", STATUS_NO_DAEMON, not_there },
        { "org.freedesktop.DBus.Error.UnknownMethod", STATUS_FAILED, other_release },
        { "org.freedesktop.DBus.Error.UnknownInterface", STATUS_FAILED, other_release },
        { "org.freedesktop.DBus.Error.UnknownObject", STATUS_FAILED, other_release },
        { "org.freedesktop.DBus.Error.UnknownProperty", STATUS_FAILED, other_release },
        { "org.freedesktop.DBus.Error.NoReply", STATUS_FAILED, in_journal },
        { "org.freedesktop.DBus.Error.LimitsExceeded", STATUS_FAILED, NULL },
};
#define N_VERDICTS (sizeof(verdicts) / sizeof(verdicts[0]))

static size_t find_verdict(const sd_bus_error *error) {
        size_t i = 0;

        for (; error->name && i < N_VERDICTS; i++) {
                size_t n = strlen(verdicts[i].name);

                if (verdicts[i].name[n - 1] == '.' ? strncmp(error->name, verdicts[i].name, n) == 0 :
                                                     strcmp(error->name, verdicts[i].name) == 0)
                        return i;
        }
        return N_VERDICTS;
}

enum exit_status bus_verdict(int r, const sd_bus_error *error) {
        size_t i = find_verdict(error);

        if (i < N_VERDICTS)
                return verdicts[i].status;
        return r == -EACCES || r == -EPERM ? STATUS_NOT_PERMITTED : STATUS_FAILED;
}

enum exit_status bus_explain_value(const char *what, int r, sd_bus_error *error, const char *nearest) {
        size_t i = find_verdict(error);
        enum exit_status status = bus_verdict(r, error);
        const char *advice = i < N_VERDICTS && verdicts[i].advice ? verdicts[i].advice : "";
        size_t n = strcspn(what, " ");
        char message[512], meant[96] = "";

        (void)untrusted_printable(message, sizeof(message),
                                  error->message && *error->message ? error->message : strerror(-r));
        /* The daemon mostly says again what was typed. */
        if (what[n] && status != STATUS_USAGE && strncmp(message, what + n + 1, strlen(what + n + 1)) != 0)
                n = strlen(what);
        if (nearest && status == STATUS_USAGE)
                (void)snprintf(meant, sizeof(meant), "; did you mean '%s'?", nearest);
        if (status == STATUS_NO_DAEMON)
                warnx("%s: no daemon is on the bus (%s); %s", what, message, advice);
        else
                warnx("%.*s: %s%s%s%s", (int)n, what, message, meant, *advice ? "; " : "", advice);
        sd_bus_error_free(error);
        return status;
}

enum exit_status bus_explain(const char *what, int r, sd_bus_error *error) {
        return bus_explain_value(what, r, error, NULL);
}

enum exit_status bus_open(sd_bus **ret_bus) {
        int r = sd_bus_open_system(ret_bus);

        if (r >= 0)
                return STATUS_DONE;
        warnx("cannot reach the system bus: %s; the daemon is controlled over it, see that dbus.service runs",
              strerror(-r));
        return r == -EACCES || r == -EPERM ? STATUS_NOT_PERMITTED : STATUS_NO_DAEMON;
}

int bus_call(sd_bus *bus, uint64_t timeout_usec, const char *path, const char *interface, const char *member,
             sd_bus_error *error, sd_bus_message **ret_reply, const char *types, ...) {
        sd_bus_message *call = NULL;
        va_list arguments;
        int r;

        r = sd_bus_message_new_method_call(bus, &call, BUS_NAME, path, interface, member);
        if (r >= 0 && types) {
                va_start(arguments, types);
                r = sd_bus_message_appendv(call, types, arguments);
                va_end(arguments);
        }
        if (r >= 0)
                r = sd_bus_message_set_allow_interactive_authorization(call, timeout_usec > BUS_ANSWER_USEC);
        if (r >= 0)
                r = sd_bus_call(bus, call, timeout_usec, error, ret_reply);
        (void)sd_bus_message_unref(call);
        return r < 0 ? r : 0;
}
