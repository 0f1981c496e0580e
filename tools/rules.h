/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_RULES_H
#define SOCKTALLY_RULES_H
/* socktally rules: what is wrong in the administrator's rules for apps. */
#include "tools/options.h"

struct rules;

/* The rules in this file; path NULL: those that the daemon reads when it starts. What is wrong is said on stderr. NULL:
 * there are none, or not for this user. Negative: the file with this path cannot be read. */
int rules_command_read(const char *path, struct rules **ret_rules);
enum exit_status rules_command_run(const struct options *options);

#endif
