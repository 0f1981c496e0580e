/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a process is told that it lacks, the group file, and where log lines go. */
#include <errno.h>
#include <linux/capability.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/log.h"
#include "daemon/privilege.h"
#include "tests/unit/tree.h"

static void a_process_without_privilege_is_told_all_that_is_missing(void **state) {
        char missing[64], short_room[8];
        int status;
        pid_t pid;

        if (geteuid() != 0)
                skip();
        pid = fork();
        if (pid == 0) {
                if (setuid(65534) < 0 || privilege_missing(missing, sizeof missing) != 2 ||
                    privilege_missing(short_room, sizeof short_room) != 2)
                        _exit(1);
                _exit(strcmp(missing, "CAP_BPF CAP_PERFMON CAP_NET_ADMIN") != 0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
}

/* Exits with the number of what is not as in the unit. */
static void play_service(const char *path) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
        const uint64_t all = UINT64_C(1) << CAP_BPF | UINT64_C(1) << CAP_PERFMON | UINT64_C(1) << CAP_NET_ADMIN;
        char held[64], missing[64];

        if (privilege_become(path, "nobody-here") != -ENOENT || geteuid() != 0)
                _exit(1);
        if (privilege_become(path, "socktally") != 0)
                _exit(2);
        if (getuid() != 12345 || geteuid() != 12345 || getgid() != 12346 || getegid() != 12346 || getgroups(0, NULL))
                _exit(3);
        if (setuid(0) == 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
                _exit(4);
        if (syscall(SYS_capget, &header, data) < 0)
                _exit(5);
        if ((data[0].effective | (uint64_t) data[1].effective << 32) & ~all || data[0].effective != data[0].permitted ||
            data[1].effective != data[1].permitted)
                _exit(6);
        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_NET_ADMIN, 0, 0) != 1) /* for what it executes */
                _exit(7);
        privilege_held(held, sizeof held);
        _exit(privilege_missing(missing, sizeof missing) == 0 && !missing[0] &&
              strcmp(held, "CAP_BPF CAP_PERFMON CAP_NET_ADMIN") != 0 ? 8 : 0);
}

static void a_root_process_takes_the_rights_of_the_service(void **state) {
        const char *path = tree_file(*state, "passwd", "root:x:0:0::/:/bin/sh\nsocktally:x:12345:12346::/:/bin/no\n");
        int status;
        pid_t pid;

        if (geteuid() != 0)
                skip();
        pid = fork();
        if (pid == 0)
                play_service(path);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
}

static void the_group_is_found_in_the_file(void **state) {
        struct tree *tree = *state;
        const char *path = tree_file(tree, "group", "root:x:0:\nsocktally-x:x:5:\nsocktally:x:997:anna\nlast:x:1:\n");
        gid_t gid = 1;

        assert_int_equal(privilege_group(path, "socktally", &gid), 0);
        assert_int_equal(gid, 997);
        assert_int_equal(privilege_group(path, "nobody", &gid), -ENOENT);
        assert_int_equal(privilege_group(tree_path(tree, "missing"), "socktally", &gid), -ENOENT);
        assert_int_equal(gid, 997);
}

/* Runs with stderr in a file and returns what is in it. */
static void log_into(struct tree *tree, bool is_journal, char text[4096]) {
        const char *path = tree_file(tree, "log", "");
        char stream[64];
        struct stat st;
        FILE *file;
        int kept = dup(STDERR_FILENO);

        assert_non_null(freopen(path, "a", stderr));
        assert_int_equal(fstat(STDERR_FILENO, &st), 0);
        snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t) st.st_dev, (uintmax_t) st.st_ino + !is_journal);
        setenv("JOURNAL_STREAM", stream, 1);
        log_line(LOG_WARNING, "one %s\ntwo", "word");
        log_line(LOG_INFO, "%02000d", 0);
        dup2(kept, STDERR_FILENO);
        close(kept);
        unsetenv("JOURNAL_STREAM");
        file = fopen(path, "re");
        text[fread(text, 1, 4095, file)] = '\0';
        fclose(file);
}

static void a_log_line_is_one_line_and_bounded(void **state) {
        char text[4096];

        log_into(*state, false, text);
        assert_memory_equal(text, "socktallyd: one word two\nsocktallyd: 000", 40);
        assert_in_range(strlen(text), 1000, 1100);
        assert_int_equal(text[strlen(text) - 1], '\n');
}

static void the_journal_gets_priorities(void **state) {
        char text[4096];

        log_into(*state, true, text);
        assert_memory_equal(text, "<4>one word two\n<6>000", 22);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_process_without_privilege_is_told_all_that_is_missing),
                cmocka_unit_test_setup_teardown(a_root_process_takes_the_rights_of_the_service, tree_setup,
                                                tree_teardown),
                cmocka_unit_test_setup_teardown(the_group_is_found_in_the_file, tree_setup, tree_teardown),
                cmocka_unit_test_setup_teardown(a_log_line_is_one_line_and_bounded, tree_setup, tree_teardown),
                cmocka_unit_test_setup_teardown(the_journal_gets_priorities, tree_setup, tree_teardown),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
