/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sets the stage: dbus-daemon with a configuration of its own, the daemon and the polkit of paper as children. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/bus-daemon.h"
#include "tests/unit/bus-stage.h"

#define CALL_USEC UINT64_C(300000000) /* a message of 31 MiB takes half a minute under AddressSanitizer */

/* As closed as a system bus: what the installed policy does not allow is refused. Who runs the tests may own names, as
 * root does for the daemon. */
static const char configuration[] =
        "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\"\n"
        " \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"
        "<busconfig>\n"
        "  <listen>%s</listen>\n"
        "  <auth>EXTERNAL</auth>\n"
        "  <policy context=\"default\">\n"
        "    <allow user=\"*\"/><deny own=\"*\"/><deny send_type=\"method_call\"/>\n"
        "    <allow send_type=\"signal\"/><allow send_requested_reply=\"true\" send_type=\"method_return\"/>\n"
        "    <allow send_requested_reply=\"true\" send_type=\"error\"/>\n"
        "    <allow receive_type=\"method_call\"/><allow receive_type=\"method_return\"/>\n"
        "    <allow receive_type=\"error\"/><allow receive_type=\"signal\"/>\n"
        "    <allow send_destination=\"org.freedesktop.DBus\"/>\n"
        "    <allow send_destination=\"org.freedesktop.PolicyKit1\"/>\n"
        "  </policy>\n"
        "  <policy user=\"%u\"><allow own=\"%s\"/></policy>\n"
        "  <limit name=\"max_replies_per_connection\">50000</limit>\n"
        "  <limit name=\"max_connections_per_user\">4096</limit>\n"
        "  <limit name=\"max_completed_connections\">4096</limit>\n"
        "  <include>%s</include>\n"
        "</busconfig>\n";

static void write_configuration(const struct stage *stage, const char *path) {
        const char *top = getenv("srcdir");
        char policy[PATH_MAX], *real;
        FILE *file = fopen(path, "we");

        assert_non_null(file);
        snprintf(policy, sizeof policy, "%s/data/org.socktally1.conf", top ? top : ".");
        real = realpath(policy, NULL);
        assert_non_null(real);
        fprintf(file, configuration, stage->address, (unsigned) geteuid(),
                geteuid() == 0 ? "org.freedesktop.PolicyKit1" : "*", real);
        assert_int_equal(fclose(file), 0);
        free(real);
}

static void start_broker(struct stage *stage) {
        char path[96], option[128], answer[256];
        int fds[2];

        snprintf(path, sizeof path, "%s/bus.conf", stage->directory);
        snprintf(option, sizeof option, "--config-file=%s", path);
        write_configuration(stage, path);
        assert_int_equal(pipe2(fds, 0), 0);
        stage->broker = fork();
        if (stage->broker == 0) {
                char print[32];

                prctl(PR_SET_PDEATHSIG, SIGKILL);
                snprintf(print, sizeof print, "--print-address=%d", fds[1]);
                close(fds[0]);
                /* It complains about limits that it may not raise. */
                dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
                execlp("dbus-daemon", "dbus-daemon", option, "--nofork", "--nopidfile", print, (char *) NULL);
                _exit(127);
        }
        assert_true(stage->broker > 0);
        close(fds[1]);
        /* Its address, once it listens. */
        if (read(fds[0], answer, sizeof answer) <= 0)
                fail_msg("dbus-daemon does not start");
        close(fds[0]);
}

static pid_t start(struct stage *stage, int (*run)(const char *address, struct stage_script *script)) {
        pid_t pid = fork();

        if (pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                exit(run(stage->address, stage->script) < 0 ? 3 : 0);
        }
        assert_true(pid > 0);
        return pid;
}

sd_bus *stage_connect(struct stage *stage) {
        sd_bus *bus = NULL;

        assert_true(sd_bus_new(&bus) >= 0);
        assert_true(sd_bus_set_address(bus, stage->address) >= 0);
        assert_true(sd_bus_set_bus_client(bus, true) >= 0);
        assert_true(sd_bus_negotiate_fds(bus, true) >= 0);
        assert_true(sd_bus_start(bus) >= 0);
        return bus;
}

static int on_signal(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        return 0;
}

static void wait_for_name(struct stage *stage, const char *name) {
        sd_bus_slot *slot = NULL;

        assert_true(sd_bus_match_signal(stage->bus, &slot, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                        "org.freedesktop.DBus", "NameOwnerChanged", on_signal, NULL) >= 0);
        while (sd_bus_call_method(stage->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                  "GetNameOwner", NULL, NULL, "s", name) < 0)
                /* A signal that came with the answer may have been the news: ask again before waiting. */
                if (sd_bus_process(stage->bus, NULL) <= 0)
                        stage_wait_message(stage->bus);
        while (sd_bus_process(stage->bus, NULL) > 0)
                ;
        sd_bus_slot_unref(slot);
}

static void write_script(struct stage_script *script) {
        *script = (struct stage_script) { .settings = settings_default(), .is_enabled = { true, false },
                                          .capacity = { 16384, 1024 }, .readers = 2, .incarnation = 7, .sequence = 100,
                                          .log_level = 6 };
}

