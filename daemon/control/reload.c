/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files and what runs: reading them again, and writing what was changed at run time. Reading has an effect only
 * where a value differs from what is in force, and each such change is a transaction of its own (change.c).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "daemon/clock.h"
#include "daemon/control/change.h"
#include "daemon/control/dropin.h"
#include "daemon/control/error.h"
#include "daemon/data-line.h"
#include "daemon/directories.h"
#include "daemon/identity/identities.h"
#include "daemon/identity/rules-file.h"
#include "daemon/log.h"

#define RUNTIME_FILE "90-runtime.conf"
#define DROPINS "/socktally.conf.d/"

/* What was wrong while files were read and changes made. All of it is logged; the caller is told the first. */
struct problems {
        char first[256], unreadable[256]; /* unreadable: the first of these */
        enum control_failure failure; /* of the first */
        unsigned n;
};

static void take_problem(struct problems *problems, enum control_failure failure, const char *line) {
        log_line(LOG_WARNING, "%s", line);
        if (problems->n++ > 0)
                return;
        snprintf(problems->first, sizeof problems->first, "%.200s", line);
        problems->failure = failure;
}

static void on_problem(void *userdata, const char *line, int error) {
        struct problems *problems = userdata;

        take_problem(problems, CONTROL_INVALID_ARGUMENT, line);
        if (error < 0 && !problems->unreadable[0])
                snprintf(problems->unreadable, sizeof problems->unreadable, "%.200s", line);
}

static void ignore_problem(void *userdata, const char *line, int error) {
}

/* An interval that is longer than the idle interval: each value is allowed, both together are not. The idle interval
 * gets its default, as if nobody had set it. */
static void resolve_contradiction(struct settings *settings, configuration_report *report, void *userdata) {
        char line[2 * SETTINGS_SOURCE_SIZE + 256], interval[SETTINGS_VALUE_SIZE], idle[SETTINGS_VALUE_SIZE];
        const struct setting *table;

        if (!settings_contradict(settings))
                return;
        settings_table(&table);
        settings_format(settings, SETTING_INTERVAL, interval);
        settings_format(settings, SETTING_IDLE_INTERVAL, idle);
        snprintf(line, sizeof line, "%s: IdleInterval=%s: must be at least Interval=%s (%s), ignoring it",
                 settings->sources[SETTING_IDLE_INTERVAL], idle, interval, settings->sources[SETTING_INTERVAL]);
        report(userdata, line, 0);
        (void) settings_set(settings, SETTING_IDLE_INTERVAL, table[SETTING_IDLE_INTERVAL].initial, "default");
}

/* A setting whose line is wrong keeps the value that is in force. This value may contradict another line, one that is
 * right. */
static void keep_rejected(const struct settings *settings, struct settings *wanted, struct problems *problems) {
        for (size_t i = 0; i < N_SETTINGS; i++)
                if (wanted->rejected & UINT32_C(1) << i)
                        settings_copy(wanted, settings, i);
        resolve_contradiction(wanted, on_problem, problems);
}

void reload_init(struct reload *reload, const struct options *options) {
        reload->options = *options;
        reload->directories = options->config_path ? NULL : configuration_directories;
}

int reload_read(const struct reload *reload, struct settings *ret_settings, configuration_report *report,
                void *userdata) {
        int r;

        *ret_settings = settings_default();
        if (reload->directories)
                r = configuration_load(ret_settings, reload->directories, report, userdata);
        else
                r = configuration_load_file(ret_settings, reload->options.config_path, report, userdata);
        options_apply(&reload->options, ret_settings);
        resolve_contradiction(ret_settings, report, userdata);
        return r;
}

int reload_rules(const struct reload *reload, struct identities *identities, configuration_report *report,
                 void *userdata) {
        struct rules *rules = NULL;
        int r = 0;

        if (reload->options.rules_path)
                r = rules_file_load(&rules, reload->options.rules_path, report, userdata);
        else if (reload->directories)
                r = rules_file_find(&rules, reload->directories, report, userdata);
        if (r >= 0)
                identities_set_rules(identities, rules);
        return r;
}

