/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one place where errors get their names on the bus: org.socktally1.Error.NAME, one for each enum control_failure.
 */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "dbus/bus-private.h"

static const sd_bus_error_map errors[] = {
        [CONTROL_INVALID_ARGUMENT] = SD_BUS_ERROR_MAP(BUS_NAME ".Error.InvalidArgument", EINVAL),
        [CONTROL_NOT_SUPPORTED] = SD_BUS_ERROR_MAP(BUS_NAME ".Error.NotSupported", EOPNOTSUPP),
        [CONTROL_NO_SUCH_MODULE] = SD_BUS_ERROR_MAP(BUS_NAME ".Error.NoSuchModule", ENOENT),
        [CONTROL_NOT_PERMITTED] = SD_BUS_ERROR_MAP(BUS_NAME ".Error.NotPermitted", EPERM),
        [CONTROL_NO_MEMORY] = SD_BUS_ERROR_MAP(BUS_NAME ".Error.NoMemory", ENOMEM),
        [CONTROL_FAILED] = SD_BUS_ERROR_MAP(BUS_NAME ".Error.Failed", EIO),
        SD_BUS_ERROR_MAP_END
};

/* A message that quotes a caller may have been cut within a character, and a text that is not UTF-8 cannot be sent. */
static void trim_broken_end(char *text, size_t size) {
        size_t n = strlen(text);

        if (n + 1 < size)
                return;
        while (n > 0 && (unsigned char) text[n - 1] >= 0x80)
                text[--n] = '\0';
}

int failure_set(sd_bus_error *error, const struct control_error *failure) {
        enum control_failure number = failure->failure;
        char message[sizeof failure->message];

        if (number > CONTROL_FAILED)
                number = CONTROL_FAILED;
        snprintf(message, sizeof message, "%s", failure->message[0] ? failure->message : "It gives no reason");
        trim_broken_end(message, sizeof message);
        sd_bus_error_set(error, errors[number].name, message);
        return -errors[number].code;
}

int failure_say(sd_bus_error *error, enum control_failure failure, const char *format, ...) {
        struct control_error said = { .failure = failure };
        va_list ap;

        va_start(ap, format);
        vsnprintf(said.message, sizeof said.message, format, ap);
        va_end(ap);
        return failure_set(error, &said);
}
