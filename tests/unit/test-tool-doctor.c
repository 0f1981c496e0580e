/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The doctor, with a bus, a daemon, a polkit and a segment of the test's own. The kernel under it is whatever runs the
 * test; what it says about kernels is in test-doctor.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/json.h"
#include "tests/unit/tool-fixture.h"
#include "tests/unit/tool-stage.h"

static struct said said;

/* A daemon's program whose --check prints these lines. Returns the PATH of before; the caller frees it. */
static char *put_daemon(struct stage *stage, const char *lines) {
        char path[128], search[4096], *before = strdup(getenv("PATH"));
        FILE *file;

        snprintf(path, sizeof path, "%s/bin", stage->directory);
        assert_int_equal(mkdir(path, 0755), 0);
        snprintf(path, sizeof path, "%s/bin/socktallyd", stage->directory);
        file = fopen(path, "we");
        assert_non_null(file);
        fprintf(file, "#!/bin/sh\n[ \"$1\" = --check ] || exit 2\nprintf '%s'\n", lines);
        assert_int_equal(fclose(file), 0);
        assert_int_equal(chmod(path, 0755), 0);
        snprintf(search, sizeof search, "%s/bin:%s", stage->directory, before);
        assert_int_equal(setenv("PATH", search, 1), 0);
        return before;
}

static void take_daemon_away(struct stage *stage, char *before) {
        char path[128];

        assert_int_equal(setenv("PATH", before, 1), 0);
        free(before);
        snprintf(path, sizeof path, "%s/bin/socktallyd", stage->directory);
        unlink(path);
        snprintf(path, sizeof path, "%s/bin", stage->directory);
        rmdir(path);
}

/* Problems other than those that the kernel of the testing machine has of its own. */
static size_t count_problems(void) {
        size_t n = 0;

        for (const char *p = said.out; (p = strstr(p, "problem  ")); p++)
                n += strncmp(p, "problem  kernel", 15) != 0 && strncmp(p, "problem  BTF", 12) != 0 &&
                     strncmp(p, "problem  tracing", 16) != 0 && strncmp(p, "problem  user namespace", 23) != 0;
        return n;
}

static void a_healthy_system_has_no_problem(void **state) {
        struct stage *stage = *state;
        struct fixture fixture;
        char *before = put_daemon(stage, "rights\\tthose of the service: user socktally with CAP_BPF\\n"
                                         "attach-method\\ttracepoint\\tyes\\t\\n"
                                         "attach-method\\ttrampoline\\tno\\ttrampoline: Operation not permitted\\n");

        fixture_start(&fixture, true);
        stage_start_polkit(stage, POLKIT_YES);
        SAY(stage, &said, "doctor", "--runtime-directory", fixture.directory);
        assert_string_equal(said.err, "");
        assert_int_equal(count_problems(), 0);
        assert_int_equal(said.status, strstr(said.out, "problem  ") ? 1 : 0);
        tool_stage_expect(said.out, "ok       daemon: runs, PID ");
        tool_stage_expect(said.out, "ok       control line: socktallyd 0.1.0 answers\n");
        tool_stage_expect(said.out, "ok       attached: tcp by tracepoint\n");
        tool_stage_expect(said.out, "ok       rights to attach: those of the service: user socktally with CAP_BPF\n");
        tool_stage_expect(said.out, "ok       attach method tracepoint: works; adds some 210 instructions to a call on "
                                      "TCP or UDP, 110 on AF_UNIX and all others\n");
        tool_stage_expect(said.out, "info     attach method trampoline: cannot be used here: Operation not permitted; "
                                    "not needed, as tracepoint works\n");
        tool_stage_expect(said.out, "ok       view public: granted to this user\n");
        tool_stage_expect(said.out, "ok       view full: granted to this user\n");
        tool_stage_expect(said.out, "ok       polkit configure: this user may change settings\n");
        tool_stage_expect(said.out, "ok       publication: ");
        tool_stage_expect(said.out, "ok       counting: 59 of 61 counters are known\n");
        tool_stage_expect(said.out, "ok       missed calls: none\n");
        /* The paper daemon's tables overflow, its programs miss, and this bus starts nothing. */
        tool_stage_expect(said.out, "warning  table processes: 10 of 16384 rows in use, overflowed 5 times; make it "
                                    "larger");
        tool_stage_expect(said.out, "warning  module tcp: running; the kernel could not run its programs 3 times");
        tool_stage_expect(said.out, "warning  activation: the bus cannot ask for the daemon");
        fixture_done(&fixture);
        take_daemon_away(stage, before);
}

static void every_check_is_in_the_json(void **state) {
        struct stage *stage = *state;
        struct json_object *object, *checks, *check;
        char *before = put_daemon(stage, "attach-method\\ttracepoint\\tyes\\t\\n");
        size_t n = 0;

        SAY(stage, &said, "doctor");
        for (const char *p = said.out; (p = strchr(p, '\n')); p++)
                n++;
        SAY(stage, &said, "doctor", "--json");
        assert_int_equal(said.status, 1); /* nothing is published */
        object = json_parse(said.out);
        assert_int_equal(json_object_get_int64(json_get(object, "sequence")), stage->script->sequence);
        checks = json_get(object, "checks");
        assert_int_equal(json_object_array_length(checks), n - 1);
        check = json_object_array_get_idx(checks, 0);
        assert_string_equal(json_object_get_string(json_get(check, "level")), "ok");
        assert_string_equal(json_object_get_string(json_get(check, "check")), "daemon");
        (void) json_get(check, "text");
        assert_null(json_get(check, "advice"));
        json_object_put(object);
        take_daemon_away(stage, before);
}

