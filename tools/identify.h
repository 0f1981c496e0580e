/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_IDENTIFY_H
#define SOCKTALLY_IDENTIFY_H
/* socktally identify: what processes and cgroups are called, by the rules that the daemon names rows by. */
#include "tools/options.h"

enum exit_status identify_run(const struct options *options);

#endif
