/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reasons, in words for a person. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "daemon/collect/reason.h"

int collect_say(char *reason, size_t size, int error, const char *what, const char *which) {
        if (reason)
                snprintf(reason, size, "%s%s%s: %s", what, which[0] ? " " : "", which, strerror(-error));
        return error;
}

void collect_say_more(char *reason, size_t size, const char *format, ...) {
        size_t n = strlen(reason);
        va_list arguments;

        if (n + 2 >= size)
                return;
        if (n > 0)
                n += (size_t) snprintf(reason + n, size - n, "; ");
        va_start(arguments, format);
        (void) vsnprintf(reason + n, size - n, format, arguments);
        va_end(arguments);
}
