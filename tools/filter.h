/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_FILTER_H
#define SOCKTALLY_FILTER_H
/* Which rows of a listing are wanted. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/listing.h"
#include "tools/users.h"

struct filter {
        bool has_pid, has_user;
        uint32_t pid, uid;
        const char *service, *app, *container; /* patterns; NULL: any */
        const char *const *names;              /* patterns, of which one must match; a process's may be its PID */
        size_t n_names;
        const char *part;                      /* of a name, whatever its case; NULL: any */
};

/* A pattern is a name with *, ? and [...] as in a shell; "ssh" stands for "ssh.service" as well, as with systemctl. */
bool filter_is_set(const struct filter *filter);
void filter_apply(const struct filter *filter, struct listing *listing, struct users *users);

#endif
