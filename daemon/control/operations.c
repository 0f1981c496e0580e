/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the bus sees of the daemon: settings, facts, modules, tables. Values are validated by the table that the
 * configuration file goes through too, so an error says the same on the bus as in the journal.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/control/change.h"
#include "daemon/control/error.h"
#include "daemon/log.h"
#include "daemon/publish/readers.h"
#include "daemon/text.h"

/* The table of processes, then one for each grouping. */
enum { TABLE_PROCESSES, TABLE_GROUPS, N_TABLES = TABLE_GROUPS + N_GROUPINGS };

static const struct {
        const char *name;
        size_t setting;
} tables[N_TABLES] = {
        [TABLE_PROCESSES] = { "processes", SETTING_PROCESSES },
        [TABLE_GROUPS + BY_SERVICE] = { "services", SETTING_SERVICE_ROWS },
        [TABLE_GROUPS + BY_APP] = { "apps", SETTING_APP_ROWS },
        [TABLE_GROUPS + BY_CONTAINER] = { "containers", SETTING_CONTAINER_ROWS },
        [TABLE_GROUPS + BY_USER] = { "users", SETTING_USER_ROWS },
};

static void facts(void *daemon, struct control_facts *ret_facts) {
        const struct control *control = daemon;
        const struct ledger_health *health = &control->interval->health;
        struct totals_result result;

        totals_get(control->line->totals, &result);
        *ret_facts = (struct control_facts) {
                .version = PACKAGE_VERSION,
                .kernel = control->kernel,
                .sequence = publish_next(control->line->publish) - 1,
                .incarnation = publish_number(control->line->publish),
                .started_usec = control->started_usec,
                .cost_ns = control->interval->cost_ns,
                .sockets_tracked = health->sockets_tracked,
                .sockets_overflowed = health->sockets_overflowed,
                .rows_overflowed = health->rows_overflowed + totals_overflowed(&result),
                .missed_tx_calls = result.missed->calls[0],
                .missed_rx_calls = result.missed->calls[1],
                .readers = (uint32_t) readers_granted(control->line->readers),
                .interval_usec = control->interval->interval_usec,
                .full_group = control->full_group,
        };
}

static void memory(void *daemon, struct control_facts *facts) {
        const struct control *control = daemon;
        uint64_t maps, per_socket;

        control->line->counting->memory(control->line->collect, &maps, &per_socket);
        facts->kernel_memory = maps + per_socket * control->interval->health.sockets_tracked;
}

static int setting(void *daemon, size_t number, struct control_setting *ret_setting) {
        const struct setting *table;

        if (number >= settings_table(&table))
                return -ENOENT;
        *ret_setting = (struct control_setting) {
                .property = table[number].property,
                .argument = table[number].argument,
                .type = setting_type(&table[number]),
        };
        return 0;
}

static int settings_row(void *daemon, size_t number, struct control_settings_row *ret_row) {
        const struct control *control = daemon;
        const struct setting *table;

        if (number >= settings_table(&table))
                return -ENOENT;
        ret_row->key = table[number].key;
        ret_row->source = control->settings->sources[number];
        static_assert(sizeof ret_row->value >= SETTINGS_VALUE_SIZE, "a value fits into its row");
        settings_show(control->settings, number, ret_row->value);
        return 0;
}

static int get(void *daemon, size_t number, struct control_value *ret_value) {
        const struct control *control = daemon;

        if (number >= N_SETTINGS)
                return -ENOENT;
        settings_get(control->settings, number, ret_value);
        return 0;
}

/* A value without a text as a configuration file would have it, for a message. */
static void format_number(enum control_type type, uint64_t number, char *ret_text, size_t size) {
        ret_text[0] = '\0';
        if (type == CONTROL_NUMBER)
                snprintf(ret_text, size, "%" PRIu64 "us", number);
        else if (type == CONTROL_BOOLEAN)
                snprintf(ret_text, size, "%s", number ? "yes" : "no");
}

/* The interval would be longer than the idle interval. Somebody set each of the two, so neither is changed because of
 * the other. */
static int refuse_contradiction(const struct settings *wanted, size_t number, struct control_error *ret_error) {
        char interval[SETTINGS_VALUE_SIZE], idle[SETTINGS_VALUE_SIZE];

        settings_format(wanted, SETTING_INTERVAL, interval);
        settings_format(wanted, SETTING_IDLE_INTERVAL, idle);
        if (number == SETTING_IDLE_INTERVAL)
                return control_fail(ret_error, CONTROL_INVALID_ARGUMENT, -EINVAL,
                                    "IdleInterval=%s: must be at least the interval, %s, and at most 1h", idle,
                                    interval);
        return control_fail(ret_error, CONTROL_INVALID_ARGUMENT, -EINVAL,
                            "Interval=%s: must be at least 100ms and at most the idle interval, %s (%s); change that "
                            "first", interval, idle, wanted->sources[SETTING_IDLE_INTERVAL]);
}

/* The value as a file would have it, if it is one and agrees with the others. */
static int check_value(const struct control *control, size_t number, const struct control_value *value,
                       char ret_text[static SETTINGS_VALUE_SIZE], struct control_error *ret_error) {
        struct settings wanted = *control->settings;
        const struct setting *table;
        char text[32];
        int r;

        if (number >= settings_table(&table))
                return control_fail(ret_error, CONTROL_INVALID_ARGUMENT, -ENOENT, "There is no such setting");
        r = settings_set_value(&wanted, number, value, "run time");
        if (r < 0) {
                format_number(setting_type(&table[number]), value->number, text, sizeof text);
                return change_refuse_value(number, value->text ? value->text : text, r, ret_error);
        }
        if (settings_contradict(&wanted))
                return refuse_contradiction(&wanted, number, ret_error);
        settings_format(&wanted, number, ret_text);
        return 0;
}

