/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the bus sees of the daemon, see control.h: settings, facts, tables. Values are validated by the table that the
 * configuration file goes through too, so an error says the same on the bus as in the journal.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "daemon/daemon-private.h"
#include "daemon/text.h"

enum { TABLE_PROCESSES, TABLE_SERVICES, N_TABLES };

static const struct {
        const char *name;
        size_t setting;
} tables[N_TABLES] = {
        [TABLE_PROCESSES] = { "processes", SETTING_PROCESSES },
        [TABLE_SERVICES] = { "services", SETTING_SERVICES },
};

static const struct {
        size_t number;
        bool is_text;
} settings[N_CONTROL_SETTINGS] = {
        [CONTROL_LOAD_MODE] = { SETTING_LOAD_MODE, true },
        [CONTROL_ATTACH_METHOD] = { SETTING_ATTACH_METHOD, true },
        [CONTROL_INTERVAL] = { SETTING_INTERVAL, false },
        [CONTROL_IDLE_INTERVAL] = { SETTING_IDLE_INTERVAL, false },
};

int control_fail(struct control_error *ret_error, enum control_failure failure, int error, const char *format, ...) {
        char message[sizeof ret_error->message];
        va_list ap;

        if (!ret_error)
                return error;
        va_start(ap, format);
        vsnprintf(message, sizeof message, format, ap);
        va_end(ap);
        ret_error->failure = failure;
        text_clean(ret_error->message, sizeof ret_error->message, message, sizeof message);
        return error;
}

static void facts(void *daemon, struct control_facts *ret_facts) {
        const struct daemon *d = daemon;
        struct aggregate_result result;
        uint64_t maps, per_socket;

        collect_memory(d->collect, &maps, &per_socket);
        aggregate_get(d->aggregate, &result);
        *ret_facts = (struct control_facts) {
                .version = PACKAGE_VERSION,
                .kernel = d->kernel,
                .sequence = publish_next(d->publish) - 1,
                .incarnation = d->incarnation,
                .started_usec = d->started_usec,
                .cost_ns = d->cost_ns,
                .kernel_memory = maps + per_socket * d->health.sockets_tracked,
                .sockets_tracked = d->health.sockets_tracked,
                .sockets_overflowed = d->health.sockets_overflowed,
                .rows_overflowed = d->health.rows_overflowed + result.rows_overflowed,
                .readers = (uint32_t) readers_granted(d->readers),
                .interval_usec = d->interval_usec,
                .full_group = d->gid,
        };
}

static int get(void *daemon, enum control_setting setting, struct control_value *ret_value) {
        const struct daemon *d = daemon;

        *ret_value = (struct control_value) { 0, NULL };
        switch (setting) {
        case CONTROL_LOAD_MODE: ret_value->text = load_mode_name(d->settings.load_mode); return 0;
        case CONTROL_ATTACH_METHOD: ret_value->text = attach_method_name(d->settings.attach_method); return 0;
        case CONTROL_INTERVAL: ret_value->number = d->settings.interval_usec; return 0;
        case CONTROL_IDLE_INTERVAL: ret_value->number = d->settings.idle_interval_usec; return 0;
        case N_CONTROL_SETTINGS: break;
        }
        return -ENOENT;
}

/* A file may leave the idle interval below the interval, which then counts; who asks for it is told. */
static int check_idle_interval(const struct daemon *d, uint64_t usec, struct control_error *ret_error) {
        char interval[SETTINGS_VALUE_SIZE];

        if (usec >= d->settings.interval_usec || usec < SETTINGS_INTERVAL_MIN_USEC)
                return 0;
        settings_format(&d->settings, SETTING_INTERVAL, interval);
        return control_fail(ret_error, CONTROL_INVALID_ARGUMENT, -EINVAL,
                            "IdleInterval=%" PRIu64 "us: must be at least the interval, %s, and at most 1h", usec,
                            interval);
}

static int set(void *daemon, enum control_setting setting, const struct control_value *value,
               struct control_error *ret_error) {
        struct daemon *d = daemon;
        char number[32];
        int r;

        if ((unsigned) setting >= N_CONTROL_SETTINGS)
                return control_fail(ret_error, CONTROL_INVALID_ARGUMENT, -ENOENT, "There is no such setting");
        snprintf(number, sizeof number, "%" PRIu64 "us", value->number);
        if (settings[setting].is_text && !value->text)
                return control_fail(ret_error, CONTROL_INVALID_ARGUMENT, -EINVAL, "This setting is a text");
        if (setting == CONTROL_IDLE_INTERVAL) {
                r = check_idle_interval(d, value->number, ret_error);
                if (r < 0)
                        return r;
        }
        return change_setting(d, settings[setting].number, settings[setting].is_text ? value->text : number, "run time",
                              ret_error);
}

