/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the doctor says of kernels and capabilities, shown to it as trees of files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/tree.h"
#include "tools/doctor.h"

static const char *root(const struct tree *tree) {
        return tree->path;
}

static const struct finding *find(const struct findings *findings, const char *what) {
        for (size_t i = 0; i < findings->n; i++)
                if (strcmp(findings->list[i].what, what) == 0)
                        return &findings->list[i];
        fail_msg("%s was not looked at", what);
        return NULL;
}

static void expect(const struct findings *findings, enum finding_level level, const char *what, const char *text) {
        const struct finding *finding = find(findings, what);

        if (!strstr(finding->text, text))
                fail_msg("%s: \"%s\" is not in \"%s\"", what, text, finding->text);
        assert_int_equal(finding->level, level);
        if (level > FINDING_INFO)
                assert_true(finding->advice[0]);
}

static void a_good_kernel_is_told_from_an_old_and_a_closed_one(void **state) {
        struct findings findings = { .n = 0 };
        struct tree *tree = *state;

        doctor_kernel(&findings, root(tree));
        expect(&findings, FINDING_WARNING, "kernel", "cannot be read");
        expect(&findings, FINDING_PROBLEM, "BTF", "No such file");
        expect(&findings, FINDING_INFO, "lockdown", "not known");
        expect(&findings, FINDING_WARNING, "cgroups", "not mounted");
        findings_done(&findings);

        tree_file(tree, "proc/sys/kernel/osrelease", "5.10.0-28-amd64\n");
        tree_file(tree, "sys/kernel/btf/vmlinux", "types");
        tree_file(tree, "sys/kernel/security/lockdown", "none integrity [confidentiality]\n");
        tree_file(tree, "proc/sys/kernel/unprivileged_bpf_disabled", "0\n");
        tree_file(tree, "proc/sys/kernel/bpf_stats_enabled", "1\n");
        tree_file(tree, "proc/self/mounts", "proc /proc proc rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n");
        doctor_kernel(&findings, root(tree));
        expect(&findings, FINDING_PROBLEM, "kernel", "Linux 5.10.0-28-amd64 is too old");
        expect(&findings, FINDING_OK, "BTF", "describes its types");
        expect(&findings, FINDING_WARNING, "lockdown", "confidentiality");
        expect(&findings, FINDING_WARNING, "unprivileged BPF", "every user may load programs");
        expect(&findings, FINDING_INFO, "statistics", "on: ");
        expect(&findings, FINDING_OK, "cgroups", "cgroup v2 is mounted");
        findings_done(&findings);

        tree_file(tree, "proc/sys/kernel/osrelease", "6.1.0\n");
        tree_file(tree, "sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
        tree_file(tree, "proc/sys/kernel/unprivileged_bpf_disabled", "2\n");
        doctor_kernel(&findings, root(tree));
        expect(&findings, FINDING_OK, "kernel", "Linux 6.1.0");
        expect(&findings, FINDING_OK, "lockdown", "integrity");
        expect(&findings, FINDING_OK, "unprivileged BPF", "disabled (2)");
        findings_done(&findings);
}

static void a_kernel_that_cannot_trace_is_told_from_one_that_is_told_not_to(void **state) {
        struct findings findings = { .n = 0 };
        struct tree *tree = *state;

        doctor_kernel(&findings, root(tree));
        expect(&findings, FINDING_PROBLEM, "tracing", "this kernel cannot trace");
        findings_done(&findings);
        tree_directory(tree, "sys/kernel/tracing");
        doctor_kernel(&findings, root(tree));
        expect(&findings, FINDING_WARNING, "tracing", "cannot trace functions");
        findings_done(&findings);
        tree_file(tree, "proc/sys/kernel/ftrace_enabled", "0\n");
        doctor_kernel(&findings, root(tree));
        expect(&findings, FINDING_WARNING, "tracing", "kernel.ftrace_enabled is 0");
        assert_string_equal(find(&findings, "tracing")->advice, "sysctl kernel.ftrace_enabled=1");
        findings_done(&findings);
        tree_file(tree, "proc/sys/kernel/ftrace_enabled", "1\n");
        doctor_kernel(&findings, root(tree));
        expect(&findings, FINDING_OK, "tracing", "functions");
        findings_done(&findings);
}

static void a_user_namespace_is_named_as_what_refuses(void **state) {
        struct findings findings = { .n = 0 };
        struct tree *tree = *state;

        tree_file(tree, "proc/self/uid_map", "         0       1000          1\n");
        doctor_surroundings(&findings, root(tree), 0);
        expect(&findings, FINDING_PROBLEM, "user namespace", "Operation not permitted");
        findings_done(&findings);
        tree_file(tree, "proc/7/uid_map", "         0          0 4294967295\n");
        doctor_surroundings(&findings, root(tree), 7);
        expect(&findings, FINDING_OK, "user namespace", "the daemon is in the machine's own");
        findings_done(&findings);
        tree_file(tree, "proc/7/uid_map", "         0     100000      65536\n");
        doctor_surroundings(&findings, root(tree), 7);
        expect(&findings, FINDING_PROBLEM, "user namespace", "Operation not permitted");
        findings_done(&findings);
}

static void a_hidden_proc_is_told_unless_the_service_may_look(void **state) {
        struct findings findings = { .n = 0 };
        struct tree *tree = *state;

        tree_file(tree, "proc/self/mounts", "proc /proc proc rw,nosuid,hidepid=invisible 0 0\n");
        doctor_surroundings(&findings, root(tree), 0);
        expect(&findings, FINDING_WARNING, "hidepid", "hides processes of others from the service");
        findings_done(&findings);
        tree_file(tree, "proc/self/mounts", "proc /proc proc rw,hidepid=2,gid=997 0 0\n");
        tree_file(tree, "etc/group", "wheel:x:998:\nsocktally:x:997:\n");
        doctor_surroundings(&findings, root(tree), 0);
        expect(&findings, FINDING_OK, "hidepid", "not from group socktally");
        findings_done(&findings);
        tree_file(tree, "etc/group", "wheel:x:997:\nsocktally:x:998:\n");
        doctor_surroundings(&findings, root(tree), 0);
        expect(&findings, FINDING_WARNING, "hidepid", "hides processes of others from the service");
        findings_done(&findings);
        tree_file(tree, "proc/self/mounts", "proc /proc proc rw,hidepid=off 0 0\nproc /x proc rw,hidepid=2 0 0\n");
        doctor_surroundings(&findings, root(tree), 0);
        expect(&findings, FINDING_OK, "hidepid", "everybody sees");
        findings_done(&findings);
}

static void a_second_daemon_is_found_and_a_child_is_none(void **state) {
        struct findings findings = { .n = 0 };
        struct tree *tree = *state;

        tree_file(tree, "proc/7/comm", "socktallyd\n");
        tree_file(tree, "proc/7/status", "Name:\tsocktallyd\nPPid:\t1\n");
        tree_file(tree, "proc/8/comm", "socktallyd\n");
        tree_file(tree, "proc/8/status", "Name:\tsocktallyd\nPPid:\t7\n");
        tree_file(tree, "proc/9/comm", "bash\n");
        doctor_surroundings(&findings, root(tree), 7);
        expect(&findings, FINDING_OK, "other daemons", "none");
        findings_done(&findings);
        tree_file(tree, "proc/9/comm", "socktallyd\n");
        tree_file(tree, "proc/9/status", "Name:\tsocktallyd\nPPid:\t1\n");
        doctor_surroundings(&findings, root(tree), 7);
        expect(&findings, FINDING_WARNING, "other daemons", "PID 9 runs too");
        findings_done(&findings);
        tree_file(tree, "proc/9/comm", "bash\n");
        doctor_surroundings(&findings, root(tree), 0);
        expect(&findings, FINDING_WARNING, "other daemons", "PID 7 runs, but is not on the bus");
        findings_done(&findings);
}

static void locked_memory_is_told(void **state) {
        struct findings findings = { .n = 0 };
        struct tree *tree = *state;

        tree_file(tree, "proc/self/limits", "Limit Soft Hard\nMax locked memory  0  0  bytes\n");
        doctor_surroundings(&findings, root(tree), 0);
        expect(&findings, FINDING_OK, "locked memory", "0 bytes; no matter");
        findings_done(&findings);
        tree_file(tree, "proc/7/limits", "Max locked memory         unlimited            unlimited            bytes\n");
        doctor_surroundings(&findings, root(tree), 7);
        expect(&findings, FINDING_OK, "locked memory", "unlimited");
        findings_done(&findings);
}

static void a_daemon_without_its_capabilities_is_a_problem(void **state) {
        struct findings findings = { .n = 0 };
        struct tree *tree = *state;

        tree_file(tree, "proc/self/status", "Name:\tx\nCapEff:\t0000000000000000\n");
        tree_file(tree, "proc/7/status", "CapEff:\t000000c000001000\n"); /* BPF, PERFMON, NET_ADMIN */
        doctor_capabilities(&findings, root(tree), 7);
        expect(&findings, FINDING_OK, "own capabilities", "a daemon would also need CAP_BPF CAP_PERFMON CAP_NET_ADMIN");
        expect(&findings, FINDING_OK, "capabilities", "has all");
        findings_done(&findings);
        tree_file(tree, "proc/7/status", "CapEff:\t000000c000000000\n");
        doctor_capabilities(&findings, root(tree), 7);
        expect(&findings, FINDING_WARNING, "capabilities", "without CAP_NET_ADMIN, UDP costs more");
        findings_done(&findings);
        tree_file(tree, "proc/7/status", "CapEff:\t0000008000000000\n");
        doctor_capabilities(&findings, root(tree), 7);
        expect(&findings, FINDING_PROBLEM, "capabilities", "without CAP_PERFMON CAP_NET_ADMIN");
        findings_done(&findings);
        tree_file(tree, "proc/7/status", "CapEff:\t0000000000200000\n"); /* SYS_ADMIN includes them */
        doctor_capabilities(&findings, root(tree), 7);
        expect(&findings, FINDING_OK, "capabilities", "has all");
        findings_done(&findings);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, tree_setup, tree_teardown)
        const struct CMUnitTest cases[] = {
                CASE(a_good_kernel_is_told_from_an_old_and_a_closed_one),
                CASE(a_kernel_that_cannot_trace_is_told_from_one_that_is_told_not_to),
                CASE(a_user_namespace_is_named_as_what_refuses),
                CASE(a_hidden_proc_is_told_unless_the_service_may_look),
                CASE(a_second_daemon_is_found_and_a_child_is_none),
                CASE(locked_memory_is_told),
                CASE(a_daemon_without_its_capabilities_is_a_problem),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(cases, NULL, NULL);
}
