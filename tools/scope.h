/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_SCOPE_H
#define SOCKTALLY_SCOPE_H
/* Which traffic is shown, by where the peer is: bytes of the chosen scopes take the place of all bytes. */
#include <stdbool.h>
#include <stdint.h>

#include "libclient/metrics.h"

enum scope { SCOPE_ALL, SCOPE_REMOTE, SCOPE_INTERNET };

bool scope_find(const char *name, enum scope *ret_scope);
const char *scope_name(enum scope scope);
/* metrics: a bit per metric, and so is the result. */
uint64_t scope_metrics(enum scope scope, uint64_t metrics);

#endif
