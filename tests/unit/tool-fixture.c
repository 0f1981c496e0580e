/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "libclient/socktally.h"
#include "tests/unit/tool-fixture.h"

#define PAUSE_MSEC 50 /* publishes whenever the command has had nothing to say for so long */

static const struct {
        uint32_t pid, uid, kind, exited;
        const char *comm, *service, *app, *container;
} processes[FIXTURE_N_PROCESSES] = {
        { 101, 0, SOCKTALLY_ROW_PROCESS, 0, "nginx", "nginx.service", "", "" },
        { 102, 65534, SOCKTALLY_ROW_PROCESS, 0, "huge", "", "org.example.Huge", "box" },
        { 103, 4000000000, SOCKTALLY_ROW_PROCESS, 1, "gone\xe2\x80\xae", "batch-my\\x2djob.service", "", "" },
        { 0, LAYOUT_NO_UID, SOCKTALLY_ROW_KERNEL, 0, "", "", "", "" },
        { 0, LAYOUT_NO_UID, SOCKTALLY_ROW_OVERFLOW, 0, "", "", "", "" },
        { 0, LAYOUT_NO_UID, SOCKTALLY_ROW_EXITED, 0, "", "", "", "" },
};

static const struct {
        uint32_t uid, kind, processes;
        const char *service;
} services[FIXTURE_N_SERVICES] = {
        { LAYOUT_NO_UID, SOCKTALLY_ROW_SERVICE, 2, "nginx.service" },
        { 1000, SOCKTALLY_ROW_SERVICE, 1, "app-firefox.scope" },
        { LAYOUT_NO_UID, SOCKTALLY_ROW_NO_UNIT, 1, "" },
        { LAYOUT_NO_UID, SOCKTALLY_ROW_KERNEL, 0, "" },
};

/* Row 1 of the processes is near the top of 64 bits; the last row stands still. The rows of each table add up to the
 * host. */
uint64_t fixture_counter(uint32_t table, size_t row, size_t metric, uint64_t sequence) {
        size_t n_groups = table == LAYOUT_TABLE_SERVICES ? FIXTURE_N_SERVICES : FIXTURE_N_GROUPS;
        uint64_t sum = 0;

        if (table == LAYOUT_TABLE_HOST) {
                for (size_t i = 0; i < FIXTURE_N_PROCESSES; i++)
                        sum += fixture_counter(LAYOUT_TABLE_PROCESSES, i, metric, sequence);
                return sum;
        }
        if (table != LAYOUT_TABLE_PROCESSES && row == n_groups - 1) {
                for (size_t i = 0; i + 1 < n_groups; i++)
                        sum += fixture_counter(table, i, metric, sequence);
                return fixture_counter(LAYOUT_TABLE_HOST, 0, metric, sequence) - sum;
        }
        if (table == LAYOUT_TABLE_PROCESSES && row == 1)
                return UINT64_MAX - UINT64_C(1000000000000) + sequence;
        if (table == LAYOUT_TABLE_PROCESSES && row == FIXTURE_N_PROCESSES - 1)
                return 7 * metric;
        return (table * 100 + row * 10 + 1) * 1000000 + metric * 1000 + sequence * (10 * (row + 1) + metric);
}

uint64_t fixture_time_ns(const struct fixture *fixture, uint64_t sequence) {
        return fixture->base_ns + sequence * FIXTURE_STEP_NS;
}

static void fill_counters(uint64_t *counters, uint32_t table, size_t row, uint64_t sequence) {
        for (size_t i = 0; i < SOCKTALLY_N_METRICS; i++)
                counters[i] = fixture_counter(table, row, i, sequence);
}