/* A change was refused. The line has the file and line number of the value in front, if it is from a file. */
static void take_refusal(struct problems *problems, const char *source, const struct control_error *error) {
        char line[SETTINGS_SOURCE_SIZE + sizeof error->message];

        snprintf(line, sizeof line, "%s%s%s", strchr(source, ':') ? source : "", strchr(source, ':') ? ": " : "",
                 error->message);
        take_problem(problems, error->failure, line);
}

static void apply_all(struct control *control, const struct settings *wanted, struct problems *problems) {
        char value[SETTINGS_VALUE_SIZE];
        const struct setting *table;
        struct control_error error;

        settings_table(&table);
        for (size_t i = 0; i < N_SETTINGS; i++) {
                settings_format(wanted, i, value);
                if (change_waits_for_start(i) && !settings_is_same(wanted, control->settings, i))
                        log_line(LOG_NOTICE, "%s: %s=%s takes effect when the service starts again",
                                 wanted->sources[i], table[i].key, value);
                else if (change_setting(control, i, value, wanted->sources[i], &error) < 0)
                        take_refusal(problems, wanted->sources[i], &error);
                else /* the source may be another though the value is not */
                        settings_copy(control->settings, wanted, i);
        }
}

static int tell_problems(const struct problems *problems, struct control_error *ret_error) {
        char more[64] = "";

        if (problems->n == 0)
                return 0;
        if (problems->n > 1)
                snprintf(more, sizeof more, " (and %u more, see the journal)", problems->n - 1);
        return control_fail(ret_error, problems->failure, -EINVAL, "%s%s", problems->first, more);
}

static int refuse_files(struct problems *problems, int error, enum control_failure failure, const char *what,
                        struct control_error *ret_error) {
        char *end = strstr(problems->unreadable, ", ignoring");

        if (end)
                *end = '\0';
        log_line(LOG_ERR, "The configuration was not %s, nothing has changed", what);
        return control_fail(ret_error, failure, error, "%s; nothing was changed", problems->unreadable);
}

static int apply(struct control *control, struct control_error *ret_error) {
        struct problems problems = { .n = 0 };
        struct settings wanted;
        int r;

        r = reload_read(control->reload, &wanted, on_problem, &problems);
        if (r < 0)
                return refuse_files(&problems, r, CONTROL_INVALID_ARGUMENT, "reloaded", ret_error);
        keep_rejected(control->settings, &wanted, &problems);
        apply_all(control, &wanted, &problems);
        (void) reload_rules(control->reload, control->line->identities, on_problem, &problems);
        watcher_tell(control->watcher);
        return tell_problems(&problems, ret_error);
}

/* The service manager waits for READY=1 when it has heard of the reload; see sd_notify(3). */
int reload_apply(struct control *control, struct control_error *ret_error) {
        int r;

        sd_notifyf(false, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_usec(CLOCK_MONOTONIC));
        r = apply(control, ret_error);
        sd_notify(false, "READY=1");
        return r;
}

static const char *dropin_name(const char *source) {
        const char *found = strstr(source, DROPINS);

        return found ? found + strlen(DROPINS) : NULL;
}

/* Was this value changed at run time, now or before it was saved? */
static bool is_from_run_time(const char *source) {
        static const char own[] = RUNTIME_FILE ":";
        const char *name = dropin_name(source);

        return strcmp(source, "run time") == 0 || (name && strncmp(name, own, strlen(own)) == 0);
}

/* Is the value from a drop-in that is read after ours? It would win over what is saved. */
static bool is_from_later_dropin(const char *source) {
        const char *name = dropin_name(source);
        size_t n = name ? strcspn(name, ":") : 0;
        int order = name ? strncmp(name, RUNTIME_FILE, n) : 0;

        return order > 0 || (order == 0 && n > strlen(RUNTIME_FILE));
}

