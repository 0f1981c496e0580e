/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Modules on, off, and on for a while. The settings keep which are on for good; here is which are on now. The end of a
 * lifetime is an event in the loop, by a clock that goes on while the machine sleeps.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <syslog.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "daemon/clock.h"
#include "daemon/control/error.h"
#include "daemon/control/modules.h"
#include "daemon/control/timespan.h"
#include "daemon/log.h"

#define RETRY_USEC UINT64_C(1000000)

int modules_get(struct modules *m, size_t number, struct control_module *ret_module) {
        struct collect_report *report;
        bool is_running;

        if (number >= N_MODULES)
                return -ENOENT;
        report = &m->states[number].report;
        m->line->counting->report(m->line->collect, number, report);
        is_running = m->states[number].is_enabled && report->is_running;
        *ret_module = (struct control_module) {
                .name = module_name(number),
                .is_enabled = m->states[number].is_enabled,
                .state = is_running ? "running" : m->states[number].is_enabled ? "failed" : "off",
                .reason = report->reason,
                .method = is_running ? attach_method_name(report->method) : "",
                .expires_usec = m->states[number].expires_usec,
        };
        return 0;
}

void modules_statistics(const struct modules *m, size_t number, struct control_module *module) {
        struct collect_statistics statistics;

        m->line->counting->statistics(m->line->collect, number, &statistics);
        module->events = statistics.n_runs;
        module->misses = statistics.n_misses;
        module->ns_per_event = statistics.n_runs > 0 ? statistics.time_ns / statistics.n_runs : 0;
}

static int switch_module(struct modules *m, size_t number, bool is_on, struct control_error *ret_error) {
        char reason[256] = "";
        int r;

        if (m->states[number].is_enabled == is_on)
                return 0;
        r = m->line->counting->set_module(m->line->collect, number, is_on, reason, sizeof reason);
        if (r < 0)
                return control_fail(ret_error, control_failure_of(r), r,
                                    "Cannot switch module %s %s: %s", module_name(number), is_on ? "on" : "off",
                                    reason[0] ? reason : strerror(-r));
        m->states[number].is_enabled = is_on;
        return 0;
}

static void forget_end(struct module_state *module) {
        module->expires_usec = 0;
        module->source = sd_event_source_disable_unref(module->source);
}

/* Writes into the setting Modules whether this module is on for good. */
static void keep_in_settings(struct modules *m, size_t number, bool is_on) {
        uint32_t bit = MODULE(number), modules = m->settings->modules;
        char value[SETTINGS_VALUE_SIZE];

        modules = is_on ? modules | bit : modules & ~bit;
        if (modules == m->settings->modules)
                return;
        modules_format(modules, value, sizeof value);
        (void) settings_set(m->settings, SETTING_MODULES, value, "run time");
}

static int on_expired(sd_event_source *source, uint64_t usec, void *userdata) {
        struct module_state *module = userdata;
        struct modules *m = module->owner;
        size_t number = (size_t) (module - m->states);
        struct control_error error;

        if (switch_module(m, number, false, &error) < 0) {
                log_line(LOG_ERR, "%s; its time is over, trying again", error.message);
                (void) sd_event_source_set_time(source, clock_usec(CLOCK_BOOTTIME) + RETRY_USEC);
                return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
        }
        forget_end(module);
        log_line(LOG_INFO, "Module %s is off now, its time is over", module_name(number));
        (void) interval_run(m->interval);
        return 0;
}

/* Makes the event that ends the module's lifetime. This is done before the module is switched on, as it can fail.
 * *ret_source is NULL for a module that stays on. */
static int plan_end(struct modules *m, size_t number, uint64_t lifetime_usec, sd_event_source **ret_source) {
        uint64_t due_usec = clock_usec(CLOCK_BOOTTIME) + lifetime_usec;

        *ret_source = NULL;
        if (lifetime_usec == 0)
                return 0;
        return sd_event_add_time(m->event, ret_source, CLOCK_BOOTTIME, due_usec, 1000, on_expired,
                                 &m->states[number]);
}

static int check_number(size_t number, struct control_error *ret_error) {
        if (number < N_MODULES)
                return 0;
        return control_fail(ret_error, CONTROL_NO_SUCH_MODULE, -ENOENT, "There is no module %zu; modules are"
                            MODULES_WORDS, number);
}

static void log_enabled(size_t number, uint64_t lifetime_usec) {
        char span[64];

        if (lifetime_usec == 0)
                log_line(LOG_INFO, "Module %s is on", module_name(number));
        else
                log_line(LOG_INFO, "Module %s is on for %s", module_name(number),
                         timespan_format(span, sizeof span, lifetime_usec));
}

