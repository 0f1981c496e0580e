/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_STATUS_H
#define SOCKTALLY_STATUS_H
/* socktally status: is the daemon there, what does it count, what could it not count, what does that cost. */
#include "tools/options.h"

/* Prints what is known also of a daemon that is gone, and returns STATUS_NO_DAEMON then. */
enum exit_status status_run(const struct options *options);

#endif
