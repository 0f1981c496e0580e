/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/tool-stage.h"

static const char *command(void) {
        const char *name = getenv("SOCKTALLY_COMMAND");

        return name ? name : "./socktally";
}

static void run(struct stage *stage, int out, int err, uid_t uid, const char *const *arguments) {
        const char *argv[32] = { "socktally" };

        for (size_t i = 0; arguments[i] && i < 30; i++)
                argv[i + 1] = arguments[i];
        if (dup2(out, STDOUT_FILENO) < 0 || dup2(err, STDERR_FILENO) < 0)
                _exit(126);
        close(STDIN_FILENO);
        if (open("/dev/null", O_RDONLY) < 0)
                _exit(126);
        setenv("DBUS_SYSTEM_BUS_ADDRESS", stage->address, 1);
        setenv("SOCKTALLY_RUNTIME_DIRECTORY", stage->directory, 1);
        setenv("LC_ALL", "C.UTF-8", 1);
        setenv("TZ", "UTC", 1);
        if (uid != (uid_t) -1 &&
            (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0))
                _exit(126);
        execv(command(), (char **) argv);
        _exit(127);
}

/* Files hold what it says however much that is; a pipe that nobody reads would not. */
static FILE *new_file(void) {
        FILE *file = tmpfile();

        assert_non_null(file);
        return file;
}

static void take(FILE *file, char *text, size_t size) {
        size_t n;

        rewind(file);
        n = fread(text, 1, size - 1, file);
        text[n] = '\0';
        fclose(file);
}

void tool_stage_run(struct stage *stage, struct said *ret_said, uid_t uid, const char *const *arguments) {
        FILE *out = new_file(), *err = new_file();
        pid_t pid = fork();
        int status;

        if (pid == 0)
                run(stage, fileno(out), fileno(err), uid, arguments);
        assert_true(pid > 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        ret_said->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        take(out, ret_said->out, sizeof ret_said->out);
        take(err, ret_said->err, sizeof ret_said->err);
}

bool tool_stage_is_open(struct stage *stage) {
        static struct said said;

        SAY_AS_NOBODY(stage, &said, "--version");
        if (said.status == 0)
                return true;
        print_message("# another user cannot run the command in this directory\n");
        return false;
}

void tool_stage_expect(const char *said, const char *text) {
        if (!strstr(said, text))
                fail_msg("\"%s\" is not in \"%s\"", text, said);
}
