/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_SETTINGS_H
#define SOCKTALLYD_SETTINGS_H
/*
 * What an administrator can choose, once: the configuration file, the command line and the bus all set it through this
 * table. Plain values, each with where it came from; the owner passes them on, nobody keeps a pointer to them.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/collect.h"

#define SETTINGS_INTERVAL_MIN_USEC UINT64_C(100000)
#define SETTINGS_INTERVAL_MAX_USEC UINT64_C(3600000000)

enum {
        SETTING_INTERVAL,
        SETTING_IDLE_INTERVAL,
        SETTING_LOAD_MODE,
        SETTING_ATTACH_METHOD,
        SETTING_PROCESSES,
        SETTING_SOCKETS,
        SETTING_SERVICES,
        SETTING_MODULES,
        N_SETTINGS
};

#define SETTINGS_ROWS_MIN 16
#define SETTINGS_ROWS_MAX 1048576
#define SETTINGS_VALUE_SIZE 64
#define SETTINGS_SOURCE_SIZE 320

struct settings {
        uint64_t interval_usec;
        uint64_t idle_interval_usec;
        enum load_mode load_mode;
        enum attach_method attach_method;
        uint32_t max_processes;
        uint32_t max_sockets;
        uint32_t max_services;
        uint32_t modules; /* a bit per number in module.h: on for good */
        uint32_t rejected; /* a bit per setting whose last line in the files was wrong */
        char sources[N_SETTINGS][SETTINGS_SOURCE_SIZE]; /* "default", "FILE:LINE", "command line", "run time" */
};

struct setting {
        const char *key;     /* in the file: "Interval" */
        const char *option;  /* on the command line, without the dashes: "interval" */
        const char *initial;
        const char *allowed; /* what a person may write, for the message about a bad value */
        int (*set)(struct settings *settings, const char *value); /* 0, -EINVAL or -ERANGE; unchanged on error */
        /* The value as a file would have it: set() reads it again without a loss. */
        void (*format)(const struct settings *settings, char *value, size_t size);
};

struct settings settings_default(void);
/* The way to set one: number is that in the table; source is kept with the value, made printable. Errors as those of
 * set(). */
int settings_set(struct settings *settings, size_t number, const char *value, const char *source);
void settings_format(const struct settings *settings, size_t number, char value[static SETTINGS_VALUE_SIZE]);
bool settings_is_same(const struct settings *a, const struct settings *b, size_t number);
/* Takes one value with its source over. */
void settings_copy(struct settings *to, const struct settings *from, size_t number);
size_t settings_table(const struct setting **ret_table);
size_t setting_number(const struct setting *setting);
/* NULL when there is none of that name. */
const struct setting *setting_by_key(const char *key);
const struct setting *setting_by_option(const char *option);

#endif
