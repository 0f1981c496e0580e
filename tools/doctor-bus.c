/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The bus is asked about the daemon before the daemon is, and nothing is started: who only looks changes nothing. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/doctor.h"

#ifndef DBUSPOLICYDIR
#define DBUSPOLICYDIR "/usr/share/dbus-1/system.d"
#endif

#define ASK_BUS(bus, member, error, reply, ...) \
        sd_bus_call_method(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", member, \
                           error, reply, __VA_ARGS__)

static bool is_owned(sd_bus *bus, const char *name) {
        sd_bus_message *reply = NULL;
        int is_there = 0;

        if (ASK_BUS(bus, "NameHasOwner", NULL, &reply, "s", name) >= 0)
                (void)sd_bus_message_read_basic(reply, 'b', &is_there);
        (void)sd_bus_message_unref(reply);
        return is_there;
}

static bool is_activatable(sd_bus *bus, const char *wanted) {
        sd_bus_message *reply = NULL;
        bool is_found = false;
        const char *name;

        if (ASK_BUS(bus, "ListActivatableNames", NULL, &reply, NULL) >= 0 &&
            sd_bus_message_enter_container(reply, 'a', "s") >= 0)
                while (!is_found && sd_bus_message_read_basic(reply, 's', &name) > 0)
                        is_found = strcmp(name, wanted) == 0;
        (void)sd_bus_message_unref(reply);
        return is_found;
}

static pid_t owner_pid(sd_bus *bus) {
        sd_bus_message *reply = NULL;
        uint32_t pid = 0;

        if (ASK_BUS(bus, "GetConnectionUnixProcessID", NULL, &reply, "s", BUS_NAME) >= 0)
                (void)sd_bus_message_read_basic(reply, 'u', &pid);
        (void)sd_bus_message_unref(reply);
        return (pid_t)pid;
}

static void check_policy(struct findings *findings, bool is_there) {
        static const char *const files[] = { DBUSPOLICYDIR "/org.socktally1.conf",
                                             "/etc/dbus-1/system.d/org.socktally1.conf" };

        if (is_there || access(files[0], R_OK) == 0 || access(files[1], R_OK) == 0)
                finding_add(findings, FINDING_OK, "bus policy", NULL,
                            is_there ? "lets the daemon own its name" : "is installed");
        else
                finding_add(findings, FINDING_PROBLEM, "bus policy",
                            "install socktally with its data, then 'systemctl reload dbus'", "%s is not installed",
                            files[0]);
}

static void check_answer(struct findings *findings, struct patient *patient) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        const char *version;
        int r = control_take(&patient->control, patient->bus, false, &error);

        patient->is_there = r >= 0;
        if (r < 0) {
                finding_add(findings, FINDING_PROBLEM, "control line", "see 'journalctl -u socktally'",
                            "the daemon does not answer: %s", error.message ? error.message : strerror(-r));
                sd_bus_error_free(&error);
                return;
        }
        version = property_text(&patient->control.manager, "Version");
        finding_add(findings, FINDING_OK, "control line", NULL, "socktallyd %s answers", version ? version : "");
}

void doctor_bus(struct findings *findings, struct patient *patient) {
        bool is_there, can_start;
        int r = sd_bus_open_system(&patient->bus);

        if (r >= 0 && sd_bus_get_unique_name(patient->bus, &(const char *){ NULL }) < 0)
                r = -ECONNREFUSED;
        if (r < 0) {
                finding_add(findings, FINDING_PROBLEM, "bus", "start dbus.service",
                            "the system bus cannot be reached: %s", strerror(-r));
                patient->bus = sd_bus_flush_close_unref(patient->bus);
                return;
        }
        is_there = is_owned(patient->bus, BUS_NAME);
        can_start = is_activatable(patient->bus, BUS_NAME);
        if (is_there)
                patient->pid = owner_pid(patient->bus);
        if (is_there)
                finding_add(findings, FINDING_OK, "daemon", NULL, "runs, PID %d", (int)patient->pid);
        else if (can_start)
                finding_add(findings, FINDING_WARNING, "daemon", "start it with 'systemctl start socktally'",
                            "does not run, so nothing is counted");
        else
                finding_add(findings, FINDING_PROBLEM, "daemon",
                            "start it with 'systemctl start socktally', or run 'socktallyd' as root",
                            "does not run, and the bus cannot start it");
        if (can_start || is_there)
                finding_add(findings, can_start ? FINDING_OK : FINDING_WARNING, "activation",
                            can_start ? NULL : "install org.socktally1.service, then 'systemctl reload dbus'",
                            can_start ? "the bus asks for the daemon when it is called"
                                      : "the bus cannot ask for the daemon");
        check_policy(findings, is_there);
        if (is_there)
                check_answer(findings, patient);
}

