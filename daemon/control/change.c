/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One setting changes while the daemon runs. change_setting() does it in steps: read and validate the value by the
 * table of settings, apply it, keep it in the settings, tell readers and listeners. Only the first two steps can fail,
 * and an apply function that fails has changed nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "daemon/control/change.h"
#include "daemon/control/error.h"
#include "daemon/log.h"
#include "daemon/publish/publication.h"

#define MESSAGE_VALUE_MAX 64

int change_refuse_value(size_t number, const char *value, int error, struct control_error *ret_error) {
        enum control_failure failure = error == -EOPNOTSUPP ? CONTROL_NOT_SUPPORTED : CONTROL_INVALID_ARGUMENT;
        const struct setting *table;

        settings_table(&table);
        return control_fail(ret_error, failure, error, "%s=%.*s%s: must be %s", table[number].key, MESSAGE_VALUE_MAX,
                            value, strlen(value) > MESSAGE_VALUE_MAX ? "..." : "", table[number].allowed);
}

/* reason: why the apply function failed, in words; empty if the error says it all. */
static int refuse_change(const struct setting *setting, const char *value, int error, const char *reason,
                         struct control_error *ret_error) {
        return control_fail(ret_error, control_failure_of(error), error, "%s=%s: %s", setting->key, value,
                            reason[0] ? reason : strerror(-error));
}

/* The kernel's table first, as the kernel can refuse it. totals_resize() needs memory when rows become fewer. If there
 * is none, the kernel's table gets its old size back. */
static int resize_processes(struct control *control, const struct settings *wanted, char *reason, size_t size) {
        const struct totals_rows rows = data_line_rows(wanted);
        const struct data_line *line = control->line;
        int r;

        r = line->counting->set_max_processes(line->collect, wanted->max_processes, reason, size);
        if (r < 0)
                return r;
        r = totals_resize(line->totals, &rows, publish_next(line->publish));
        if (r < 0) {
                if (line->counting->set_max_processes(line->collect, control->settings->max_processes, reason,
                                                      size) < 0)
                        log_line(LOG_ERR, "Cannot give the process table its old size back: %s", reason);
                reason[0] = '\0';
                return r;
        }
        publish_resize(line->publish, &rows);
        return 0;
}

static int resize_groups(struct control *control, const struct settings *wanted, char *reason, size_t size) {
        const struct totals_rows rows = data_line_rows(wanted);
        int r;

        r = totals_resize(control->line->totals, &rows, publish_next(control->line->publish));
        if (r >= 0)
                publish_resize(control->line->publish, &rows);
        return r;
}

static int apply_load_mode(struct control *control, const struct settings *wanted, char *reason, size_t size) {
        return control->line->counting->set_load_mode(control->line->collect, wanted->load_mode, reason, size);
}

static int refuse_until_start(struct control *control, const struct settings *wanted, char *reason, size_t size) {
        snprintf(reason, size, "takes effect when the service starts again");
        return -EOPNOTSUPP;
}

static int apply_modules(struct control *control, const struct settings *wanted, char *reason, size_t size) {
        struct control_error error;
        int r;

        r = modules_set(control->modules, wanted->modules, &error);
        if (r < 0)
                snprintf(reason, size, "%s", error.message);
        return r;
}

static int apply_groups(struct control *control, const struct settings *wanted, char *reason, size_t size) {
        uint64_t sequence = publish_next(control->line->publish);

        totals_keep_groups(control->line->totals, BY_SERVICE, wanted->has_services, sequence);
        totals_keep_groups(control->line->totals, BY_APP, wanted->has_apps, sequence);
        return 0;
}

static int apply_log_level(struct control *control, const struct settings *wanted, char *reason, size_t size) {
        log_set_level(wanted->log_level);
        return 0;
}

static void publish_soon(struct control *control) {
        interval_publish_soon(control->interval);
}

static void reschedule(struct control *control) {
        interval_reschedule(control->interval);
}

/* A publication that fails has said so in the journal. */
static void publish_now(struct control *control) {
        (void) interval_run(control->interval);
}

/* The others tell the watcher themselves. */
static void tell_watcher(struct control *control) {
        watcher_tell(control->watcher);
}

/*
 * What a change does to the running daemon.
 *
 * apply: makes the value so, or leaves all as it was and says why in reason. NULL: nothing is to be done, whoever uses
 * the value reads it from the settings each time.
 *
 * follow_up: shows the change to readers. NULL: no publication depends on it, only listeners on the bus are told.
 *   publish_now   for what changes which metrics and rows there are. Example: load mode passive, then entry. Each
 *                 publication says what is known of its interval, so there must be one between two such changes.
 *   publish_soon  for sizes of tables. A large table takes time to publish, so that is left to the loop's next turn and
 *                 the caller of the bus has its answer before.
 *   reschedule    for the time of the next publication.
 */
static const struct {
        int (*apply)(struct control *control, const struct settings *wanted, char *reason, size_t size);
        void (*follow_up)(struct control *control);
} actions[N_SETTINGS] = {
        [SETTING_INTERVAL] = { .follow_up = reschedule },
        [SETTING_IDLE_INTERVAL] = { .follow_up = reschedule },
        [SETTING_LOAD_MODE] = { .apply = apply_load_mode, .follow_up = publish_now },
        [SETTING_ATTACH_METHOD] = { .apply = refuse_until_start },
        [SETTING_PROCESSES] = { .apply = resize_processes, .follow_up = publish_soon },
        [SETTING_SOCKETS] = { .apply = refuse_until_start },
        [SETTING_SERVICE_ROWS] = { .apply = resize_groups, .follow_up = publish_soon },
        [SETTING_APP_ROWS] = { .apply = resize_groups, .follow_up = publish_soon },
        [SETTING_CONTAINER_ROWS] = { .apply = resize_groups, .follow_up = publish_soon },
        [SETTING_USER_ROWS] = { .apply = resize_groups, .follow_up = publish_soon },
        [SETTING_MODULES] = { .apply = apply_modules, .follow_up = publish_now },
        [SETTING_MAPS_PER_CORE] = { .apply = refuse_until_start },
        [SETTING_SERVICES] = { .apply = apply_groups, .follow_up = publish_now },
        [SETTING_APPS] = { .apply = apply_groups, .follow_up = publish_now },
        [SETTING_LOG_LEVEL] = { .apply = apply_log_level },
};

bool change_waits_for_start(size_t number) {
        return actions[number].apply == refuse_until_start;
}

int change_setting(struct control *control, size_t number, const char *value, const char *source,
                   struct control_error *ret_error) {
        char reason[256] = "", old[SETTINGS_VALUE_SIZE], new[SETTINGS_VALUE_SIZE];
        struct settings wanted = *control->settings;
        const struct setting *table;
        int r;

        settings_table(&table);
        r = settings_set(&wanted, number, value, source);
        if (r < 0)
                return change_refuse_value(number, value, r, ret_error);
        if (settings_is_same(&wanted, control->settings, number))
                return 0;
        settings_format(control->settings, number, old);
        settings_format(&wanted, number, new);
        r = actions[number].apply ? actions[number].apply(control, &wanted, reason, sizeof reason) : 0;
        if (r < 0)
                return refuse_change(&table[number], new, r, reason, ret_error);
        settings_copy(control->settings, &wanted, number);
        log_line(LOG_INFO, "%s is %s now, it was %s (%s)", table[number].key, new, old, source);
        if (actions[number].follow_up)
                actions[number].follow_up(control);
        else
                tell_watcher(control);
        return 0;
}
