/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon of paper: operations on the script, under the real bus face. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <systemd/sd-event.h>

#include "dbus/bus.h"
#include "tests/unit/bus-daemon.h"

static const char *const module_names[] = { "tcp", "udp" };
static const char *const table_names[] = { "processes", "services" };

static int fail(struct stage_script *script, struct control_error *ret_error) {
        if (!script->fail_next)
                return 0;
        ret_error->failure = (enum control_failure) (script->fail_next - 1);
        memcpy(ret_error->message, script->fail_text, sizeof ret_error->message);
        script->fail_next = 0;
        return -EIO;
}

static void get_facts(void *daemon, struct control_facts *ret_facts) {
        struct stage_script *script = daemon;

        *ret_facts = (struct control_facts) { .version = "0.1.0", .kernel = "6.1.0-test", .sequence = script->sequence,
                                              .incarnation = script->incarnation, .started_usec = 1700000000000000,
                                              .cost_ns = 12345, .kernel_memory = 1 << 20, .sockets_tracked = 17,
                                              .sockets_overflowed = 1, .rows_overflowed = 2,
                                              .readers = script->readers, .full_group = STAGE_GROUP,
                                              .interval_usec = script->number[CONTROL_INTERVAL] };
}

static bool is_text(enum control_setting setting) {
        return setting == CONTROL_LOAD_MODE || setting == CONTROL_ATTACH_METHOD;
}

static int get(void *daemon, enum control_setting setting, struct control_value *ret_value) {
        struct stage_script *script = daemon;

        *ret_value = (struct control_value) {};
        if (is_text(setting))
                ret_value->text = script->text[setting];
        else
                ret_value->number = script->number[setting];
        return 0;
}

static int check(void *daemon, enum control_setting setting, const struct control_value *value,
                 struct control_error *ret_error) {
        bool is_good;

        if (setting == CONTROL_LOAD_MODE)
                is_good = strcmp(value->text, "passive") == 0 || strcmp(value->text, "entry") == 0 ||
                          strcmp(value->text, "return") == 0;
        else if (setting == CONTROL_ATTACH_METHOD)
                is_good = strcmp(value->text, "auto") == 0 || strcmp(value->text, "tracepoint") == 0;
        else
                is_good = value->number >= 100000 && value->number <= 3600000000;
        if (is_good)
                return 0;
        ret_error->failure = CONTROL_INVALID_ARGUMENT;
        if (is_text(setting))
                snprintf(ret_error->message, sizeof ret_error->message, "There is no %s", value->text);
        else
                snprintf(ret_error->message, sizeof ret_error->message, "%" PRIu64 " is not 0.1 s to 1 h",
                         value->number);
        return -EINVAL;
}

static int set(void *daemon, enum control_setting setting, const struct control_value *value,
               struct control_error *ret_error) {
        struct stage_script *script = daemon;
        int r = check(daemon, setting, value, ret_error);

        if (r >= 0)
                r = fail(script, ret_error);
        if (r < 0)
                return r;
        script->n_sets++;
        if (is_text(setting))
                snprintf(script->text[setting], sizeof script->text[setting], "%s", value->text);
        else
                script->number[setting] = value->number;
        return 0;
}

/* Two of the rows are the script's, the third is as long as rows can be. */
static int settings_row(void *daemon, size_t number, struct control_settings_row *ret_row) {
        static const char *const keys[] = { "LoadMode", "Interval", "Modules" };
        static char file[300];
        struct stage_script *script = daemon;
        char *value = ret_row->value;
        bool is_changed = strcmp(script->text[CONTROL_LOAD_MODE], "entry") != 0;

        if (number == 1)
                is_changed = script->number[CONTROL_INTERVAL] != 1000000;
        if (!file[0])
                memset(file, '/', sizeof file - 1);
        ret_row->key = keys[number];
        ret_row->source = number == 2 ? file : is_changed ? "run time" : "default";
        if (number == 0)
                snprintf(value, sizeof ret_row->value, "%s", script->text[CONTROL_LOAD_MODE]);
        else if (number == 1)
                snprintf(value, sizeof ret_row->value, "%" PRIu64 "us", script->number[CONTROL_INTERVAL]);
        else
                snprintf(value, sizeof ret_row->value, "tcp udp");
        return 0;
}