void fixture_process(struct layout_process_row *ret_row, size_t row, uint64_t sequence) {
        memset(ret_row, 0, sizeof(*ret_row));
        fill_counters(ret_row->counters, LAYOUT_TABLE_PROCESSES, row, sequence);
        ret_row->pid = processes[row].pid;
        ret_row->start_time = processes[row].pid * UINT64_C(1000000007);
        ret_row->changed = sequence;
        ret_row->cgroup_id = processes[row].pid ? 4096 + row : 0;
        ret_row->uid = processes[row].uid;
        ret_row->kind = processes[row].kind;
        ret_row->exited = processes[row].exited;
        (void)snprintf(ret_row->comm, sizeof(ret_row->comm), "%s", processes[row].comm);
        (void)snprintf(ret_row->service, sizeof(ret_row->service), "%s", processes[row].service);
        (void)snprintf(ret_row->app, sizeof(ret_row->app), "%s", processes[row].app);
        (void)snprintf(ret_row->container, sizeof(ret_row->container), "%s", processes[row].container);
        if (ret_row->pid)
                (void)snprintf(ret_row->command_line, sizeof(ret_row->command_line), "/usr/sbin/x -n %u", ret_row->pid);
}

void fixture_service(struct layout_service_row *ret_row, size_t row, uint64_t sequence) {
        memset(ret_row, 0, sizeof(*ret_row));
        fill_counters(ret_row->counters, LAYOUT_TABLE_SERVICES, row, sequence);
        ret_row->start_time = 5000000000 + row;
        ret_row->changed = sequence;
        ret_row->uid = services[row].uid;
        ret_row->kind = services[row].kind;
        ret_row->processes = services[row].processes;
        (void)snprintf(ret_row->service, sizeof(ret_row->service), "%s", services[row].service);
}

#define GROUP(user, row_kind, n)                                                                                       \
        .start_time = 6000000000, .changed = sequence, .uid = user, .kind = row_kind, .processes = n

static void fill_groups(struct segment_fill *fill, uint64_t sequence) {
        fill->apps[0] = (struct layout_app_row){ GROUP(65534, SOCKTALLY_ROW_APP, 1),
                                                 .app = "org.example.Huge", .display_name = "Huge Downloads",
                                                 .app_kind = "flatpak" };
        fill->apps[1] = (struct layout_app_row){ GROUP(LAYOUT_NO_UID, SOCKTALLY_ROW_NO_APP, 2) };
        fill->containers[0] = (struct layout_container_row){ GROUP(LAYOUT_NO_UID, SOCKTALLY_ROW_CONTAINER, 1),
                                                             .container = "box0123456789", .display_name = "box",
                                                             .container_runtime = "podman" };
        fill->containers[1] = (struct layout_container_row){ GROUP(LAYOUT_NO_UID, SOCKTALLY_ROW_NO_CONTAINER, 2) };
        fill->users[0] = (struct layout_user_row){ GROUP(0, SOCKTALLY_ROW_USER, 1) };
        fill->users[1] = (struct layout_user_row){ GROUP(LAYOUT_NO_UID, SOCKTALLY_ROW_NO_USER, 2) };
        for (size_t i = 0; i < FIXTURE_N_GROUPS; i++) {
                fill_counters(fill->apps[i].counters, LAYOUT_TABLE_APPS, i, sequence);
                fill_counters(fill->containers[i].counters, LAYOUT_TABLE_CONTAINERS, i, sequence);
                fill_counters(fill->users[i].counters, LAYOUT_TABLE_USERS, i, sequence);
        }
        for (uint32_t id = LAYOUT_TABLE_APPS; id <= LAYOUT_TABLE_USERS; id++)
                fill->count[id] = FIXTURE_N_GROUPS;
}

