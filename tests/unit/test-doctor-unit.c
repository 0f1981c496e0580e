/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the doctor says of each state that the units can be in, which a systemd of paper at a socket pair tells it. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <systemd/sd-bus.h>

#include "tools/doctor.h"

struct paper {
        const char *load, *active, *sub, *result;
};

struct papers {
        struct paper service, socket;
};

static int on_load(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        const char *name = "";

        if (!userdata)
                return sd_bus_error_set(error, SD_BUS_ERROR_SERVICE_UNKNOWN, "No systemd here");
        (void) sd_bus_message_read(message, "s", &name);
        return sd_bus_reply_method_return(message, "o", strstr(name, ".socket") ? "/socket" : "/service");
}

static const sd_bus_vtable manager[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("LoadUnit", "s", "o", on_load, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END
};

static const sd_bus_vtable unit[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("LoadState", "s", NULL, offsetof(struct paper, load), 0),
        SD_BUS_PROPERTY("ActiveState", "s", NULL, offsetof(struct paper, active), 0),
        SD_BUS_PROPERTY("SubState", "s", NULL, offsetof(struct paper, sub), 0),
        SD_BUS_VTABLE_END
};

static const sd_bus_vtable result[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Result", "s", NULL, offsetof(struct paper, result), 0),
        SD_BUS_VTABLE_END
};

static void serve(int fd, struct papers *papers) {
        sd_bus *bus = NULL;
        sd_id128_t id = { .qwords = { 1, 2 } };

        if (sd_bus_new(&bus) < 0 || sd_bus_set_fd(bus, fd, fd) < 0 || sd_bus_set_server(bus, true, id) < 0 ||
            sd_bus_set_anonymous(bus, true) < 0 ||
            sd_bus_add_object_vtable(bus, NULL, "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager",
                                     manager, papers) < 0 ||
            sd_bus_add_object_vtable(bus, NULL, "/service", "org.freedesktop.systemd1.Unit", unit,
                                     papers ? &papers->service : NULL) < 0 ||
            sd_bus_add_object_vtable(bus, NULL, "/service", "org.freedesktop.systemd1.Service", result,
                                     papers ? &papers->service : NULL) < 0 ||
            sd_bus_add_object_vtable(bus, NULL, "/socket", "org.freedesktop.systemd1.Unit", unit,
                                     papers ? &papers->socket : NULL) < 0 ||
            sd_bus_add_object_vtable(bus, NULL, "/socket", "org.freedesktop.systemd1.Socket", result,
                                     papers ? &papers->socket : NULL) < 0 ||
            sd_bus_start(bus) < 0)
                _exit(1);
        while (sd_bus_process(bus, NULL) >= 0)
                (void) sd_bus_wait(bus, UINT64_MAX);
        _exit(0);
}

static void look(struct papers *papers, struct findings *findings) {
        sd_bus *bus = NULL;
        int pair[2];
        pid_t pid;

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        pid = fork();
        if (pid == 0) {
                close(pair[0]);
                serve(pair[1], papers);
        }
        close(pair[1]);
        assert_int_equal(sd_bus_new(&bus), 0);
        assert_true(sd_bus_set_fd(bus, pair[0], pair[0]) >= 0);
        assert_true(sd_bus_start(bus) >= 0);
        doctor_units(findings, bus);
        sd_bus_flush_close_unref(bus);
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        assert_int_equal(findings->n, 2);
}

static void expect(const struct finding *finding, enum finding_level level, const char *text, const char *advice) {
        if (!strstr(finding->text, text) || !strstr(finding->advice, advice))
                fail_msg("\"%s\" and \"%s\" are not in \"%s\"; \"%s\"", text, advice, finding->text, finding->advice);
        assert_int_equal(finding->level, level);
        assert_true(level <= FINDING_INFO || finding->advice[0]);
}

/* Of both units: what the doctor says, the first for the service. */
static void play(struct papers papers, enum finding_level level, const char *text, const char *advice,
                 enum finding_level socket_level, const char *socket_text, const char *socket_advice) {
        struct findings findings = { .n = 0 };

        look(&papers, &findings);
        assert_string_equal(findings.list[0].what, "socktally.service");
        assert_string_equal(findings.list[1].what, "socktally.socket");
        expect(&findings.list[0], level, text, advice);
        expect(&findings.list[1], socket_level, socket_text, socket_advice);
        findings_done(&findings);
}

static const struct paper running = { "loaded", "active", "running", "success" };
static const struct paper listening = { "loaded", "active", "listening", "success" };
static const struct paper dead = { "loaded", "inactive", "dead", "success" };

static void units_that_work_are_ok(void **state) {
        play((struct papers){ running, running }, FINDING_OK, "active (running)", "",
             FINDING_OK, "active (running)", "");
        play((struct papers){ dead, listening }, FINDING_INFO, "inactive (dead)", "",
             FINDING_OK, "active (listening)", "");
}

static void what_is_masked_or_missing_is_told_with_the_way_back(void **state) {
        play((struct papers){ { "masked", "inactive", "dead", "success" },
                              { "loaded", "failed", "failed", "resources" } },
             FINDING_PROBLEM, "is masked", "systemctl unmask socktally.service",
             FINDING_PROBLEM, "failed (resources)", "systemctl restart");
        play((struct papers){ { "not-found", "inactive", "dead", "success" },
                              { "bad-setting", "inactive", "dead", "success" } },
             FINDING_WARNING, "is not installed", "daemon-reload",
             FINDING_PROBLEM, "cannot be loaded (bad-setting)", "systemctl status socktally.socket");
}

static void a_start_limit_is_told_with_how_to_reset_it(void **state) {
        play((struct papers){ { "loaded", "failed", "failed", "start-limit-hit" },
                              { "loaded", "failed", "failed", "service-start-limit-hit" } },
             FINDING_PROBLEM, "given it up (start-limit-hit)", "systemctl reset-failed socktally.service",
             FINDING_PROBLEM, "given it up (service-start-limit-hit)", "systemctl reset-failed");
        play((struct papers){ { "loaded", "failed", "failed", "exit-code" }, listening },
             FINDING_PROBLEM, "failed (exit-code)", "journalctl -u socktally", FINDING_OK, "listening", "");
}

static void a_restart_loop_and_a_deaf_socket_are_told(void **state) {
        play((struct papers){ { "loaded", "activating", "auto-restart", "exit-code" }, dead },
             FINDING_PROBLEM, "again and again (exit-code)", "journalctl",
             FINDING_WARNING, "does not listen", "systemctl enable --now socktally.socket");
}

static void without_systemd_nothing_is_made_up(void **state) {
        struct findings findings = { .n = 0 };

        look(NULL, &findings);
        expect(&findings.list[0], FINDING_INFO, "not known, systemd does not say: No systemd here", "");
        findings_done(&findings);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                cmocka_unit_test(units_that_work_are_ok),
                cmocka_unit_test(what_is_masked_or_missing_is_told_with_the_way_back),
                cmocka_unit_test(a_start_limit_is_told_with_how_to_reset_it),
                cmocka_unit_test(a_restart_loop_and_a_deaf_socket_are_told),
                cmocka_unit_test(without_systemd_nothing_is_made_up),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(cases, NULL, NULL);
}