static int get_module(void *daemon, size_t number, struct control_module *ret_module) {
        struct stage_script *script = daemon;
        bool is_enabled = script->is_enabled[number];

        *ret_module = (struct control_module) { .name = module_names[number], .is_enabled = is_enabled,
                                                .state = is_enabled ? "running" : "off", .reason = "",
                                                .method = is_enabled ? "tracepoint" : "",
                                                .expires_usec = script->expires[number], .events = 1000 + number,
                                                .misses = 3, .ns_per_event = 42 };
        return 0;
}

static int enable(void *daemon, size_t number, uint64_t lifetime_usec, struct control_error *ret_error) {
        struct stage_script *script = daemon;
        int r = fail(script, ret_error);

        if (r < 0)
                return r;
        script->n_sets++;
        script->is_enabled[number] = true;
        script->expires[number] = lifetime_usec ? 1700000000000000 + lifetime_usec : 0;
        return 0;
}

static int disable(void *daemon, size_t number, struct control_error *ret_error) {
        struct stage_script *script = daemon;
        int r = fail(script, ret_error);

        if (r < 0)
                return r;
        script->n_sets++;
        script->is_enabled[number] = false;
        script->expires[number] = 0;
        return 0;
}

static int get_table(void *daemon, size_t number, struct control_table *ret_table) {
        struct stage_script *script = daemon;

        *ret_table = (struct control_table) { .name = table_names[number], .capacity = script->capacity[number],
                                              .used = 10, .peak = 20, .overflowed = 5, .capacity_min = 16,
                                              .capacity_max = 1 << 20 };
        return 0;
}

static int set_capacity(void *daemon, size_t number, uint32_t capacity, struct control_error *ret_error) {
        struct stage_script *script = daemon;
        int r = fail(script, ret_error);

        if (r < 0)
                return r;
        script->n_sets++;
        script->capacity[number] = capacity;
        return 0;
}

/* A file that holds the name of its view. It stays open, as the daemon's segment does. */
static int open_segment(void *daemon, const char *view, int *ret_fd, struct control_error *ret_error) {
        static int fds[2] = { -1, -1 };
        int *fd = fds + (strcmp(view, "full") == 0);

        if (*fd < 0) {
                *fd = memfd_create(view, MFD_CLOEXEC);
                if (*fd < 0 || write(*fd, view, strlen(view)) < 0)
                        return -errno;
        }
        *ret_fd = *fd;
        return 0;
}

static int do_sync(void *daemon, uint64_t *ret_sequence, struct control_error *ret_error) {
        struct stage_script *script = daemon;
        int r = fail(script, ret_error);

        if (r < 0)
                return r;
        script->n_syncs++;
        *ret_sequence = ++script->sequence;
        return 0;
}

static int reload(void *daemon, struct control_error *ret_error) {
        struct stage_script *script = daemon;
        int r = fail(script, ret_error);

        script->n_reloads += r >= 0;
        return r;
}

static int save(void *daemon, struct control_error *ret_error) {
        struct stage_script *script = daemon;
        int r = fail(script, ret_error);

        script->n_saves += r >= 0;
        return r;
}

static int log_level(void *daemon) {
        return ((struct stage_script *) daemon)->log_level;
}

static int set_log_level(void *daemon, int level) {
        ((struct stage_script *) daemon)->log_level = level;
        return 0;
}

static const struct control_operations operations = {
        .facts = get_facts, .get = get, .set = set, .check = check, .n_settings = 3, .settings_row = settings_row,
        .n_modules = 2, .module = get_module,
        .module_enable = enable, .module_disable = disable, .n_tables = 2, .table = get_table,
        .table_set_capacity = set_capacity, .open_segment = open_segment, .sync = do_sync, .reload = reload,
        .save = save, .log_level = log_level, .set_log_level = set_log_level,
};

static int on_touch(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        /* More often than once: it must be told once. */
        for (int i = 0; i < 3; i++)
                bus_changed(userdata, BUS_ALL);
        return 0;
}

int bus_daemon_run(const char *address, struct stage_script *script) {
        sd_event *event = NULL;
        struct bus *bus = NULL;
        sigset_t signals;
        int r;

        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGUSR1);
        sigprocmask(SIG_BLOCK, &signals, NULL);
        r = sd_event_new(&event);
        if (r >= 0)
                r = sd_event_add_signal(event, NULL, SIGTERM, NULL, NULL);
        if (r >= 0)
                r = bus_new(&bus, address, event, &operations, script);
        if (r >= 0)
                r = sd_event_add_signal(event, NULL, SIGUSR1, on_touch, bus);
        if (r >= 0)
                r = sd_event_loop(event);
        bus_free(bus);
        sd_event_unref(event);
        return r;
}