static void publish(struct fixture *fixture, struct segment *segment, bool has_processes) {
        struct timespec realtime;
        struct segment_fill fill;

        (void)clock_gettime(CLOCK_REALTIME, &realtime);
        segment_begin(segment, &fill);
        memset(fill.host, 0, sizeof(*fill.host));
        fill_counters(fill.host->counters, LAYOUT_TABLE_HOST, 0, fixture->sequence);
        fill.host->start_time = fixture->base_ns;
        fill.host->kind = SOCKTALLY_ROW_HOST;
        fill.host->changed = fixture->sequence;
        fill.host->processes = 3;
        fill.host->services = 2;
        for (size_t i = 0; i < FIXTURE_N_SERVICES; i++)
                fixture_service(&fill.services[i], i, fixture->sequence);
        for (size_t i = 0; has_processes && i < FIXTURE_N_PROCESSES; i++)
                fixture_process(&fill.processes[i], i, fixture->sequence);
        for (uint32_t id = 0; id < LAYOUT_N_TABLES; id++)
                fill.known[id] = fixture->is_counting_nothing ? 0 : ~FIXTURE_UNKNOWN;
        fill.count[LAYOUT_TABLE_HOST] = 1;
        fill.count[LAYOUT_TABLE_SERVICES] = fixture->is_without_services ? 0 : FIXTURE_N_SERVICES;
        fill.count[LAYOUT_TABLE_PROCESSES] = has_processes ? FIXTURE_N_PROCESSES : 0;
        if (has_processes)
                fill_groups(&fill, fixture->sequence);
        *fill.facts = (struct layout_facts){
                .time_ns = fixture_time_ns(fixture, fixture->sequence),
                .complete_ns = fixture_time_ns(fixture, fixture->sequence) - fixture->late_ns,
                .realtime_ns = (uint64_t)realtime.tv_sec * 1000000000 + (uint64_t)realtime.tv_nsec,
                .interval_ns = FIXTURE_INTERVAL_NS,
                .sockets_tracked = 11,
                .sockets_overflowed = 12,
                .rows_overflowed = 13,
                .cost_ns = 1400000,
                .missed_tx_calls = fixture->missed[0],
                .missed_rx_calls = fixture->missed[1],
                .interval_missed_tx_calls = fixture->missed_in_interval[0],
                .interval_missed_rx_calls = fixture->missed_in_interval[1],
        };
        assert_int_equal(segment_publish(segment, &fill), 0);
        assert_int_equal(segment_sequence(segment), fixture->sequence);
}

void fixture_publish(struct fixture *fixture) {
        fixture->sequence++;
        if (fixture->public)
                publish(fixture, fixture->public, false);
        if (fixture->full)
                publish(fixture, fixture->full, true);
}

static struct segment *new_segment(const struct fixture *fixture, const char *name, uint32_t view, bool has_processes) {
        const struct segment_config config = {
                .directory = fixture->directory,
                .name = name,
                .view = view,
                .mode = has_processes ? 0440 : 0444,
                .gid = (gid_t)-1,
                .incarnation = 0x1234,
                .capacity = { 1, 16, has_processes ? 16 : 0, has_processes ? 16 : 0, has_processes ? 16 : 0,
                              has_processes ? 16 : 0 },
        };
        struct segment *segment = NULL;

        assert_int_equal(segment_new(&segment, &config), 0);
        return segment;
}

static void open_segments(struct fixture *fixture, bool has_full) {
        fixture->public = new_segment(fixture, "public", SOCKTALLY_VIEW_PUBLIC, false);
        if (has_full)
                fixture->full = new_segment(fixture, "full", SOCKTALLY_VIEW_FULL, true);
}

void fixture_start(struct fixture *fixture, bool has_full) {
        struct timespec now;

        *fixture = (struct fixture){ .directory = "/tmp/socktally-tool.XXXXXX" };
        assert_non_null(mkdtemp(fixture->directory));
        assert_int_equal(chmod(fixture->directory, 0755), 0);
        (void)clock_gettime(CLOCK_BOOTTIME, &now);
        fixture->base_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
        open_segments(fixture, has_full);
        for (int i = 0; i < 3; i++)
                fixture_publish(fixture);
}

