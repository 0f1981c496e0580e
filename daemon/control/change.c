/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One setting changes while the daemon runs: read and validate by the table of settings, apply, keep, publish. What can
 * fail comes before anything that cannot be taken back, so after an error all is as it was.
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

/* The collector's reason is complete. */
static int refuse_change(const struct setting *setting, const char *value, int error, const char *reason,
                         struct control_error *ret_error) {
        return control_fail(ret_error, control_failure_of(error), error, "%s=%s: %s", setting->key, value,
                            reason[0] ? reason : strerror(-error));
}

/* What the kernel counts into comes first: it can refuse. Only smaller totals can fail, and then the kernel gets
 * its old table back. */
static int resize_processes(struct control *control, const struct settings *wanted, char *reason, size_t size) {
        uint32_t n_services = control->settings->max_services + N_SERVICE_SPECIALS;
        uint32_t n_processes = wanted->max_processes + N_PROCESS_SPECIALS;
        const struct data_line *line = control->line;
        int r;

        r = line->counting->set_max_processes(line->collect, wanted->max_processes, reason, size);
        if (r < 0)
                return r;
        r = totals_resize(line->totals, n_processes, n_services, publish_next(line->publish));
        if (r < 0) {
                if (line->counting->set_max_processes(line->collect, control->settings->max_processes, reason,
                                                      size) < 0)
                        log_line(LOG_ERR, "Cannot give the process table its old size back: %s", reason);
                reason[0] = '\0';
                return r;
        }
        publish_resize(line->publish, n_processes, n_services);
        return 0;
}

static int resize_services(struct control *control, const struct settings *wanted, char *reason, size_t size) {
        uint32_t n_services = wanted->max_services + N_SERVICE_SPECIALS;
        uint32_t n_processes = control->settings->max_processes + N_PROCESS_SPECIALS;
        int r;

        r = totals_resize(control->line->totals, n_processes, n_services, publish_next(control->line->publish));
        if (r >= 0)
                publish_resize(control->line->publish, n_processes, n_services);
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

static int apply_services(struct control *control, const struct settings *wanted, char *reason, size_t size) {
        totals_set_services(control->line->totals, wanted->has_services, publish_next(control->line->publish));
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

static void publish_now(struct control *control) {
        (void) interval_run(control->interval);
}

static void tell_watcher(struct control *control) {
        watcher_tell(control->watcher);
}

/*
 * What a change does, beside being known; a setting whose row is empty needs no more than that. apply makes it so, or
 * leaves all as it was. follow_up shows it to readers as soon as it is done; a publication that fails has said so
 * itself. What is observed is part of the change: no two of those may fall between two publications, else nobody would
 * know of the time between them. A table of other size can wait for the loop's next turn, so who asked need not wait
 * for large ones.
 */
static const struct {
        int (*apply)(struct control *control, const struct settings *wanted, char *reason, size_t size);
        void (*follow_up)(struct control *control);
} actions[N_SETTINGS] = {
        [SETTING_INTERVAL] = { NULL, reschedule },
        [SETTING_IDLE_INTERVAL] = { NULL, reschedule },
        [SETTING_LOAD_MODE] = { apply_load_mode, publish_now },
        [SETTING_ATTACH_METHOD] = { refuse_until_start, NULL },
        [SETTING_PROCESSES] = { resize_processes, publish_soon },
        [SETTING_SOCKETS] = { refuse_until_start, NULL },
        [SETTING_SERVICE_ROWS] = { resize_services, publish_soon },
        [SETTING_MODULES] = { apply_modules, publish_now },
        [SETTING_MAPS_PER_CORE] = { refuse_until_start, NULL },
        [SETTING_SERVICES] = { apply_services, publish_now },
        [SETTING_LOG_LEVEL] = { apply_log_level, NULL },
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
        (actions[number].follow_up ? actions[number].follow_up : tell_watcher)(control);
        return 0;
}
