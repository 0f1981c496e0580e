/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_CONTROL_ERROR_H
#define SOCKTALLYD_CONTROL_ERROR_H
/* Errors that the control line answers with. */
#include "daemon/control/operations.h"

/* Returns error, which is negative, with the message filled in; what a caller gave is made printable. */
int control_fail(struct control_error *ret_error, enum control_failure failure, int error, const char *format, ...)
        __attribute__((format(printf, 4, 5)));
/* How a caller may react to what the kernel answered to a change. */
enum control_failure control_failure_of(int error);

#endif