static void without_a_daemon_it_goes_on_and_tells(void **state) {
        struct stage *stage = *state;

        kill(stage->daemon, SIGTERM);
        waitpid(stage->daemon, NULL, 0);
        stage->daemon = 0;
        SAY(stage, &said, "doctor");
        assert_int_equal(said.status, 1);
        tool_stage_expect(said.out, "problem  daemon: does not run, and the bus cannot start it; start it with");
        tool_stage_expect(said.out, "problem  view public: no daemon answers");
        tool_stage_expect(said.out, "  kernel: Linux ");
        assert_null(strstr(said.out, "module tcp"));
}

static void without_a_bus_it_goes_on_and_tells(void **state) {
        struct stage *stage = *state;
        char address[sizeof stage->address];

        memcpy(address, stage->address, sizeof address);
        snprintf(stage->address, sizeof stage->address, "unix:path=%s/none", stage->directory);
        SAY(stage, &said, "doctor");
        memcpy(stage->address, address, sizeof address);
        assert_int_equal(said.status, 1);
        tool_stage_expect(said.out, "problem  bus: the system bus cannot be reached");
        tool_stage_expect(said.out, "  kernel: Linux ");
}

static void when_no_method_works_that_is_a_problem(void **state) {
        struct stage *stage = *state;
        char *before = put_daemon(stage, "attach-method\\ttracepoint\\tno\\ttracepoint: this kernel lacks BTF\\n");

        SAY(stage, &said, "doctor");
        tool_stage_expect(said.out, "problem  attach method tracepoint: cannot be used here: this kernel lacks BTF; "
                                    "one method has to work");
        take_daemon_away(stage, before);
}

/* The daemon runs and publishes, but every number is unknown: no service is any good then. */
static void a_daemon_that_counts_nothing_is_a_problem(void **state) {
        struct stage *stage = *state;
        struct fixture fixture;
        char *before = put_daemon(stage, "attach-method\\ttracepoint\\tyes\\t\\n");

        fixture_start(&fixture, true);
        fixture.is_counting_nothing = true;
        fixture_publish(&fixture);
        stage_start_polkit(stage, POLKIT_YES);
        SAY(stage, &said, "doctor", "--runtime-directory", fixture.directory);
        tool_stage_expect(said.out, "problem  counting: the daemon counts nothing, every number is unknown; see ");
        assert_int_equal(said.status, 1);
        fixture_done(&fixture);
        take_daemon_away(stage, before);
}

static void missed_calls_are_a_warning(void **state) {
        struct stage *stage = *state;
        struct fixture fixture;
        char *before = put_daemon(stage, "attach-method\\ttracepoint\\tyes\\t\\n");

        fixture_start(&fixture, true);
        fixture.missed[1] = fixture.missed_in_interval[1] = 7;
        fixture_publish(&fixture);
        SAY(stage, &said, "doctor", "--runtime-directory", fixture.directory);
        tool_stage_expect(said.out, "warning  missed calls: at most 0 calls sending, 7 receiving in the last interval");
        tool_stage_expect(said.out, "the same processor; see WHAT THE KERNEL SKIPS in socktallyd(8)\n");
        fixture_done(&fixture);
        take_daemon_away(stage, before);
}

static void it_tells_what_polkit_decides_about_the_caller(void **state) {
        struct stage *stage = *state;

        if (!tool_stage_is_open(stage))
                skip();
        SAY_AS_NOBODY(stage, &said, "doctor");
        tool_stage_expect(said.out, "warning  polkit: is not there: this user may change nothing; install polkitd");
        tool_stage_expect(said.out, "attach methods: not tried, only root may; run 'socktally doctor' as root");
        stage_start_polkit(stage, POLKIT_CHALLENGE);
        SAY_AS_NOBODY(stage, &said, "doctor");
        tool_stage_expect(said.out, "ok       polkit configure: this user may change settings after a password");
        assert_int_equal(stage->script->flags, 0); /* nobody was asked for one */
        stage_start_polkit(stage, POLKIT_NO);
        SAY_AS_NOBODY(stage, &said, "doctor");
        tool_stage_expect(said.out, "warning  polkit configure: this user may not change settings; run it as root");
        tool_stage_expect(said.out, "warning  polkit read-full: this user may not see the traffic of all processes");
        assert_string_equal(stage->script->action, "org.socktally1.read-full");
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, stage_open, stage_close)
        const struct CMUnitTest cases[] = {
                CASE(without_a_daemon_it_goes_on_and_tells),
                CASE(without_a_bus_it_goes_on_and_tells),
                /* They try methods, or call as somebody else: root. */
                CASE(a_healthy_system_has_no_problem),
                CASE(every_check_is_in_the_json),
                CASE(when_no_method_works_that_is_a_problem),
                CASE(a_daemon_that_counts_nothing_is_a_problem),
                CASE(missed_calls_are_a_warning),
                CASE(it_tells_what_polkit_decides_about_the_caller),
        };

        return stage_run(cases, sizeof cases / sizeof cases[0], 5);
}
