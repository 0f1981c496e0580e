/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every setting is one row of the table at the end: its name in the file, on the command line and on the bus, its kind,
 * its range, its default and the words for what is allowed. A kind knows how a value is read, written and handed to the
 * bus. File, command line, bus and all messages follow from that; what a change does to the running daemon is in
 * change.c.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <syslog.h>

#include "daemon/control/settings.h"
#include "daemon/control/timespan.h"
#include "daemon/log.h"
#include "daemon/module.h"
#include "daemon/text.h"

struct setting_kind {
        enum control_type type;
        int (*parse)(const struct setting *setting, void *place, const char *text);
        void (*format)(const void *place, char *value, size_t size);
        void (*get)(const void *place, struct control_value *ret_value);
};

static int parse_span(const struct setting *setting, void *place, const char *text) {
        uint64_t usec;
        int r;

        r = timespan_parse(text, &usec);
        if (r < 0)
                return r;
        if (usec < setting->min || usec > setting->max)
                return -ERANGE;
        *(uint64_t *) place = usec;
        return 0;
}

static void format_span(const void *place, char *value, size_t size) {
        timespan_format(value, size, *(const uint64_t *) place);
}

static void get_span(const void *place, struct control_value *ret_value) {
        ret_value->number = *(const uint64_t *) place;
}

static int parse_number(const struct setting *setting, void *place, const char *text) {
        unsigned long parsed;
        char *end;

        if (!isdigit((unsigned char) text[0]))
                return -EINVAL;
        errno = 0;
        parsed = strtoul(text, &end, 10);
        if (*end)
                return -EINVAL;
        if (errno == ERANGE || parsed < setting->min || parsed > setting->max)
                return -ERANGE;
        *(uint32_t *) place = (uint32_t) parsed;
        return 0;
}

static void format_number(const void *place, char *value, size_t size) {
        snprintf(value, size, "%" PRIu32, *(const uint32_t *) place);
}

/* The words that systemd takes. */
static int parse_boolean(const struct setting *setting, void *place, const char *text) {
        static const char *const words[][5] = {
                { "no", "n", "false", "off", "0" },
                { "yes", "y", "true", "on", "1" },
        };

        for (size_t i = 0; i < 2; i++)
                for (size_t k = 0; k < 5; k++)
                        if (strcasecmp(text, words[i][k]) == 0) {
                                *(bool *) place = i;
                                return 0;
                        }
        return -EINVAL;
}

static void format_boolean(const void *place, char *value, size_t size) {
        snprintf(value, size, "%s", *(const bool *) place ? "yes" : "no");
}

static void get_boolean(const void *place, struct control_value *ret_value) {
        ret_value->number = *(const bool *) place;
}

static int parse_load_mode(const struct setting *setting, void *place, const char *text) {
        return load_mode_parse(text, place);
}

static void format_load_mode(const void *place, char *value, size_t size) {
        snprintf(value, size, "%s", load_mode_name(*(const enum load_mode *) place));
}

static void get_load_mode(const void *place, struct control_value *ret_value) {
        ret_value->text = load_mode_name(*(const enum load_mode *) place);
}

static int parse_attach_method(const struct setting *setting, void *place, const char *text) {
        return attach_method_parse(text, place);
}

static void format_attach_method(const void *place, char *value, size_t size) {
        snprintf(value, size, "%s", attach_method_name(*(const enum attach_method *) place));
}

static void get_attach_method(const void *place, struct control_value *ret_value) {
        ret_value->text = attach_method_name(*(const enum attach_method *) place);
}

static int parse_modules(const struct setting *setting, void *place, const char *text) {
        return modules_parse(text, place);
}

static void format_modules(const void *place, char *value, size_t size) {
        modules_format(*(const uint32_t *) place, value, size);
}

static int parse_log_level(const struct setting *setting, void *place, const char *text) {
        return log_level_parse(text, place);
}

static void format_log_level(const void *place, char *value, size_t size) {
        snprintf(value, size, "%s", log_level_name(*(const int *) place));
}

