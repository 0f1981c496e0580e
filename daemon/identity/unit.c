/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * systemd puts each unit into a cgroup of its name, below the cgroups of its slices: the first component of a path that
 * is no slice is the unit, and everything below belongs to it (delegated sub-cgroups). Below user@UID.service and
 * session-N.scope the same begins anew with that user's manager. Components that would collide with a file of the
 * cgroup file system have one '_' in front. Paths come from the kernel, names in them possibly from strangers: what is
 * not a valid unit name is no unit.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/identity/identity.h"
#include "daemon/identity/unit.h"

/* A component of the path, with systemd's escape removed. */
struct component {
        const char *text;
        size_t length;
};

/* Takes the next component off the path; false at its end. */
static bool component_next(const char **path, struct component *ret_component) {
        const char *p = *path + strspn(*path, "/");
        size_t length = strcspn(p, "/");

        if (length == 0)
                return false;
        *path = p + length;
        if (p[0] == '_' && length > 1) {
                p++;
                length--;
        }
        *ret_component = (struct component) { p, length };
        return true;
}

static bool has_suffix(struct component c, const char *suffix) {
        size_t n = strlen(suffix);

        return c.length > n && memcmp(c.text + c.length - n, suffix, n) == 0;
}

static bool has_prefix(struct component c, const char *prefix) {
        size_t n = strlen(prefix);

        return c.length > n && memcmp(c.text, prefix, n) == 0;
}

/* See systemd.unit(5): characters, length, a known type, and a template only with its instance. */
static bool is_unit(struct component c) {
        static const char *const types[] = { ".service", ".scope",  ".socket",    ".mount",  ".swap",  ".slice",
                                             ".target",  ".device", ".automount", ".timer", ".path" };
        const char *at, *dot = memrchr(c.text, '.', c.length);

        if (c.length >= UNIT_NAME_SIZE || !dot || c.text[0] == '@')
                return false;
        for (size_t i = 0; i < c.length; i++)
                if (!isalnum((unsigned char) c.text[i]) && !memchr(":-_.\\@", c.text[i], 6))
                        return false;
        at = memchr(c.text, '@', c.length);
        if (at && at + 1 == dot)
                return false;
        for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
                if (has_suffix(c, types[i]))
                        return true;
        return false;
}

static bool is_slice(struct component c) {
        return has_suffix(c, ".slice") && is_unit(c);
}

/* A decimal uid between prefix and suffix, "user@1000.service". */
static bool uid_between(struct component c, const char *prefix, const char *suffix, uint32_t *ret_uid) {
        uint64_t uid = 0;
        size_t end;

        if (!has_prefix(c, prefix) || !has_suffix(c, suffix) || c.length <= strlen(prefix) + strlen(suffix))
                return false;
        end = c.length - strlen(suffix);
        for (size_t i = strlen(prefix); i < end; i++) {
                if (c.text[i] < '0' || c.text[i] > '9')
                        return false;
                uid = uid * 10 + (uint64_t) (c.text[i] - '0');
                if (uid >= UINT32_MAX)
                        return false;
        }
        *ret_uid = (uint32_t) uid;
        return true;
}

/* The first component that is no slice. A slice that names a user sets ret_uid on the way. */
static bool skip_slices(const char **path, struct component *ret_component, uint32_t *ret_uid) {
        do {
                if (!component_next(path, ret_component))
                        return false;
                uid_between(*ret_component, "user-", ".slice", ret_uid);
        } while (is_slice(*ret_component));
        return is_unit(*ret_component);
}

static void unit_set(struct unit *unit, struct component name, uint32_t uid) {
        memset(unit, 0, sizeof *unit);
        memcpy(unit->name, name.text, name.length);
        unit->uid = uid;
}

void unit_from_path(const char *path, struct unit *ret_unit) {
        struct component system, user;
        uint32_t uid = UNIT_SYSTEM, ignored;

        memset(ret_unit, 0, sizeof *ret_unit);
        ret_unit->uid = UNIT_SYSTEM;
        if (!skip_slices(&path, &system, &uid))
                return;
        unit_set(ret_unit, system, UNIT_SYSTEM);
        if (!uid_between(system, "user@", ".service", &uid) &&
            !(has_prefix(system, "session-") && has_suffix(system, ".scope")))
                return;
        if (uid != UNIT_SYSTEM && skip_slices(&path, &user, &ignored))
                unit_set(ret_unit, user, uid);
}

bool unit_matches(const char *path) {
        return strcmp(path, "/") != 0;
}

void unit_look_up(void *state, const char *path, struct identity *identity) {
        unit_from_path(path, &identity->unit);
}
