/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_CONTROL_SETTINGS_H
#define SOCKTALLYD_CONTROL_SETTINGS_H
/*
 * What an administrator can choose, once: the configuration file, the command line and the bus all set it through this
 * table. Plain values, each with where it came from, written by the functions here alone.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/collect/collector.h"
#include "daemon/control/operations.h"
#include "daemon/totals/groups.h"

#define SETTINGS_INTERVAL_MIN_USEC UINT64_C(100000)
#define SETTINGS_INTERVAL_MAX_USEC UINT64_C(3600000000)

enum {
        SETTING_INTERVAL,
        SETTING_IDLE_INTERVAL,
        SETTING_LOAD_MODE,
        SETTING_ATTACH_METHOD,
        SETTING_PROCESSES,
        SETTING_SOCKETS,
        SETTING_SERVICE_ROWS,
        SETTING_APP_ROWS,
        SETTING_CONTAINER_ROWS,
        SETTING_USER_ROWS,
        SETTING_MODULES,
        SETTING_MAPS_PER_CORE,
        SETTING_SERVICES,
        SETTING_APPS,
        SETTING_LOG_LEVEL,
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
        uint32_t max_groups[N_GROUPINGS];
        uint32_t modules; /* a bit per number in module.h: on for good */
        int log_level;    /* as in syslog.h */
        bool is_per_core, has_services, has_apps;
        uint32_t rejected; /* a bit per setting whose last line in the files was wrong */
        char sources[N_SETTINGS][SETTINGS_SOURCE_SIZE]; /* "default", "FILE:LINE", "command line", "run time" */
};

struct setting_kind;

struct setting {
        const char *key;     /* in the file: "Interval" */
        const char *option;  /* on the command line, without the dashes: "interval" */
        const char *initial;
        const struct setting_kind *kind;
        size_t place;        /* in struct settings */
        uint64_t min, max;   /* of numbers and time spans, the latter in microseconds */
        const char *allowed; /* what a person may write, for the message about a bad value */
        const char *property, *argument; /* on the bus, and of the method that sets it; NULL: not there */
};

struct settings settings_default(void);
/* The way to set one: number is that in the table; source is kept with the value, made printable. Unchanged on error:
 * -EINVAL, -ERANGE, -EOPNOTSUPP for what is foreseen but not there. */
int settings_set(struct settings *settings, size_t number, const char *value, const char *source);
int settings_set_value(struct settings *settings, size_t number, const struct control_value *value, const char *source);
/* The value as a file would have it: settings_set() reads it again without a loss. */
void settings_format(const struct settings *settings, size_t number, char value[static SETTINGS_VALUE_SIZE]);
/* What is in force: the idle interval is never shorter than the interval. */
void settings_show(const struct settings *settings, size_t number, char value[static SETTINGS_VALUE_SIZE]);
void settings_get(const struct settings *settings, size_t number, struct control_value *ret_value);
/* Somebody asked for an idle interval that is shorter than the interval. */
bool settings_contradict(const struct settings *settings);
bool settings_is_same(const struct settings *a, const struct settings *b, size_t number);
/* Takes one value with its source over. */
void settings_copy(struct settings *to, const struct settings *from, size_t number);
size_t settings_table(const struct setting **ret_table);
enum control_type setting_type(const struct setting *setting);
size_t setting_number(const struct setting *setting);
/* NULL when there is none of that name. */
const struct setting *setting_by_key(const char *key);
const struct setting *setting_by_option(const char *option);

#endif
