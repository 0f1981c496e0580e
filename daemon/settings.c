/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every setting has one entry here, with its range and the words for it. A new setting needs a field, a function that
 * reads it, one that writes it and an entry; file, command line, bus and their messages follow.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/module.h"
#include "daemon/settings.h"
#include "daemon/text.h"
#include "daemon/timespan.h"

static int set_span(uint64_t *usec, const char *value) {
        uint64_t parsed;
        int r;

        r = timespan_parse(value, &parsed);
        if (r < 0)
                return r;
        if (parsed < SETTINGS_INTERVAL_MIN_USEC || parsed > SETTINGS_INTERVAL_MAX_USEC)
                return -ERANGE;
        *usec = parsed;
        return 0;
}

static int set_number(uint32_t *number, const char *value, unsigned long min, unsigned long max) {
        unsigned long parsed;
        char *end;

        if (!isdigit((unsigned char) value[0]))
                return -EINVAL;
        errno = 0;
        parsed = strtoul(value, &end, 10);
        if (*end)
                return -EINVAL;
        if (errno == ERANGE || parsed < min || parsed > max)
                return -ERANGE;
        *number = (uint32_t) parsed;
        return 0;
}

static int set_interval(struct settings *settings, const char *value) {
        return set_span(&settings->interval_usec, value);
}

static int set_idle_interval(struct settings *settings, const char *value) {
        return set_span(&settings->idle_interval_usec, value);
}

static int set_load_mode(struct settings *settings, const char *value) {
        return load_mode_parse(value, &settings->load_mode);
}

static int set_attach_method(struct settings *settings, const char *value) {
        return attach_method_parse(value, &settings->attach_method);
}

static int set_max_processes(struct settings *settings, const char *value) {
        return set_number(&settings->max_processes, value, SETTINGS_ROWS_MIN, SETTINGS_ROWS_MAX);
}

static int set_max_sockets(struct settings *settings, const char *value) {
        return set_number(&settings->max_sockets, value, 16, 16777216);
}

static int set_max_services(struct settings *settings, const char *value) {
        return set_number(&settings->max_services, value, SETTINGS_ROWS_MIN, SETTINGS_ROWS_MAX);
}

static int set_modules(struct settings *settings, const char *value) {
        return modules_parse(value, &settings->modules);
}

static void format_interval(const struct settings *settings, char *value, size_t size) {
        timespan_format(value, size, settings->interval_usec);
}

static void format_idle_interval(const struct settings *settings, char *value, size_t size) {
        timespan_format(value, size, settings->idle_interval_usec);
}

static void format_load_mode(const struct settings *settings, char *value, size_t size) {
        snprintf(value, size, "%s", load_mode_name(settings->load_mode));
}

static void format_attach_method(const struct settings *settings, char *value, size_t size) {
        snprintf(value, size, "%s", attach_method_name(settings->attach_method));
}

static void format_max_processes(const struct settings *settings, char *value, size_t size) {
        snprintf(value, size, "%" PRIu32, settings->max_processes);
}

static void format_max_sockets(const struct settings *settings, char *value, size_t size) {
        snprintf(value, size, "%" PRIu32, settings->max_sockets);
}

static void format_max_services(const struct settings *settings, char *value, size_t size) {
        snprintf(value, size, "%" PRIu32, settings->max_services);
}

static void format_modules(const struct settings *settings, char *value, size_t size) {
        modules_format(settings->modules, value, size);
}

#define SPAN_ALLOWED "a time span from 100ms to 1h"
#define ROWS_ALLOWED "a number from 16 to 1048576"

static const struct setting table[N_SETTINGS] = {
        [SETTING_INTERVAL] = { "Interval", "interval", "1s", SPAN_ALLOWED, set_interval, format_interval },
        [SETTING_IDLE_INTERVAL] = { "IdleInterval", "idle-interval", "10s", SPAN_ALLOWED, set_idle_interval,
                                    format_idle_interval },
        [SETTING_LOAD_MODE] = { "LoadMode", "load-mode", "entry", "passive, entry or return", set_load_mode,
                                format_load_mode },
        [SETTING_ATTACH_METHOD] = { "AttachMethod", "attach-method", "auto", "auto, tracepoint or trampoline",
                                    set_attach_method, format_attach_method },
        [SETTING_PROCESSES] = { "Processes", "max-processes", "16384", ROWS_ALLOWED, set_max_processes,
                                format_max_processes },
        [SETTING_SOCKETS] = { "Sockets", "max-sockets", "262144", "a number from 16 to 16777216", set_max_sockets,
                              format_max_sockets },
        [SETTING_SERVICES] = { "Services", "max-services", "4096", ROWS_ALLOWED, set_max_services,
                               format_max_services },
        [SETTING_MODULES] = { "Modules", "modules", MODULES_ALL, "names out of " MODULES_ALL ", or none", set_modules,
                              format_modules },
};

int settings_set(struct settings *settings, size_t number, const char *value, const char *source) {
        int r = table[number].set(settings, value);

        if (r >= 0)
                text_clean(settings->sources[number], sizeof settings->sources[number], source, SETTINGS_SOURCE_SIZE);
        return r;
}

struct settings settings_default(void) {
        struct settings settings = { 0 };

        for (size_t i = 0; i < N_SETTINGS; i++)
                (void) settings_set(&settings, i, table[i].initial, "default");
        return settings;
}

void settings_format(const struct settings *settings, size_t number, char value[static SETTINGS_VALUE_SIZE]) {
        table[number].format(settings, value, SETTINGS_VALUE_SIZE);
}

bool settings_is_same(const struct settings *a, const struct settings *b, size_t number) {
        char one[SETTINGS_VALUE_SIZE], other[SETTINGS_VALUE_SIZE];

        settings_format(a, number, one);
        settings_format(b, number, other);
        return strcmp(one, other) == 0;
}

void settings_copy(struct settings *to, const struct settings *from, size_t number) {
        char value[SETTINGS_VALUE_SIZE];

        settings_format(from, number, value);
        (void) settings_set(to, number, value, from->sources[number]);
}

size_t settings_table(const struct setting **ret_table) {
        *ret_table = table;
        return N_SETTINGS;
}

size_t setting_number(const struct setting *setting) {
        return (size_t) (setting - table);
}

const struct setting *setting_by_key(const char *key) {
        for (size_t i = 0; i < N_SETTINGS; i++)
                if (strcmp(table[i].key, key) == 0)
                        return &table[i];
        return NULL;
}

const struct setting *setting_by_option(const char *option) {
        for (size_t i = 0; i < N_SETTINGS; i++)
                if (strcmp(table[i].option, option) == 0)
                        return &table[i];
        return NULL;
}
