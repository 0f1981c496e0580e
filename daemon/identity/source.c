/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of sources of names. Each may use what those before it have filled in. */
#include <stddef.h>

#include "daemon/identity/names.h"
#include "daemon/identity/source.h"

const struct identity_source identity_sources[] = {
        { .name = "unit", .look_up = unit_look_up },
        { .name = "container", .look_up = container_look_up },
        { .name = "app", .look_up = app_look_up },
        { .name = "names", .look_up = names_look_up, .open = names_open, .close = names_close,
          .fd = names_fd, .follow = names_follow, .complaint = names_complaint },
        { .name = NULL },
};
