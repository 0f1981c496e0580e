/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_CHANGE_H
#define SOCKTALLY_CHANGE_H
/* The commands enable, disable and set. */
#include "tools/options.h"

enum exit_status change_run(const struct options *options);

#endif