static int settings_row(void *daemon, size_t number, struct control_settings_row *ret_row) {
        const struct daemon *d = daemon;
        const struct setting *table;

        if (number >= settings_table(&table))
                return -ENOENT;
        ret_row->key = table[number].key;
        ret_row->source = d->settings.sources[number];
        static_assert(sizeof ret_row->value >= SETTINGS_VALUE_SIZE, "a value fits into its row");
        settings_format(&d->settings, number, ret_row->value);
        return 0;
}

static int table(void *daemon, size_t number, struct control_table *ret_table) {
        const struct daemon *d = daemon;
        struct aggregate_result result;

        if (number >= N_TABLES)
                return -ENOENT;
        aggregate_get(d->aggregate, &result);
        *ret_table = (struct control_table) {
                .name = tables[number].name,
                .capacity_min = SETTINGS_ROWS_MIN,
                .capacity_max = SETTINGS_ROWS_MAX,
        };
        if (number == TABLE_PROCESSES) {
                ret_table->capacity = d->settings.max_processes;
                ret_table->used = result.n_processes - N_PROCESS_SPECIALS;
                ret_table->peak = result.peak_processes - N_PROCESS_SPECIALS;
                ret_table->overflowed = d->health.rows_overflowed + result.rows_overflowed;
        } else {
                ret_table->capacity = d->settings.max_services;
                ret_table->used = result.n_services - N_SERVICE_SPECIALS;
                ret_table->peak = result.peak_services - N_SERVICE_SPECIALS;
                ret_table->overflowed = result.services_overflowed;
        }
        return 0;
}

static int table_set_capacity(void *daemon, size_t number, uint32_t capacity, struct control_error *ret_error) {
        char value[16];

        if (number >= N_TABLES)
                return control_fail(ret_error, CONTROL_INVALID_ARGUMENT, -ENOENT,
                                    "There is no such table; tables are processes and services");
        snprintf(value, sizeof value, "%" PRIu32, capacity);
        return change_setting(daemon, tables[number].setting, value, "run time", ret_error);
}

static int open_segment(void *daemon, const char *view, int *ret_fd, struct control_error *ret_error) {
        const struct daemon *d = daemon;
        int fd;

        if (strcmp(view, "public") != 0 && strcmp(view, "full") != 0)
                return control_fail(ret_error, CONTROL_INVALID_ARGUMENT, -EINVAL,
                                    "View \"%.64s\": must be public or full", view);
        fd = publish_fd(d->publish, strcmp(view, "full") == 0 ? PUBLISH_FULL : PUBLISH_PUBLIC);
        if (fd < 0)
                return control_fail(ret_error, CONTROL_FAILED, -EAGAIN, "Nothing could be published, see the journal");
        *ret_fd = fd;
        return 0;
}

static int sync_now(void *daemon, uint64_t *ret_sequence, struct control_error *ret_error) {
        struct daemon *d = daemon;
        int r;

        r = daemon_run_interval(d);
        if (r < 0)
                return control_fail(ret_error, CONTROL_FAILED, r, "Cannot publish: %s", strerror(-r));
        *ret_sequence = publish_next(d->publish) - 1;
        return 0;
}

static void watch(void *daemon, void (*changed)(void *userdata), void *userdata) {
        struct daemon *d = daemon;

        d->changed = changed;
        d->changed_userdata = userdata;
}

static const struct control_operations operations = {
        .facts = facts,
        .get = get,
        .set = set,
        .n_settings = N_SETTINGS,
        .settings_row = settings_row,
        .n_modules = N_MODULES,
        .module = control_module,
        .module_enable = control_module_enable,
        .module_disable = control_module_disable,
        .n_tables = N_TABLES,
        .table = table,
        .table_set_capacity = table_set_capacity,
        .open_segment = open_segment,
        .sync = sync_now,
        .reload = control_reload,
        .save = control_save,
        .watch = watch,
};

const struct control_operations *control_operations(void) {
        return &operations;
}
