/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Members come from introspection data as sd-bus writes it, so reading that takes no more than finding the next tag.
 * Half of the calls have the arguments that the member wants, with values from the edges; in the rest something is
 * wrong: types, number of arguments, the object, the interface, the name.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/nonsense.h"

#define MAX_MEMBERS 512
#define MAX_DEPTH 6
#define PROPERTIES "org.freedesktop.DBus.Properties"
#define ANSWER_USEC 60000000
#define IN_FLIGHT 100
#define PICK(nonsense, list) list[draw(nonsense) % (sizeof list / sizeof list[0])]

enum kind { METHOD, PROPERTY };

struct member {
        enum kind kind;
        char path[96], interface[64], name[48], signature[32];
};

struct nonsense {
        uint64_t state;
        char destination[64];
        struct member members[MAX_MEMBERS];
        size_t n_members;
        char *large;
};

static const char *const texts[] = {
        "", "passive", "entry", "return", "auto", "tracepoint", "trampoline", "public", "full", "debug", "info",
        "err", "console", "journal", "%s%n%x%1000000d", "\xc3\xbc\xe2\x82\xac\xf0\x9f\xa6\x80", "\x01\x02\x1b[2J\x7f",
        "entry\n", " entry", "ENTRY", "../../etc/shadow", "org.socktally1.Manager", "18446744073709551616",
        "-1", "true",
};
static const char *const paths[] = {
        "/", "/org", "/org/socktally1", "/org/socktally1/module", "/org/socktally1/module/none",
        "/org/socktally1/module/tcp/more", "/org/socktally1/table/_00", "/org/freedesktop/DBus", "/_",
};
static const char *const signatures[] = {
        "s", "t", "u", "b", "y", "i", "x", "d", "o", "g", "h", "v", "as", "ay", "a{sv}", "(su)", "aas", "a(yv)", "ssv",
        "sss", "tt", "hh", "a{s(ss)}", "vvv", "((((((((s))))))))", "aaaaaaaau",
};

/* xorshift */
static uint32_t draw(struct nonsense *nonsense) {
        nonsense->state ^= nonsense->state << 13;
        nonsense->state ^= nonsense->state >> 7;
        nonsense->state ^= nonsense->state << 17;
        return (uint32_t) (nonsense->state >> 32);
}

static bool one_in(struct nonsense *nonsense, uint32_t n) {
        return draw(nonsense) % n == 0;
}

static uint64_t draw_number(struct nonsense *nonsense) {
        static const uint64_t edges[] = {
                0, 1, 2, 15, 16, 17, 0x7f, 0xff, 1024, 4096, 16384, 65536, 99999, 100000, 100001, 1000000, 1048577,
                INT32_MAX, UINT32_MAX, UINT64_C(3599999999), UINT64_C(3600000000), UINT64_C(3600000001),
                UINT64_C(31536000000001), INT64_MAX, UINT64_C(1) << 63, UINT64_MAX,
        };

        switch (draw(nonsense) % 4) {
        case 0: return (uint64_t) draw(nonsense) << 32 | draw(nonsense);
        case 1: return 16 + draw(nonsense) % 20000;
        }
        return PICK(nonsense, edges);
}

static const char *draw_text(struct nonsense *nonsense) {
        if (one_in(nonsense, 500))
                return nonsense->large;
        if (nonsense->n_members > 0 && one_in(nonsense, 4)) {
                const struct member *member = &nonsense->members[draw(nonsense) % nonsense->n_members];

                return one_in(nonsense, 2) ? member->name : member->interface;
        }
        return PICK(nonsense, texts);
}

static size_t type_length(const char *signature) {
        size_t n = 0;
        int depth = 0;

        while (signature[n] == 'a')
                n++;
        do {
                if (signature[n] == '(' || signature[n] == '{')
                        depth++;
                else if (signature[n] == ')' || signature[n] == '}')
                        depth--;
        } while (signature[n++] && depth > 0);
        return n;
}

static int append_types(struct nonsense *nonsense, sd_bus_message *call, const char *types);

static int append_basic(struct nonsense *nonsense, sd_bus_message *call, char type) {
        union { uint8_t y; int32_t i; uint16_t q; uint32_t u; uint64_t t; double d; } value = {};
        uint64_t number = draw_number(nonsense);
        int fd = STDERR_FILENO;

        switch (type) {
        case 's': return sd_bus_message_append_basic(call, 's', draw_text(nonsense));
        case 'o': return sd_bus_message_append_basic(call, 'o', PICK(nonsense, paths));
        case 'g': return sd_bus_message_append_basic(call, 'g', PICK(nonsense, signatures));
        case 'h': return sd_bus_message_append_basic(call, 'h', &fd);
        case 'b': value.i = number & 1; break;
        case 'y': value.y = (uint8_t) number; break;
        case 'n': case 'q': value.q = (uint16_t) number; break;
        case 'i': case 'u': value.u = (uint32_t) number; break;
        case 'x': case 't': value.t = number; break;
        case 'd': value.d = number % 3 ? (double) number : __builtin_nan(""); break;
        default: return -EINVAL;
        }
        return sd_bus_message_append_basic(call, type, &value);
}

