/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Puts the parts together. Order of life: everything is made by the steps of daemon_new() and unmade by daemon_free(),
 * which takes a daemon that is only half made. What happens each interval is in interval.c, what changes while it runs
 * in control/change.c and beside it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <syslog.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "daemon/clock.h"
#include "daemon/control/control.h"
#include "daemon/daemon.h"
#include "daemon/keep.h"
#include "daemon/log.h"
#include "daemon/privilege.h"
#include "daemon/publish/readers.h"
#include "daemon/runtime.h"
#include "dbus/bus.h"

#define MAX_READERS 4096
#define MAX_READERS_PER_UID 256
#define DESCRIPTORS_BESIDE_READERS 256

/* Each part is written by its own file alone, but for the pointers of control, which are set here. */
struct daemon {
        sd_event *event;
        struct runtime runtime;
        struct reload reload;
        struct settings settings;
        struct keep keep; /* of the daemon before, until it is taken over */
        struct data_line line;
        struct interval interval;
        struct modules modules;
        struct watcher watcher;
        struct control control;
        struct bus *bus;  /* NULL: not served */
};

static void on_reader_counted(void *userdata) {
        struct daemon *d = userdata;

        watcher_tell(&d->watcher);
}

static void on_reader(void *userdata) {
        struct daemon *d = userdata;

        interval_on_reader(&d->interval);
}

static int get_view_fd(void *userdata, enum publish_view view) {
        struct daemon *d = userdata;

        return publish_fd(d->line.publish, view);
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        return sd_event_exit(sd_event_source_get_event(source), 0);
}

/* reload_apply() has logged what is wrong. */
static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        struct daemon *d = userdata;

        (void) reload_apply(&d->control, NULL);
        return 0;
}

static void report_problem(void *userdata, const char *line, int error) {
        log_line(LOG_WARNING, "%s", line);
}

static int read_settings(struct daemon *d) {
        (void) reload_read(&d->reload, &d->settings, report_problem, NULL); /* lines that are wrong are left out */
        log_set_level(d->settings.log_level);
        return 0;
}

/* Before anything else can fail, so that a user who starts the daemon without privilege is told so, and not what fails
 * because of it. */
static int check_privilege(struct daemon *d) {
        char missing[64];

        if (privilege_missing(missing, sizeof missing) == 0)
                return 0;
        log_line(LOG_ERR, "Cannot count: this process lacks %s; run it as root or from socktally.service", missing);
        return -EPERM;
}

static int choose_group(struct daemon *d) {
        if (privilege_group("/etc/group", "socktally", &d->control.full_group) >= 0)
                return 0;
        d->control.full_group = getegid();
        log_line(LOG_DEBUG, "There is no group socktally; the full view is for group %u",
                 (unsigned) d->control.full_group);
        return 0;
}

static int make_directory(struct daemon *d) {
        return runtime_make_directory(&d->runtime);
}

static int start_signals(struct daemon *d) {
        static const struct {
                int number;
                sd_event_signal_handler_t handler;
        } signals[] = { { SIGTERM, on_signal }, { SIGINT, on_signal }, { SIGHUP, on_hangup } };
        sigset_t set;
        int r = 0;

        sigemptyset(&set);
        for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
                sigaddset(&set, signals[i].number);
        (void) sigprocmask(SIG_BLOCK, &set, NULL);
        (void) signal(SIGPIPE, SIG_IGN);
        for (size_t i = 0; i < sizeof signals / sizeof signals[0] && r >= 0; i++)
                r = sd_event_add_signal(d->event, NULL, signals[i].number, signals[i].handler, d);
        return r;
}

static int start_loop(struct daemon *d) {
        int r;

        r = sd_event_new(&d->event);
        if (r >= 0)
                r = start_signals(d);
        if (r < 0)
                log_line(LOG_ERR, "Cannot start the event loop: %s", strerror(-r));
        return r;
}

/* Each connection is a descriptor. */
static void raise_descriptor_limit(void) {
        const rlim_t wanted = MAX_READERS + DESCRIPTORS_BESIDE_READERS;
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted)
                return;
        limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
        (void) setrlimit(RLIMIT_NOFILE, &limit);
}

/* The service manager passes what the daemon before has stored together with the socket. */
static int open_readers(struct daemon *d) {
        struct readers_config config = {
                .gid = d->control.full_group,
                .max = MAX_READERS,
                .max_per_uid = MAX_READERS_PER_UID,
                .arrived = on_reader,
                .counted = on_reader_counted,
                .view_fd = get_view_fd,
                .userdata = d,
        };
        int r;

        r = runtime_open_socket(&d->runtime, &d->keep, &config.listen_fd);
        if (r < 0)
                return r;
        raise_descriptor_limit();
        r = readers_new(&d->line.readers, d->event, &config);
        if (r < 0)
                log_line(LOG_ERR, "Cannot serve readers: %s", strerror(-r));
        return r;
}

