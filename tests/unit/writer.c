/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A process that owns the fixture's segment: its end is what readers hear of. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/writer.h"

pid_t writer_fork(void) {
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0)
                prctl(PR_SET_PDEATHSIG, SIGKILL);
        return pid;
}

pid_t writer_start(struct fixture *f, void (*act)(struct fixture *f)) {
        int pipe_fds[2];
        pid_t pid;
        char done;

        f->segment = segment_free(f->segment, false);
        assert_int_equal(pipe(pipe_fds), 0);
        pid = writer_fork();
        if (pid == 0) {
                if (segment_new(&f->segment, &f->config) < 0)
                        _exit(1);
                act(f);
                if (write(pipe_fds[1], "x", 1) != 1)
                        _exit(1);
                for (;;)
                        pause();
        }
        close(pipe_fds[1]);
        assert_int_equal(read(pipe_fds[0], &done, 1), 1);
        close(pipe_fds[0]);
        return pid;
}

void writer_kill(pid_t pid, int signal) {
        int status;

        assert_int_equal(kill(pid, signal), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
}
