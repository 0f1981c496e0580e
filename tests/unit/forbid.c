/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A seccomp filter that traps. It needs no privilege, and cannot be taken off again: use it in a process made for it.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/unit/forbid.h"

static int32_t *call_made; /* a signal handler has no other way to know */

void forbidden_exit(int status) {
        for (;;)
                (void) syscall(SYS_exit_group, status);
}

static void on_trap(int signo, siginfo_t *info, void *context) {
        *call_made = info->si_syscall;
        forbidden_exit(1);
}

int forbid_calls(int32_t *ret_call) {
        struct sock_filter code[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 2, 0),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigreturn, 1, 0),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = { .len = sizeof(code) / sizeof(code[0]), .filter = code };
        struct sigaction action = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };

        call_made = ret_call;
        if (sigaction(SIGSYS, &action, NULL) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -errno;
        return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 ? -errno : 0;
}