static int open_keeper(struct daemon *d) {
        if (d->runtime.is_managed)
                data_line_open_keeper(&d->line, &d->keep);
        return 0;
}

static int make_tables(struct daemon *d) {
        return data_line_make_tables(&d->line, &d->settings, d->runtime.directory, d->control.full_group, &d->keep);
}

static int start_counting(struct daemon *d) {
        int r;

        r = data_line_start_counting(&d->line, &d->settings, &d->keep);
        if (r < 0)
                return r;
        modules_start(&d->modules, &d->line, &d->interval, &d->settings, d->event);
        if (d->line.counting->is_counting(d->line.collect))
                modules_log(&d->modules);
        return 0;
}

static int start_naming(struct daemon *d) {
        int r;

        r = data_line_start_naming(&d->line, &d->keep, d->event);
        if (r >= 0)
                (void) reload_rules(&d->reload, d->line.identities, report_problem, NULL);
        return r;
}

/* All that came from the daemon before is restored by now. */
static int start_turns(struct daemon *d) {
        int r;

        keep_close(&d->keep);
        r = interval_start(&d->interval, d->event);
        if (r < 0)
                log_line(LOG_ERR, "Cannot plan publications: %s", strerror(-r));
        return r;
}

static int run_first_turn(struct daemon *d) {
        return interval_run(&d->interval);
}

/* In this order, as each relies on those before it. A step that fails has logged why. */
static int (*const steps[])(struct daemon *d) = {
        read_settings,
        check_privilege,
        choose_group,
        make_directory,
        start_loop,
        open_readers,
        open_keeper,
        make_tables,
        start_counting,
        start_naming,
        start_turns,
        run_first_turn,
};

/* Sets the pointers between the parts. None of them does anything yet. */
static void assemble(struct daemon *d, const struct options *options, const struct collect_operations *counting) {
        struct utsname name;

        d->line.counting = counting;
        d->runtime.directory = options->runtime_directory;
        reload_init(&d->reload, options);
        interval_init(&d->interval, &d->line, &d->settings, &d->watcher);
        d->control = (struct control) {
                .line = &d->line,
                .interval = &d->interval,
                .modules = &d->modules,
                .settings = &d->settings,
                .reload = &d->reload,
                .watcher = &d->watcher,
                .started_usec = clock_usec(CLOCK_REALTIME),
        };
        if (uname(&name) >= 0)
                snprintf(d->control.kernel, sizeof d->control.kernel, "%s", name.release);
}

int daemon_new(struct daemon **ret_daemon, const struct options *options,
               const struct collect_operations *counting) {
        struct daemon *d = calloc(1, sizeof *d);
        int r = 0;

        if (!d)
                return -ENOMEM;
        assemble(d, options, counting);
        for (size_t i = 0; i < sizeof steps / sizeof steps[0] && r >= 0; i++)
                r = steps[i](d);
        if (r < 0) {
                daemon_free(d);
                return r;
        }
        *ret_daemon = d;
        return 0;
}

static void on_changed(void *userdata) {
        bus_changed(((struct daemon *) userdata)->bus, BUS_ALL);
}

/* A daemon with a runtime directory of its own is somebody's experiment and leaves the system bus alone, unless
 * it is told otherwise. */
static void start_bus(struct daemon *d) {
        const struct control_operations *operations = control_operations();
        const char *bus = d->reload.options.bus;
        int r;

        if (bus ? strcmp(bus, "none") == 0 : strcmp(d->runtime.directory, OPTIONS_RUNTIME_DIRECTORY) != 0)
                return;
        r = bus_new(&d->bus, bus, d->event, operations, &d->control);
        if (r < 0)
                log_line(LOG_WARNING, "Cannot serve org.socktally1 on the bus, ignoring: %s", strerror(-r));
        else
                operations->watch(&d->control, on_changed, d);
}

int daemon_run(struct daemon *d) {
        int r;

        interval_reschedule(&d->interval);
        start_bus(d);
        sd_notify(false, "READY=1");
        log_line(LOG_DEBUG, "Publishing in %s", d->runtime.directory);
        r = sd_event_loop(d->event);
        sd_notify(false, "STOPPING=1");
        if (r < 0)
                log_line(LOG_ERR, "The event loop failed: %s", strerror(-r));
        else if (interval_run(&d->interval) >= 0)
                keeper_wait_for_manager(d->line.keeper);
        return r;
}

struct daemon *daemon_free(struct daemon *d) {
        if (!d)
                return NULL;
        control_operations()->watch(&d->control, NULL, NULL);
        d->bus = bus_free(d->bus);
        modules_stop(&d->modules);
        interval_stop(&d->interval);
        data_line_stop(&d->line);
        keep_close(&d->keep);
        sd_event_unref(d->event);
        runtime_remove(&d->runtime);
        free(d);
        return NULL;
}

struct control *daemon_control(struct daemon *d) {
        return &d->control;
}
