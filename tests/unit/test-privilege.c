/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a process is told that it lacks, the group file, and where log lines go. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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
                cmocka_unit_test_setup_teardown(the_group_is_found_in_the_file, tree_setup, tree_teardown),
                cmocka_unit_test_setup_teardown(a_log_line_is_one_line_and_bounded, tree_setup, tree_teardown),
                cmocka_unit_test_setup_teardown(the_journal_gets_priorities, tree_setup, tree_teardown),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
