/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "tools/setting.h"

static const struct setting rows[] = {
        { "Interval", SETTING_SPAN, "IntervalUSec", "100ms 500ms 1s 5s 1min" },
        { "IdleInterval", SETTING_SPAN, "IdleIntervalUSec", "1s 10s 1min 5min" },
        { "LoadMode", SETTING_WORD, "LoadMode", "passive entry return" },
        { "AttachMethod", SETTING_AT_START, NULL, NULL },
        { "Processes", SETTING_CAPACITY, "processes", "1024 4096 16384 65536" },
        { "Sockets", SETTING_AT_START, NULL, NULL },
        { "ServiceRows", SETTING_CAPACITY, "services", "1024 4096 16384" },
        { "AppRows", SETTING_CAPACITY, "apps", "1024 4096 16384" },
        { "ContainerRows", SETTING_CAPACITY, "containers", "1024 4096 16384" },
        { "UserRows", SETTING_CAPACITY, "users", "256 1024 4096" },
        { "Modules", SETTING_MODULES, NULL, NULL },
        { "MapsPerCore", SETTING_AT_START, NULL, NULL },
        { "Services", SETTING_SWITCH, "Services", NULL },
        { "Apps", SETTING_SWITCH, "Apps", NULL },
        { "LogLevel", SETTING_LOG_LEVEL, NULL, "emerg alert crit err warning notice info debug" },
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

const struct setting *setting_next(const struct setting *row) {
        row = row ? row + 1 : rows;
        return row < rows + N_ROWS ? row : NULL;
}

static const char *skip_dashes(const char *text) {
        return text + strspn(text, "-_");
}

static bool is_same(const char *a, const char *b) {
        for (a = skip_dashes(a), b = skip_dashes(b); *a && tolower((unsigned char)*a) == tolower((unsigned char)*b);)
                a = skip_dashes(a + 1), b = skip_dashes(b + 1);
        return *a == *b;
}

const struct setting *setting_find(const char *key) {
        for (size_t i = 0; i < N_ROWS; i++)
                if (is_same(rows[i].key, key))
                        return &rows[i];
        return NULL;
}

static bool is_table_of_row(const char *name) {
        for (size_t i = 0; i < N_ROWS; i++)
                if (rows[i].kind == SETTING_CAPACITY && strcmp(rows[i].property, name) == 0)
                        return true;
        return false;
}

static const struct setting *found_as(struct setting_found *found, const char *key, enum setting_kind kind,
                                      const char *property) {
        (void)snprintf(found->key, sizeof(found->key), "%s", key);
        (void)snprintf(found->property, sizeof(found->property), "%s", property);
        found->setting = (struct setting){ found->key, kind, found->property, NULL };
        return &found->setting;
}

/* A key that the daemon lists among its settings has a property of its name; the type says what it is. */
static const struct setting *resolve_property(const struct control *control, const char *key,
                                              struct setting_found *found) {
        char usec[SETTING_SIZE];

        (void)snprintf(usec, sizeof(usec), "%.100sUSec", key);
        if (property_type(&control->manager, usec) == 't')
                return found_as(found, key, SETTING_SPAN, usec);
        if (property_type(&control->manager, key) == 's')
                return found_as(found, key, SETTING_WORD, key);
        if (property_type(&control->manager, key) == 'b')
                return found_as(found, key, SETTING_SWITCH, key);
        return NULL;
}

const struct setting *setting_resolve(const struct control *control, const char *key, struct setting_found *found) {
        const struct setting *setting = setting_find(key);

        for (size_t i = 0; !setting && i < control->n_settings; i++)
                if (is_same(control->settings[i].key, key))
                        setting = resolve_property(control, control->settings[i].key, found);
        for (size_t i = 0; !setting && i < control->n_objects; i++)
                if (control->objects[i].kind == CONTROL_TABLE && is_same(control->objects[i].name, key) &&
                    !is_table_of_row(control->objects[i].name))
                        setting = found_as(found, control->objects[i].name, SETTING_CAPACITY, control->objects[i].name);
        return setting;
}

const struct control_object *setting_table(const struct control *control, const struct setting *setting) {
        return setting->kind == SETTING_CAPACITY ? control_find(control, CONTROL_TABLE, setting->property) : NULL;
}

size_t setting_keys(const struct control *control, const char *keys[], size_t n_max) {
        struct setting_found found;
        size_t n = 0;

        for (size_t i = 0; i < N_ROWS && n < n_max; i++)
                keys[n++] = rows[i].key;
        for (size_t i = 0; i < control->n_settings && n < n_max; i++)
                if (!setting_find(control->settings[i].key) &&
                    resolve_property(control, control->settings[i].key, &found))
                        keys[n++] = control->settings[i].key;
        for (size_t i = 0; i < control->n_objects && n < n_max; i++)
                if (control->objects[i].kind == CONTROL_TABLE && !is_table_of_row(control->objects[i].name))
                        keys[n++] = control->objects[i].name;
        return n;
}

const char *setting_span(char buffer[static SETTING_SIZE], uint64_t usec) {
        static const struct {
                const char *name;
                uint64_t usec;
        } steps[] = { { "d", 86400000000 }, { "h", 3600000000 }, { "min", 60000000 },
                      { "s", 1000000 },     { "ms", 1000 },      { "us", 1 } };
        size_t used = 0;

        (void)snprintf(buffer, SETTING_SIZE, "0");
        for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); usec %= steps[i++].usec)
                if (usec >= steps[i].usec)
                        used += (size_t)snprintf(buffer + used, SETTING_SIZE - used, "%s%" PRIu64 "%s",
                                                 used ? " " : "", usec / steps[i].usec, steps[i].name);
        return buffer;
}

