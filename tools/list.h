/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_LIST_H
#define SOCKTALLY_LIST_H
/* socktally processes, socktally services: one table, printed once. */
#include "tools/options.h"

enum exit_status list_run(const struct options *options);

#endif
