/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who calls, and may they? Nothing here waits. The bus is asked for the sender's credentials. If these are not enough,
 * polkit is asked. Meanwhile the message is kept in a request. When the last answer is there, the message's handler
 * runs again from the start and checks everything anew, as things may have changed. A request ends when its caller
 * leaves the bus: a change that nobody waits for is not made.
 *
 * A bus drops messages for a program whose queue is full. Any user can fill this daemon's queue for a moment: messages
 * with 64 descriptors are enough. So a question to the bus is asked again when no answer comes.
 *
 * Credentials come from the bus and are those of when the caller connected. In /proc another process could have the
 * caller's number by now.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dbus/bus-private.h"
#include "dbus/caller.h"
#include "dbus/polkit.h"

#define BUS_ANSWER_USEC (2 * UINT64_C(1000000))
#define MAX_LOST 5

struct request {
        struct bus *bus;
        struct request *next;
        sd_bus_message *message;
        enum caller_right right;
        sd_bus_message_handler_t handler;
        void *userdata;
        sd_bus_slot *question, *leaving;
        char id[48]; /* of the question to polkit */
        unsigned n_lost; /* questions to the bus whose answer did not come */
        uint32_t uid;
        bool is_at_polkit; /* polkit is asked, or will be; uid is set */
        bool is_allowed;
};

struct credentials {
        uint32_t uid;
        bool has_uid, is_in_group;
};

static const char *const actions[] = {
        [CALLER_IS_ROOT] = NULL,
        [CALLER_MAY_CONFIGURE] = BUS_NAME ".configure",
        [CALLER_MAY_READ_FULL] = BUS_NAME ".read-full",
};

static const char silent_bus[] = "The bus does not say who calls";
static const char too_many[] = "Too many requests wait for a decision, see org.socktally1(5); wait for some of them";

static void request_free(struct request *request) {
        struct bus *bus = request->bus;
        struct request **place = &bus->requests;

        while (*place && *place != request)
                place = &(*place)->next;
        if (*place)
                *place = request->next;
        sd_bus_slot_unref(request->question);
        sd_bus_slot_unref(request->leaving);
        sd_bus_message_unref(request->message);
        free(request);
}

static void finish(struct request *request, int r, sd_bus_error *error) {
        if (r < 0)
                sd_bus_reply_method_errno(request->message, r, error);
        sd_bus_error_free(error);
        request_free(request);
}

static void resume(struct request *request) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        request->is_allowed = true;
        r = sd_bus_message_rewind(request->message, true);
        if (r >= 0)
                r = request->handler(request->message, request->userdata, &error);
        finish(request, r, &error);
}

static int on_verdict(sd_bus_message *answer, void *userdata, sd_bus_error *ret_error) {
        struct request *request = userdata;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = polkit_verdict(answer, &error);

        if (r < 0)
                finish(request, r, &error);
        else
                resume(request);
        return 0;
}

static int on_leaving(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        struct request *request = userdata;
        const char *new_owner;

        if (!is_from_bus(message) || sd_bus_message_read(message, "sss", NULL, NULL, &new_owner) < 0 || new_owner[0])
                return 0;
        if (request->id[0])
                polkit_cancel(request->bus->connection, request->id);
        request_free(request);
        return 0;
}

/* Without a callback sd-bus would close the connection when the bus refuses. That would only let a dialog stay. */
static int on_watched(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        return 0;
}

static int watch_leaving(struct request *request, const char *sender) {
        char match[256];

        snprintf(match, sizeof match, "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
                 "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='%s'", sender);
        return sd_bus_add_match_async(request->bus->connection, &request->leaving, match, on_leaving, on_watched,
                                      request);
}

static int ask_bus(struct request *request, const char *member, sd_bus_message_handler_t handler) {
        sd_bus *connection = request->bus->connection;
        sd_bus_message *call = NULL;
        int r;

        request->question = sd_bus_slot_unref(request->question);
        r = sd_bus_message_new_method_call(connection, &call, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                           "org.freedesktop.DBus", member);
        if (r >= 0)
                r = sd_bus_message_append(call, "s", sd_bus_message_get_sender(request->message));
        if (r >= 0)
                r = sd_bus_call_async(connection, &request->question, call, handler, request, BUS_ANSWER_USEC);
        sd_bus_message_unref(call);
        return r;
}