int setting_parse_switch(const char *text, bool *ret_is_on) {
        static const char *const words[][2] = {
                { "no", "yes" }, { "off", "on" }, { "false", "true" }, { "0", "1" }, { "n", "y" }
        };

        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
                for (int is_on = 0; is_on < 2; is_on++)
                        if (strcasecmp(text, words[i][is_on]) == 0) {
                                *ret_is_on = is_on;
                                return 0;
                        }
        return -EINVAL;
}

/* Those that are on for good, which is what a file says. */
static bool modules_value(const struct control *control, char *value) {
        size_t used = 0;

        (void)snprintf(value, SETTING_SIZE, "none");
        for (size_t i = 0; i < control->n_objects && used < SETTING_SIZE; i++) {
                const struct control_object *object = &control->objects[i];
                uint64_t is_enabled = 0, expires = 0;

                if (object->kind != CONTROL_MODULE || !property_number(&object->properties, "Enabled", &is_enabled) ||
                    !is_enabled || (property_number(&object->properties, "ExpiresUSec", &expires) && expires))
                        continue;
                used += (size_t)snprintf(value + used, SETTING_SIZE - used, "%s%s", used ? " " : "", object->name);
        }
        return true;
}

bool setting_value(const struct control *control, const struct setting *setting, char ret_value[static SETTING_SIZE]) {
        const struct control_object *table;
        const char *text;
        uint64_t number;

        switch (setting->kind) {
        case SETTING_WORD:
                text = property_text(&control->manager, setting->property);
                (void)snprintf(ret_value, SETTING_SIZE, "%s", text ? text : "");
                return text;
        case SETTING_SPAN:
                if (!property_number(&control->manager, setting->property, &number))
                        return false;
                (void)setting_span(ret_value, number);
                return true;
        case SETTING_SWITCH:
                if (!property_number(&control->manager, setting->property, &number))
                        return false;
                (void)snprintf(ret_value, SETTING_SIZE, "%s", number ? "yes" : "no");
                return true;
        case SETTING_CAPACITY:
                table = setting_table(control, setting);
                if (!table || !property_number(&table->properties, "Capacity", &number))
                        return false;
                (void)snprintf(ret_value, SETTING_SIZE, "%" PRIu64, number);
                return true;
        case SETTING_MODULES:
                return modules_value(control, ret_value);
        case SETTING_LOG_LEVEL:
        case SETTING_AT_START:
                break;
        }
        return false;
}