static int check(void *daemon, size_t number, const struct control_value *value, struct control_error *ret_error) {
        char text[SETTINGS_VALUE_SIZE];

        return check_value(daemon, number, value, text, ret_error);
}

static int set(void *daemon, size_t number, const struct control_value *value, struct control_error *ret_error) {
        char text[SETTINGS_VALUE_SIZE];
        int r;

        r = check_value(daemon, number, value, text, ret_error);
        return r < 0 ? r : change_setting(daemon, number, text, "run time", ret_error);
}

static int log_level(void *daemon) {
        return ((const struct control *) daemon)->settings->log_level;
}

static int set_log_level(void *daemon, int level, struct control_error *ret_error) {
        return change_setting(daemon, SETTING_LOG_LEVEL, log_level_name(level), "run time", ret_error);
}

static int module(void *daemon, size_t number, struct control_module *ret_module) {
        return modules_get(((struct control *) daemon)->modules, number, ret_module);
}

static void module_statistics(void *daemon, size_t number, struct control_module *ret_module) {
        modules_statistics(((struct control *) daemon)->modules, number, ret_module);
}

static int module_enable(void *daemon, size_t number, uint64_t lifetime_usec, struct control_error *ret_error) {
        return modules_enable(((struct control *) daemon)->modules, number, lifetime_usec, ret_error);
}

static int module_disable(void *daemon, size_t number, struct control_error *ret_error) {
        return modules_disable(((struct control *) daemon)->modules, number, ret_error);
}

static int table(void *daemon, size_t number, struct control_table *ret_table) {
        const struct control *control = daemon;
        struct totals_result result;

        if (number >= N_TABLES)
                return -ENOENT;
        totals_get(control->line->totals, &result);
        *ret_table = (struct control_table) {
                .name = tables[number].name,
                .capacity_min = SETTINGS_ROWS_MIN,
                .capacity_max = SETTINGS_ROWS_MAX,
        };
        if (number == TABLE_PROCESSES) {
                ret_table->capacity = control->settings->max_processes;
                ret_table->used = result.n_processes - N_PROCESS_SPECIALS;
                ret_table->peak = result.peak_processes - N_PROCESS_SPECIALS;
                ret_table->overflowed = control->interval->health.rows_overflowed + result.rows_overflowed;
        } else {
                enum grouping grouping = number - TABLE_GROUPS;
                const struct groups *groups = &result.groups[grouping];

                ret_table->capacity = control->settings->max_groups[grouping];
                ret_table->used = result.is_without[grouping] ? 0 : groups->n_rows - N_GROUP_SPECIALS;
                ret_table->peak = groups->peak - N_GROUP_SPECIALS;
                ret_table->overflowed = groups->n_overflowed;
        }
        return 0;
}

static int table_set_capacity(void *daemon, size_t number, uint32_t capacity, struct control_error *ret_error) {
        char value[16];

        if (number >= N_TABLES)
                return control_fail(ret_error, CONTROL_INVALID_ARGUMENT, -ENOENT,
                                    "There is no such table; tables are processes, services, apps, "
                                    "containers and users");
        snprintf(value, sizeof value, "%" PRIu32, capacity);
        return change_setting(daemon, tables[number].setting, value, "run time", ret_error);
}

static int open_segment(void *daemon, const char *view, int *ret_fd, struct control_error *ret_error) {
        const struct control *control = daemon;
        int fd;

        if (strcmp(view, "public") != 0 && strcmp(view, "full") != 0)
                return control_fail(ret_error, CONTROL_INVALID_ARGUMENT, -EINVAL,
                                    "View \"%.64s\": must be public or full", view);
        fd = publish_fd(control->line->publish, strcmp(view, "full") == 0 ? PUBLISH_FULL : PUBLISH_PUBLIC);
        if (fd < 0)
                return control_fail(ret_error, CONTROL_FAILED, -EAGAIN, "Nothing could be published, see the journal");
        *ret_fd = fd;
        return 0;
}

static int reload(void *daemon, struct control_error *ret_error) {
        return reload_apply(daemon, ret_error);
}

static int save(void *daemon, struct control_error *ret_error) {
        return reload_save(daemon, ret_error);
}

static int sync_now(void *daemon, uint64_t *ret_sequence, struct control_error *ret_error) {
        struct control *control = daemon;
        int r;

        control->line->counting->want_pass(control->line->collect);
        r = interval_run(control->interval);
        if (r < 0)
                return control_fail(ret_error, CONTROL_FAILED, r, "Cannot publish: %s", strerror(-r));
        *ret_sequence = publish_next(control->line->publish) - 1;
        return 0;
}

static void watch(void *daemon, void (*changed)(void *userdata), void *userdata) {
        struct control *control = daemon;

        *control->watcher = (struct watcher) { changed, userdata };
}

static const struct control_operations operations = {
        .facts = facts,
        .memory = memory,
        .n_settings = N_SETTINGS,
        .setting = setting,
        .settings_row = settings_row,
        .get = get,
        .check = check,
        .set = set,
        .n_modules = N_MODULES,
        .module = module,
        .module_statistics = module_statistics,
        .module_enable = module_enable,
        .module_disable = module_disable,
        .n_tables = N_TABLES,
        .table = table,
        .table_set_capacity = table_set_capacity,
        .open_segment = open_segment,
        .sync = sync_now,
        .reload = reload,
        .save = save,
        .watch = watch,
        .log_level = log_level,
        .set_log_level = set_log_level,
};

const struct control_operations *control_operations(void) {
        return &operations;
}
