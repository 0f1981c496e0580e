/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SOCKTALLY_BPF_CENSUS_H
#define SOCKTALLY_BPF_CENSUS_H
/*
 * Which tasks may still be in a call that began before a certain moment? The collector walks all tasks at that moment,
 * and those that may are awaited; later walks, and the hooks, strike off who has left. It is an answer in one
 * direction: a task that is not awaited has left, one that is may have.
 *
 * A task that sleeps is where its stack says. One that runs, or could, is awaited until it sleeps, comes to a hook,
 * ends, or has spent time in user space. No return address has a name here: those seen first are printed, and the
 * collector puts into the map "frames" what they are.
 */
#include "bpf/handover.bpf.h"

#define N_FRAMES 64
#define TASK_DEAD 0x80 /* unchanged since Linux 4.14 */

enum frame_kind { FRAME_NEW, FRAME_ASKED, FRAME_OTHER, FRAME_CALL, FRAME_ROOT };

struct {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(map_flags, BPF_F_NO_PREALLOC);
        __uint(max_entries, 8192);
        __type(key, __u64);
        __type(value, __u32);
} frames SEC(".maps");

/* Set by the collector before each walk. */
__u32 census_epoch = 0;
bool census_begins = false;     /* the first walk: all tasks are looked at */
bool census_asks_stacks = false; /* else a task has left as soon as it sleeps */
/* What the walk found. */
__u32 census_awaited = 0;
__u32 census_failed = 0; /* tasks that cannot be awaited, for lack of memory: begin again */

static __u64 stack[N_FRAMES]; /* the walks run one at a time */

static __always_inline __u32 kind_of_frame(struct seq_file *seq, __u64 address) {
        __u32 *known = bpf_map_lookup_elem(&frames, &address), asked = FRAME_ASKED;

        if (known)
                return *known;
        bpf_map_update_elem(&frames, &address, &asked, BPF_NOEXIST);
        BPF_SEQ_PRINTF(seq, "%llx %ps\n", address, address);
        return FRAME_ASKED;
}

/* Does the stack of a sleeping task lead from where it sleeps to where tasks enter the kernel, and not through a call?
 * It must not have run meanwhile. */
static __always_inline bool is_elsewhere(struct seq_file *seq, struct task_struct *task) {
        unsigned long before = task->nvcsw + task->nivcsw;
        __u32 kind = FRAME_NEW;
        long n;

        if (*(volatile int *) &task->on_cpu)
                return false;
        n = bpf_get_task_stack(task, stack, sizeof(stack), 0);
        if (n <= 0 || n >= (long) sizeof(stack) || *(volatile int *) &task->on_cpu ||
            *(volatile unsigned long *) &task->nvcsw + *(volatile unsigned long *) &task->nivcsw != before)
                return false;
        for (int i = 0; i < N_FRAMES && i < n >> 3; i++) {
                kind = kind_of_frame(seq, stack[i]);
                if (kind == FRAME_CALL || kind == FRAME_ASKED)
                        return false;
        }
        return kind == FRAME_ROOT;
}

static __always_inline bool has_left(struct seq_file *seq, struct task_struct *task) {
        unsigned int state = *(volatile unsigned int *) &task->__state;

        if (task->pid == (int) bpf_get_current_pid_tgid()) /* it is here, walking */
                return true;
        if (!state) /* running, or preempted wherever it was */
                return false;
        return !census_asks_stacks || state & TASK_DEAD || is_elsewhere(seq, task);
}

SEC("iter/task")
int look_at_tasks(struct bpf_iter__task *ctx) {
        struct task_struct *task = ctx->task;
        struct passage *p;

        if (!task)
                return 0;
        p = bpf_task_storage_get(&passages, task, 0, 0);
        if (!census_begins) {
                if (!p || p->awaited != census_epoch + 1)
                        return 0;
                if (p->utime != task->utime || has_left(ctx->meta->seq, task))
                        p->awaited = 0;
                else
                        census_awaited++;
                return 0;
        }
        if (has_left(ctx->meta->seq, task))
                return 0;
        if (!p)
                p = bpf_task_storage_get(&passages, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
        if (!p) /* the task itself was first */
                p = bpf_task_storage_get(&passages, task, 0, 0);
        if (!p) {
                census_failed++;
                return 0;
        }
        p->utime = task->utime;
        p->awaited = census_epoch + 1;
        census_awaited++;
        return 0;
}

#endif
