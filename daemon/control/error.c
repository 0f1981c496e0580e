/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a refusal becomes an error for the caller. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "daemon/control/error.h"
#include "daemon/text.h"

int control_fail(struct control_error *ret_error, enum control_failure failure, int error, const char *format, ...) {
        char message[sizeof ret_error->message];
        va_list ap;

        if (!ret_error)
                return error;
        va_start(ap, format);
        vsnprintf(message, sizeof message, format, ap);
        va_end(ap);
        ret_error->failure = failure;
        text_clean(ret_error->message, sizeof ret_error->message, message, sizeof message);
        return error;
}

enum control_failure control_failure_of(int error) {
        switch (-error) {
        case ENOMEM: case E2BIG: case ENOSPC: case EMFILE: case ENFILE: return CONTROL_NO_MEMORY;
        case EPERM: case EACCES: return CONTROL_NOT_PERMITTED;
        case EIO: case EAGAIN: case EBUSY: return CONTROL_FAILED;
        default: return CONTROL_NOT_SUPPORTED;
        }
}