int modules_enable(struct modules *m, size_t number, uint64_t lifetime_usec, struct control_error *ret_error) {
        bool was_enabled;
        sd_event_source *source;
        int r;

        r = check_number(number, ret_error);
        if (r < 0)
                return r;
        if (lifetime_usec > CONTROL_LIFETIME_MAX_USEC)
                return control_fail(ret_error, CONTROL_INVALID_ARGUMENT, -ERANGE,
                                    "A lifetime of %" PRIu64 " us: must be 0 (for good) or up to %" PRIu64
                                    " us (365 days)", lifetime_usec, CONTROL_LIFETIME_MAX_USEC);
        r = plan_end(m, number, lifetime_usec, &source);
        if (r < 0)
                return control_fail(ret_error, CONTROL_NO_MEMORY, r, "Cannot plan the end of module %s: %s",
                                    module_name(number), strerror(-r));
        was_enabled = m->states[number].is_enabled;
        r = switch_module(m, number, true, ret_error);
        if (r < 0) {
                sd_event_source_disable_unref(source);
                return r;
        }
        forget_end(&m->states[number]);
        m->states[number].source = source;
        m->states[number].expires_usec = source ? clock_usec(CLOCK_REALTIME) + lifetime_usec : 0;
        keep_in_settings(m, number, lifetime_usec == 0);
        log_enabled(number, lifetime_usec);
        if (!was_enabled)
                (void) interval_run(m->interval);
        return 0;
}

int modules_disable(struct modules *m, size_t number, struct control_error *ret_error) {
        bool was_enabled;
        int r;

        r = check_number(number, ret_error);
        if (r < 0)
                return r;
        was_enabled = m->states[number].is_enabled;
        r = switch_module(m, number, false, ret_error);
        if (r < 0)
                return r;
        forget_end(&m->states[number]);
        keep_in_settings(m, number, false);
        if (was_enabled) {
                log_line(LOG_INFO, "Module %s is off", module_name(number));
                (void) interval_run(m->interval);
        }
        return 0;
}

int modules_set(struct modules *m, uint32_t wanted, struct control_error *ret_error) {
        bool was_enabled[N_MODULES];
        struct control_error ignored;
        int r = 0;

        for (size_t i = 0; i < N_MODULES; i++)
                was_enabled[i] = m->states[i].is_enabled;
        for (size_t i = 0; i < N_MODULES && r >= 0; i++)
                r = switch_module(m, i, wanted & MODULE(i), ret_error);
        for (size_t i = 0; i < N_MODULES; i++)
                if (r < 0)
                        (void) switch_module(m, i, was_enabled[i], &ignored);
                else
                        forget_end(&m->states[i]);
        return r;
}

void modules_start(struct modules *m, const struct data_line *line, struct interval *interval,
                   struct settings *settings, sd_event *event) {
        *m = (struct modules) { .line = line, .interval = interval, .settings = settings, .event = event };
        for (size_t i = 0; i < N_MODULES; i++)
                m->states[i] = (struct module_state) { .owner = m, .is_enabled = settings->modules & MODULE(i) };
}

void modules_stop(struct modules *m) {
        for (size_t i = 0; i < N_MODULES; i++)
                forget_end(&m->states[i]);
}

static bool is_same_report(const struct collect_report *a, const struct collect_report *b) {
        return a->is_running == b->is_running && a->method == b->method && strcmp(a->reason, b->reason) == 0;
}

/* One line if all modules have the same method and the same reason, as they mostly do; else one line for each. */
void modules_log(const struct modules *m) {
        struct collect_report reports[N_MODULES];
        bool is_shared = true;

        for (size_t i = 0; i < N_MODULES; i++) {
                m->line->counting->report(m->line->collect, i, &reports[i]);
                is_shared = is_shared && is_same_report(&reports[i], &reports[0]);
        }
        for (size_t i = 0; i < (is_shared ? 1 : N_MODULES); i++) {
                const char *module = is_shared ? "traffic" : module_name(i), *reason = reports[i].reason;

                if (reports[i].is_running)
                        log_line(LOG_INFO, "Counting %s by %s%s%s", module, attach_method_name(reports[i].method),
                                 reason[0] ? ": " : "", reason);
                else
                        log_line(LOG_WARNING, "Not counting %s%s%s", module, reason[0] ? ": " : "", reason);
        }
}
