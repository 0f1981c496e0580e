/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_IDENTITY_IDENTITY_H
#define SOCKTALLYD_IDENTITY_IDENTITY_H
/* Whose traffic a row of the kernel has. Each member is filled in by one source of names, see source.h. */
#include "daemon/identity/app.h"
#include "daemon/identity/container.h"
#include "daemon/identity/question.h"
#include "daemon/identity/unit.h"

struct identity {
        struct unit unit;
        struct container container;
        struct app app;
};

/* All that the text of a cgroup's path tells, and then what ask() knows about that. */
void identity_from_path(const char *path, question_ask *ask, void *userdata, struct identity *ret_identity);

/* What kind of thing that is, as in JSON: "unit", "flatpak", "docker", "k8s". */
const char *identity_kind(const struct identity *identity);

/* Outside everything that has a name. */
#define IDENTITY_NULL ((struct identity) { .unit = { .uid = UNIT_SYSTEM, .owner = UNIT_SYSTEM } })

#endif
