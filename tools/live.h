/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_LIVE_H
#define SOCKTALLY_LIVE_H
/* The table that refreshes in place: keys, signals and publications in one loop. */
#include "libclient/socktally.h"
#include "tools/options.h"

/* Runs until q, a signal or options->count; the terminal is as before when it returns. */
enum exit_status live_run(struct socktally *reader, enum socktally_table table, const struct options *options);

#endif
