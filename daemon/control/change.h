/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_CONTROL_CHANGE_H
#define SOCKTALLYD_CONTROL_CHANGE_H
/* One setting changes while the daemon runs, as a transaction. */
#include "daemon/control/control.h"

/* The value is as in a file; where it came from is kept. On error nothing has changed. A value that is in force already
 * is no change: its source stays what it was. */
int change_setting(struct control *control, size_t number, const char *value, const char *source,
                   struct control_error *ret_error);
/* Does the setting apply only when the daemon starts? */
bool change_waits_for_start(size_t number);
/* What settings_set() or its like refused, with what is allowed. Returns error. */
int change_refuse_value(size_t number, const char *value, int error, struct control_error *ret_error);

#endif
