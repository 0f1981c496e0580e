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

#include "daemon/identity/component.h"
#include "daemon/identity/identity.h"
#include "daemon/identity/unit.h"

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
                if (component_has_suffix(c, types[i]))
                        return true;
        return false;
}

static bool is_slice(struct component c) {
        return component_has_suffix(c, ".slice") && is_unit(c);
}

/* A decimal uid between prefix and suffix, "user@1000.service". */
static bool uid_between(struct component c, const char *prefix, const char *suffix, uint32_t *ret_uid) {
        uint64_t uid = 0;

        if (!component_take_prefix(&c, prefix) || !component_take_suffix(&c, suffix) || !component_is_number(c))
                return false;
        for (size_t i = 0; i < c.length; i++) {
                uid = uid * 10 + (uint64_t) (c.text[i] - '0');
                if (uid >= UINT32_MAX)
                        return false;
        }
        *ret_uid = (uint32_t) uid;
        return true;
}

static void set_name(char name[static UNIT_NAME_SIZE], struct component c) {
        memset(name, 0, UNIT_NAME_SIZE);
        memcpy(name, c.text, c.length);
}

/* Takes slices off the path, and the first component that is none: the unit. A slice that names a user sets ret_uid,
 * also when there is no unit. */
static bool take_unit(const char **path, struct unit *ret_unit, struct component *ret_component, uint32_t *ret_uid) {
        *ret_unit = (struct unit) { .uid = UNIT_SYSTEM, .owner = UNIT_SYSTEM };
        while (component_next(path, ret_component))
                if (is_slice(*ret_component)) {
                        uid_between(*ret_component, "user-", ".slice", ret_uid);
                        set_name(ret_unit->slice, *ret_component);
                } else if (is_unit(*ret_component)) {
                        set_name(ret_unit->name, *ret_component);
                        return true;
                } else
                        return false;
        return false;
}

void unit_from_path(const char *path, struct unit *ret_unit) {
        uint32_t uid = UNIT_SYSTEM, ignored;
        struct component c;
        struct unit user;

        if (!take_unit(&path, ret_unit, &c, &uid))
                return;
        if (uid_between(c, "user@", ".service", &uid))
                ret_unit->owner = uid;
        else if (!component_has_prefix(c, "session-") || !component_has_suffix(c, ".scope"))
                return;
        if (uid == UNIT_SYSTEM || !take_unit(&path, &user, &c, &ignored))
                return;
        user.owner = ret_unit->owner;
        *ret_unit = user;
        ret_unit->uid = uid;
}

void unit_look_up(void *state, const char *path, struct identity *identity) {
        unit_from_path(path, &identity->unit);
}
