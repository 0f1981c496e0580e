/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_TOP_H
#define SOCKTALLY_TOP_H
/* socktally top: refreshed in place on a terminal, otherwise as text or as one JSON object per line. */
#include "tools/options.h"

enum exit_status top_run(const struct options *options);

#endif
