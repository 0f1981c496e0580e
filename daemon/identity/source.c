/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of sources of names. */
#include <stddef.h>

#include "daemon/identity/desktop.h"
#include "daemon/identity/source.h"

static bool match_all(const char *path) {
        return true;
}

static void look_up_container(void *state, const char *path, struct identity *identity) {
        container_from_path(path, &identity->container);
}

static void look_up_app(void *state, const char *path, struct identity *identity) {
        app_from_identity(path, identity);
        desktop_from_identity(desktop_directories, identity);
}

/* In this order: an app is found by what is known of unit and container. */
const struct identity_source identity_sources[] = {
        { .name = "unit", .matches = unit_matches, .look_up = unit_look_up },
        { .name = "container", .matches = match_all, .look_up = look_up_container },
        { .name = "app", .matches = match_all, .look_up = look_up_app },
        { .name = NULL },
};
