/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Looks at what is there, asks the daemon for the change, looks again and prints what is in force now. The daemon
 * judges values and callers; here is only what it cannot know, such as a name that was mistyped.
 */
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "tools/agent.h"
#include "tools/change.h"
#include "tools/control.h"
#include "tools/nearest.h"
#include "tools/setting.h"
#include "tools/untrusted.h"

#define MAX_WORDS 32
#define MAX_KEYS 128

struct change {
        sd_bus *bus;
        const struct options *options;
        struct control control;
        char what[256]; /* "set Interval=2s", for messages */
};

static void print_until(const char *name, uint64_t expires_usec) {
        time_t seconds = (time_t)(expires_usec / 1000000);
        char when[64] = "", span[SETTING_SIZE];
        uint64_t now_usec, left_usec, step;
        struct timespec now;
        struct tm tm;

        (void)clock_gettime(CLOCK_REALTIME, &now);
        now_usec = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
        left_usec = expires_usec > now_usec ? expires_usec - now_usec : 0;
        /* Rounded up: what was asked for has just begun. */
        step = left_usec > 1000000 ? 1000000 : 1000;
        left_usec = (left_usec + step - 1) / step * step;
        if (localtime_r(&seconds, &tm))
                (void)strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
        (void)printf("%s is on until %s (for %s)\n", name, when, setting_span(span, left_usec));
}

static enum exit_status print_module(const struct control_object *module) {
        const char *reason = property_text(&module->properties, "Reason");
        const char *state = property_text(&module->properties, "State");
        uint64_t expires = 0, is_enabled = 0;
        char clean[512];

        (void)property_number(&module->properties, "ExpiresUSec", &expires);
        (void)property_number(&module->properties, "Enabled", &is_enabled);
        (void)untrusted_printable(clean, sizeof(clean), reason ? reason : "");
        if (state && strcmp(state, "failed") == 0) {
                warnx("%s is enabled and does not run: %s", module->name, *clean ? clean : "it gives no reason");
                return STATUS_FAILED;
        }
        if (!is_enabled)
                (void)printf("%s is off\n", module->name);
        else if (expires)
                print_until(module->name, expires);
        else
                (void)printf("%s is on\n", module->name);
        return STATUS_DONE;
}

static enum exit_status look(struct change *change) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        control_done(&change->control);
        r = control_take(&change->control, change->bus, true, &error);
        return r < 0 ? bus_explain(change->what, r, &error) : STATUS_DONE;
}

/* Calls a method of the daemon that changes something and so may have to ask for a password. */
#define CHANGE(change, error, path, interface, member, ...) \
        bus_call((change)->bus, BUS_PASSWORD_USEC, path, interface, member, error, NULL, __VA_ARGS__)

static int switch_module(struct change *change, const struct control_object *module, bool is_on,
                         uint64_t lifetime_usec, sd_bus_error *error) {
        if (is_on)
                return CHANGE(change, error, module->path, BUS_MODULE, "Enable", "t", lifetime_usec);
        return CHANGE(change, error, module->path, BUS_MODULE, "Disable", NULL);
}

static enum exit_status change_module(struct change *change) {
        const char *name = change->options->arguments[0];
        const struct control_object *module = control_find(&change->control, CONTROL_MODULE, name);
        bool is_on = change->options->command == COMMAND_ENABLE;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        enum exit_status status;
        int r;

        if (!module)
                return control_refuse_name(&change->control, CONTROL_MODULE,
                                           grammar_command(change->options->command)->name, name);
        r = switch_module(change, module, is_on, change->options->lifetime_usec, &error);
        if (r < 0)
                return bus_explain(change->what, r, &error);
        status = look(change);
        module = status == STATUS_DONE ? control_find(&change->control, CONTROL_MODULE, name) : NULL;
        return module ? print_module(module) : status;
}

/* Words of the command line, of which the shell made several, as one value. */
static const char *join(const struct options *options, char *buffer, size_t size) {
        size_t used = 0;

        buffer[0] = '\0';
        for (size_t i = 1; i < options->n_arguments && used < size; i++)
                used += (size_t)snprintf(buffer + used, size - used, "%s%s", used ? " " : "", options->arguments[i]);
        return buffer;
}

/* Words in a copy of text. */
static size_t split(char *text, const char *words[static MAX_WORDS]) {
        size_t n = 0;
        char *rest;

        for (char *word = strtok_r(text, " \t,", &rest); word && n < MAX_WORDS; word = strtok_r(NULL, " \t,", &rest))
                words[n++] = word;
        return n;
}

