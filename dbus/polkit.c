/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * As much of org.freedesktop.PolicyKit1.Authority as the daemon needs. polkit gets the caller's name on the bus and
 * finds out itself which user that is. Where there is no polkit the answer is no, and the error says why.
 */
#include <errno.h>

#include "dbus/polkit.h"

#define ALLOW_USER_INTERACTION 1
#define ANSWER_USEC (10 * UINT64_C(1000000))
#define PASSWORD_USEC (300 * UINT64_C(1000000)) /* people look for their password */

static int new_call(sd_bus *connection, const char *member, sd_bus_message **ret_call) {
        return sd_bus_message_new_method_call(connection, ret_call, "org.freedesktop.PolicyKit1",
                                              "/org/freedesktop/PolicyKit1/Authority",
                                              "org.freedesktop.PolicyKit1.Authority", member);
}

int polkit_check(sd_bus *connection, sd_bus_slot **ret_slot, const char *name, const char *action, bool is_interactive,
                 const char *id, sd_bus_message_handler_t callback, void *userdata) {
        sd_bus_message *call = NULL;
        int r;

        r = new_call(connection, "CheckAuthorization", &call);
        if (r >= 0)
                r = sd_bus_message_append(call, "(sa{sv})sa{ss}us", "system-bus-name", 1, "name", "s", name, action, 0,
                                          is_interactive ? ALLOW_USER_INTERACTION : 0, id);
        if (r >= 0)
                r = sd_bus_call_async(connection, ret_slot, call, callback, userdata,
                                      is_interactive ? PASSWORD_USEC : ANSWER_USEC);
        sd_bus_message_unref(call);
        return r;
}

void polkit_cancel(sd_bus *connection, const char *id) {
        sd_bus_message *call = NULL;

        if (new_call(connection, "CancelCheckAuthorization", &call) >= 0 &&
            sd_bus_message_append(call, "s", id) >= 0 && sd_bus_message_set_expect_reply(call, false) >= 0 &&
            sd_bus_message_set_auto_start(call, false) >= 0)
                sd_bus_send(connection, call, NULL);
        sd_bus_message_unref(call);
}

int polkit_verdict(sd_bus_message *answer, sd_bus_error *error) {
        const sd_bus_error *reason = sd_bus_message_get_error(answer);
        int is_authorised, is_challenge, r;

        if (sd_bus_message_is_method_error(answer, NULL))
                return sd_bus_error_setf(error, SD_BUS_ERROR_ACCESS_DENIED,
                                         "Only root may do this while polkit does not decide: %s",
                                         reason && reason->message ? reason->message : "it gave no reason");
        r = sd_bus_message_enter_container(answer, 'r', "bba{ss}");
        if (r >= 0)
                r = sd_bus_message_read(answer, "bb", &is_authorised, &is_challenge);
        if (r < 0)
                return sd_bus_error_set(error, SD_BUS_ERROR_ACCESS_DENIED,
                                        "Only root may do this: polkit's answer cannot be understood");
        if (is_authorised)
                return 1;
        if (is_challenge)
                return sd_bus_error_set(error, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
                                        "Interactive authentication required");
        return sd_bus_error_set(error, SD_BUS_ERROR_ACCESS_DENIED, "Permission denied by polkit");
}