void fixture_restart(struct fixture *fixture) {
        open_segments(fixture, true);
        segment_set_sequence(fixture->public, fixture->sequence);
        segment_set_sequence(fixture->full, fixture->sequence);
        fixture_publish(fixture);
}

void fixture_stop(struct fixture *fixture) {
        fixture->public = segment_free(fixture->public, false);
        fixture->full = segment_free(fixture->full, false);
}

void fixture_done(struct fixture *fixture) {
        static const char *const names[] = { "public", "full", "broken" };

        fixture_stop(fixture);
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                (void)unlink(fixture_path(fixture, names[i]));
        (void)rmdir(fixture->directory);
}

const char *fixture_path(const struct fixture *fixture, const char *name) {
        static char path[128];

        (void)snprintf(path, sizeof(path), "%s/%s", fixture->directory, name);
        return path;
}

const char *fixture_command(void) {
        const char *command = getenv("SOCKTALLY_COMMAND");

        return command ? command : "./socktally";
}

static void become(uid_t uid) {
        if (uid == (uid_t)-1)
                return;
        if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
                _exit(126);
}

static pid_t start(const struct fixture *fixture, int out[2], int err[2], uid_t uid, const char *const *arguments) {
        const char *argv[32] = { "socktally" };
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid > 0)
                return pid;
        for (size_t i = 0; arguments[i] && i < 30; i++)
                argv[i + 1] = arguments[i];
        (void)dup2(out[1], STDOUT_FILENO);
        (void)dup2(err[1], STDERR_FILENO);
        (void)close(STDIN_FILENO);
        (void)open("/dev/null", O_RDONLY);
        (void)setenv("SOCKTALLY_RUNTIME_DIRECTORY", fixture->directory, 1);
        (void)setenv("LC_ALL", "C.UTF-8", 1);
        become(uid);
        (void)execv(fixture_command(), (char **)argv);
        _exit(127);
}

/* Appends what can be read; false at the end of the file. */
static bool collect(int fd, char **text, size_t *length) {
        char buffer[65536];
        ssize_t n = read(fd, buffer, sizeof(buffer));

        if (n <= 0)
                return false;
        *text = realloc(*text, *length + (size_t)n + 1);
        assert_non_null(*text);
        memcpy(*text + *length, buffer, (size_t)n);
        *length += (size_t)n;
        (*text)[*length] = '\0';
        return true;
}

static void collect_all(struct fixture *fixture, int out, int err, struct outcome *outcome) {
        struct pollfd fds[] = { { .fd = out, .events = POLLIN }, { .fd = err, .events = POLLIN } };
        size_t out_length = 0, err_length = 0;

        outcome->out = strdup("");
        outcome->err = strdup("");
        while (fds[0].fd >= 0 || fds[1].fd >= 0) {
                int r = poll(fds, 2, PAUSE_MSEC);

                assert_true(r >= 0 || errno == EINTR);
                if (r == 0)
                        fixture_publish(fixture);
                if (r > 0 && fds[0].revents && !collect(out, &outcome->out, &out_length))
                        fds[0].fd = -1;
                if (r > 0 && fds[1].revents && !collect(err, &outcome->err, &err_length))
                        fds[1].fd = -1;
        }
}

void fixture_run(struct fixture *fixture, struct outcome *ret_outcome, uid_t uid, const char *const *arguments) {
        int out[2], err[2], status;
        pid_t pid;

        assert_int_equal(pipe2(out, O_CLOEXEC), 0);
        assert_int_equal(pipe2(err, O_CLOEXEC), 0);
        pid = start(fixture, out, err, uid, arguments);
        (void)close(out[1]);
        (void)close(err[1]);
        collect_all(fixture, out[0], err[0], ret_outcome);
        (void)close(out[0]);
        (void)close(err[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        ret_outcome->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void outcome_done(struct outcome *outcome) {
        free(outcome->out);
        free(outcome->err);
}