static int append_container(struct nonsense *nonsense, sd_bus_message *call, const char *type, size_t length) {
        char kind = type[0] == '(' ? 'r' : type[0] == '{' ? 'e' : type[0], contents[64];
        int r;

        if (kind == 'v')
                type = PICK(nonsense, signatures);
        if (kind == 'v')
                snprintf(contents, sizeof contents, "%.*s", (int) type_length(type), type);
        else if (kind == 'a')
                snprintf(contents, sizeof contents, "%.*s", (int) length - 1, type + 1);
        else
                snprintf(contents, sizeof contents, "%.*s", (int) length - 2, type + 1);
        r = sd_bus_message_open_container(call, kind, contents);
        for (uint32_t n = kind == 'a' ? draw(nonsense) % 4 : 1; r >= 0 && n > 0; n--)
                r = append_types(nonsense, call, contents);
        return r < 0 ? r : sd_bus_message_close_container(call);
}

static int append_types(struct nonsense *nonsense, sd_bus_message *call, const char *types) {
        int r = 0;

        while (*types && r >= 0) {
                size_t length = type_length(types);

                if (strchr("a({v", types[0]))
                        r = append_container(nonsense, call, types, length);
                else
                        r = append_basic(nonsense, call, types[0]);
                types += length;
        }
        return r;
}

static bool attribute(const char *tag, const char *name, char *ret_value, size_t size) {
        const char *end = strchr(tag, '>'), *found;
        char wanted[32];

        snprintf(wanted, sizeof wanted, " %s=\"", name);
        found = strstr(tag, wanted);
        if (!found || !end || found > end)
                return false;
        found += strlen(wanted);
        snprintf(ret_value, size, "%.*s", (int) strcspn(found, "\""), found);
        return true;
}

static struct member *add_member(struct nonsense *nonsense, enum kind kind, const char *path, const char *interface,
                                 const char *tag) {
        struct member *member = &nonsense->members[nonsense->n_members];

        if (nonsense->n_members == MAX_MEMBERS)
                return NULL;
        *member = (struct member) { .kind = kind };
        snprintf(member->path, sizeof member->path, "%s", path);
        snprintf(member->interface, sizeof member->interface, "%s", interface);
        if (!attribute(tag, "name", member->name, sizeof member->name))
                return NULL;
        nonsense->n_members++;
        return member;
}

static void read_property(struct nonsense *nonsense, const char *path, const char *interface, const char *tag) {
        struct member *member = add_member(nonsense, PROPERTY, path, interface, tag);

        if (member)
                attribute(tag, "type", member->signature, sizeof member->signature);
}

static void read_argument(struct member *method, const char *tag) {
        char type[32], direction[8] = "";
        size_t n;

        if (!method || !attribute(tag, "type", type, sizeof type))
                return;
        attribute(tag, "direction", direction, sizeof direction);
        n = strlen(method->signature);
        if (strcmp(direction, "in") == 0)
                snprintf(method->signature + n, sizeof method->signature - n, "%s", type);
}

static bool is_tag(const char *text, const char *name) {
        return strncmp(text, name, strlen(name)) == 0;
}

static int learn(struct nonsense *nonsense, sd_bus *bus, const char *path, int depth) {
        sd_bus_message *reply = NULL;
        char interface[64] = "", name[48], child[96];
        struct member *method = NULL;
        const char *text;
        int r;

        r = sd_bus_call_method(bus, nonsense->destination, path, "org.freedesktop.DBus.Introspectable", "Introspect",
                               NULL, &reply, NULL);
        if (r >= 0)
                r = sd_bus_message_read(reply, "s", &text);
        while (r >= 0 && (text = strchr(text, '<'))) {
                if (is_tag(++text, "interface "))
                        attribute(text, "name", interface, sizeof interface);
                else if (is_tag(text, "method "))
                        method = add_member(nonsense, METHOD, path, interface, text);
                else if (is_tag(text, "arg "))
                        read_argument(method, text);
                else if (is_tag(text, "property "))
                        read_property(nonsense, path, interface, text);
                else if (is_tag(text, "/method") || is_tag(text, "signal "))
                        method = NULL;
                else if (is_tag(text, "node ") && depth < MAX_DEPTH && attribute(text, "name", name, sizeof name) &&
                         snprintf(child, sizeof child, "%s/%s", path[1] ? path : "", name) < (int) sizeof child)
                        r = learn(nonsense, bus, child, depth + 1);
        }
        sd_bus_message_unref(reply);
        return r;
}

struct nonsense *nonsense_new(sd_bus *bus, const char *destination, uint64_t seed) {
        struct nonsense *nonsense = calloc(1, sizeof *nonsense);

        if (!nonsense)
                return NULL;
        nonsense->state = seed;
        snprintf(nonsense->destination, sizeof nonsense->destination, "%s", destination);
        nonsense->large = malloc(100001);
        if (nonsense->large)
                memset(nonsense->large, 'A', 100000);
        if (!nonsense->large || learn(nonsense, bus, "/", 0) < 0 || nonsense->n_members == 0)
                return nonsense_free(nonsense);
        nonsense->large[100000] = '\0';
        return nonsense;
}

