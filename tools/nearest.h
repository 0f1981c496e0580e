/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_NEAREST_H
#define SOCKTALLY_NEAREST_H
/* What somebody may have meant who mistyped a name. */
#include <stddef.h>

#include "tools/exit-status.h"

/* The name that is at most two steps away from text (a letter more, less, other, or two swapped; in any case) and
 * nearest to it; NULL: there is none. */
const char *nearest_find(const char *text, const char *const names[], size_t n);
/* Says "command: there is no KIND 'text'; did you mean ...? allowed are ..." */
enum exit_status nearest_refuse(const char *command, const char *kind, const char *text, const char *const names[],
                                size_t n);

#endif
