/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SOCKTALLY_BPF_TRUNCATED_H
#define SOCKTALLY_BPF_TRUNCATED_H
/*
 * A datagram received with MSG_TRUNC in the flags returns its full length, but only what fits is copied. The tracepoint
 * does not say how large the buffer was; the system call's arguments do. Known for recvfrom() and recvmsg() on x86-64;
 * elsewhere, and for recvmmsg() and io_uring, the full length is counted, and the manual says so.
 */
#include "bpf/maps.bpf.h"

#define SYSCALL_RECVFROM 45 /* x86-64 */
#define SYSCALL_RECVMSG 47
#define N_IOVECS 16

/* As user space lays them out. */
struct user_iovec {
        __u64 base;
        __u64 size;
};

struct user_message {
        __u64 name;
        __u64 name_size;
        __u64 iov;
        __u64 iov_count;
};

static __noinline __u32 size_of_message(__u64 address) {
        struct user_message message;
        struct user_iovec iov;
        __u64 size = 0;

        if (bpf_probe_read_user(&message, sizeof(message), (const void *) address))
                return -1U;
        for (int i = 0; i < N_IOVECS; i++) {
                if ((__u64) i >= message.iov_count)
                        return size > 0x7fffffff ? 0x7fffffff : size;
                if (bpf_probe_read_user(&iov, sizeof(iov), (const void *) (message.iov + i * sizeof(iov))))
                        return -1U;
                size += iov.size;
        }
        return -1U;
}

static __always_inline __u32 copied_by_call(__u32 n, bool reads_user) {
        __u32 size = -1U;

        if (bpf_core_field_exists(((struct pt_regs *) 0)->orig_ax)) {
                struct pt_regs *regs = (struct pt_regs *) bpf_task_pt_regs(bpf_get_current_task_btf());

                /* What a call returns is not there yet while it runs. When it is, this is a receive of io_uring, which
                 * the task completes on its way back from a call of its own. */
                if ((__s64) regs->ax != -ENOSYS)
                        return n;
                if (regs->orig_ax == SYSCALL_RECVFROM)
                        size = regs->dx > 0x7fffffff ? 0x7fffffff : regs->dx;
                else if (reads_user && regs->orig_ax == SYSCALL_RECVMSG)
                        size = size_of_message(regs->si);
        }
        return n < size ? n : size;
}

#endif