struct nonsense *nonsense_free(struct nonsense *nonsense) {
        if (nonsense)
                free(nonsense->large);
        free(nonsense);
        return NULL;
}

static int append_property_call(struct nonsense *nonsense, sd_bus_message *call, const struct member *member) {
        const char *types = one_in(nonsense, 3) ? PICK(nonsense, signatures) : member->signature;
        size_t length = type_length(types);
        char type[64];
        int r;

        if (strcmp(sd_bus_message_get_member(call), "GetAll") == 0)
                return sd_bus_message_append(call, "s", member->interface);
        r = sd_bus_message_append(call, "ss", one_in(nonsense, 16) ? "" : member->interface,
                                  one_in(nonsense, 8) ? "None" : member->name);
        if (r < 0 || strcmp(sd_bus_message_get_member(call), "Get") == 0)
                return r;
        snprintf(type, sizeof type, "%.*s", (int) length, types);
        r = sd_bus_message_open_container(call, 'v', type);
        if (r >= 0)
                r = append_types(nonsense, call, type);
        return r < 0 ? r : sd_bus_message_close_container(call);
}

static int make_property_call(struct nonsense *nonsense, sd_bus *bus, const struct member *member,
                              sd_bus_message **ret_call) {
        static const char *const members[] = { "Get", "Set", "Set", "Set", "GetAll" };
        int r;

        r = sd_bus_message_new_method_call(bus, ret_call, nonsense->destination, member->path, PROPERTIES,
                                           PICK(nonsense, members));
        return r < 0 ? r : append_property_call(nonsense, *ret_call, member);
}

static int make_method_call(struct nonsense *nonsense, sd_bus *bus, const struct member *member,
                            sd_bus_message **ret_call) {
        static const char *const strange[] = { "None", "Set", "set", "SetLoadmode", "_", "EnableEnable" };
        const char *path = one_in(nonsense, 16) ? PICK(nonsense, paths) : member->path;
        const char *interface = one_in(nonsense, 16) ? "no.such.Interface" : member->interface;
        const char *name = one_in(nonsense, 16) ? PICK(nonsense, strange) : member->name;
        int r;

        if (one_in(nonsense, 32))
                interface = NULL; /* the daemon has to search */
        r = sd_bus_message_new_method_call(bus, ret_call, nonsense->destination, path, interface, name);
        if (r >= 0 && !one_in(nonsense, 8))
                r = append_types(nonsense, *ret_call, one_in(nonsense, 4) ? PICK(nonsense, signatures) :
                                                                            member->signature);
        if (r >= 0 && one_in(nonsense, 16))
                r = append_types(nonsense, *ret_call, PICK(nonsense, signatures));
        return r;
}

static int make_call(struct nonsense *nonsense, sd_bus *bus, sd_bus_message **ret_call) {
        const struct member *member = &nonsense->members[draw(nonsense) % nonsense->n_members];
        int r;

        r = member->kind == PROPERTY ? make_property_call(nonsense, bus, member, ret_call)
                                     : make_method_call(nonsense, bus, member, ret_call);
        if (r >= 0 && one_in(nonsense, 10))
                r = sd_bus_message_set_expect_reply(*ret_call, false);
        if (r >= 0 && one_in(nonsense, 3))
                r = sd_bus_message_set_allow_interactive_authorization(*ret_call, true);
        return r;
}

static int on_answer(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        --*(int *) userdata;
        return 0;
}

int nonsense_send(struct nonsense *nonsense, sd_bus *bus, int *n_in_flight) {
        sd_bus_message *call = NULL;
        int r = 0;

        if (make_call(nonsense, bus, &call) < 0)
                ; /* not even a message; the next one is */
        else if (sd_bus_message_get_expect_reply(call) > 0) {
                r = sd_bus_call_async(bus, NULL, call, on_answer, n_in_flight, ANSWER_USEC);
                *n_in_flight += r >= 0;
        } else
                r = sd_bus_send(bus, call, NULL);
        sd_bus_message_unref(call);
        return r < 0 ? r : 0;
}

static int drain_to(sd_bus *bus, const int *n_in_flight, int limit) {
        while (*n_in_flight > limit) {
                int r = sd_bus_process(bus, NULL);

                if (r == 0)
                        r = sd_bus_wait(bus, ANSWER_USEC);
                if (r <= 0)
                        return -1; /* a call without an answer, or a lost connection */
        }
        return 0;
}

int nonsense_flood(sd_bus *bus, const char *destination, uint64_t seed, int n_calls) {
        struct nonsense *nonsense = nonsense_new(bus, destination, seed);
        int n_in_flight = 0, r = nonsense ? 0 : 3;

        for (int i = 0; i < n_calls && r == 0; i++)
                if (nonsense_send(nonsense, bus, &n_in_flight) < 0 || drain_to(bus, &n_in_flight, IN_FLIGHT) < 0)
                        r = 1;
        if (r == 0 && drain_to(bus, &n_in_flight, 0) < 0)
                r = 2;
        nonsense_free(nonsense);
        return r;
}