/* Which word of the setting's own may have been meant. */
static enum exit_status explain_word(struct change *change, const struct setting *setting, const char *value, int r,
                                     sd_bus_error *error) {
        const char *words[MAX_WORDS];
        char choices[SETTING_SIZE];

        (void)snprintf(choices, sizeof(choices), "%s", setting->choices ? setting->choices : "");
        return bus_explain_value(change->what, r, error, nearest_find(value, words, split(choices, words)));
}

static enum exit_status set_word(struct change *change, const struct setting *setting, const char *value) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        char member[SETTING_SIZE + 4];
        int r;

        (void)snprintf(member, sizeof(member), "Set%s", setting->property);
        r = CHANGE(change, &error, BUS_PATH, BUS_MANAGER, member, "s", value);
        return r < 0 ? explain_word(change, setting, value, r, &error) : STATUS_DONE;
}

static enum exit_status set_span(struct change *change, const struct setting *setting, const char *value) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        char member[SETTING_SIZE + 4];
        uint64_t usec;
        int r;

        r = units_parse_duration(value, &usec);
        if (r < 0)
                return options_refuse("%s: '%s' is %s; allowed are times such as 100ms, 1s, 1min 30s, up to 1h",
                                      change->what, value, r == -ERANGE ? "too long" : "no time");
        (void)snprintf(member, sizeof(member), "Set%s", setting->property);
        r = CHANGE(change, &error, BUS_PATH, BUS_MANAGER, member, "t", usec);
        return r < 0 ? bus_explain(change->what, r, &error) : STATUS_DONE;
}

static enum exit_status set_switch(struct change *change, const struct setting *setting, const char *value) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        char member[SETTING_SIZE + 4];
        bool is_on;
        int r;

        if (setting_parse_switch(value, &is_on) < 0)
                return options_refuse("%s: '%s' is neither; allowed are yes and no", change->what, value);
        (void)snprintf(member, sizeof(member), "Set%s", setting->property);
        r = CHANGE(change, &error, BUS_PATH, BUS_MANAGER, member, "b", (int)is_on);
        return r < 0 ? bus_explain(change->what, r, &error) : STATUS_DONE;
}

static enum exit_status set_capacity(struct change *change, const struct control_object *table, const char *value) {
        uint64_t min = 1, max = UINT32_MAX, number;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        (void)property_number(&table->properties, "CapacityMin", &min);
        (void)property_number(&table->properties, "CapacityMax", &max);
        r = units_parse_number(value, UINT32_MAX, &number);
        if (r < 0)
                return options_refuse("%s: '%s' is %s; allowed are %" PRIu64 " to %" PRIu64 " rows", change->what,
                                      value, r == -ERANGE ? "out of range" : "no number", min, max);
        r = CHANGE(change, &error, table->path, BUS_TABLE, "SetCapacity", "u", (uint32_t)number);
        return r < 0 ? bus_explain(change->what, r, &error) : STATUS_DONE;
}

/* One module after the other: those that are named are on for good, the others off. */
static enum exit_status set_modules(struct change *change, const char *value) {
        const char *words[MAX_WORDS];
        bool is_wanted[CONTROL_MAX_OBJECTS] = { false };
        char copy[512];
        size_t n;

        (void)snprintf(copy, sizeof(copy), "%s", value);
        n = split(copy, words);
        if (n == 1 && strcmp(words[0], "none") == 0)
                n = 0;
        else if (n == 0)
                return options_refuse("%s: allowed are names out of 'socktally modules', or none", change->what);
        for (size_t i = 0; i < n; i++) {
                const struct control_object *module = control_find(&change->control, CONTROL_MODULE, words[i]);

                if (!module)
                        return control_refuse_name(&change->control, CONTROL_MODULE, "set Modules", words[i]);
                is_wanted[module - change->control.objects] = true;
        }
        for (size_t i = 0; i < change->control.n_objects; i++) {
                sd_bus_error error = SD_BUS_ERROR_NULL;
                int r;

                if (change->control.objects[i].kind != CONTROL_MODULE)
                        continue;
                r = switch_module(change, &change->control.objects[i], is_wanted[i], 0, &error);
                if (r < 0)
                        return bus_explain(change->what, r, &error);
        }
        return STATUS_DONE;
}

