/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Members come from introspection data as sd-bus writes it, so reading that takes no more than finding the next tag.
 * Half of the calls have the arguments that the member wants, with values from the edges; in the rest something is
 * wrong: types, number of arguments, the object, the interface, the name.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/nonsense.h"

#define MAX_MEMBERS 512
#define MAX_SETTINGS 64
#define MAX_DEPTH 6
#define PROPERTIES "org.freedesktop.DBus.Properties"
#define LONG_LIFETIME_USEC UINT64_C(3600000000) /* does not end while the calls are made */
#define ANSWER_USEC UINT64_C(400000000) /* longer than anybody waits for polkit */
#define FIRST_COOKIE 1000               /* behind those of the connection's own first calls */
#define PICK(nonsense, list) list[nonsense_draw(nonsense) % (sizeof list / sizeof list[0])]

enum kind { METHOD, PROPERTY };

struct member {
        enum kind kind;
        char path[96], interface[64], name[48], signature[32];
        bool is_writable;
};

struct nonsense {
        uint64_t state;
        char destination[64];
        struct member members[MAX_MEMBERS];
        size_t n_members;
        struct nonsense_setting settings[MAX_SETTINGS];
        size_t n_settings;
        char *large;
        uint64_t cookie; /* of the last call */
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
uint32_t nonsense_draw(struct nonsense *nonsense) {
        nonsense->state ^= nonsense->state << 13;
        nonsense->state ^= nonsense->state >> 7;
        nonsense->state ^= nonsense->state << 17;
        return (uint32_t) (nonsense->state >> 32);
}

static bool one_in(struct nonsense *nonsense, uint32_t n) {
        return nonsense_draw(nonsense) % n == 0;
}

static uint64_t draw_number(struct nonsense *nonsense) {
        static const uint64_t edges[] = {
                0, 1, 2, 15, 16, 17, 0x7f, 0xff, 1024, 4096, 16384, 65536, 99999, 100000, 100001, 1000000, 1048577,
                INT32_MAX, UINT32_MAX, UINT64_C(3599999999), UINT64_C(3600000000), UINT64_C(3600000001),
                UINT64_C(31536000000001), INT64_MAX, UINT64_C(1) << 63, UINT64_MAX,
        };

        switch (nonsense_draw(nonsense) % 4) {
        case 0: return (uint64_t) nonsense_draw(nonsense) << 32 | nonsense_draw(nonsense);
        case 1: return 16 + nonsense_draw(nonsense) % 20000;
        }
        return PICK(nonsense, edges);
}

static const char *draw_text(struct nonsense *nonsense) {
        if (one_in(nonsense, 500))
                return nonsense->large;
        if (nonsense->n_members > 0 && one_in(nonsense, 4)) {
                const struct member *member = &nonsense->members[nonsense_draw(nonsense) % nonsense->n_members];

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
        for (uint32_t n = kind == 'a' ? nonsense_draw(nonsense) % 4 : 1; r >= 0 && n > 0; n--)
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
        char access[16];

        if (!member)
                return;
        attribute(tag, "type", member->signature, sizeof member->signature);
        member->is_writable = attribute(tag, "access", access, sizeof access) && strcmp(access, "readwrite") == 0;
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

static const struct member *find(const struct nonsense *nonsense, enum kind kind, const char *path,
                                 const char *interface, const char *name) {
        for (size_t i = 0; i < nonsense->n_members; i++) {
                const struct member *member = &nonsense->members[i];

                if (member->kind == kind && strcmp(member->path, path) == 0 &&
                    strcmp(member->interface, interface) == 0 && strcmp(member->name, name) == 0)
                        return member;
        }
        return NULL;
}

/* LogTarget takes "auto" for what it is already, and keeps its name. */
static bool is_setting(const struct nonsense *nonsense, const struct member *member) {
        char setter[64];

        snprintf(setter, sizeof setter, "Set%s", member->name);
        if (member->kind != PROPERTY || strcmp(member->name, "LogTarget") == 0)
                return false;
        return member->is_writable || find(nonsense, METHOD, member->path, member->interface, setter) ||
               strcmp(member->name, "Enabled") == 0;
}

static void collect_settings(struct nonsense *nonsense) {
        for (size_t i = 0; i < nonsense->n_members && nonsense->n_settings < MAX_SETTINGS; i++) {
                const struct member *member = &nonsense->members[i];
                struct nonsense_setting *setting = &nonsense->settings[nonsense->n_settings];

                if (!is_setting(nonsense, member))
                        continue;
                nonsense->n_settings++;
                strcpy(setting->path, member->path);
                strcpy(setting->interface, member->interface);
                strcpy(setting->property, member->name);
                if (strlen(member->signature) == 1 && strchr("stub", member->signature[0]))
                        setting->type = member->signature[0];
        }
}

struct nonsense *nonsense_new(sd_bus *bus, const char *destination, uint64_t seed) {
        struct nonsense *nonsense = calloc(1, sizeof *nonsense);

        if (!nonsense)
                return NULL;
        nonsense->state = seed;
        nonsense->cookie = FIRST_COOKIE;
        snprintf(nonsense->destination, sizeof nonsense->destination, "%s", destination);
        nonsense->large = malloc(100001);
        if (nonsense->large)
                memset(nonsense->large, 'A', 100000);
        if (!nonsense->large || learn(nonsense, bus, "/", 0) < 0 || nonsense->n_members == 0)
                return nonsense_free(nonsense);
        nonsense->large[100000] = '\0';
        collect_settings(nonsense);
        return nonsense;
}

struct nonsense *nonsense_free(struct nonsense *nonsense) {
        if (nonsense)
                free(nonsense->large);
        free(nonsense);
        return NULL;
}

size_t nonsense_settings(const struct nonsense *nonsense, const struct nonsense_setting **ret_settings) {
        *ret_settings = nonsense->settings;
        return nonsense->n_settings;
}

static int setting_number(const struct nonsense *nonsense, const char *path, const char *interface,
                          const char *property) {
        for (size_t i = 0; i < nonsense->n_settings; i++) {
                const struct nonsense_setting *setting = &nonsense->settings[i];

                if (strcmp(setting->path, path) == 0 && strcmp(setting->interface, interface) == 0 &&
                    strcmp(setting->property, property) == 0)
                        return (int) i;
        }
        return NONSENSE_CHANGES_NOTHING;
}

/* The value that the message carries at its current place, as the property will show it. */
static void read_value(sd_bus_message *call, char type, struct nonsense_change *change) {
        const char *text = NULL;
        uint64_t number = 0;
        uint32_t word = 0;
        int truth = 0;

        change->is_certain = true;
        if (type == 's' && sd_bus_message_read(call, "s", &text) > 0)
                snprintf(change->value, sizeof change->value, "%.60s", text);
        else if (type == 't' && sd_bus_message_read(call, "t", &number) > 0)
                snprintf(change->value, sizeof change->value, "%" PRIu64, number);
        else if (type == 'u' && sd_bus_message_read(call, "u", &word) > 0)
                snprintf(change->value, sizeof change->value, "%" PRIu32, word);
        else if (type == 'b' && sd_bus_message_read(call, "b", &truth) > 0)
                snprintf(change->value, sizeof change->value, "%d", truth);
        else
                change->is_certain = false;
}

static void foresee_set(const struct nonsense *nonsense, sd_bus_message *call, struct nonsense_change *change) {
        const char *interface, *property, *contents;
        char type[2] = "";

        if (!sd_bus_message_has_signature(call, "ssv") || sd_bus_message_read(call, "ss", &interface, &property) < 0)
                return;
        change->setting = setting_number(nonsense, sd_bus_message_get_path(call), interface, property);
        if (change->setting < 0 || sd_bus_message_peek_type(call, NULL, &contents) <= 0)
                return;
        type[0] = nonsense->settings[change->setting].type;
        if (strcmp(contents, type) == 0 && sd_bus_message_enter_container(call, 'v', type) > 0)
                read_value(call, type[0], change);
}

static void foresee_method(const struct nonsense *nonsense, sd_bus_message *call, struct nonsense_change *change) {
        static const char *const harmless[] = { "OpenSegment", "Sync", "Save", "Get", "GetAll", "Introspect", "Ping",
                                                "GetMachineId", "GetManagedObjects" };
        const char *path = sd_bus_message_get_path(call), *member = sd_bus_message_get_member(call);
        const char *interface = sd_bus_message_get_interface(call);
        uint64_t lifetime = 0;

        if (strncmp(member, "Set", 3) == 0)
                change->setting = setting_number(nonsense, path, interface, member + 3);
        if (change->setting >= 0) {
                read_value(call, nonsense->settings[change->setting].type, change);
                return;
        }
        for (size_t i = 0; i < sizeof harmless / sizeof harmless[0]; i++)
                if (strcmp(member, harmless[i]) == 0)
                        return;
        change->setting = setting_number(nonsense, path, interface, "Enabled");
        if (change->setting < 0 || (strcmp(member, "Enable") != 0 && strcmp(member, "Disable") != 0)) {
                change->setting = NONSENSE_CHANGES_ALL;
                return;
        }
        (void) sd_bus_message_read(call, "t", &lifetime);
        change->is_certain = lifetime == 0 || lifetime >= LONG_LIFETIME_USEC;
        strcpy(change->value, strcmp(member, "Enable") == 0 ? "1" : "0");
}

/* Seals the message, which sending it would do otherwise. */
static int foresee(struct nonsense *nonsense, sd_bus_message *call, struct nonsense_change *change) {
        int r = sd_bus_message_seal(call, ++nonsense->cookie, ANSWER_USEC);

        *change = (struct nonsense_change) { .setting = NONSENSE_CHANGES_NOTHING };
        if (r < 0 || !sd_bus_message_get_interface(call))
                return r;
        if (strcmp(sd_bus_message_get_interface(call), PROPERTIES) == 0)
                foresee_set(nonsense, call, change);
        else
                foresee_method(nonsense, call, change);
        return sd_bus_message_rewind(call, true);
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

int nonsense_call(struct nonsense *nonsense, sd_bus *bus, sd_bus_message **ret_call,
                  struct nonsense_change *ret_change) {
        const struct member *member = &nonsense->members[nonsense_draw(nonsense) % nonsense->n_members];
        sd_bus_message *call = NULL;
        int r;

        if (member->kind == PROPERTY)
                r = make_property_call(nonsense, bus, member, &call);
        else
                r = make_method_call(nonsense, bus, member, &call);
        if (r >= 0 && one_in(nonsense, 10))
                r = sd_bus_message_set_expect_reply(call, false);
        if (r >= 0 && one_in(nonsense, 3))
                r = sd_bus_message_set_allow_interactive_authorization(call, true);
        if (r >= 0)
                r = foresee(nonsense, call, ret_change);
        if (r < 0) {
                sd_bus_message_unref(call);
                return r;
        }
        *ret_call = call;
        return 0;
}
