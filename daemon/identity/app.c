/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Desktops put each application into a unit of the user's manager that is named after the application
 * (systemd.io/DESKTOP_ENVIRONMENTS):
 *
 *   app[-LAUNCHER]-ID-RANDOM.scope, app[-LAUNCHER]-ID[@RANDOM].service, app-ID@autostart.service
 *
 * A '-' inside LAUNCHER or ID is escaped as \x2d. Some programs forget that. Then app-my-app-1234.scope reads as
 * launcher "my" and ID "app"; the longer reading, "my-app", is in other_id, so that somebody who knows which
 * applications there are can choose. Flatpak, Snap, D-Bus and terminals have forms of their own. What is no application
 * is called after its unit, its container, or the cgroup.
 */
#include <stdio.h>
#include <string.h>

#include "daemon/identity/app.h"
#include "daemon/identity/component.h"
#include "daemon/identity/identity.h"

static void set(struct app *app, enum app_kind kind, const char *rule, struct component id) {
        app->kind = kind;
        app->rule = rule;
        component_unescape(id, app->id, sizeof app->id);
        memcpy(app->name, app->id, sizeof app->name);
}

/* ":N.M-" in front of a name on the bus. */
static void take_connection(struct component *c) {
        struct component name = *c, rest;

        if (!component_take_prefix(&name, ":"))
                return;
        if (component_split(&name, '-', &rest)) {
                *c = rest;
        } else if (component_split(&name, '\\', &rest) && component_take_prefix(&rest, "x2d"))
                *c = rest;
}

/* dbus-:1.2-org.kde.kdeconnect@0.service: started for that name on the bus. */
static bool match_bus(struct component c, struct app *app) {
        struct component number;

        if (!component_take_suffix(&c, ".service") || !component_take_prefix(&c, "dbus-") || c.text[0] != ':')
                return false;
        take_connection(&c);
        (void) component_split_last(&c, '@', &number);
        set(app, APP_DESKTOP, "D-Bus activation", c);
        return true;
}

/* app-flatpak-ID-INSTANCE.scope, and flatpak-ID-INSTANCE.scope of older versions. */
static bool match_flatpak(struct component c, struct app *app) {
        struct component instance;

        if (!component_take_suffix(&c, ".scope"))
                return false;
        (void) component_take_prefix(&c, "app-");
        if (!component_take_prefix(&c, "flatpak-") || !component_split_last(&c, '-', &instance) || c.length == 0)
                return false;
        set(app, APP_FLATPAK, "unit of Flatpak", c);
        return true;
}

/* PACKAGE.APP, or PACKAGE if both are the same. PACKAGE may have "_INSTANCE" behind its name. */
static void set_snap(struct app *app, struct component package, struct component program) {
        struct component name = package, instance;
        bool is_same = (component_split(&name, '_', &instance), name.length == program.length) &&
                       memcmp(name.text, program.text, name.length) == 0;
        struct component both = { package.text, (size_t) (program.text + program.length - package.text) };

        set(app, APP_SNAP, "unit of Snap", is_same ? package : both);
}

/* snap.PACKAGE.APP-UUID.scope, of older versions snap.PACKAGE.APP.UUID.scope and snap.UUID.PACKAGE.APP.scope;
 * snap.PACKAGE.APP.service. */
static bool match_snap(struct component c, struct app *app) {
        struct component rest, uuid;
        bool is_scope = component_take_suffix(&c, ".scope");

        if ((!is_scope && !component_take_suffix(&c, ".service")) || !component_take_prefix(&c, "snap."))
                return false;
        rest = c;
        if (is_scope && component_split(&rest, '.', &c) && !component_is_uuid(rest))
                c = (struct component) { rest.text, rest.length + 1 + c.length };
        if (is_scope && c.length > UUID_LENGTH + 1) {
                uuid = (struct component) { c.text + c.length - UUID_LENGTH, UUID_LENGTH };
                if (component_is_uuid(uuid) && memchr("-.", uuid.text[-1], 2))
                        c.length -= UUID_LENGTH + 1;
        }
        if (!component_split(&c, '.', &rest) || c.length == 0 || rest.length == 0)
                return false;
        set_snap(app, c, rest);
        return true;
}

/* A part of alphanumeric characters and the '-' behind it, as long as something follows. */
static bool take_launcher(struct component *c) {
        struct component launcher = *c, rest;

        if (!component_split(&launcher, '-', &rest) || rest.length == 0 || launcher.length == 0 ||
            !component_is_alnum(launcher))
                return false;
        *c = rest;
        return true;
}

static void set_desktop(struct app *app, const char *rule, struct component id) {
        struct component longer = id;

        if (take_launcher(&id))
                component_unescape(longer, app->other_id, sizeof app->other_id);
        if (component_take_prefix(&id, "dbus\\x2d"))
                take_connection(&id);
        set(app, APP_DESKTOP, rule, id);
}