int stage_run(const struct CMUnitTest *cases, size_t n, size_t n_root) {
        if (geteuid() != 0 && n == n_root) {
                printf("1..0 # SKIP only root can call as root and as somebody else\n");
                return 0;
        }
        if (geteuid() != 0) {
                printf("# %zu more cases need root, which can call as root and as somebody else\n", n_root);
                n -= n_root;
        }
        cmocka_set_message_output(CM_OUTPUT_TAP);
        return _cmocka_run_group_tests("cases", cases, n, NULL, NULL);
}

int stage_open_with(void **state, int (*run)(const char *address, struct stage_script *script)) {
        struct stage *stage = calloc(1, sizeof *stage);

        assert_non_null(stage);
        stage->script = mmap(NULL, sizeof *stage->script, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        assert_true(stage->script != MAP_FAILED);
        write_script(stage->script);
        strcpy(stage->directory, "/tmp/test-bus-XXXXXX");
        assert_non_null(mkdtemp(stage->directory));
        assert_int_equal(chmod(stage->directory, 0755), 0);
        snprintf(stage->address, sizeof stage->address, "unix:path=%s/bus", stage->directory);
        start_broker(stage);
        stage->daemon = start(stage, run);
        stage->bus = stage_connect(stage);
        wait_for_name(stage, STAGE_NAME);
        *state = stage;
        return 0;
}

int stage_open(void **state) {
        return stage_open_with(state, bus_daemon_run);
}

void stage_start_polkit(struct stage *stage, enum stage_polkit polkit) {
        stage->script->polkit = polkit;
        if (stage->polkit > 0)
                return;
        stage->polkit = start(stage, bus_polkit_run);
        wait_for_name(stage, "org.freedesktop.PolicyKit1");
}

static int stop(pid_t pid) {
        int status = 0;

        if (pid <= 0)
                return 0;
        kill(pid, SIGTERM);
        waitpid(pid, &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

int stage_close(void **state) {
        struct stage *stage = *state;
        char path[96];
        int r;

        sd_bus_close_unref(stage->bus);
        r = stop(stage->daemon);
        stop(stage->polkit);
        stop(stage->broker);
        snprintf(path, sizeof path, "%s/bus.conf", stage->directory);
        unlink(path);
        snprintf(path, sizeof path, "%s/bus", stage->directory);
        unlink(path);
        rmdir(stage->directory);
        munmap(stage->script, sizeof *stage->script);
        free(stage);
        if (r != 0)
                print_error("the daemon ended with %d\n", r);
        return r;
}

void stage_restart_broker(struct stage *stage) {
        char path[96];

        sd_bus_close_unref(stage->bus);
        stop(stage->broker);
        snprintf(path, sizeof path, "%s/bus", stage->directory);
        unlink(path);
        start_broker(stage);
        stage->bus = stage_connect(stage);
        wait_for_name(stage, STAGE_NAME);
}

void stage_touch(struct stage *stage) {
        assert_int_equal(kill(stage->daemon, SIGUSR1), 0);
}

/* The other end counts up in shared memory, and nothing else tells of it. */
void stage_wait_message(sd_bus *bus) {
        int r = sd_bus_wait(bus, UINT64_C(120000000)); /* far more than a busy machine takes */

        if (r <= 0 && r != -EINTR)
                fail_msg("no message came: %s", r < 0 ? strerror(-r) : "in two minutes");
}

void stage_wait(const volatile uint32_t *counter, uint32_t wanted) {
        for (int i = 0; i < 10000 && *counter < wanted; i++)
                usleep(1000);
        assert_true(*counter >= wanted);
}

static pid_t fork_as(struct stage *stage, uid_t uid, bool is_in_group, stage_act act) {
        gid_t group = STAGE_GROUP;
        pid_t pid;

        pid = fork();
        if (pid == 0) {
                sd_bus *bus;
                int r;

                if (setgroups(is_in_group ? 1 : 0, &group) < 0 ||
                    setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
                        _exit(101);
                prctl(PR_SET_PDEATHSIG, SIGKILL); /* does not survive the change of user */
                bus = stage_connect(stage);
                r = act(stage, bus);
                sd_bus_close_unref(bus);
                _exit(r);
        }
        assert_true(pid > 0);
        return pid;
}

pid_t stage_fork_nobody(struct stage *stage, bool is_in_group, stage_act act) {
        return fork_as(stage, STAGE_NOBODY, is_in_group, act);
}

static int wait_for(pid_t pid) {
        int status;

        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}

int stage_as(struct stage *stage, uid_t uid, stage_act act) {
        return wait_for(fork_as(stage, uid, false, act));
}

int stage_as_nobody(struct stage *stage, bool is_in_group, stage_act act) {
        return wait_for(stage_fork_nobody(stage, is_in_group, act));
}

int stage_call(sd_bus *bus, const char *path, const char *interface, const char *method, char ret_error[128],
               const char *types, ...) {
        sd_bus_message *call = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        va_list ap;
        int r;

        r = sd_bus_message_new_method_call(bus, &call, STAGE_NAME, path, interface, method);
        if (r >= 0 && types) {
                va_start(ap, types);
                r = sd_bus_message_appendv(call, types, ap);
                va_end(ap);
        }
        if (r >= 0)
                r = sd_bus_call(bus, call, CALL_USEC, &error, NULL);
        snprintf(ret_error, 128, "%s", error.name ? error.name : "");
        sd_bus_error_free(&error);
        sd_bus_message_unref(call);
        return r < 0 ? r : 0;
}