/* Writes into text the drop-in that saves what was changed at run time. others: what all other files say. */
static int compose_dropin(const struct settings *settings, const struct settings *others, char *text, size_t size,
                   unsigned *ret_n, struct control_error *ret_error) {
        const struct setting *table;
        char value[SETTINGS_VALUE_SIZE];
        size_t n;

        settings_table(&table);
        n = (size_t) snprintf(text, size, "# Written by socktallyd when asked to save what was changed at run time.\n"
                                          "[Socktally]\n");
        *ret_n = 0;
        for (size_t i = 0; i < N_SETTINGS; i++) {
                if (!is_from_run_time(settings->sources[i]) || settings_is_same(settings, others, i))
                        continue;
                if (is_from_later_dropin(others->sources[i]))
                        return control_fail(ret_error, CONTROL_FAILED, -EEXIST,
                                            "%s is set by %s, which is read after " RUNTIME_FILE
                                            "; change it there. Nothing was saved", table[i].key, others->sources[i]);
                settings_format(settings, i, value);
                n += (size_t) snprintf(text + n, size - n, "%s=%s\n", table[i].key, value);
                (*ret_n)++;
        }
        return 0;
}

/* What was changed at run time and is saved now has the drop-in as its source. */
static void update_sources(struct settings *settings, const char *const directories[]) {
        struct settings files = settings_default();

        (void) configuration_load(&files, directories, ignore_problem, NULL);
        for (size_t i = 0; i < N_SETTINGS; i++)
                if (is_from_run_time(settings->sources[i]) && settings_is_same(settings, &files, i))
                        settings_copy(settings, &files, i);
}

/* Is there a drop-in with the name of ours in another directory? Ours hides it, so ours must not be removed: the
 * settings in the other one would be in force then. */
static bool hides_another(const char *const directories[]) {
        char path[4096];

        for (size_t i = 1; directories[i]; i++) {
                if (strcmp(directories[i], directories[0]) == 0)
                        continue;
                snprintf(path, sizeof path, "%s" DROPINS RUNTIME_FILE, directories[i]);
                if (access(path, F_OK) == 0)
                        return true;
        }
        return false;
}

int reload_save(struct control *control, struct control_error *ret_error) {
        struct settings others = settings_default();
        const char *const *directories = control->reload->directories;
        struct problems problems = { .n = 0 };
        char text[2048];
        unsigned n;
        int r;

        if (!directories)
                return control_fail(ret_error, CONTROL_NOT_SUPPORTED, -EOPNOTSUPP,
                                    "Started with --config=%s, which is never written; put the settings there",
                                    control->reload->options.config_path);
        r = configuration_load_except(&others, directories, RUNTIME_FILE, on_problem, &problems);
        if (r < 0)
                return refuse_files(&problems, r, CONTROL_FAILED, "saved", ret_error);
        r = compose_dropin(control->settings, &others, text, sizeof text, &n, ret_error);
        if (r < 0)
                return r;
        r = n > 0 || hides_another(directories) ? dropin_write(directories[0], RUNTIME_FILE, text) :
                                             dropin_remove(directories[0], RUNTIME_FILE);
        if (r < 0)
                return control_fail(ret_error, r == -ENOMEM ? CONTROL_NO_MEMORY : CONTROL_FAILED, r,
                                    "Cannot write %s" DROPINS RUNTIME_FILE ": %s; user socktally needs to own that "
                                    "directory, see socktally.conf(5)", directories[0], strerror(-r));
        update_sources(control->settings, directories);
        log_line(LOG_INFO, "Saved %u settings in %s" DROPINS RUNTIME_FILE, n, directories[0]);
        watcher_tell(control->watcher);
        return 0;
}
