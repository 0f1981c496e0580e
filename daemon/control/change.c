/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One setting changes while the daemon runs: read and validate by the table of settings, apply, keep, publish. What can
 * fail comes before anything that cannot be taken back, so after an error all is as it was.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "daemon/daemon-private.h"
#include "daemon/log.h"

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
static int resize_processes(struct daemon *d, const struct settings *wanted, char *reason, size_t size) {
        uint32_t n_services = d->settings.max_services + N_SERVICE_SPECIALS;
        uint32_t n_processes = wanted->max_processes + N_PROCESS_SPECIALS;
        int r;

        r = d->line.counting->set_max_processes(d->line.collect, wanted->max_processes, reason, size);
        if (r < 0)
                return r;
        r = totals_resize(d->line.totals, n_processes, n_services, publish_next(d->line.publish));
        if (r < 0) {
                if (d->line.counting->set_max_processes(d->line.collect, d->settings.max_processes, reason, size) < 0)
                        log_line(LOG_ERR, "Cannot give the process table its old size back: %s", reason);
                reason[0] = '\0';
                return r;
        }
        publish_resize(d->line.publish, n_processes, n_services);
        return 0;
}

static int resize_services(struct daemon *d, const struct settings *wanted, char *reason, size_t size) {
        uint32_t n_services = wanted->max_services + N_SERVICE_SPECIALS;
        uint32_t n_processes = d->settings.max_processes + N_PROCESS_SPECIALS;
        int r;

        r = totals_resize(d->line.totals, n_processes, n_services, publish_next(d->line.publish));
        if (r >= 0)
                publish_resize(d->line.publish, n_processes, n_services);
        return r;
}

static int apply_load_mode(struct daemon *d, const struct settings *wanted, char *reason, size_t size) {
        return d->line.counting->set_load_mode(d->line.collect, wanted->load_mode, reason, size);
}

static int refuse_until_start(struct daemon *d, const struct settings *wanted, char *reason, size_t size) {
        snprintf(reason, size, "takes effect when the service starts again");
        return -EOPNOTSUPP;
}

static int apply_modules(struct daemon *d, const struct settings *wanted, char *reason, size_t size) {
        struct control_error error;
        int r;

        r = modules_set(&d->modules, wanted->modules, &error);
        if (r < 0)
                snprintf(reason, size, "%s", error.message);
        return r;
}

static int apply_services(struct daemon *d, const struct settings *wanted, char *reason, size_t size) {
        totals_set_services(d->line.totals, wanted->has_services, publish_next(d->line.publish));
        return 0;
}

static int apply_log_level(struct daemon *d, const struct settings *wanted, char *reason, size_t size) {
        log_set_level(wanted->log_level);
        return 0;
}

static void publish_soon(struct daemon *d) {
        interval_publish_soon(&d->interval);
}

static void reschedule(struct daemon *d) {
        interval_reschedule(&d->interval);
}

static void publish_now(struct daemon *d) {
        (void) interval_run(&d->interval);
}

static void tell_watcher(struct daemon *d) {
        watcher_tell(&d->watcher);
}

/*
 * What a change does, beside being known; a setting whose row is empty needs no more than that. apply makes it so, or
 * leaves all as it was. follow_up shows it to readers as soon as it is done; a publication that fails has said so
 * itself. What is observed is part of the change: no two of those may fall between two publications, else nobody would
 * know of the time between them. A table of other size can wait for the loop's next turn, so who asked need not wait
 * for large ones.
 */
static const struct {
        int (*apply)(struct daemon *d, const struct settings *wanted, char *reason, size_t size);
        void (*follow_up)(struct daemon *d);
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

int change_setting(struct daemon *d, size_t number, const char *value, const char *source,
                   struct control_error *ret_error) {
        char reason[256] = "", old[SETTINGS_VALUE_SIZE], new[SETTINGS_VALUE_SIZE];
        struct settings wanted = d->settings;
        const struct setting *table;
        int r;

        settings_table(&table);
        r = settings_set(&wanted, number, value, source);
        if (r < 0)
                return change_refuse_value(number, value, r, ret_error);
        if (settings_is_same(&wanted, &d->settings, number))
                return 0;
        settings_format(&d->settings, number, old);
        settings_format(&wanted, number, new);
        r = actions[number].apply ? actions[number].apply(d, &wanted, reason, sizeof reason) : 0;
        if (r < 0)
                return refuse_change(&table[number], new, r, reason, ret_error);
        d->settings = wanted;
        log_line(LOG_INFO, "%s is %s now, it was %s (%s)", table[number].key, new, old, source);
        (actions[number].follow_up ? actions[number].follow_up : tell_watcher)(d);
        return 0;
}
