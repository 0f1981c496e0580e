/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_SETTINGS_H
#define SOCKTALLYD_SETTINGS_H
/*
 * What an administrator can choose, once: the configuration file and the command line both set it through this table.
 * Plain values; the owner passes them on, nobody keeps a pointer to them.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/collect.h"

#define SETTINGS_INTERVAL_MIN_USEC UINT64_C(100000)
#define SETTINGS_INTERVAL_MAX_USEC UINT64_C(3600000000)

struct settings {
        uint64_t interval_usec;
        uint64_t idle_interval_usec;
        enum load_mode load_mode;
        enum attach_method attach_method;
        uint32_t max_processes;
        uint32_t max_sockets;
        uint32_t max_services;
};

struct setting {
        const char *key;     /* in the file: "Interval" */
        const char *option;  /* on the command line, without the dashes: "interval" */
        const char *initial;
        const char *allowed; /* what a person may write, for the message about a bad value */
        int (*set)(struct settings *settings, const char *value); /* 0, -EINVAL or -ERANGE; unchanged on error */
};

struct settings settings_default(void);
size_t settings_table(const struct setting **ret_table);
/* NULL when there is none of that name. */
const struct setting *setting_by_key(const char *key);
const struct setting *setting_by_option(const char *option);

#endif