/* Plasma 5.19 and before wrote apps-. */
static bool take_app(struct component *c) {
        return component_take_prefix(c, "app-") || component_take_prefix(c, "apps-");
}

static bool match_service(struct component c, struct app *app) {
        struct component random;

        if (!component_take_suffix(&c, ".service") || !take_app(&c))
                return false;
        if (!component_take_suffix(&c, "-autostart"))
                (void) component_split_last(&c, '@', &random);
        if (c.length == 0)
                return false;
        set_desktop(app, "unit of a desktop's application", c);
        return true;
}

/* Without a RANDOM part all is the ID. */
static bool match_scope(struct component c, struct app *app) {
        struct component whole, random;

        if ((!component_take_suffix(&c, ".scope") && !component_take_suffix(&c, ".slice")) ||
            !take_app(&c))
                return false;
        whole = c;
        if (!component_split_last(&c, '-', &random) || c.length == 0 || !component_is_alnum(random))
                c = whole;
        set_desktop(app, "unit of a desktop's application", c);
        if (!app->other_id[0] && c.length < whole.length && !component_is_number(random))
                component_unescape(whole, app->other_id, sizeof app->other_id);
        return true;
}

/* A slice for all that one application starts. That of uwsm is for all applications, and an instance of a template is
 * in a slice that systemd names after the template: borgmatic@home.service in app-borgmatic.slice. */
static bool match_slice(const char *slice, struct component unit, struct app *app) {
        if (strcmp(slice, "app-graphical.slice") == 0 || memchr(unit.text, '@', unit.length))
                return false;
        return component_has_suffix(component_of(slice), ".slice") && match_scope(component_of(slice), app);
}

/* vte-spawn-UUID.scope: what runs in one window of a terminal. The slice around it is named after the terminal. */
static bool match_terminal(struct component c, const char *slice, struct app *app) {
        struct component rest = c;

        if (!component_take_suffix(&c, ".scope") || !component_split(&c, '-', &rest) ||
            !component_has_prefix(rest, "spawn-") || c.length == 0)
                return false;
        if (!match_slice(slice, rest, app))
                set(app, APP_TERMINAL, "", c);
        app->kind = APP_TERMINAL;
        app->rule = "window of a terminal";
        return true;
}

/* Terminals that do not follow the convention: kitty-PID-N.scope, app-ghostty-surface-transient-PID.scope,
 * app-ghostty-transient-PID.scope. */
static bool match_own_terminal(struct component c, struct app *app) {
        struct component pid, window;

        if (!component_take_suffix(&c, ".scope"))
                return false;
        if (component_take_prefix(&c, "kitty-")) {
                pid = c;
                if (!component_split(&pid, '-', &window) || !component_is_number(pid) || !component_is_number(window))
                        return false;
                set(app, APP_TERMINAL, "window of a terminal", component_of("kitty"));
                return true;
        }
        if (!component_take_prefix(&c, "app-ghostty-") || !component_split_last(&c, '-', &pid) ||
            (!component_equals(c, "transient") && !component_equals(c, "surface-transient")))
                return false;
        set(app, APP_TERMINAL, "window of a terminal", component_of("ghostty"));
        return true;
}

/* gnome-launched-ID.desktop-PID.scope, of GNOME 3.34 to 3.36, which escaped nothing. */
static bool match_old_gnome(struct component c, struct app *app) {
        struct component pid;

        if (!component_take_suffix(&c, ".scope") || !component_take_prefix(&c, "gnome-launched-") ||
            !component_split_last(&c, '-', &pid) || !component_is_number(pid) || !component_take_suffix(&c, ".desktop"))
                return false;
        set(app, APP_DESKTOP, "unit of a desktop's application", c);
        return true;
}

/* run-u123.service, run-r<32 digits>.scope, run-p12-i34.service, run-1234.scope. */
static bool match_transient(struct component c, struct app *app) {
        struct component name = c, p, i;

        if ((!component_take_suffix(&c, ".service") && !component_take_suffix(&c, ".scope")) ||
            !component_take_prefix(&c, "run-"))
                return false;
        p = c;
        if (component_is_number(c) || (component_take_prefix(&c, "u") && component_is_number(c)) ||
            (component_take_prefix(&c, "r") && component_is_hex(c, 32)) ||
            (component_take_prefix(&p, "p") && component_split(&p, '-', &i) && component_take_prefix(&i, "i") &&
             component_is_number(p) && component_is_number(i))) {
                set(app, APP_TRANSIENT, "unit of systemd-run", name);
                return true;
        }
        return false;
}

