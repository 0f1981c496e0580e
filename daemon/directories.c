/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stddef.h>

#include "daemon/directories.h"

#ifndef SYSCONFDIR
#define SYSCONFDIR "/etc"
#endif
#ifndef VENDORDIR
#define VENDORDIR "/usr/lib"
#endif

const char *const configuration_directories[] = {
        "/etc/socktally",
        SYSCONFDIR "/socktally", /* of an installation below another prefix; else the same again */
        "/run/socktally",
        "/usr/local/lib/socktally",
        VENDORDIR "/socktally",
        "/usr/lib/socktally",
        NULL,
};