/* Asks the bus once more if its answer was lost. Returns whether it has: then another answer will come. */
static bool ask_again_if_lost(struct request *request, sd_bus_message *answer, const char *member,
                           sd_bus_message_handler_t handler) {
        if (!sd_bus_message_is_method_error(answer, SD_BUS_ERROR_NO_REPLY) &&
            !sd_bus_message_is_method_error(answer, SD_BUS_ERROR_TIMEOUT))
                return false;
        return request->n_lost++ < MAX_LOST && ask_bus(request, member, handler) >= 0;
}

/* The answer to GetNameOwner. If the caller is still on the bus, watch_leaving() will tell when it leaves, so polkit
 * can be asked. */
static int on_present(sd_bus_message *answer, void *userdata, sd_bus_error *ret_error) {
        struct request *request = userdata;
        bool is_interactive = sd_bus_message_get_allow_interactive_authorization(request->message) > 0;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        struct bus *bus = request->bus;
        int r;

        if (sd_bus_message_is_method_error(answer, SD_BUS_ERROR_NAME_HAS_NO_OWNER)) {
                request_free(request);
                return 0;
        }
        if (ask_again_if_lost(request, answer, "GetNameOwner", on_present))
                return 0;
        if (sd_bus_message_is_method_error(answer, NULL)) {
                r = sd_bus_error_set(&error, SD_BUS_ERROR_ACCESS_DENIED, silent_bus);
                finish(request, r, &error);
                return 0;
        }
        request->question = sd_bus_slot_unref(request->question);
        snprintf(request->id, sizeof request->id, "socktally-%llu", (unsigned long long) ++bus->n_asked);
        r = polkit_check(bus->connection, &request->question, sd_bus_message_get_sender(request->message),
                         actions[request->right], is_interactive, request->id, on_verdict, request);
        if (r < 0)
                finish(request, r, &error);
        return 0;
}

/* Are as many questions at polkit as there may be, of this user or of all users? A dialog can be open for minutes, and
 * one user's dialogs must leave room for others'. */
static bool has_too_many_questions(const struct bus *bus, uint32_t uid) {
        size_t n = 0, n_of_user = 0;

        for (const struct request *request = bus->requests; request; request = request->next) {
                n += request->is_at_polkit;
                n_of_user += request->is_at_polkit && request->uid == uid;
        }
        return n >= MAX_QUESTIONS || n_of_user >= MAX_QUESTIONS_OF_ONE;
}

/* Before polkit is asked, the caller's leaving is watched, and the bus is asked whether the caller is still there. The
 * bus answers in order. So a caller that left before the watch began is found by the question. */
static int ask_polkit(struct request *request, uint32_t uid, sd_bus_error *error) {
        const char *sender = sd_bus_message_get_sender(request->message);
        int r;

        if (has_too_many_questions(request->bus, uid))
                return sd_bus_error_set(error, SD_BUS_ERROR_LIMITS_EXCEEDED, too_many);
        request->uid = uid;
        request->is_at_polkit = true;
        r = watch_leaving(request, sender);
        return r < 0 ? r : ask_bus(request, "GetNameOwner", on_present);
}

static int read_groups(sd_bus_message *answer, gid_t wanted, bool *ret_is_in_group) {
        uint32_t gid;
        int r;

        r = sd_bus_message_enter_container(answer, 'v', "au");
        if (r >= 0)
                r = sd_bus_message_enter_container(answer, 'a', "u");
        while (r >= 0 && (r = sd_bus_message_read(answer, "u", &gid)) > 0)
                if (gid == wanted)
                        *ret_is_in_group = true;
        if (r >= 0)
                r = sd_bus_message_exit_container(answer);
        return r < 0 ? r : sd_bus_message_exit_container(answer);
}

static int read_credential(sd_bus_message *answer, gid_t wanted, struct credentials *credentials) {
        const char *key;
        int r;

        r = sd_bus_message_read(answer, "s", &key);
        if (r < 0)
                return r;
        if (strcmp(key, "UnixGroupIDs") == 0)
                return read_groups(answer, wanted, &credentials->is_in_group);
        if (strcmp(key, "UnixUserID") != 0)
                return sd_bus_message_skip(answer, "v");
        credentials->has_uid = true;
        return sd_bus_message_read(answer, "v", "u", &credentials->uid);
}