/* A unit's name without its type, and of a mount its path: home-user.mount is /home/user. */
static void name_unit(const char *id, char name[static APP_NAME_SIZE]) {
        struct component c = component_of(id);
        char path[APP_NAME_SIZE] = "/";

        if (component_take_suffix(&c, ".mount") || component_take_suffix(&c, ".automount")) {
                memcpy(path + 1, c.text, c.length < sizeof path - 2 ? c.length : sizeof path - 2);
                for (char *p = path; *p; p++)
                        if (*p == '-')
                                *p = '/';
                component_unescape(component_of(strcmp(path, "//") == 0 ? "/" : path), name, APP_NAME_SIZE);
                return;
        }
        (void) (component_take_suffix(&c, ".service") || component_take_suffix(&c, ".scope"));
        component_unescape(c, name, APP_NAME_SIZE);
}

static void set_unit(const struct unit *unit, struct app *app) {
        bool is_system = unit->uid == UNIT_SYSTEM, is_session;

        is_session = is_system && component_has_prefix(component_of(unit->name), "session-") &&
                     component_has_suffix(component_of(unit->name), ".scope");
        app->kind = is_session ? APP_SESSION : is_system ? APP_UNIT : APP_USER_UNIT;
        app->rule = is_session ? "session of a login" : is_system ? "unit of the system" : "unit of a user";
        snprintf(app->id, sizeof app->id, "%s", unit->name);
        name_unit(unit->name, app->name);
        if (strcmp(unit->name, "init.scope") == 0)
                snprintf(app->name, sizeof app->name, "%s", is_system ? "systemd" : "systemd --user");
}

static void match_unit(const struct unit *unit, struct app *app) {
        struct component name = component_of(unit->name);

        if (match_snap(name, app) || match_transient(name, app))
                return;
        if (unit->uid != UNIT_SYSTEM && (match_flatpak(name, app) || match_bus(name, app) || match_service(name, app) ||
                                         match_terminal(name, unit->slice, app) || match_own_terminal(name, app) ||
                                         match_old_gnome(name, app) || match_scope(name, app) ||
                                         match_slice(unit->slice, name, app)))
                return;
        set_unit(unit, app);
}

static void match_container(const struct identity *identity, struct app *app) {
        const struct container *container = &identity->container;
        bool is_pod = container->pod[0] && (container->is_kubernetes || !container->id[0]);
        const char *id = is_pod ? container->pod : container->id;

        app->kind = container->is_machine ? APP_MACHINE : APP_CONTAINER;
        app->rule = container->is_machine ? "cgroup of a virtual machine" : "cgroup of a container";
        if (container->is_payload && identity->unit.name[0]) {
                app->rule = "unit that is a container";
                snprintf(app->id, sizeof app->id, "%s", identity->unit.name);
                snprintf(app->name, sizeof app->name, "%s", identity->unit.name);
                return;
        }
        container_name(container, app->name);
        snprintf(app->id, sizeof app->id, "%s", id == container->id ? app->name : id);
        if (!app->name[0])
                snprintf(app->name, sizeof app->name, "%s", id);
}

/* OpenRC has a cgroup for each service: /openrc.NAME, or /openrc/NAME in version 1. */
static bool match_openrc(const char *path, struct app *app) {
        struct component c;

        if (!component_next(&path, &c) || !(component_take_prefix(&c, "openrc.") ||
                                            (component_equals(c, "openrc") && component_next(&path, &c))))
                return false;
        set(app, APP_CGROUP, "service of OpenRC", c);
        return true;
}

static void match_cgroup(const char *path, struct app *app) {
        struct component c = { "", 0 }, last = c;

        if (match_openrc(path, app))
                return;
        while (component_next(&path, &c))
                last = c;
        if (last.length > 0)
                set(app, APP_CGROUP, "last component of the path", last);
        else
                set(app, APP_KERNEL, "root of all cgroups", component_of("kernel"));
}

/* Its name is all that is known of it. */
static void name_app(struct app *app, enum app_kind kind, const char *rule, const char *name) {
        memset(app, 0, sizeof *app);
        app->kind = kind;
        app->rule = rule;
        component_copy(component_of(name), app->id, sizeof app->id);
        memcpy(app->name, app->id, sizeof app->name);
}

void app_from_program(const char *comm, struct identity *identity) {
        name_app(&identity->app, APP_PROCESS, "name of the program, in the root of all cgroups", comm);
}

void app_from_group(const char *group, struct identity *identity) {
        name_app(&identity->app, APP_GROUP, "administrator's rule", group);
}

void app_from_identity(const char *path, struct identity *identity) {
        memset(&identity->app, 0, sizeof identity->app);
        if (identity->container.id[0] || identity->container.pod[0])
                match_container(identity, &identity->app);
        else if (identity->unit.name[0]) {
                match_unit(&identity->unit, &identity->app);
                if (identity->app.kind == APP_DESKTOP && strstr(path, ".scope/tab("))
                        identity->app.kind = APP_TERMINAL; /* Konsole makes a cgroup for each tab */
        }
        else
                match_cgroup(path, &identity->app);
}

void app_look_up(void *state, const char *path, struct identity *identity) {
        app_from_identity(path, identity);
}
