/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One setting changes while the daemon runs: read and validate by the table of settings, apply, keep, publish. What can
 * fail comes before anything that cannot be taken back, so after an error all is as it was.
 */
#include <errno.h>
#include <string.h>
#include <syslog.h>

#include "daemon/daemon-private.h"
#include "daemon/log.h"

#define MESSAGE_VALUE_MAX 64

static int refuse_value(const struct setting *setting, const char *value, struct control_error *ret_error) {
        return control_fail(ret_error, CONTROL_INVALID_ARGUMENT, -EINVAL, "%s=%.*s%s: must be %s", setting->key,
                            MESSAGE_VALUE_MAX, value, strlen(value) > MESSAGE_VALUE_MAX ? "..." : "",
                            setting->allowed);
}

/* The collector's reason is complete; how the caller may react follows from its error. */
static int refuse_change(const struct setting *setting, const char *value, int error, const char *reason,
                         struct control_error *ret_error) {
        enum control_failure failure = CONTROL_NOT_SUPPORTED;

        if (error == -ENOMEM || error == -E2BIG || error == -ENOSPC || error == -EMFILE || error == -ENFILE)
                failure = CONTROL_NO_MEMORY;
        else if (error == -EIO || error == -EAGAIN || error == -EBUSY)
                failure = CONTROL_FAILED;
        return control_fail(ret_error, failure, error, "%s=%s: %s", setting->key, value,
                            reason[0] ? reason : strerror(-error));
}

/* What the kernel counts into comes first: it can refuse. Only a smaller aggregate can fail, and then the kernel gets
 * its old table back. */
static int resize_processes(struct daemon *d, const struct settings *wanted, char *reason, size_t size) {
        uint32_t n_services = d->settings.max_services + N_SERVICE_SPECIALS;
        uint32_t n_processes = wanted->max_processes + N_PROCESS_SPECIALS;
        int r;

        r = collect_set_max_processes(d->collect, wanted->max_processes, reason, size);
        if (r < 0)
                return r;
        r = aggregate_resize(d->aggregate, n_processes, n_services, publish_next(d->publish));
        if (r < 0) {
                if (collect_set_max_processes(d->collect, d->settings.max_processes, reason, size) < 0)
                        log_line(LOG_ERR, "Cannot give the process table its old size back: %s", reason);
                reason[0] = '\0';
                return r;
        }
        publish_resize(d->publish, n_processes, n_services);
        return 0;
}

static int resize_services(struct daemon *d, const struct settings *wanted) {
        uint32_t n_services = wanted->max_services + N_SERVICE_SPECIALS;
        uint32_t n_processes = d->settings.max_processes + N_PROCESS_SPECIALS;
        int r;

        r = aggregate_resize(d->aggregate, n_processes, n_services, publish_next(d->publish));
        if (r >= 0)
                publish_resize(d->publish, n_processes, n_services);
        return r;
}

static int apply(struct daemon *d, size_t number, const struct settings *wanted, char *reason, size_t size) {
        switch (number) {
        case SETTING_LOAD_MODE: return collect_set_load_mode(d->collect, wanted->load_mode, reason, size);
        case SETTING_ATTACH_METHOD: return collect_set_attach_method(d->collect, wanted->attach_method, reason, size);
        case SETTING_PROCESSES: return resize_processes(d, wanted, reason, size);
        case SETTING_SERVICES: return resize_services(d, wanted);
        case SETTING_SOCKETS:
                strncpy(reason, "takes effect when the service starts again", size - 1);
                return -EOPNOTSUPP;
        }
        return 0; /* intervals need but to be known */
}

/* Readers see what the change did as soon as it is done; a publication that fails has said so itself. What is observed
 * is part of the change: no two of those may fall between two publications, else nobody would know of the time between
 * them. A table of other size can wait for the loop's next turn, so who asked need not wait for large ones. */
static void follow_up(struct daemon *d, size_t number) {
        switch (number) {
        case SETTING_INTERVAL:
        case SETTING_IDLE_INTERVAL: daemon_reschedule(d); return;
        case SETTING_PROCESSES:
        case SETTING_SERVICES: daemon_publish_soon(d); return;
        case SETTING_ATTACH_METHOD: daemon_log_reports(d); break;
        }
        (void) daemon_run_interval(d);
}

int change_setting(struct daemon *d, size_t number, const char *value, const char *source,
                   struct control_error *ret_error) {
        char reason[256] = "", old[SETTINGS_VALUE_SIZE], new[SETTINGS_VALUE_SIZE];
        struct settings wanted = d->settings;
        const struct setting *table;
        int r;

        settings_table(&table);
        if (settings_set(&wanted, number, value, source) < 0)
                return refuse_value(&table[number], value, ret_error);
        if (settings_is_same(&wanted, &d->settings, number))
                return 0;
        settings_format(&d->settings, number, old);
        settings_format(&wanted, number, new);
        if (number == SETTING_MODULES) /* has its own words for what may fail */
                r = control_modules_set(d, wanted.modules, ret_error);
        else {
                r = apply(d, number, &wanted, reason, sizeof reason);
                if (r < 0)
                        r = refuse_change(&table[number], new, r, reason, ret_error);
        }
        if (r < 0)
                return r;
        d->settings = wanted;
        log_line(LOG_INFO, "%s is %s now, it was %s (%s)", table[number].key, new, old, source);
        follow_up(d, number);
        return 0;
}
