/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_IDENTITY_IDENTITY_H
#define SOCKTALLYD_IDENTITY_IDENTITY_H
/* Whose traffic a row of the kernel has. Each member is filled in by one source of names, see source.h. */
#include "daemon/identity/unit.h"

struct identity {
        struct unit unit;
};

/* Outside everything that has a name. */
#define IDENTITY_NULL ((struct identity) { .unit = { .uid = UNIT_SYSTEM } })

#endif
