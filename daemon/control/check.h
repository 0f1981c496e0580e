/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_CONTROL_CHECK_H
#define SOCKTALLYD_CONTROL_CHECK_H
/*
 * socktallyd --check: loads and attaches the programs by each method in turn and detaches them at once, beside a daemon
 * that runs and without touching it; as root with the rights of the service. Lines for `socktally doctor` and scripts,
 * with tabs between: "rights" and whose they are; "attach-method", its name, "yes" or "no", and the kernel's own
 * reason.
 */
#include "daemon/control/options.h"

/* 0, or -EOPNOTSUPP when no method works. */
int check_run(const struct options *options);

#endif