static int read_credentials(sd_bus_message *answer, gid_t wanted, struct credentials *ret_credentials) {
        int r;

        r = sd_bus_message_enter_container(answer, 'a', "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(answer, 'e', "sv")) > 0) {
                r = read_credential(answer, wanted, ret_credentials);
                if (r >= 0)
                        r = sd_bus_message_exit_container(answer);
                if (r < 0)
                        return r;
        }
        return r;
}

static bool is_enough(const struct request *request, const struct credentials *credentials) {
        if (credentials->has_uid && credentials->uid == 0)
                return true;
        return request->right == CALLER_MAY_READ_FULL && credentials->is_in_group;
}

static int on_credentials(sd_bus_message *answer, void *userdata, sd_bus_error *ret_error) {
        struct request *request = userdata;
        struct credentials credentials = {};
        sd_bus_error error = SD_BUS_ERROR_NULL;
        struct control_facts facts = {};
        int r;

        if (ask_again_if_lost(request, answer, "GetConnectionCredentials", on_credentials))
                return 0;
        request->bus->operations->facts(request->bus->daemon, &facts);
        if (sd_bus_message_is_method_error(answer, NULL) ||
            read_credentials(answer, facts.full_group, &credentials) < 0) {
                /* Gone, most likely, and then nobody hears this. */
                r = sd_bus_error_set(&error, SD_BUS_ERROR_ACCESS_DENIED, silent_bus);
                finish(request, r, &error);
        } else if (is_enough(request, &credentials))
                resume(request);
        else if (!actions[request->right]) {
                r = sd_bus_error_set(&error, SD_BUS_ERROR_ACCESS_DENIED,
                                     strcmp(sd_bus_message_get_path(request->message), BUS_PATH) == 0 ?
                                             "Only root may write properties; the method Set of that name asks polkit" :
                                             "Only root may change the log");
                finish(request, r, &error);
        } else if ((r = ask_polkit(request, credentials.uid, &error)) < 0)
                finish(request, r, &error);
        return 0;
}

/* Do as many requests wait for credentials as may, of this sender or of all? Those at polkit do not count. */
static bool has_too_many_requests(const struct bus *bus, const char *sender) {
        size_t n = 0, n_of_sender = 0;

        for (const struct request *request = bus->requests; request; request = request->next) {
                if (request->is_at_polkit)
                        continue;
                n++;
                n_of_sender += strcmp(sd_bus_message_get_sender(request->message), sender) == 0;
        }
        return n >= MAX_REQUESTS || n_of_sender >= MAX_REQUESTS_OF_ONE;
}

int caller_authorise(struct bus *bus, sd_bus_message *message, enum caller_right right,
                     sd_bus_message_handler_t handler, void *userdata, sd_bus_error *error) {
        const char *sender = sd_bus_message_get_sender(message);
        struct request *request;
        int r;

        for (request = bus->requests; request; request = request->next)
                if (request->message == message)
                        return request->is_allowed ? 1 : 0;
        if (!sender)
                return sd_bus_error_set(error, SD_BUS_ERROR_ACCESS_DENIED, "The caller has no name");
        if (has_too_many_requests(bus, sender))
                return sd_bus_error_set(error, SD_BUS_ERROR_LIMITS_EXCEEDED, too_many);
        request = calloc(1, sizeof *request);
        if (!request)
                return -ENOMEM;
        *request = (struct request) { .bus = bus, .next = bus->requests, .message = sd_bus_message_ref(message),
                                      .right = right, .handler = handler, .userdata = userdata };
        bus->requests = request;
        r = ask_bus(request, "GetConnectionCredentials", on_credentials);
        if (r >= 0)
                return 0;
        request_free(request);
        return r;
}

void caller_abandon(struct bus *bus) {
        while (bus->requests) {
                sd_bus_error error = SD_BUS_ERROR_MAKE_CONST(BUS_NAME ".Error.Failed",
                                                             "The bus is lost, or the daemon ends");

                finish(bus->requests, -EIO, &error);
        }
}
