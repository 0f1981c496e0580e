/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_CONTROL_CHANGE_H
#define SOCKTALLYD_CONTROL_CHANGE_H
/* One setting changes while the daemon runs, or nothing does. */
#include "daemon/control/control.h"

/* number: of the setting, in the table of settings. value: as in a file. source: where the value comes from, which is
 * kept with it. On error nothing has changed. A value that is in force already is no change, and its source stays what
 * it was. */
int change_setting(struct control *control, size_t number, const char *value, const char *source,
                   struct control_error *ret_error);
/* Does the setting apply only when the daemon starts? */
bool change_waits_for_start(size_t number);
/* For a value that settings_set() or settings_set_value() refused. error: the negative errno that they returned. The
 * message says what is allowed. Returns error. */
int change_refuse_value(size_t number, const char *value, int error, struct control_error *ret_error);

#endif