static enum exit_status set_log_level(struct change *change, const struct setting *setting, const char *value) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        r = CHANGE(change, &error, BUS_LOG_PATH, "org.freedesktop.DBus.Properties", "Set", "ssv", BUS_LOG, "LogLevel",
                   "s", value);
        if (sd_bus_error_has_name(&error, SD_BUS_ERROR_ACCESS_DENIED)) {
                warnx("%s: only root may change it", change->what); /* polkit has no say */
                sd_bus_error_free(&error);
                return STATUS_NOT_PERMITTED;
        }
        return r < 0 ? explain_word(change, setting, value, r, &error) : STATUS_DONE;
}

static enum exit_status refuse_key(const struct change *change, const char *key) {
        const char *keys[MAX_KEYS];

        return nearest_refuse("set", "setting", key, keys, setting_keys(&change->control, keys, MAX_KEYS));
}

static enum exit_status set_value(struct change *change, const struct setting *setting, const char *value) {
        const struct control_object *table = setting_table(&change->control, setting);

        switch (setting->kind) {
        case SETTING_WORD:
                return set_word(change, setting, value);
        case SETTING_SPAN:
                return set_span(change, setting, value);
        case SETTING_SWITCH:
                return set_switch(change, setting, value);
        case SETTING_CAPACITY:
                if (table)
                        return set_capacity(change, table, value);
                return options_refuse("%s: this daemon has no such table; 'socktally tables' lists them",
                                      change->what);
        case SETTING_MODULES:
                return set_modules(change, value);
        case SETTING_LOG_LEVEL:
                return set_log_level(change, setting, value);
        case SETTING_AT_START:
                break;
        }
        return options_refuse("%s: this takes effect when the daemon starts; write it into "
                              "/etc/socktally/socktally.conf and run 'systemctl restart socktally'", change->what);
}

/* What the daemon says it is, which need not be what was typed. */
static void print_setting(const struct change *change, const struct setting *setting, const char *value,
                          const char *saved) {
        char now[SETTING_SIZE];

        (void)printf("%s=%s is in force%s\n", setting->key,
                     setting_value(&change->control, setting, now) ? now : value, saved);
}

static enum exit_status save(struct change *change) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        char what[320];
        int r;

        if (!change->options->is_saved)
                return STATUS_DONE;
        r = CHANGE(change, &error, BUS_PATH, BUS_MANAGER, "Save", NULL);
        (void)snprintf(what, sizeof(what), "%s: in force until the daemon ends, but not saved", change->what);
        return r < 0 ? bus_explain(what, r, &error) : STATUS_DONE;
}

static enum exit_status look_at_settings(struct change *change) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = control_take_settings(&change->control, change->bus, &error);

        return r < 0 && r != -EOPNOTSUPP ? bus_explain(change->what, r, &error) : STATUS_DONE;
}

static enum exit_status change_setting(struct change *change) {
        const char *key = change->options->arguments[0];
        const struct setting *setting;
        struct setting_found found;
        enum exit_status status = look_at_settings(change);
        char value[512];

        if (status != STATUS_DONE)
                return status;
        setting = setting_resolve(&change->control, key, &found);
        if (!setting)
                return refuse_key(change, key);
        status = set_value(change, setting, join(change->options, value, sizeof(value)));
        if (status == STATUS_DONE)
                status = look(change);
        if (status != STATUS_DONE)
                return status;
        status = save(change);
        print_setting(change, setting, value, change->options->is_saved && status == STATUS_DONE ? " and saved" : "");
        return status;
}

static void describe(struct change *change) {
        const struct options *options = change->options;
        char text[sizeof(change->what)], value[128];

        (void)snprintf(text, sizeof(text), "%s %.100s%s%s", grammar_command(options->command)->name,
                       options->arguments[0], options->command == COMMAND_SET ? "=" : "",
                       join(options, value, sizeof(value)));
        (void)untrusted_printable(change->what, sizeof(change->what), text);
}

enum exit_status change_run(const struct options *options) {
        struct change change = { .options = options };
        enum exit_status status = bus_open(&change.bus);
        pid_t agent;

        if (status != STATUS_DONE)
                return status;
        describe(&change);
        status = look(&change);
        if (status == STATUS_DONE) {
                agent = agent_start();
                status = options->command == COMMAND_SET ? change_setting(&change) : change_module(&change);
                agent_stop(agent);
        }
        control_done(&change.control);
        (void)sd_bus_flush_close_unref(change.bus);
        return status;
}
