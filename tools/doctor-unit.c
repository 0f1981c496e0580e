/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What systemd says of the service and of its socket. Nothing is started: to load a unit is only to read it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/doctor.h"

#define SYSTEMD "org.freedesktop.systemd1"

enum unit_property { LOAD_STATE, ACTIVE_STATE, SUB_STATE, RESULT, N_PROPERTIES };

static const struct {
        const char *name, *interface; /* of the unit, and of its result */
        bool is_socket;
} units[] = {
        { "socktally.service", SYSTEMD ".Service", false },
        { "socktally.socket", SYSTEMD ".Socket", true },
};

static int read_state(sd_bus *bus, const char *unit, const char *interface, char *ret_values[static N_PROPERTIES],
                      sd_bus_error *error) {
        static const char *const names[] = {
                [LOAD_STATE] = "LoadState", [ACTIVE_STATE] = "ActiveState", [SUB_STATE] = "SubState",
                [RESULT] = "Result"
        };
        sd_bus_message *reply = NULL;
        const char *path = NULL;
        int r = sd_bus_call_method(bus, SYSTEMD, "/org/freedesktop/systemd1", SYSTEMD ".Manager", "LoadUnit", error,
                                   &reply, "s", unit);

        if (r >= 0)
                r = sd_bus_message_read(reply, "o", &path);
        for (int i = 0; i < N_PROPERTIES && r >= 0; i++)
                r = sd_bus_get_property_string(bus, SYSTEMD, path, i == RESULT ? interface : SYSTEMD ".Unit",
                                               names[i], error, &ret_values[i]);
        (void)sd_bus_message_unref(reply);
        return r;
}

static void check_failure(struct findings *findings, const char *unit, const char *result) {
        if (strstr(result, "limit-hit"))
                finding_add(findings, FINDING_PROBLEM, unit,
                            "see 'journalctl -u socktally', then 'systemctl reset-failed socktally.service "
                            "socktally.socket' and 'systemctl restart socktally.socket socktally.service'",
                            "failed too often, systemd has given it up (%s)", result);
        else
                finding_add(findings, FINDING_PROBLEM, unit,
                            "see 'journalctl -u socktally', then 'systemctl restart socktally.socket "
                            "socktally.service'", "failed (%s)", result);
}

static void check_unit(struct findings *findings, const char *unit, bool is_socket, char *const values[]) {
        const char *load = values[LOAD_STATE], *active = values[ACTIVE_STATE];
        char advice[128];

        if (strcmp(load, "masked") == 0) {
                (void)snprintf(advice, sizeof(advice), "systemctl unmask %s", unit);
                finding_add(findings, FINDING_PROBLEM, unit, advice, "is masked: nothing can start it");
        } else if (strcmp(load, "not-found") == 0)
                finding_add(findings, FINDING_WARNING, unit,
                            "install socktally with its data, then 'systemctl daemon-reload'", "is not installed");
        else if (strcmp(load, "loaded") != 0) {
                (void)snprintf(advice, sizeof(advice), "see 'systemctl status %s'", unit);
                finding_add(findings, FINDING_PROBLEM, unit, advice, "cannot be loaded (%s)", load);
        } else if (strcmp(active, "failed") == 0)
                check_failure(findings, unit, values[RESULT]);
        else if (strcmp(values[SUB_STATE], "auto-restart") == 0)
                finding_add(findings, FINDING_PROBLEM, unit, "see 'journalctl -u socktally'",
                            "fails and is started again and again (%s)", values[RESULT]);
        else if (is_socket && strcmp(active, "inactive") == 0)
                finding_add(findings, FINDING_WARNING, unit, "systemctl enable --now socktally.socket",
                            "does not listen: no reader can start the daemon");
        else
                finding_add(findings, strcmp(active, "active") == 0 ? FINDING_OK : FINDING_INFO, unit, NULL, "%s (%s)",
                            active, values[SUB_STATE]);
}

void doctor_units(struct findings *findings, sd_bus *bus) {
        for (size_t i = 0; bus && i < sizeof(units) / sizeof(units[0]); i++) {
                sd_bus_error error = SD_BUS_ERROR_NULL;
                char *values[N_PROPERTIES] = { NULL };
                int r = read_state(bus, units[i].name, units[i].interface, values, &error);

                if (r >= 0)
                        check_unit(findings, units[i].name, units[i].is_socket, values);
                else
                        finding_add(findings, FINDING_INFO, units[i].name, NULL, "not known, systemd does not say: %s",
                                    error.message ? error.message : strerror(-r));
                sd_bus_error_free(&error);
                for (int j = 0; j < N_PROPERTIES; j++)
                        free(values[j]);
        }
}