/* Those without get are not on the bus. */
#define KIND(what) .parse = parse_##what, .format = format_##what
#define KIND_ON_BUS(what, control_type) KIND(what), .get = get_##what, .type = control_type

static const struct setting_kind span_kind = { KIND_ON_BUS(span, CONTROL_NUMBER) };
static const struct setting_kind number_kind = { KIND(number) };
static const struct setting_kind boolean_kind = { KIND_ON_BUS(boolean, CONTROL_BOOLEAN) };
static const struct setting_kind load_mode_kind = { KIND_ON_BUS(load_mode, CONTROL_TEXT) };
static const struct setting_kind method_kind = { KIND_ON_BUS(attach_method, CONTROL_TEXT) };
static const struct setting_kind modules_kind = { KIND(modules) };
static const struct setting_kind log_level_kind = { KIND(log_level) };

#define AT(member) .place = offsetof(struct settings, member)
#define ON_BUS(name, name_of_argument) .property = name, .argument = name_of_argument
#define TEXT_OF(number) #number
#define NUMBER(least, most)                                                                                            \
        .kind = &number_kind, .min = least, .max = most,                                                               \
        .allowed = "a number from " TEXT_OF(least) " to " TEXT_OF(most)
#define SPAN                                                                                                           \
        .kind = &span_kind, .min = SETTINGS_INTERVAL_MIN_USEC, .max = SETTINGS_INTERVAL_MAX_USEC,                      \
        .allowed = "a time span from 100ms to 1h"
#define BOOLEAN .kind = &boolean_kind, .allowed = "yes or no"

static const struct setting table[N_SETTINGS] = {
        [SETTING_INTERVAL] = {
                .key = "Interval", .option = "interval", .initial = "1s", SPAN, AT(interval_usec),
                ON_BUS("IntervalUSec", "interval_usec"),
        },
        [SETTING_IDLE_INTERVAL] = {
                .key = "IdleInterval", .option = "idle-interval", .initial = "10s", SPAN, AT(idle_interval_usec),
                ON_BUS("IdleIntervalUSec", "interval_usec"),
        },
        [SETTING_LOAD_MODE] = {
                .key = "LoadMode", .option = "load-mode", .initial = "entry", .kind = &load_mode_kind, AT(load_mode),
                .allowed = "passive, entry or return", ON_BUS("LoadMode", "mode"),
        },
        [SETTING_ATTACH_METHOD] = {
                .key = "AttachMethod", .option = "attach-method", .initial = "auto", .kind = &method_kind,
                AT(attach_method), .allowed = "auto, tracepoint or trampoline", ON_BUS("AttachMethod", "method"),
        },
        [SETTING_PROCESSES] = {
                .key = "Processes", .option = "max-processes", .initial = "16384",
                NUMBER(SETTINGS_ROWS_MIN, SETTINGS_ROWS_MAX), AT(max_processes),
        },
        [SETTING_SOCKETS] = {
                .key = "Sockets", .option = "max-sockets", .initial = "262144", NUMBER(16, 16777216), AT(max_sockets),
        },
        [SETTING_SERVICE_ROWS] = {
                .key = "ServiceRows", .option = "max-services", .initial = "4096",
                NUMBER(SETTINGS_ROWS_MIN, SETTINGS_ROWS_MAX), AT(max_groups[BY_SERVICE]),
        },
        [SETTING_APP_ROWS] = {
                .key = "AppRows", .option = "max-apps", .initial = "4096",
                NUMBER(SETTINGS_ROWS_MIN, SETTINGS_ROWS_MAX), AT(max_groups[BY_APP]),
        },
        [SETTING_CONTAINER_ROWS] = {
                .key = "ContainerRows", .option = "max-containers", .initial = "4096",
                NUMBER(SETTINGS_ROWS_MIN, SETTINGS_ROWS_MAX), AT(max_groups[BY_CONTAINER]),
        },
        [SETTING_USER_ROWS] = {
                .key = "UserRows", .option = "max-users", .initial = "1024",
                NUMBER(SETTINGS_ROWS_MIN, SETTINGS_ROWS_MAX), AT(max_groups[BY_USER]),
        },
        [SETTING_MODULES] = {
                .key = "Modules", .option = "modules", .initial = MODULES_ALL, .kind = &modules_kind, AT(modules),
                .allowed = "names out of" MODULES_WORDS ", or none",
        },
        [SETTING_MAPS_PER_CORE] = {
                .key = "MapsPerCore", .option = "maps-per-core", .initial = "no", BOOLEAN, AT(is_per_core),
                ON_BUS("MapsPerCore", "is_on"),
        },
        [SETTING_SERVICES] = {
                .key = "Services", .option = "services", .initial = "yes", BOOLEAN, AT(has_services),
                ON_BUS("Services", "is_on"),
        },
        [SETTING_APPS] = {
                .key = "Apps", .option = "apps", .initial = "yes", BOOLEAN, AT(has_apps),
                ON_BUS("Apps", "is_on"),
        },
        [SETTING_LOG_LEVEL] = {
                .key = "LogLevel", .option = "log-level", .initial = "info", .kind = &log_level_kind, AT(log_level),
                .allowed = LOG_LEVELS,
        },
};