static int ask_polkit(sd_bus *bus, const char *action, int *ret_is_allowed, int *ret_is_challenge,
                      sd_bus_error *error) {
        sd_bus_message *reply = NULL;
        const char *name;
        int r = sd_bus_get_unique_name(bus, &name);

        if (r >= 0)
                r = sd_bus_call_method(bus, "org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority",
                                       "org.freedesktop.PolicyKit1.Authority", "CheckAuthorization", error, &reply,
                                       "(sa{sv})sa{ss}us", "system-bus-name", 1, "name", "s", name, action, 0, 0,
                                       "socktally-doctor");
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'r', "bba{ss}");
        if (r >= 0)
                r = sd_bus_message_read(reply, "bb", ret_is_allowed, ret_is_challenge);
        (void)sd_bus_message_unref(reply);
        return r;
}

static void check_action(struct findings *findings, const struct patient *patient, const char *what,
                         const char *action, const char *purpose) {
        static const char advice[] = "run it as root, or have an administrator write a polkit rule for it";
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int is_allowed = 0, is_challenge = 0;
        int r = ask_polkit(patient->bus, action, &is_allowed, &is_challenge, &error);

        if (r < 0 && error.message && strstr(error.message, "not registered"))
                finding_add(findings, FINDING_PROBLEM, what, "install org.socktally1.policy",
                            "polkit does not know %s", action);
        else if (r < 0)
                finding_add(findings, FINDING_WARNING, what, advice, "polkit does not decide: %s",
                            error.message ? error.message : strerror(-r));
        else if (is_allowed)
                finding_add(findings, FINDING_OK, what, NULL, "this user may %s", purpose);
        else if (is_challenge)
                finding_add(findings, FINDING_OK, what, NULL, "this user may %s after a password", purpose);
        else
                finding_add(findings, FINDING_WARNING, what, advice, "this user may not %s", purpose);
        sd_bus_error_free(&error);
}

void doctor_polkit(struct findings *findings, const struct patient *patient) {
        if (!patient->bus)
                return;
        if (!is_owned(patient->bus, "org.freedesktop.PolicyKit1") &&
            !is_activatable(patient->bus, "org.freedesktop.PolicyKit1")) {
                if (geteuid() == 0)
                        finding_add(findings, FINDING_INFO, "polkit", "install polkitd if other users are to change "
                                    "settings", "is not there: only root may change settings");
                else
                        finding_add(findings, FINDING_WARNING, "polkit", "install polkitd, or run it as root",
                                    "is not there: this user may change nothing");
                return;
        }
        check_action(findings, patient, "polkit configure", BUS_NAME ".configure", "change settings");
        check_action(findings, patient, "polkit read-full", BUS_NAME ".read-full", "see the traffic of all processes");
}

static void check_module(struct findings *findings, const struct control_object *module) {
        const char *state = property_text(&module->properties, "State");
        const char *reason = property_text(&module->properties, "Reason");
        uint64_t misses = 0;
        char what[96];

        (void)snprintf(what, sizeof(what), "module %s", module->name);
        (void)property_number(&module->properties, "Misses", &misses);
        if (state && strcmp(state, "failed") == 0)
                finding_add(findings, FINDING_PROBLEM, what, "see the attach methods", "does not run: %s",
                            reason && *reason ? reason : "it gives no reason");
        else if (misses > 0)
                finding_add(findings, FINDING_WARNING, what, "see 'socktally modules'",
                            "%s; the kernel could not run its programs %" PRIu64 " times", state ? state : "", misses);
        else if (state && strcmp(state, "running") == 0 && (!reason || !*reason))
                finding_add(findings, FINDING_OK, what, NULL, "running");
        else
                finding_add(findings, FINDING_INFO, what, NULL, "%s%s%s", state ? state : "in an unknown state",
                            reason && *reason ? "; " : "", reason ? reason : "");
}

static void check_table(struct findings *findings, const struct control_object *table) {
        uint64_t used = 0, capacity = 0, overflowed = 0;
        char what[96];
        bool is_full;

        (void)snprintf(what, sizeof(what), "table %s", table->name);
        (void)property_number(&table->properties, "Used", &used);
        (void)property_number(&table->properties, "Capacity", &capacity);
        (void)property_number(&table->properties, "Overflowed", &overflowed);
        is_full = used >= capacity - capacity / 10;
        finding_add(findings, overflowed > 0 || is_full ? FINDING_WARNING : FINDING_OK, what,
                    overflowed > 0 || is_full ? "make it larger with 'socktally set', see socktally.conf(5)" : NULL,
                    "%" PRIu64 " of %" PRIu64 " rows in use, overflowed %" PRIu64 " times", used, capacity, overflowed);
}

void doctor_objects(struct findings *findings, const struct patient *patient) {
        for (size_t i = 0; patient->is_there && i < patient->control.n_objects; i++)
                if (patient->control.objects[i].kind == CONTROL_MODULE)
                        check_module(findings, &patient->control.objects[i]);
        for (size_t i = 0; patient->is_there && i < patient->control.n_objects; i++)
                if (patient->control.objects[i].kind == CONTROL_TABLE)
                        check_table(findings, &patient->control.objects[i]);
}
