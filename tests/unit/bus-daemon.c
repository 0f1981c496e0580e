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
                                              .cost_ns = 12345, .sockets_tracked = 17,
                                              .sockets_overflowed = 1, .rows_overflowed = 2,
                                              .missed_tx_calls = 21, .missed_rx_calls = 22,
                                              .readers = script->readers, .full_group = STAGE_GROUP,
                                              .interval_usec = script->settings.interval_usec };
}

static void get_memory(void *daemon, struct control_facts *facts) {
        ((struct stage_script *) daemon)->n_costly++;
        facts->kernel_memory = 1 << 20;
}

static int get(void *daemon, size_t setting, struct control_value *ret_value) {
        settings_get(&((struct stage_script *) daemon)->settings, setting, ret_value);
        return 0;
}

static int check(void *daemon, size_t setting, const struct control_value *value, struct control_error *ret_error) {
        struct settings wanted = ((struct stage_script *) daemon)->settings;
        const struct setting *table;
        int r = settings_set_value(&wanted, setting, value, "run time");

        settings_table(&table);
        if (r < 0) {
                ret_error->failure = r == -EOPNOTSUPP ? CONTROL_NOT_SUPPORTED : CONTROL_INVALID_ARGUMENT;
                snprintf(ret_error->message, sizeof ret_error->message, "%s: must be %s", table[setting].key,
                         table[setting].allowed);
        }
        return r;
}

static int set(void *daemon, size_t setting, const struct control_value *value, struct control_error *ret_error) {
        struct stage_script *script = daemon;
        struct settings wanted = script->settings;
        int r = check(daemon, setting, value, ret_error);

        if (r >= 0)
                r = fail(script, ret_error);
        if (r < 0)
                return r;
        (void) settings_set_value(&wanted, setting, value, "run time");
        script->n_sets++;
        if (!settings_is_same(&wanted, &script->settings, setting))
                script->settings = wanted;
        return 0;
}

static int settings_row(void *daemon, size_t number, struct control_settings_row *ret_row) {
        const struct stage_script *script = daemon;
        const struct setting *table;

        settings_table(&table);
        ret_row->key = table[number].key;
        ret_row->source = script->settings.sources[number];
        settings_show(&script->settings, number, ret_row->value);
        return 0;
}

static int get_setting(void *daemon, size_t number, struct control_setting *ret_setting) {
        const struct setting *table;

        settings_table(&table);
        *ret_setting = (struct control_setting) { table[number].property, table[number].argument,
                                                  setting_type(&table[number]) };
        return 0;
}

static int get_module(void *daemon, size_t number, struct control_module *ret_module) {
        struct stage_script *script = daemon;
        bool is_enabled = script->is_enabled[number];

        *ret_module = (struct control_module) { .name = module_names[number], .is_enabled = is_enabled,
                                                .state = is_enabled ? "running" : "off", .reason = "",
                                                .method = is_enabled ? "tracepoint" : "",
                                                .expires_usec = script->expires[number] };
        return 0;
}

static void get_statistics(void *daemon, size_t number, struct control_module *module) {
        struct stage_script *script = daemon;

        script->n_costly++;
        module->misses = 3;
        if (!script->is_unmeasured) {
                module->events = 1000 + number;
                module->ns_per_event = 42;
        }
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

static int set_log_level(void *daemon, int level, struct control_error *ret_error) {
        ((struct stage_script *) daemon)->log_level = level;
        return 0;
}

static const struct control_operations operations = {
        .facts = get_facts, .memory = get_memory, .get = get, .set = set, .check = check, .n_settings = N_SETTINGS,
        .setting = get_setting, .settings_row = settings_row,
        .n_modules = 2, .module = get_module, .module_statistics = get_statistics,
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
