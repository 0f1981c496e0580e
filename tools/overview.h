/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_OVERVIEW_H
#define SOCKTALLY_OVERVIEW_H
/* The commands modules, tables and settings. */
#include "tools/options.h"

enum exit_status overview_run(const struct options *options);

#endif