static void *place_of(struct settings *settings, size_t i) {
        return (char *) settings + table[i].place;
}

static const void *value_of(const struct settings *settings, size_t i) {
        return (const char *) settings + table[i].place;
}

int settings_set(struct settings *settings, size_t i, const char *value, const char *source) {
        int r = table[i].kind->parse(&table[i], place_of(settings, i), value);

        if (r >= 0)
                text_clean(settings->sources[i], sizeof settings->sources[i], source, SETTINGS_SOURCE_SIZE);
        return r;
}

int settings_set_value(struct settings *settings, size_t i, const struct control_value *value, const char *source) {
        char text[32];

        switch (table[i].kind->type) {
        case CONTROL_TEXT: return value->text ? settings_set(settings, i, value->text, source) : -EINVAL;
        case CONTROL_BOOLEAN: return settings_set(settings, i, value->number ? "yes" : "no", source);
        case CONTROL_NUMBER: /* all numbers that are on the bus are time spans */
                snprintf(text, sizeof text, "%" PRIu64 "us", value->number);
                return settings_set(settings, i, text, source);
        case CONTROL_NO_VALUE: break;
        }
        return -EINVAL;
}

struct settings settings_default(void) {
        struct settings settings = { 0 };

        for (size_t i = 0; i < N_SETTINGS; i++)
                (void) settings_set(&settings, i, table[i].initial, "default");
        return settings;
}

void settings_format(const struct settings *settings, size_t number, char value[static SETTINGS_VALUE_SIZE]) {
        table[number].kind->format(value_of(settings, number), value, SETTINGS_VALUE_SIZE);
}

/* Which setting has the value that is in force. The default of the idle interval can be shorter than the interval that
 * somebody has set; then that is the idle interval, too. */
static size_t in_force(const struct settings *settings, size_t number) {
        bool is_short = settings->idle_interval_usec < settings->interval_usec;

        return number == SETTING_IDLE_INTERVAL && is_short ? SETTING_INTERVAL : number;
}

void settings_show(const struct settings *settings, size_t number, char value[static SETTINGS_VALUE_SIZE]) {
        settings_format(settings, in_force(settings, number), value);
}

void settings_get(const struct settings *settings, size_t number, struct control_value *ret_value) {
        size_t i = in_force(settings, number);

        *ret_value = (struct control_value) { 0, NULL };
        if (table[i].kind->get)
                table[i].kind->get(value_of(settings, i), ret_value);
}

enum control_type setting_type(const struct setting *setting) {
        return setting->kind->type;
}

bool settings_contradict(const struct settings *settings) {
        return settings->idle_interval_usec < settings->interval_usec &&
               strcmp(settings->sources[SETTING_IDLE_INTERVAL], "default") != 0;
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
