/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of sources of names. */
#include <stddef.h>

#include "daemon/identity/source.h"

const struct identity_source identity_sources[] = {
        { .name = "unit", .matches = unit_matches, .look_up = unit_look_up },
        { .name = NULL },
};
