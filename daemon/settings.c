/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every setting has one entry here, with its range and the words for it. A new setting needs a field, a function that
 * reads it and an entry; file, command line and their messages follow.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/settings.h"
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
        return set_number(&settings->max_processes, value, 16, 1048576);
}

static int set_max_sockets(struct settings *settings, const char *value) {
        return set_number(&settings->max_sockets, value, 16, 16777216);
}

static int set_max_services(struct settings *settings, const char *value) {
        return set_number(&settings->max_services, value, 16, 65536);
}

static const struct setting table[] = {
        { "Interval", "interval", "1s", "a time span from 100ms to 1h", set_interval },
        { "IdleInterval", "idle-interval", "10s", "a time span from 100ms to 1h", set_idle_interval },
        { "LoadMode", "load-mode", "entry", "passive, entry or return", set_load_mode },
        { "AttachMethod", "attach-method", "auto", "auto, tracepoint or trampoline", set_attach_method },
        { "Processes", "max-processes", "16384", "a number from 16 to 1048576", set_max_processes },
        { "Sockets", "max-sockets", "262144", "a number from 16 to 16777216", set_max_sockets },
        { "Services", "max-services", "4096", "a number from 16 to 65536", set_max_services },
};

struct settings settings_default(void) {
        struct settings settings = { 0 };

        for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
                (void) table[i].set(&settings, table[i].initial);
        return settings;
}

size_t settings_table(const struct setting **ret_table) {
        *ret_table = table;
        return sizeof table / sizeof table[0];
}

const struct setting *setting_by_key(const char *key) {
        for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
                if (strcmp(table[i].key, key) == 0)
                        return &table[i];
        return NULL;
}

const struct setting *setting_by_option(const char *option) {
        for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
                if (strcmp(table[i].option, option) == 0)
                        return &table[i];
        return NULL;
}
